from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from celestial_edge.compress.keras_graphs import build_model, read_model
from celestial_edge.compress.layers import BatchNorm, Convolution, Graph, MaxPool, Relu
from celestial_edge.compress.rewrites import (
    NotApplicableError,
    Refusal,
    Rewrite,
    cascade_pool,
    fold_batch_norm,
    fold_columns,
    fold_columns_by,
    fuse_relu,
    rewrite_everywhere,
)
from toy_networks import conv_norm_relu, few_channels, logits_of, network, overlapping_pool, some_frames


def assert_same_function(model: Any, graph: Graph) -> None:
    frames = some_frames(model)
    expected = logits_of(model, frames)
    assert np.ptp(expected) > 0
    np.testing.assert_allclose(build_model(graph).predict_on_batch(frames), expected, rtol=2e-6, atol=2e-6)


def operations(graph: Graph) -> list[str]:
    return [type(node.operation).__name__ for node in graph.nodes]


def test_batch_norm_and_relu_become_part_of_the_convolution() -> None:
    model = network(conv_norm_relu)
    graph = read_model(model, "logits")
    assert operations(graph) == ["Frame", "Convolution", "BatchNorm", "Relu", "Flatten", "Dense"]
    folded = fuse_relu(fold_batch_norm(graph, "norm"), "relu")
    assert operations(folded) == ["Frame", "Convolution", "Flatten", "Dense"]
    assert folded.nodes[1].name == folded.nodes[1].values == "relu"
    assert operations(graph)[2] == "BatchNorm", "a rewrite must leave the graph that it was given as it was"
    assert_same_function(model, folded)


def test_batch_norm_behind_a_dense_layer_is_folded() -> None:
    def body(layers: Any, x: Any) -> Any:
        x = layers.Dense(7, name="dense")(layers.Flatten()(x))
        return layers.BatchNormalization(name="norm")(x)

    model = network(body, (6, 6, 1))
    folded = fold_batch_norm(read_model(model, "logits"), "norm")
    assert operations(folded) == ["Frame", "Flatten", "Dense", "Dense"]
    assert_same_function(model, folded)


def test_batch_norm_is_refused_behind_a_relu_a_pool_and_a_fork() -> None:
    def behind_relu(layers: Any, x: Any) -> Any:
        return layers.BatchNormalization(name="norm")(layers.Conv2D(3, 3, activation="relu", name="conv")(x))

    def behind_pool(layers: Any, x: Any) -> Any:
        return layers.BatchNormalization(name="norm")(layers.MaxPooling2D(name="pool")(x))

    def fork(layers: Any, x: Any) -> Any:
        x = layers.Conv2D(3, 3, name="conv")(x)
        return layers.Add(name="sum")([layers.BatchNormalization(name="norm")(x), x])

    for body, why in (
        (behind_relu, "'conv', which is no convolution or dense layer without a ReLU"),
        (behind_pool, "follows 'pool', which is no convolution"),
        (fork, "2 layers take from 'conv' before it"),
    ):
        with pytest.raises(NotApplicableError, match=why):
            fold_batch_norm(read_model(network(body), "logits"), "norm")


def test_relu_is_refused_where_its_input_is_used_twice_or_is_no_convolution() -> None:
    def fork(layers: Any, x: Any) -> Any:
        x = layers.Conv2D(3, 3, name="conv")(x)
        return layers.Add(name="sum")([layers.ReLU(name="relu")(x), x])

    with pytest.raises(NotApplicableError, match="2 layers take from 'conv'"):
        fuse_relu(read_model(network(fork), "logits"), "relu")
    model = network(lambda layers, x: layers.ReLU(name="relu")(x))
    with pytest.raises(NotApplicableError, match="follows 'frame', which is no convolution"):
        fuse_relu(read_model(model, "logits"), "relu")


