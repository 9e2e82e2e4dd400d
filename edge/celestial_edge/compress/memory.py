"""What a layer graph will take to run in LiteRT with XNNPACK, counted without running it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from celestial_edge.compress.layers import (
    Convolution,
    Dense,
    Flatten,
    FoldColumns,
    Graph,
    MaxPool,
    Node,
    Other,
    Shape,
    UnfoldColumns,
)
from celestial_edge.compress.rewrites import LANES

POINTER = 8
"""Bytes of one pointer, on every board that LiteRT runs on with 64 bits."""

# Outputs that XNNPACK's kernels compute at once, for x86 with AVX-512; 8 or 16 for Arm.
_TILE = 16

_RESHAPING = (FoldColumns, UnfoldColumns, Flatten)


@dataclass(frozen=True)
class Memory:
    """Bytes that one loaded graph takes.

    Attributes:
        weights: Weights and biases as stored.
        packed: XNNPACK's copy of them, filled up with zeros to whole tiles of its kernels.
        indirection: XNNPACK's pointers: one for each place of a window and each output pixel.
        workspace: Most that the tensors between the layers take at once, in XNNPACK's one workspace.
        ends: What comes in and what goes out: LiteRT keeps both apart, for as long as the graph is loaded.
    """

    weights: int
    packed: int
    indirection: int
    workspace: int
    ends: int

    @property
    def activations(self) -> int:
        """Bytes of all tensors that are computed or come in."""
        return self.workspace + self.ends

    @property
    def working(self) -> int:
        """Bytes besides the weights."""
        return self.indirection + self.activations


def memory_of(graph: Graph, bytes_per_value: int = 1) -> Memory:
    """Counts a graph's memory.

    Args:
        graph: The graph.
        bytes_per_value: 1 for int8, 4 for float32.
    """
    shapes = graph.shapes()
    ends = math.prod(shapes[graph.nodes[0].name]) + math.prod(shapes[graph.output.name])
    return Memory(
        weights=sum(weight_bytes(node, bytes_per_value) for node in graph.nodes),
        packed=sum(_packed_bytes(node, bytes_per_value) for node in graph.nodes),
        indirection=sum(indirection_of(node, shapes[node.name]) for node in graph.nodes),
        workspace=bytes_per_value * _most_alive(graph, shapes),
        ends=bytes_per_value * ends,
    )


def indirection_of(node: Node, shape: Shape) -> int:
    """Bytes of the pointers that XNNPACK keeps for one node.

    Args:
        node: The node.
        shape: Its output shape.
    """
    match node.operation:
        case Convolution():
            height, width = node.operation.kernel.shape[:2]
        case MaxPool(window=(height, width), strides=strides):
            # Neighbouring windows share the columns that they overlap in.
            width = min(width, strides[1])
        case Other(layer=layer):
            height, width = _window(layer)
        case _:
            return 0
    # A 1x1 convolution reads its input as one matrix.
    return 0 if height * width == 1 else POINTER * height * width * shape[0] * shape[1]


def weight_bytes(node: Node, bytes_per_value: int) -> int:
    """Bytes of a node's weights and biases as stored: biases take four each in every recipe.

    Args:
        node: The node.
        bytes_per_value: 1 for int8, 4 for float32.
    """
    match node.operation:
        case Convolution() | Dense():
            return int(node.operation.kernel.size) * bytes_per_value + int(node.operation.bias.size) * 4
        case Other(layer=layer):
            return sum(math.prod(w.shape) * (bytes_per_value if len(w.shape) > 1 else 4) for w in layer.weights)
        case _:
            return 0


def _packed_bytes(node: Node, bytes_per_value: int) -> int:
    """Bytes of a node's weights in XNNPACK's order: a dense layer of two units takes as much as one of sixteen."""
    match node.operation:
        case Convolution(kernel=kernel) | Dense(kernel=kernel):
            *window, inputs, outputs = kernel.shape
            inputs, outputs = _in_tiles(inputs, LANES if bytes_per_value == 1 else 1), _in_tiles(outputs, _TILE)
            return outputs * (math.prod(window) * inputs * bytes_per_value + 4)
        case _:
            return weight_bytes(node, bytes_per_value)


def _in_tiles(count: int, tile: int) -> int:
    return -(-count // tile) * tile


def _window(layer: Any) -> tuple[int, int]:
    """Rows and columns that pointers are kept for at each output pixel of a Keras layer; 1 x 1 where none are."""
    from keras import layers

    match layer:
        case layers.DepthwiseConv2D() | layers.SeparableConv2D():
            height, width = layer.kernel_size
        case layers.Conv2DTranspose():
            # As many places of the kernel meet an output pixel as strides fit into it.
            return -(-layer.kernel_size[0] // layer.strides[0]), -(-layer.kernel_size[1] // layer.strides[1])
        case layers.Conv2D():
            return tuple(layer.kernel_size)
        case layers.MaxPooling2D() | layers.AveragePooling2D():
            height, width = layer.pool_size
        case _:
            return 1, 1
    return height, min(width, layer.strides[1])


def _most_alive(graph: Graph, shapes: dict[str, Shape]) -> int:
    """Largest number of values between the ends that are alive at once, each dropped after its last use."""
    holder: dict[str, str] = {}
    last_use: dict[str, int] = {}
    ends = (graph.nodes[0].name, graph.output.name)
    for number, node in enumerate(graph.nodes):
        holder[node.name] = node.name
        # XNNPACK reshapes in place what lies in its workspace and nothing else reads.
        if isinstance(node.operation, _RESHAPING) and node.name not in ends:
            (source,) = node.inputs
            if source not in ends and len(graph.consumers(source)) == 1:
                holder[node.name] = holder[source]
        for name in (node.name, *node.inputs):
            last_use[holder[name]] = number
    alive: dict[str, int] = {}
    most = 0
    for number, node in enumerate(graph.nodes):
        if node.name not in ends:
            alive[holder[node.name]] = math.prod(shapes[node.name])
        most = max(most, sum(alive.values()))
        alive = {name: size for name, size in alive.items() if last_use[name] > number}
    return most
