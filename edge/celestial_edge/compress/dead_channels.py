"""Channels that have lost their weights: room for their biases in integers.

The bias of a channel is stored in steps of (scale of the input) x (scale of the channel's weights), as an int32. A
channel whose weights were all pruned, or scaled to nothing by batch normalisation, has hardly a scale: its bias would
need more than 32 bits, and ai-edge-quantizer would store another number. One weight, just large enough, gives it a
scale.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.compress.layers import Convolution, Dense, Graph, Node
from celestial_edge.compress.ranges import RangeTable

# Half of what an int32 holds. The weight that is put in then moves the output by 3e-5 of the bias at most where the
# input is int8, a hundredth of a step; by 4e-3 where it is int16, which is what rounding a weight to int8 does.
_LARGEST_BIAS = 2**30

_LARGEST_WEIGHT = 127


def revive_channels(graph: Graph, table: RangeTable, activations: str) -> Graph:
    """Gives every channel weights that leave room for its bias.

    Args:
        graph: The reference graph, from which all layouts come: they must agree to the bit.
        table: Ranges of its layers.
        activations: What they are stored in, `int8` or `int16`.

    Returns:
        The graph; the same one when every channel has them.
    """
    nodes = tuple(_revived(node, graph, table, activations) for node in graph.nodes)
    return graph if nodes == graph.nodes else Graph(nodes)


def _revived(node: Node, graph: Graph, table: RangeTable, activations: str) -> Node:
    if not isinstance(node.operation, Convolution | Dense):
        return node
    low, high = table[graph.node(node.inputs[0]).values]
    step = max(-low, high) / 32767 if activations == "int16" else (max(high, 0.0) - min(low, 0.0)) / 255
    if not step:
        return node
    needed = _LARGEST_WEIGHT / (step * _LARGEST_BIAS) * np.abs(node.operation.bias)
    kernel = _raised(node.operation.kernel, needed)
    return node if kernel is node.operation.kernel else replace(node, operation=replace(node.operation, kernel=kernel))


def _raised(kernel: npt.NDArray[np.float32], needed: npt.NDArray[Any]) -> npt.NDArray[np.float32]:
    """The kernel with the largest weight of each channel, on the last axis, at least as large as is needed."""
    rows = kernel.reshape(-1, kernel.shape[-1])
    largest = np.abs(rows).argmax(axis=0)
    channels = np.arange(kernel.shape[-1])
    short = channels[np.abs(rows[largest, channels]) < needed]
    if not len(short):
        return kernel
    rows = rows.copy()
    rows[largest[short], short] = np.copysign(needed[short], rows[largest[short], short])
    return rows.reshape(kernel.shape)
