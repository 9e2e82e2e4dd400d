"""Options of the networks that studies vary: the defaults are as they were, and what they make can be exported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from ai_edge_litert.interpreter import Interpreter

from celestial_edge.compress.channel_units import find_units
from celestial_edge.compress.network import Network
from celestial_edge.compress.twin import build_twin
from celestial_edge.recipes import STATIC_INT8, WHOLE
from celestialkeras.errors import ModelError
from celestialkeras.models.celestialnet_edge import celestialnet_edge
from celestialkeras.models.hr_celestialnet import RULE, hr_celestialnet
from celestialkeras.models.padding import Window, smallest_side
from toy_networks import logits_of

EDGE = [
    *("frame", "stem_conv", "stem_bn", "stem_relu"),
    *(
        f"stage{stage}_{layer}"
        for stage in ("1_1", "2_1", "2_2", "3_1", "3_2", "4_1", "4_2")
        for layer in ("conv", "bn", "relu")
    ),
    *("mean", "peak", "mean_dense", "peak_dense", "pooled", "logits", "probabilities"),
]


def test_the_default_compact_network_is_as_it_was() -> None:
    model = celestialnet_edge((64, 96, 1))
    assert [layer.name for layer in model.layers] == EDGE
    assert model.count_params() == 726_402
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert {(one.padding, one.dilation_rate, one.use_bias) for one in convolutions} == {("same", (1, 1), False)}
    assert [one.kernel_size[0] for one in convolutions] == [8, 3, 3, 3, 3, 3, 3, 3]
    assert [one.strides[0] for one in convolutions] == [8, 1, 2, 1, 2, 1, 2, 1]


def test_the_published_network_is_as_it_was() -> None:
    model = hr_celestialnet((1322, 1322, 1), width=0.03)
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [one.kernel_size[0] for one in convolutions] == [7, 7, 5, 5, 3, 3, 3, 3, 3, 3, 3, 3]
    assert {one.padding for one in convolutions} == {"valid"}
    assert model.get_layer("stage7_pool").output.shape[1:3] == (1, 1)
    assert RULE.minimum_side == 1322


@pytest.mark.parametrize(
    ("windows", "side"),
    [([], 1), ([Window(3)], 3), ([Window(8, 8)], 8), ([Window(3, 2), Window(5)], 11), ([Window(5), Window(2, 2)], 6)],
)
def test_the_smallest_side_leaves_one_pixel(windows: list[Window], side: int) -> None:
    assert smallest_side(windows) == side


@pytest.mark.parametrize(("stem_kernel", "kernels"), [(5, [5, 5, 3, 3]), (3, [3, 3, 3, 3])])
def test_smaller_kernels_of_the_published_network(stem_kernel: int, kernels: list[int]) -> None:
    model = hr_celestialnet((268, 268, 1), width=0.03, stem_kernel=stem_kernel, padding="same")
    convolutions = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [one.kernel_size[0] for one in convolutions][:4] == kernels
    # Of the smallest side that it takes, one pixel is left.
    assert model.get_layer("stage7_pool").output.shape[1:3] == (1, 1)


def test_sides_that_leave_nothing_are_refused() -> None:
    with pytest.raises(ModelError, match="at least 268 pixels: the seven poolings leave nothing"):
        hr_celestialnet((267, 268, 1), padding="same")
    with pytest.raises(ModelError, match="at least 1322 pixels: the seven unpadded stages leave nothing"):
        hr_celestialnet((1321, 1322, 1))
    with pytest.raises(ModelError, match=r"at least 360 pixels .* or padding='same'\. Received: .*352"):
        celestialnet_edge((352, 384, 1), padding="valid")
    celestialnet_edge((384, 384, 1), padding="valid", width=0.05)


@pytest.mark.parametrize(
    ("factory", "option", "value"),
    [
        (celestialnet_edge, "stem_kernel", 1),
        (celestialnet_edge, "stem_kernel", 17),
        (celestialnet_edge, "padding", "full"),
        (celestialnet_edge, "attention", "all"),
        (celestialnet_edge, "dilation", 0),
        (hr_celestialnet, "stem_kernel", 9),
        (hr_celestialnet, "padding", "full"),
    ],
)
def test_senseless_options_of_studies_are_refused(factory: Any, option: str, value: Any) -> None:
    with pytest.raises(ModelError, match=f"`{option}` must be .* Received: {option}={value!r}"):
        factory((1344, 1344, 1), **{option: value})


def test_dilation_widens_what_a_pixel_sees_and_keeps_the_weights() -> None:
    plain, dilated = (celestialnet_edge((64, 64, 1), width=0.05, dilation=rate) for rate in (1, 3))
    assert [w.shape for w in plain.weights] == [w.shape for w in dilated.weights]
    rates = {layer.name: layer.dilation_rate for layer in dilated.layers if isinstance(layer, keras.layers.Conv2D)}
    assert {name for name, rate in rates.items() if rate == (3, 3)} == {f"stage{k}_2_conv" for k in (2, 3, 4)}


def test_attention_weighs_each_channel_of_a_stage_by_one_number_between_0_and_1() -> None:
    keras.utils.set_random_seed(1)
    model = celestialnet_edge((64, 64, 1), width=0.25, attention="squeeze_excite")
    layers = [model.get_layer(name).output for name in ("stage3_2_relu", "stage3_gate", "stage3_weighed")]
    frames = np.random.default_rng(1).random((2, 64, 64, 1), np.float32)
    maps, gate, weighed = (np.asarray(one) for one in keras.Model(model.input, layers).predict_on_batch(frames))
    assert gate.shape == (2, 1, 1, 32)
    assert ((gate > 0) & (gate < 1)).all()
    np.testing.assert_allclose(weighed, maps * gate, rtol=1e-6)


@pytest.fixture(scope="module")
def varied() -> Any:
    """All options of the compact network at once, its moving averages as training leaves them, and some frames."""
    keras.utils.set_random_seed(5)
    options = {"stem_kernel": 7, "stem_stride": 4, "padding": "valid", "attention": "squeeze_excite", "dilation": 2}
    model = celestialnet_edge((320, 320, 1), width=0.25, **options)
    codes = [
        (255 * np.random.default_rng(k).random((320, 320)) ** (1 + 7 * (k % 2))).astype(np.uint8) for k in range(6)
    ]
    frames = np.stack(codes)[..., np.newaxis].astype(np.float32) / 255
    for _ in range(20):
        model(frames, training=True)
    return model, codes, frames


def test_a_network_with_every_option_becomes_int8(varied: Any, tmp_path: Path) -> None:
    model, codes, frames = varied
    layout, (segment,) = Network(model, codes, WHOLE).write(tmp_path, STATIC_INT8)
    # Not the plain converter's, which is for what cannot be read as a graph of layers.
    assert layout == WHOLE
    interpreter = Interpreter(str(tmp_path / segment.file))
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    assert (source["dtype"], target["dtype"]) == (np.int8, np.int8)
    found = []
    for frame in codes:
        codes_in = (frame.astype(np.int16) - 128).astype(np.int8)
        interpreter.set_tensor(source["index"], codes_in.reshape(source["shape"]))
        interpreter.invoke()
        code = interpreter.get_tensor(target["index"])[0].astype(np.float32)
        found.append((code - target["quantization"][1]) * target["quantization"][0])
    expected = logits_of(model, frames)
    assert np.abs(np.array(found) - expected).max() < 0.15 * np.ptp(expected)


def test_its_channels_can_be_followed_and_its_twin_computes_the_same(varied: Any) -> None:
    model, _, frames = varied
    units = find_units(model)
    # The filters of a stage and those of its gate stand and fall together.
    (tied,) = [group for group in units.groups if "stage3_2_conv" in group.convolutions]
    assert tied.convolutions == ("stage3_2_conv", "stage3_expand")
    np.testing.assert_allclose(
        build_twin(model).predict(frames, verbose=0), model.predict(frames, verbose=0), atol=1e-5
    )
