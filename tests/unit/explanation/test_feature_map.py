"""Where the evidence of a network lies: the map that is found by graph, its places, and Grad-CAM on it."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import KerasPredictor
from celestialkeras.explanation.axis import Axis
from celestialkeras.explanation.feature_map import last_feature_map
from celestialkeras.explanation.grad_cam import GradCam
from celestialkeras.explanation.occlusion import occlude, patch_grid, rank_correlation


def model_of(frame: Any, x: Any) -> keras.Model:
    logits = layers.Dense(2, name="logits")(x)
    return keras.Model(frame, layers.Softmax()(logits), name="toy")


def spot_seeker() -> keras.Model:
    """Answers NSC by the light of squares of 4 x 4 pixels that are all bright; its weights are set by hand."""
    frame = keras.Input((48, 96, 1), name="frame")
    x = layers.Conv2D(1, 4, 2, activation="relu", name="squares")(frame)
    x = layers.MaxPooling2D(2, name="shrinks")(x)
    model = model_of(frame, layers.GlobalAveragePooling2D()(x))
    model.get_layer("squares").set_weights([np.ones((4, 4, 1, 1), np.float32), np.array([-8.0], np.float32)])
    model.get_layer("logits").set_weights([np.array([[-50.0, 50.0]], np.float32), np.array([1.0, -1.0], np.float32)])
    return model


def frame_with_spot(row: int, column: int) -> np.ndarray:
    codes = np.random.default_rng(4).integers(20, 60, (48, 96)).astype(np.uint8)
    codes[row - 4 : row + 4, column - 4 : column + 4] = 250
    return codes


def test_a_linear_network_has_the_map_that_one_computes_by_hand() -> None:
    frame = keras.Input((4, 5, 1), name="frame")
    model = model_of(frame, layers.GlobalAveragePooling2D()(layers.Conv2D(2, 2, name="conv")(frame)))
    kernel = np.array([[[1, 0], [0, 2]], [[-1, 1], [0, 3]]], np.float32)[:, :, np.newaxis]
    model.get_layer("conv").set_weights([kernel, np.array([0.5, -1.0], np.float32)])
    dense = np.array([[0.25, 1.0], [2.0, -1.0]], np.float32)
    model.get_layer("logits").set_weights([dense, np.array([0.125, 0.375], np.float32)])
    codes = np.arange(0, 200, 10, dtype=np.uint8).reshape(4, 5)
    x = codes.astype(np.float32) / np.float32(255)
    first = x[:-1, :-1] - x[1:, :-1] + 0.5
    second = 2 * x[:-1, 1:] + x[1:, :-1] + 3 * x[1:, 1:] - 1
    # Weights of the features for NSC less those for galaxy, 0.75 and -3, each over twelve places.
    expected = (0.75 * first - 3.0 * second) / 12
    evidence = GradCam(model).explain(codes)
    np.testing.assert_allclose(evidence.for_nsc, expected, rtol=1e-5)
    # All that a linear network knows lies in its map, but for the bias.
    assert evidence.margin == pytest.approx(float(expected.sum()) + 0.25, rel=1e-5)
    np.testing.assert_allclose(evidence.logits, KerasPredictor(model).logits(codes[np.newaxis])[0], rtol=1e-6)


@pytest.mark.parametrize(("row", "column"), [(10, 16), (30, 70), (41, 40)])
def test_a_network_that_looks_for_a_bright_spot_is_seen_to_do_so(row: int, column: int) -> None:
    model = spot_seeker()
    codes = frame_with_spot(row, column)
    network = GradCam(model)
    # The pooling behind it has no weights and tells places worse.
    assert network.feature_map.layer == "squares"
    evidence = network.explain(codes)
    assert evidence.margin > 0
    over_frame = network.feature_map.upsample(evidence.for_nsc, codes.shape)
    assert over_frame.shape == codes.shape
    peak = np.argwhere(over_frame > 0.9 * over_frame.max()).mean(axis=0)
    np.testing.assert_allclose(peak, (row - 0.5, column - 0.5), atol=1.0)
    assert over_frame[:, column + 12 :].max() == 0

    grid = patch_grid(codes.shape, 6)
    lost = occlude(KerasPredictor(model), codes, grid, np.random.default_rng(0))
    assert lost.shape == (6, 12)
    best = np.unravel_index(lost.argmax(), lost.shape)
    assert best == np.unravel_index(grid.means(over_frame).argmax(), lost.shape)
    assert lost[best] > 0
    correlation = rank_correlation(grid.means(over_frame), lost)
    assert correlation is not None
    assert correlation > 0.8


def test_the_places_of_cells_are_the_middles_of_what_they_see() -> None:
    frame = keras.Input((64, 66, 1), name="frame")
    x = layers.Conv2D(1, 3, 2, padding="same", use_bias=False)(frame)
    x = layers.ZeroPadding2D(((3, 1), (2, 0)))(x)
    x = layers.DepthwiseConv2D(3, dilation_rate=2, use_bias=False)(x)
    x = layers.AveragePooling2D(3, 2, padding="same")(x)
    x = layers.Cropping2D(((1, 0), (2, 1)))(x)
    squeezed = layers.Reshape((1, 1, 1))(layers.GlobalAveragePooling2D()(x))
    x = layers.Multiply(name="excited")([squeezed, x])
    model = model_of(frame, layers.GlobalMaxPooling2D()(x))
    for layer in model.layers[:-2]:
        layer.set_weights([np.ones_like(weights) for weights in layer.get_weights()])
    found = last_feature_map(model)
    assert found.layer == "excited"
    linear = keras.Model(frame, model.get_layer(found.layer)._inbound_nodes[0].input_tensors[1])
    pixels = tf.Variable(tf.zeros((1, 64, 66, 1)))
    with tf.GradientTape() as tape:
        cell = linear(pixels)[0, 4, 5, 0]
    seen = np.asarray(tape.gradient(cell, pixels))[0, :, :, 0]
    middle = [(seen.sum(axis=1 - side) * np.arange(seen.shape[side])).sum() / seen.sum() for side in (0, 1)]
    places = found.rows.first + 4 * found.rows.step, found.columns.first + 5 * found.columns.step
    np.testing.assert_allclose(places, middle, atol=1e-4)


def test_maps_behind_a_branch_or_a_global_pooling_are_not_taken() -> None:
    frame = keras.Input((32, 32, 1), name="frame")
    x = layers.Conv2D(4, 3, name="trunk")(frame)
    y = layers.Conv2D(4, 3, padding="same", name="branch")(x)
    x = layers.Add(name="joined")([x, y])
    pooled = layers.GlobalAveragePooling2D(keepdims=True, name="pool")(x)
    behind = layers.Conv2D(8, 1, name="behind")(pooled)
    assert last_feature_map(model_of(frame, layers.Flatten()(behind))).layer == "joined"


def test_cells_are_interpolated_between_their_middles_and_end_beyond() -> None:
    axis = Axis(cells=2, first=2.0, step=4.0, pixels=9)
    expected = [0, 0, 0, 0.25, 0.5, 0.75, 1, 1, 1]
    np.testing.assert_allclose(axis.interpolation(9) @ np.array([0.0, 1.0], np.float32), expected)
    np.testing.assert_allclose(Axis(1, 3.0, 8.0, 8).interpolation(4), np.ones((4, 1)))
    # Without padding the first cell may lie far inside: held for a step, gone after two.
    far = Axis(cells=3, first=12.0, step=4.0, pixels=40).interpolation(40) @ np.ones(3, np.float32)
    np.testing.assert_allclose(far[[0, 4, 6, 8, 20, 24, 26, 28, 39]], [0, 0, 0.5, 1, 1, 1, 0.5, 0, 0])


def test_networks_without_a_map_are_named() -> None:
    frame = keras.Input((8, 8, 1), name="frame")
    with pytest.raises(ModelError, match=r"no feature map that all of the network goes through.*model 'toy'"):
        last_feature_map(model_of(frame, layers.Flatten()(frame)))
    frame = keras.Input((None, 8, 1), name="frame")
    with pytest.raises(ModelError, match="needs a network of fixed size; build it with `input_shape`"):
        last_feature_map(model_of(frame, layers.GlobalMaxPooling2D()(layers.Conv2D(1, 3)(frame))))
