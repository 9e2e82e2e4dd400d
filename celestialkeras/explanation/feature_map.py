"""The last feature map of a network, found by its graph, and where its cells lie on the frame."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
from keras import layers
from numpy.typing import NDArray

from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import LOGITS_LAYER
from celestialkeras.explanation.axis import Axis

_GLOBAL_POOLINGS = (layers.GlobalAveragePooling2D, layers.GlobalMaxPooling2D)


@dataclass(frozen=True)
class FeatureMap:
    """The last feature map of a network.

    Attributes:
        layer: Name of the layer that gives it.
        tensor: Its Keras tensor, `(n, rows, columns, features)`.
        rows: Where its rows lie on the frame.
        columns: Where its columns lie.
    """

    layer: str
    tensor: Any
    rows: Axis
    columns: Axis

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of cells."""
        return self.rows.cells, self.columns.cells

    def upsample(self, values: NDArray[np.float32], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Brings a value for each cell to the frame, at any sampling of it.

        Args:
            values: `float32 (rows, columns)`, of the map's cells.
            shape: Rows and columns of the result, which cover the frame evenly.

        Returns:
            `float32 shape`, bilinear between the middles of the cells' receptive fields, and 0 far beyond them.
        """
        return np.asarray(self.rows.interpolation(shape[0]) @ values @ self.columns.interpolation(shape[1]).T)


def last_feature_map(model: keras.Model) -> FeatureMap:
    """The map that all a network's evidence goes through last, before its places are lost.

    That is the last tensor of rank four which every path from the frame to the logits passes, behind the last
    convolution and its activation: squeeze-and-excitation branches and shortcuts, which lead around other layers, are
    not taken for it. Poolings that only shrink it on its way to the dense layers are left out, as Selvaraju et al.
    2017 leave out VGG-16's last, since the map before them tells places better.

    Args:
        model: A functional model with one input `(n, height, width, 1)` of fixed size and a layer `logits`.

    Returns:
        The map.

    Raises:
        ModelError: The size is open, or no path-wide map is left before the logits.
    """
    (frame,) = model.inputs
    if None in frame.shape[1:]:
        raise ModelError(
            f"a map of evidence needs a network of fixed size; build it with `input_shape`."
            f" Received: model {model.name!r} of {tuple(frame.shape)}"
        )
    tensors = _in_order(model.get_layer(LOGITS_LAYER).output)
    found = []
    for tensor in _passed_by_all(tensors):
        if isinstance(_made_by(tensor), _GLOBAL_POOLINGS):
            break
        if len(tensor.shape) == 4 and tensor is not frame:
            found.append(tensor)
    while len(found) > 1 and _only_shrinks(found[-1]):
        found.pop()
    if not found:
        raise ModelError(
            f"there is no feature map that all of the network goes through; explain a convolutional network."
            f" Received: model {model.name!r}"
        )
    rows, columns = _places(tensors)[id(found[-1])]
    return FeatureMap(_made_by(found[-1]).name, found[-1], rows, columns)


def _made_by(tensor: Any) -> Any:
    return tensor._keras_history.operation


def _inputs(tensor: Any) -> Sequence[Any]:
    history = tensor._keras_history
    sources: Sequence[Any] = history.operation._inbound_nodes[history.node_index].input_tensors
    return sources


def _in_order(output: Any) -> list[Any]:
    """All tensors that an output is computed from, each behind those that it is computed from itself."""
    order: list[Any] = []
    seen: set[int] = set()

    def visit(tensor: Any) -> None:
        if id(tensor) in seen:
            return
        seen.add(id(tensor))
        for source in _inputs(tensor):
            visit(source)
        order.append(tensor)

    visit(output)
    return order


def _passed_by_all(order: Sequence[Any]) -> Iterator[Any]:
    """The tensors that no path leads around: none before them is used behind them."""
    position = {id(tensor): index for index, tensor in enumerate(order)}
    last_use = [0] * len(order)
    for index, tensor in enumerate(order):
        for source in _inputs(tensor):
            last_use[position[id(source)]] = index
    furthest = 0
    for index, tensor in enumerate(order):
        if furthest <= index:
            yield tensor
        furthest = max(furthest, last_use[index])


def _only_shrinks(tensor: Any) -> bool:
    inputs = _inputs(tensor)
    return not _made_by(tensor).weights and len(inputs) == 1 and inputs[0].shape[1:3] != tensor.shape[1:3]


def _places(order: Sequence[Any]) -> dict[int, tuple[Axis, Axis]]:
    """Where the cells of every map lie, by the tensor's id."""
    places: dict[int, tuple[Axis, Axis]] = {}
    for tensor in order:
        if len(tensor.shape) != 4:
            continue
        height, width = tensor.shape[1:3]
        inputs = _inputs(tensor)
        if not inputs:
            places[id(tensor)] = Axis(height, 0.0, 1.0, height), Axis(width, 0.0, 1.0, width)
            continue
        known = [places[id(source)] for source in inputs if id(source) in places]
        if known:
            # Of what is joined, the largest has the places; what is broadcast onto it has one cell for all of them.
            rows, columns = max(known, key=lambda axes: axes[0].cells * axes[1].cells)
            layer = _made_by(tensor)
            places[id(tensor)] = _behind(layer, 0, rows, height), _behind(layer, 1, columns, width)
    return places


def _behind(layer: Any, side: int, axis: Axis, cells: int) -> Axis:
    """The axis of a layer's output, by that of its input."""
    match layer:
        case layers.ZeroPadding2D():
            return Axis(cells, axis.first - layer.padding[side][0] * axis.step, axis.step, axis.pixels)
        case layers.Cropping2D():
            return Axis(cells, axis.first + layer.cropping[side][0] * axis.step, axis.step, axis.pixels)
        case layers.Conv2DTranspose():
            pass
        case layers.Conv2D() | layers.DepthwiseConv2D() | layers.SeparableConv2D():
            extent = (layer.kernel_size[side] - 1) * layer.dilation_rate[side] + 1
            return _windowed(axis, cells, extent, layer.strides[side], layer.padding)
        case layers.MaxPooling2D() | layers.AveragePooling2D():
            return _windowed(axis, cells, layer.pool_size[side], layer.strides[side], layer.padding)
    # Same size: each cell stays where it was. Any other: the cells share the same stretch evenly.
    step = axis.step * axis.cells / cells
    return Axis(cells, axis.first + (step - axis.step) / 2, step, axis.pixels)


def _windowed(axis: Axis, cells: int, extent: int, stride: int, padding: str) -> Axis:
    """A window of `extent` cells that moves on by `stride`; TensorFlow pads the smaller half in front."""
    padded = max((cells - 1) * stride + extent - axis.cells, 0) // 2 if padding == "same" else 0
    return Axis(cells, axis.first + ((extent - 1) / 2 - padded) * axis.step, axis.step * stride, axis.pixels)
