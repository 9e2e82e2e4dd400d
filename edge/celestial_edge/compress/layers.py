"""A network as a small immutable graph of operations, which rewrites take and give back.

Only what the rewrites must understand is an operation of its own; any other Keras layer is carried along as it is.
Shapes are those of one frame, `(rows, columns, channels)` or `(units,)`, without the batch.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import ExportError

Shape = tuple[int, ...]


class NotLowerableError(ExportError):
    """The model holds what layer graphs cannot express; the plain converter may still take it."""


@dataclass(frozen=True)
class Frame:
    """What comes into a graph.

    Attributes:
        shape: `(rows, columns, channels)`.
    """

    shape: Shape


@dataclass(frozen=True, eq=False)
class Convolution:
    """Convolution, bias and, perhaps, ReLU.

    Attributes:
        kernel: `float32 (rows, columns, inputs, filters)`.
        bias: `float32 (filters,)`.
        strides: Rows and columns from one output to the next.
        same: Whether the input is padded with zeros so that only the strides shorten it.
        relu: Whether negative outputs are set to zero.
    """

    kernel: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    strides: tuple[int, int] = (1, 1)
    same: bool = False
    relu: bool = False


@dataclass(frozen=True, eq=False)
class Dense:
    """Dense layer, bias and, perhaps, ReLU.

    Attributes:
        kernel: `float32 (inputs, units)`.
        bias: `float32 (units,)`.
        relu: Whether negative outputs are set to zero.
    """

    kernel: npt.NDArray[np.float32]
    bias: npt.NDArray[np.float32]
    relu: bool = False


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """Batch normalisation with its moving averages: `scale * x + offset`, each `float32 (channels,)`."""

    scale: npt.NDArray[np.float32]
    offset: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Relu:
    """Negative values become zero."""


@dataclass(frozen=True)
class MaxPool:
    """Maximum over windows, without padding.

    Attributes:
        window: Rows and columns of a window.
        strides: Rows and columns from one window to the next.
    """

    window: tuple[int, int]
    strides: tuple[int, int]


@dataclass(frozen=True)
class FoldColumns:
    """`factor` neighbouring columns become the channels of one: the same bytes in the same order."""

    factor: int


@dataclass(frozen=True)
class UnfoldColumns:
    """The channels of one column become those of `factor` neighbouring ones: the inverse of `FoldColumns`."""

    factor: int


@dataclass(frozen=True)
class Crop:
    """Rows and columns `first` to `last`, the last not included.

    Attributes:
        rows: First and last row.
        columns: First and last column.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]


@dataclass(frozen=True)
class JoinRows:
    """The inputs one below another."""


@dataclass(frozen=True)
class Flatten:
    """All values in one row, the channels changing fastest."""


@dataclass(frozen=True, eq=False)
class Other:
    """A Keras layer that no rewrite touches.

    Attributes:
        layer: The layer, with its weights.
    """

    layer: Any


Operation = (
    Frame
    | Convolution
    | Dense
    | BatchNorm
    | Relu
    | MaxPool
    | FoldColumns
    | UnfoldColumns
    | Crop
    | JoinRows
    | Flatten
    | Other
)

_REARRANGING = (MaxPool, FoldColumns, UnfoldColumns, Crop, JoinRows, Flatten)


@dataclass(frozen=True)
class Node:
    """One operation in its place.

    Attributes:
        name: Unique in the graph.
        operation: What it does.
        inputs: Names of the nodes that it takes from, in order.
        values: Name of the layer of the original network that computed the values that it gives. A pooling or a
            reshape hands on its input's; so does a convolution that computes another's outputs in another order.
    """

    name: str
    operation: Operation
    inputs: tuple[str, ...]
    values: str


@dataclass(frozen=True)
class Graph:
    """Nodes in an order in which they can be computed; the first is the frame, the last gives the output."""

    nodes: tuple[Node, ...]

    def node(self, name: str) -> Node:
        """The node called `name`."""
        return next(node for node in self.nodes if node.name == name)

    @property
    def output(self) -> Node:
        """The last node."""
        return self.nodes[-1]

    def consumers(self, name: str) -> tuple[Node, ...]:
        """The nodes that take from the one called `name`."""
        return tuple(node for node in self.nodes if name in node.inputs)

    def shapes(self) -> dict[str, Shape]:
        """Output shape of every node, by name.

        Raises:
            ExportError: A window is larger than what it slides over.
        """
        shapes: dict[str, Shape] = {}
        for node in self.nodes:
            shapes[node.name] = output_shape(node.operation, [shapes[name] for name in node.inputs])
            if any(side < 1 for side in shapes[node.name]):
                raise ExportError(f"layer {node.name!r} leaves nothing of its input. Received: {shapes[node.name]}")
        return shapes

    def replacing(self, name: str, nodes: Iterable[Node], renamed: Mapping[str, str] | None = None) -> Graph:
        """The graph with other nodes in the place of one.

        Args:
            name: The node that goes.
            nodes: What comes in its place, in order; none takes the node out.
            renamed: Whom consumers take from instead, by the name that they used.
        """
        renamed = renamed or {}
        result: list[Node] = []
        for node in self.nodes:
            if node.name == name:
                result += nodes
            else:
                result.append(replace(node, inputs=tuple(renamed.get(one, one) for one in node.inputs)))
        return Graph(tuple(result))


def hands_on(operation: Operation) -> bool:
    """Whether all values that it gives are values that it was given."""
    return isinstance(operation, _REARRANGING)


def output_shape(operation: Operation, inputs: list[Shape]) -> Shape:
    """Shape of what an operation gives for inputs of these shapes."""
    match operation:
        case Frame(shape=shape):
            return shape
        case Convolution():
            rows, columns, _ = inputs[0]
            height, width, _, filters = operation.kernel.shape
            down, across = operation.strides
            if operation.same:
                return -(-rows // down), -(-columns // across), filters
            return _steps(rows, height, down), _steps(columns, width, across), filters
        case Dense():
            return (operation.kernel.shape[1],)
        case MaxPool(window=window, strides=strides):
            rows, columns, channels = inputs[0]
            return _steps(rows, window[0], strides[0]), _steps(columns, window[1], strides[1]), channels
        case FoldColumns(factor=factor):
            rows, columns, channels = inputs[0]
            return rows, columns // factor, channels * factor
        case UnfoldColumns(factor=factor):
            rows, columns, channels = inputs[0]
            return rows, columns * factor, channels // factor
        case Crop(rows=rows_kept, columns=columns_kept):
            return rows_kept[1] - rows_kept[0], columns_kept[1] - columns_kept[0], inputs[0][2]
        case JoinRows():
            return (sum(shape[0] for shape in inputs), *inputs[0][1:])
        case Flatten():
            return (math.prod(inputs[0]),)
        case Other(layer=layer):
            batched = [(1, *shape) for shape in inputs]
            return tuple(layer.compute_output_shape(batched if len(batched) > 1 else batched[0])[1:])
        case _:
            return inputs[0]


def _steps(side: int, window: int, stride: int) -> int:
    return (side - window) // stride + 1