@pytest.mark.parametrize(("window", "stride"), [(8, 4), (4, 2), (6, 2)])
def test_overlapping_pool_becomes_tiles_and_a_pool_over_them(window: int, stride: int) -> None:
    model = network(overlapping_pool(window, stride), (41, 47, 1))
    graph = cascade_pool(read_model(model, "logits"), "pool")
    assert graph.node("pool/tiles").operation == MaxPool((stride, stride), (stride, stride))
    assert graph.node("pool").operation == MaxPool((window // stride,) * 2, (1, 1))
    assert_same_function(model, graph)


@pytest.mark.parametrize(
    ("window", "stride", "why"),
    [
        (3, 2, "a window of 3 is no whole number of strides of 2"),
        (2, 2, "do not overlap"),
        (3, 1, "do not overlap, or at every step"),
    ],
)
def test_pools_that_cannot_be_cascaded_are_refused(window: int, stride: int, why: str) -> None:
    graph = read_model(network(overlapping_pool(window, stride)), "logits")
    with pytest.raises(NotApplicableError, match=why):
        cascade_pool(graph, "pool")


@pytest.mark.parametrize(
    ("body", "shape", "factor", "kernel"),
    [
        # 7 columns at 8 positions of the window span 14: two columns of 8 channels each.
        (few_channels(7, pool=(4, 4)), (40, 48, 1), 8, (7, 2, 8, 48)),
        (few_channels(7, pool=(8, 4)), (40, 48, 1), 4, (7, 3, 4, 24)),
        # The phases lie side by side again, so pools that overlap by no whole stride may follow.
        (few_channels(7, pool=(3, 2)), (40, 52, 1), 2, (7, 4, 2, 12)),
        (few_channels(8, 8), (40, 48, 1), 8, (8, 1, 8, 6)),
        (few_channels(8, 8, padding="same"), (40, 48, 1), 8, (8, 1, 8, 6)),
        (few_channels(7, 2, pool=(2, 2)), (41, 48, 1), 4, (7, 3, 4, 12)),
        (few_channels(4, 4), (40, 48, 2), 4, (4, 1, 8, 6)),
        # More columns come out than the convolution gives: 48 - 1 kernel columns of 3, cut to 46.
        (few_channels(1), (6, 16, 1), 8, (1, 1, 8, 48)),
        # The last column of 49 is read by no window that a pooling uses.
        (few_channels(7, pool=(2, 2)), (40, 49, 1), 2, (7, 4, 2, 12)),
    ],
)
def test_columns_become_channels(body: Any, shape: Any, factor: int, kernel: tuple[int, ...]) -> None:
    model = network(body, shape)
    graph = fold_columns_by(read_model(model, "logits"), "stem", factor)
    operation = graph.node("stem/phases").operation
    assert isinstance(operation, Convolution)
    assert operation.kernel.shape == kernel
    assert_same_function(model, graph)


@pytest.mark.parametrize(
    ("kernel", "stride", "pool", "shape", "kernel_shape"),
    [(7, 1, (4, 4), (40, 48, 1), (7, 2, 8, 48)), (8, 8, (), (40, 48, 1), (8, 1, 8, 6))],
)
def test_the_fold_that_fills_the_lanes_is_chosen(
    kernel: int, stride: int, pool: Any, shape: Any, kernel_shape: Any
) -> None:
    graph = fold_columns(read_model(network(few_channels(kernel, stride, pool), shape), "logits"), "stem")
    operation = graph.node("stem/phases").operation
    assert isinstance(operation, Convolution)
    assert operation.kernel.shape == kernel_shape


def test_folded_weights_keep_the_scale_of_each_filter() -> None:
    model = network(few_channels(7, pool=(4, 4)))
    plain = read_model(model, "logits").node("stem").operation
    folded = fold_columns(read_model(model, "logits"), "stem").node("stem/phases").operation
    assert isinstance(plain, Convolution)
    assert isinstance(folded, Convolution)
    largest = np.abs(plain.kernel).max(axis=(0, 1, 2))
    np.testing.assert_array_equal(np.abs(folded.kernel).max(axis=(0, 1, 2)), np.tile(largest, 8))


@pytest.mark.parametrize(
    ("body", "shape", "why"),
    [
        (few_channels(7, padding="same"), (40, 48, 1), "its input is padded"),
        (few_channels(5, 2, padding="same"), (40, 48, 1), "its input is padded"),
        (few_channels(3), (40, 48, 8), "8 channels fill the 8 lanes of a kernel well enough"),
    ],
)
def test_folds_that_cannot_be_or_do_not_pay_are_refused(body: Callable[..., Any], shape: Any, why: str) -> None:
    graph = read_model(network(body, shape), "logits")
    with pytest.raises(NotApplicableError, match=why):
        fold_columns(graph, "stem")


def test_a_fold_that_would_lose_columns_is_refused() -> None:
    graph = read_model(network(few_channels(7)), "logits")
    with pytest.raises(NotApplicableError, match="folds of 8 columns give 40 of the 42 that are needed"):
        fold_columns_by(graph, "stem", 8)


def test_a_fold_by_no_whole_number_of_strides_is_refused() -> None:
    graph = read_model(network(few_channels(7, 2, (2, 2))), "logits")
    with pytest.raises(NotApplicableError, match="3 columns are no whole number of strides of 2"):
        fold_columns_by(graph, "stem", 3)


def test_refusals_are_kept_with_their_reason() -> None:
    model = network(overlapping_pool(3, 2))
    graph = read_model(model, "logits")
    same, refusals = rewrite_everywhere(graph, cascade_pool, MaxPool)
    assert same == graph
    assert refusals == [Refusal("cascade_pool", "pool", "a window of 3 is no whole number of strides of 2")]


@pytest.mark.parametrize(
    ("rewrite", "kind"), [(fold_batch_norm, BatchNorm), (fuse_relu, Relu), (cascade_pool, MaxPool)]
)
def test_a_graph_without_such_layers_passes_untouched(rewrite: Rewrite, kind: type) -> None:
    graph = read_model(network(lambda layers, x: layers.Conv2D(8, 3, 2, name="conv")(x), (20, 20, 8)), "logits")
    assert rewrite_everywhere(graph, rewrite, kind) == (graph, [])
