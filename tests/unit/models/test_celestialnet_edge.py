import math
import warnings

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from celestialkeras.errors import ModelError
from celestialkeras.models.celestialnet_edge import celestialnet_edge
from celestialkeras.models.cost import registered_cost


@pytest.mark.parametrize(("shape", "gmac"), [((2048, 4096, 1), 5.95), ((1024, 2048, 1), 1.49), ((512, 1024, 1), 0.37)])
def test_stays_under_its_caps_at_every_size_it_is_meant_for(shape, gmac):
    cost = registered_cost("celestialnet_edge", shape)
    assert cost.gmac <= 6.0
    assert cost.total <= 3_000_000
    assert round(cost.gmac, 2) == gmac


@pytest.mark.parametrize(("shape", "stride"), [((2048, 4096, 1), 8), ((512, 1024, 1), 4), ((64, 64, 1), 2)])
def test_stem_divides_the_sides_by_its_stride(shape, stride):
    stem = celestialnet_edge(shape, width=0.05, stem_stride=stride).get_layer("stem_conv")
    assert stem.strides == (stride, stride)
    assert stem.output.shape[1:3] == (shape[0] // stride, shape[1] // stride)


def test_weights_carry_over_between_stem_strides_and_sizes():
    binned = celestialnet_edge((64, 96, 1), width=0.1, stem_stride=4)
    whole = celestialnet_edge((128, 160, 1), width=0.1, stem_stride=8)
    whole.set_weights(binned.get_weights())
    assert all(np.array_equal(a, b) for a, b in zip(whole.get_weights(), binned.get_weights(), strict=True))


@pytest.mark.parametrize("shape", [(32, 32, 1), (96, 32, 1), (160, 224, 1)])
def test_takes_any_multiple_of_32(shape):
    assert celestialnet_edge(shape, width=0.05).predict(np.zeros((1, *shape), "float32"), verbose=0).shape == (1, 2)


@pytest.mark.parametrize("shape", [(48, 64, 1), (512, 1000, 1)])
def test_other_sides_are_refused_with_the_reason(shape):
    with pytest.raises(ModelError, match="multiples of 32: the stem and the strided stages halve"):
        celestialnet_edge(shape)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("stem_stride", 3),
        ("stem_stride", 0),
        ("width", 0),
        ("width", math.nan),
        ("width", math.inf),
        ("classes", 1),
    ],
)
def test_senseless_options_are_refused(option, value):
    with pytest.raises(ModelError, match=f"`{option}` must be .* Received: {option}={value}"):
        celestialnet_edge((64, 64, 1), **{option: value})


def test_one_bright_knot_reaches_the_head_through_the_peak_and_hardly_through_the_mean():
    keras.utils.set_random_seed(5)
    model = celestialnet_edge((256, 256, 1), width=0.25)
    head = keras.Model(model.input, [model.get_layer("mean").output, model.get_layer("peak").output])
    sky = np.full((1, 256, 256, 1), 0.2, "float32")
    knot = sky.copy()
    knot[0, 100:104, 60:64] = 1.0
    dark, bright = head.predict(sky, verbose=0), head.predict(knot, verbose=0)
    mean_change, peak_change = (np.abs(b - d).max() for b, d in zip(bright, dark, strict=True))
    assert peak_change > 3 * mean_change > 0


@pytest.fixture(scope="module")
def small():
    keras.utils.set_random_seed(5)
    model = celestialnet_edge((128, 128, 1), width=0.5)
    frames = np.random.default_rng(5).random((32, 128, 128, 1), np.float32)
    # Some frames have knots, so that answers differ; moving averages as training leaves them.
    frames[::2] **= 8
    for _ in range(40):
        model(frames, training=True)
    return keras.Model(model.input, model.get_layer("logits").output), frames


@pytest.fixture(scope="module")
def int8(small):
    model, frames = small
    converter = tf.lite.TFLiteConverter.from_keras_model(model)
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([frame[np.newaxis]] for frame in frames)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter.inference_input_type = converter.inference_output_type = tf.int8
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Statistics for quantized inputs")
        interpreter = Interpreter(model_content=converter.convert())
    interpreter.allocate_tensors()
    return interpreter


def test_converts_fully_to_int8(int8):
    kinds = {np.dtype(detail["dtype"]).name for detail in int8.get_tensor_details()}
    assert kinds == {"int8", "int32"}


def test_xnnpack_takes_every_operator(int8):
    # One delegate from the model's input to its output: an operator left outside would cut it in two.
    (delegate,) = [op for op in int8._get_ops_details() if op["op_name"] == "DELEGATE"]
    assert int8.get_input_details()[0]["index"] in delegate["inputs"]
    assert list(delegate["outputs"]) == [int8.get_output_details()[0]["index"]]


def test_int8_logits_follow_the_float_ones(small, int8):
    model, frames = small
    source, target = int8.get_input_details()[0], int8.get_output_details()[0]
    scale, zero = source["quantization"]
    quantized = []
    for frame in frames:
        int8.set_tensor(source["index"], np.round(frame[np.newaxis] / scale + zero).clip(-128, 127).astype(np.int8))
        int8.invoke()
        code = int8.get_tensor(target["index"])[0].astype(np.float32)
        quantized.append((code - target["quantization"][1]) * target["quantization"][0])
    expected = model.predict(frames, verbose=0)
    assert np.abs(quantized - expected).max() < 0.1 * np.ptp(expected)
