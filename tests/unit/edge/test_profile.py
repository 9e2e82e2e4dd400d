from __future__ import annotations

import keras
import pytest
from keras import layers

from celestial_edge.compress.profile import profile_model
from celestialkeras.errors import ModelError
from celestialkeras.models.cost import model_cost
from toy_networks import conv_norm_relu, few_channels, network, residual, two_stages


def test_layers_are_counted_by_hand() -> None:
    found = profile_model(network(conv_norm_relu, (10, 12, 1)))
    convolution, flatten, logits = found.layers
    assert (convolution.name, convolution.kind) == ("relu", "Convolution 3 x 3 + ReLU")
    assert convolution.shape == (8, 10, 6)
    assert convolution.parameters == 9 * 6 + 6, "the norm is folded in"
    assert convolution.macs == 8 * 10 * 9 * 6
    assert convolution.activations == {"static_wi8_ai8": 8 * 10 * 6, "float32": 4 * 8 * 10 * 6}
    assert convolution.indirection == 8 * 9 * 8 * 10
    assert (flatten.shape, flatten.parameters, flatten.macs, flatten.indirection) == ((480,), 0, 0, 0)
    assert (logits.kind, logits.parameters, logits.macs, logits.indirection) == ("Dense", 480 * 2 + 2, 960, 0)
    assert (found.model, found.input_shape, found.refused) == ("toy", (10, 12, 1), "")
    assert found.parameters == 60 + 962
    assert found.macs == 8 * 10 * 9 * 6 + 960


def test_strides_are_named_and_other_layers_go_by_their_class() -> None:
    kinds = [layer.kind for layer in profile_model(network(residual)).layers]
    assert kinds[:2] == ["Convolution 7 x 7 / 2 x 2", "Convolution 3 x 3"]
    assert "GlobalAveragePooling2D" in kinds


def test_work_as_drawn_is_the_keras_models() -> None:
    for body in (two_stages, residual, few_channels(5, stride=2)):
        model = network(body, (128, 136, 1))
        assert profile_model(model).macs == model_cost(model).macs


def test_layouts_trade_pointers_for_work() -> None:
    plain, whole, strips = profile_model(network(two_stages, (512, 1024, 1))).layouts
    assert (plain.layout, whole.layout, strips.layout) == ("plain", "whole", "strips")
    assert plain.runs == whole.runs == (1,)
    assert strips.runs == (5, 2, 1)
    assert {layer.graph for layer in strips.layers} == set(range(len(strips.runs)))
    assert strips.macs == sum((layer.macs or 0) * strips.runs[layer.graph] for layer in strips.layers)
    assert plain.macs is not None
    # Folded columns bring zeros, and neighbouring strips a few rows twice.
    assert plain.macs < strips.macs < 2 * plain.macs
    for recipe in ("static_wi8_ai8", "float32"):
        assert plain.footprints[recipe].peak > whole.footprints[recipe].peak > strips.footprints[recipe].peak
        assert plain.footprints[recipe].indirection == sum(layer.indirection or 0 for layer in plain.layers)


def test_a_model_that_cannot_be_read_gives_its_layers_and_the_reason() -> None:
    frame = keras.Input((10, 12, 1))
    twice = layers.Conv2D(1, 3, padding="same", name="twice")
    logits = layers.Dense(2, name="logits")(layers.Flatten()(twice(twice(frame))))
    found = profile_model(keras.Model(frame, layers.Softmax()(logits)))
    assert "'twice'" in found.refused
    assert found.refused.endswith("is called more than once")
    assert found.layouts == ()
    layer = next(one for one in found.layers if one.name == "twice")
    assert (layer.kind, layer.shape, layer.parameters, layer.indirection) == ("Conv2D", (10, 12, 1), 10, None)
    assert layer.macs == 2 * 10 * 12 * 9
    assert found.macs == 2 * 10 * 12 * 9 + 120 * 2


def test_work_that_cannot_be_counted_is_not_left_out_of_the_sum() -> None:
    found = profile_model(network(lambda layers, x: layers.Conv2DTranspose(2, 3, name="up")(x), (10, 12, 1)))
    assert found.layers[0].macs is None
    assert found.macs is None
    assert found.layouts[0].macs is None
    assert found.layers[0].parameters == 9 * 2 + 2


def test_an_open_size_is_refused() -> None:
    frame = keras.Input((None, None, 1))
    logits = layers.Dense(2, name="logits")(layers.GlobalMaxPooling2D()(frame))
    with pytest.raises(ModelError, match=r"leaves its input shape open.*Received: input_shape=\(None, None, 1\)"):
        profile_model(keras.Model(frame, layers.Softmax()(logits)))
