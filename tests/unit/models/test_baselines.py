"""What each baseline is: its size, and that saying it in standard layers has not changed what it computes."""

import math

import keras
import numpy as np
import pytest
from keras import layers

from celestial_edge.compress.lowering import lower
from celestialkeras.errors import ModelError
from celestialkeras.models.alexnet import RULE, alexnet
from celestialkeras.models.applications import standard_layers
from celestialkeras.models.cost import registered_cost
from celestialkeras.models.modern import convnext_tiny, mobilenet_v3_small
from celestialkeras.models.resnet import resnet18
from celestialkeras.models.vggnet import vgg16


@pytest.mark.parametrize(
    ("name", "trainable", "gmac"),
    [("alexnet", 21_567_522, 10.95), ("resnet18", 11_171_266, 18.13), ("vgg16_bn", 33_608_514, 159.77)],
)
def test_costs_at_a_frame_binned_by_four(name, trainable, gmac):
    cost = registered_cost(name, (512, 1024, 1))
    assert cost.trainable == trainable
    assert round(cost.gmac, 2) == gmac


def test_resnet18_has_the_published_weights_but_for_channels_and_classes():
    # 11,689,512 as published: less two channels of the stem, less the dense layer of 1000 classes, and ours of 2.
    published, stem, dense, ours = 11_689_512, 2 * 49 * 64, 513_000, 1026
    assert registered_cost("resnet18", (64, 64, 1)).trainable == published - stem - dense + ours


def test_alexnet_has_one_pixel_left_of_its_smallest_frame():
    side = RULE.minimum_side
    model = alexnet((side, side, 1), width=0.03, hidden_units=4)
    assert model.get_layer("pool5").output.shape[1:3] == (1, 1)
    with pytest.raises(ModelError, match="at least 67 pixels"):
        alexnet((side, side - 1, 1))


@pytest.mark.parametrize(
    ("factory", "option", "value"),
    [
        (alexnet, "width", math.nan),
        (alexnet, "hidden_units", 0),
        (alexnet, "dropout", 1.0),
        (vgg16, "classes", 1),
        (resnet18, "width", 0),
        (mobilenet_v3_small, "dropout", -0.1),
    ],
)
def test_senseless_options_of_baselines_are_refused(factory, option, value):
    with pytest.raises(ModelError, match=f"`{option}` must be .* Received: {option}={value}"):
        factory((96, 96, 1), **{option: value})


def test_convnext_in_standard_layers_computes_what_keras_does(tmp_path):
    keras.utils.set_random_seed(4)
    published = keras.applications.ConvNeXtTiny(include_top=False, weights=None, input_shape=(64, 64, 3))
    for layer in published.layers:
        if type(layer).__name__ == "LayerScale":
            # At its 1e-6 a block adds nothing that could be seen.
            layer.set_weights([np.linspace(0.1, 0.3, layer.projection_dim)])
    published.save(tmp_path / "published.keras")
    model = convnext_tiny((64, 64, 1), weights=str(tmp_path / "published.keras"))
    # Its stem is not padded, so that the frame has no border on which one channel and three would differ.
    frame = np.random.default_rng(5).random((1, 64, 64, 1), np.float32)
    picture = 255 * np.repeat(frame, 3, axis=3)
    expected = keras.Model(published.input, published.layers[-1].input).predict_on_batch(picture)
    found = keras.Model(model.input, model.get_layer("features").input).predict_on_batch(frame)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_mobilenet_in_standard_layers_computes_what_keras_does(tmp_path):
    keras.utils.set_random_seed(4)
    published = keras.applications.MobileNetV3Small((64, 64, 3), include_top=False, weights=None)
    published.save(tmp_path / "published.keras")
    model = mobilenet_v3_small((64, 64, 1), weights=str(tmp_path / "published.keras"))
    # With the constant of the encoding taken out of both, what is padded is zero in both.
    model.get_layer("conv_bn").moving_mean.assign(np.zeros(16))
    frame = np.random.default_rng(5).random((1, 64, 64, 1), np.float32)
    picture = 255 * np.repeat(frame, 3, axis=3) + 127.5
    expected = keras.Model(published.input, published.output).predict_on_batch(picture)
    found = keras.Model(model.input, model.get_layer("features").input).predict_on_batch(frame)
    np.testing.assert_allclose(found, expected, atol=1e-3 * np.abs(expected).max())


def test_operations_without_a_standard_layer_are_refused():
    frame = keras.Input((8, 8, 1))
    with pytest.raises(TypeError, match="no standard layer is known for an operation"):
        standard_layers(keras.ops.abs(layers.Conv2D(1, 3)(frame)))


def test_overlapping_pools_of_three_by_two_are_left_as_they_are():
    lowered = lower(alexnet((80, 96, 1), width=0.05, hidden_units=4))
    pools = {refusal.layer: refusal.reason for refusal in lowered.refusals if refusal.rewrite == "cascade_pool"}
    assert pools == dict.fromkeys(("pool1", "pool2", "pool5"), "a window of 3 is no whole number of strides of 2")
    assert lower(resnet18((64, 64, 1), width=0.05)).graph.output.name == "logits"
