from __future__ import annotations

from typing import Any

import pytest

from celestial_edge.compress.keras_graphs import read_model
from celestial_edge.compress.layers import Graph
from celestial_edge.compress.memory import indirection_of, memory_of
from toy_networks import few_channels, network


def graph_of(body: Any, shape: tuple[int, int, int] = (40, 48, 1)) -> Graph:
    return read_model(network(body, shape), "logits")


def pointers_of(graph: Graph) -> dict[str, int]:
    shapes = graph.shapes()
    return {node.name: indirection_of(node, shapes[node.name]) for node in graph.nodes}


def test_pointers_are_counted_for_windows_and_not_for_matrices() -> None:
    pointers = pointers_of(graph_of(few_channels(7, pool=(4, 2))))
    assert pointers["stem"] == 8 * 49 * 34 * 42
    # Windows of 4 x 4 at stride 2 share half of their columns with the next.
    assert pointers["pool"] == 8 * 4 * 2 * 16 * 20
    assert pointers["flatten"] == pointers["logits"] == 0
    assert memory_of(graph_of(few_channels(1), (6, 16, 1))).indirection == 0


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        # Windows at stride 1 share all columns but one with the next.
        ("DepthwiseConv2D", {"kernel_size": 3}, 8 * 3 * 1 * 38 * 46),
        ("DepthwiseConv2D", {"kernel_size": 3, "strides": 2}, 8 * 3 * 2 * 19 * 23),
        ("SeparableConv2D", {"filters": 4, "kernel_size": 5}, 8 * 5 * 1 * 36 * 44),
        ("AveragePooling2D", {"pool_size": 4, "strides": 2}, 8 * 4 * 2 * 19 * 23),
        ("MaxPooling2D", {"pool_size": 3, "strides": 2, "padding": "same"}, 8 * 3 * 2 * 20 * 24),
        ("Conv2D", {"filters": 4, "kernel_size": 3, "dilation_rate": 2}, 8 * 9 * 36 * 44),
        # Four of the 16 places of the kernel meet each output pixel.
        ("Conv2DTranspose", {"filters": 4, "kernel_size": 4, "strides": 2}, 8 * 4 * 82 * 98),
        ("GlobalAveragePooling2D", {}, 0),
    ],
)
def test_pointers_of_layers_that_no_rewrite_knows(kind: str, options: dict[str, Any], expected: int) -> None:
    graph = graph_of(lambda layers, x: getattr(layers, kind)(name="layer", **options)(x))
    assert pointers_of(graph)["layer"] == expected


def test_memory_of_a_graph_is_counted_by_hand() -> None:
    graph = graph_of(few_channels(7, pool=(4, 4)))
    flat = 8 * 10 * 6
    for size in (1, 4):
        memory = memory_of(graph, bytes_per_value=size)
        # Biases take four bytes in every recipe.
        assert memory.weights == size * (49 * 6 + flat * 2) + 4 * (6 + 2)
        assert memory.indirection == 8 * 49 * 34 * 42 + 8 * 16 * 8 * 10
        # The frame and the logits lie apart; what is pooled is flattened in its place.
        assert memory.ends == size * (40 * 48 + 2)
        assert memory.workspace == size * (34 * 42 * 6 + flat)
        assert memory.activations == memory.workspace + memory.ends
        assert memory.working == memory.indirection + memory.activations


def test_packed_weights_fill_whole_tiles() -> None:
    graph = graph_of(few_channels(7, pool=(4, 4)))
    flat = 8 * 10 * 6
    # Six filters and two units take as much as sixteen each; in int8 one channel takes as much as eight.
    assert memory_of(graph, bytes_per_value=4).packed == 4 * 16 * (49 + 1 + flat + 1)
    assert memory_of(graph, bytes_per_value=1).packed == 16 * (49 * 8 + 4 + flat + 4)


def test_weights_of_layers_that_no_rewrite_knows_count() -> None:
    graph = graph_of(lambda layers, x: layers.Conv2D(4, 3, dilation_rate=2, name="dilated")(x))
    assert memory_of(graph, bytes_per_value=1).weights == 9 * 4 + 4 * 4 + 36 * 44 * 4 * 2 + 2 * 4


def test_a_tensor_that_is_read_twice_is_not_reshaped_in_place() -> None:
    def body(layers: Any, x: Any) -> Any:
        x = layers.Conv2D(2, 1, name="conv")(x)
        one = layers.Dense(1, name="one")(layers.Flatten(name="copy")(x))
        return layers.Concatenate(name="both")([one, layers.GlobalAveragePooling2D(name="mean")(x)])

    # The convolution, its flat copy, and what is made of the copy while the mean still needs the convolution.
    assert memory_of(graph_of(body)).workspace == 2 * (40 * 48 * 2) + 1
