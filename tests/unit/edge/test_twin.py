from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from celestial_edge.compress.twin import (
    SETTINGS,
    NoTwinError,
    build_twin,
    copy_weights,
    import_model_optimization,
    import_tf_keras,
)
from celestialkeras.errors import MissingExtraError
from celestialkeras.models.registry import build_model
from toy_networks import few_channels, network, overlapping_pool, residual, some_frames, two_stages


def every_kind(layers: Any, x: Any) -> Any:
    """One layer at least of each kind that twins are made of, with settings that are not the defaults."""
    x = layers.ZeroPadding2D(((1, 2), (0, 3)), name="padded")(x)
    x = layers.Conv2D(6, (5, 3), (2, 1), padding="same", use_bias=False, name="conv")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-2, name="norm")(x)
    x = layers.ReLU(max_value=2.0, negative_slope=0.1, threshold=0.05, name="relu")(x)
    x = layers.DepthwiseConv2D(3, 2, depth_multiplier=2, activation="relu", name="depthwise")(x)
    x = layers.Conv2D(8, 3, dilation_rate=2, groups=2, activation="tanh", name="grouped")(x)
    x = layers.Dropout(0.3, name="dropout")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="pool")(x)
    x = layers.Cropping2D(((1, 0), (0, 1)), name="cropped")(x)
    y = layers.AveragePooling2D((1, 2), 1, padding="same", name="average")(x)
    x = layers.Activation("sigmoid", name="sigmoid")(layers.Add(name="sum")([x, y]))
    x = layers.Multiply(name="product")([x, layers.GlobalAveragePooling2D(keepdims=True, name="gate")(x)])
    rows = layers.Dense(3, activation="relu", name="rows")(layers.Flatten(name="rows_flat")(x))
    plane = layers.Reshape((-1, 8), name="plane")(x)
    pooled = [layers.GlobalAveragePooling2D(name="mean")(x), layers.GlobalMaxPooling2D(name="peak")(x)]
    return layers.Concatenate(name="joined")([*pooled, rows, layers.Flatten(name="plane_flat")(plane)])


def assert_equal_outputs(model: Any, twin: Any, count: int = 2) -> None:
    frames = some_frames(model, count)
    np.testing.assert_allclose(twin.predict_on_batch(frames), model.predict_on_batch(frames), rtol=0, atol=1e-6)


def test_every_kind_is_among_them() -> None:
    assert {type(layer).__name__ for layer in network(every_kind).layers} == {*SETTINGS, "InputLayer"}


@pytest.mark.parametrize(
    "body",
    [every_kind, overlapping_pool(8, 4), few_channels(7, 2, padding="same"), residual],
    ids=lambda body: body.__name__,
)
def test_twin_computes_what_the_model_does(body: Callable[..., Any]) -> None:
    model = network(body)
    twin = build_twin(model)
    assert type(twin).__module__.startswith("tf_keras")
    assert [layer.name for layer in twin.layers] == [layer.name for layer in model.layers]
    assert_equal_outputs(model, twin)


@pytest.mark.parametrize(
    ("name", "shape", "width"), [("celestialnet_edge", (64, 96, 1), 0.5), ("hr_celestialnet", (1322, 1322, 1), 0.03)]
)
def test_registered_networks_have_twins(name: str, shape: tuple[int, int, int], width: float) -> None:
    model = build_model(name, shape, width=width)
    assert_equal_outputs(model, build_twin(model), count=1)


def test_a_norm_without_offset_has_a_twin() -> None:
    frame = keras.Input((12, 12, 1))
    x = layers.BatchNormalization(center=False, name="norm")(layers.Conv2D(4, 3, name="conv")(frame))
    model = keras.Model(frame, layers.Flatten(name="flatten")(x))
    scale, mean, variance = np.random.default_rng(0).uniform(0.5, 2, (3, 4))
    model.get_layer("norm").set_weights([scale, mean, variance])
    assert_equal_outputs(model, build_twin(model))


def test_weights_go_back_as_they_came() -> None:
    model = network(two_stages, (120, 120, 1))
    twin = build_twin(model)
    rng = np.random.default_rng(2)
    twin.set_weights([rng.normal(0, 0.1, value.shape).astype(np.float32) ** 2 for value in twin.get_weights()])
    copy_weights(twin, model)
    for ours, theirs in zip(model.get_weights(), twin.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert_equal_outputs(model, twin)


def test_twin_has_weights_of_its_own() -> None:
    model = network(few_channels(3))
    before = model.get_weights()
    twin = build_twin(model)
    twin.set_weights([np.zeros_like(value) for value in twin.get_weights()])
    for value, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)


def test_other_layers_are_refused_by_name() -> None:
    model = network(lambda layers, x: layers.UpSampling2D(name="larger")(x))
    with pytest.raises(NoTwinError, match=r"layer 'larger' is of a kind .*BatchNormalization.* Received: UpSampling2D"):
        build_twin(model)


def test_a_layer_of_someone_elses_is_not_taken_for_one_of_keras() -> None:
    class Conv2D(layers.Conv2D):
        def call(self, inputs: Any) -> Any:
            return -super().call(inputs)

    model = network(lambda layers, x: Conv2D(3, 3, name="conv")(x))
    with pytest.raises(NoTwinError, match=r"layer 'conv' is of a kind that has no tf_keras twin.* Received: Conv2D"):
        build_twin(model)


def test_other_activations_are_refused_by_name() -> None:
    model = network(lambda layers, x: layers.Conv2D(3, 3, activation="gelu", name="conv")(x))
    with pytest.raises(NoTwinError, match=r"layer 'conv' has an activation .* Received: activation='gelu'"):
        build_twin(model)


def test_layers_that_are_called_twice_are_refused_by_name() -> None:
    def twice(layers: Any, x: Any) -> Any:
        shared = layers.Conv2D(1, 3, name="shared")
        return shared(shared(x))

    with pytest.raises(
        NoTwinError, match=r"layer 'shared' of model 'toy' is called more than once.* Received: 2 calls"
    ):
        build_twin(network(twice))


@pytest.mark.parametrize(
    ("module", "importer"),
    [("tf_keras", import_tf_keras), ("tensorflow_model_optimization", import_model_optimization)],
)
def test_missing_packages_are_told_by_their_extra(
    module: str, importer: Callable[[str], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(MissingExtraError, match=r"pruning needs the extra `train`: pip install 'celestialkeras\[train"):
        importer("pruning")


def test_model_optimization_leaves_the_keras_of_the_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TF_USE_LEGACY_KERAS", raising=False)
    import_model_optimization("pruning")
    assert "TF_USE_LEGACY_KERAS" not in os.environ
    assert tf.keras.Model is keras.Model
