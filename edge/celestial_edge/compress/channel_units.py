"""Which channels of a network stand or fall together, and through which layers each passes.

A filter cannot be taken out alone: the batch normalisation behind it, every layer that reads it and, where two paths
are added, the filters at the same place of the other path must follow. All that is worked out here, on numbers: each
channel of each tensor gets the number of its unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import ModelError

_KEPT = 0
"""The unit of every channel that must stay."""

# They work on each channel alone and alike. A softmax, for one, does not: its outputs know of all channels.
_ELEMENTWISE = frozenset(("linear", "relu", "relu6", "leaky_relu", "elu", "selu", "gelu", "silu", "sigmoid", "tanh"))

Units = npt.NDArray[np.int64]
"""For each channel of a tensor, in order, the number of its unit."""


@dataclass(frozen=True, eq=False)
class ChannelUnits:
    """The units of a network's channels.

    Attributes:
        inputs: Units of what each layer takes, by name of the layer; of the first input where there are several.
        outputs: Units of what each layer gives, by name of the layer.
        groups: Units that can be taken out, grouped by the convolutions that they belong to: a convolution alone, or
            several whose filters are tied to each other.
    """

    inputs: Mapping[str, Units]
    outputs: Mapping[str, Units]
    groups: tuple[ChannelGroup, ...]


@dataclass(frozen=True, eq=False)
class ChannelGroup:
    """Convolutions that share units.

    Attributes:
        convolutions: Their names, in the order of the network.
        units: The units that can be taken out of them.
    """

    convolutions: tuple[str, ...]
    units: Units


def find_units(model: Any) -> ChannelUnits:
    """Follows every channel of a model from the layer that makes it to those that read it.

    Filters of plain convolutions are units. Batch normalisation, activations, pooling, depthwise convolutions,
    flattening and concatenation hand them on; additions and the like tie those of their inputs to each other. What a
    layer of another kind reads must stay, as must what the model gives.

    Args:
        model: A Keras 3 functional model, channels last.

    Returns:
        The units.

    Raises:
        ModelError: A layer is called more than once, or the model holds a model or an operation that is no layer.
    """
    import keras

    follower = _Follower()
    inputs: dict[str, Units] = {}
    outputs: dict[str, Units] = {}
    tensors: dict[int, Units] = {}
    for layer in model.operations:
        if not isinstance(layer, keras.layers.Layer) or isinstance(layer, keras.Model):
            raise ModelError(
                f"channels are followed through layers only, each a part of the model itself. Received: {layer.name!r} "
                f"of class {type(layer).__name__} in model {model.name!r}"
            )
        # Keras 3 has no public count of a layer's calls.
        if len(layer._inbound_nodes) != 1:
            raise ModelError(
                f"channels are followed through layers that are called once; build the model with a layer for each "
                f"call. Received: {layer.name!r} in model {model.name!r}, called {len(layer._inbound_nodes)} times"
            )
        given = [tensors[id(tensor)] for tensor in layer._inbound_nodes[0].input_tensors]
        made = follower.pass_through(layer, given)
        inputs[layer.name], outputs[layer.name] = given[0] if given else made, made
        for tensor in layer._inbound_nodes[0].outputs:
            tensors[id(tensor)] = made
    for tensor in model.outputs:
        follower.keep(tensors[id(tensor)])
    inputs, outputs = ({name: follower.units(part) for name, part in held.items()} for held in (inputs, outputs))
    convolutions = {layer.name: outputs[layer.name] for layer in model.layers if is_convolution(layer)}
    return ChannelUnits(inputs, outputs, _grouped(convolutions))


def is_convolution(layer: Any) -> bool:
    """Whether filters can be taken out of a layer: `Conv2D`, channels last, in one group."""
    from keras import layers

    return isinstance(layer, layers.Conv2D) and layer.data_format == "channels_last" and layer.groups == 1


class _Follower:
    """Hands out numbers for channels, and keeps which of them are one unit."""

    def __init__(self) -> None:
        self._parents = [_KEPT]

    def pass_through(self, layer: Any, given: list[Units]) -> Units:
        """The channels that a layer gives, for those that it is given."""
        from keras import layers

        shape = layer.output.shape
        match layer:
            case layers.Conv2D() if is_convolution(layer) and _elementwise(layer):
                return self._new(layer.filters)
            case layers.DepthwiseConv2D() if layer.data_format == "channels_last" and _elementwise(layer):
                return np.repeat(given[0], layer.depth_multiplier)
            case layers.Dense():
                return np.full(layer.units, _KEPT)
            case layers.BatchNormalization() if layer.axis in (-1, len(shape) - 1):
                return given[0]
            case layers.Activation() if _elementwise(layer):
                return given[0]
            case layers.Flatten() if layer.data_format == "channels_last":
                return np.tile(given[0], math.prod(layer.input.shape[1:]) // len(given[0]))
            case layers.Concatenate() if layer.axis in (-1, len(shape) - 1):
                return np.concatenate(given)
            case layers.Add() | layers.Subtract() | layers.Multiply() | layers.Average() | layers.Maximum():
                return self._tie(given)
            case layers.InputLayer():
                return np.full(shape[-1], _KEPT)
            case _ if isinstance(layer, _channelwise()) and getattr(layer, "data_format", "") != "channels_first":
                return given[0]
            case _:
                for units in given:
                    self.keep(units)
                return np.full(shape[-1], _KEPT)

    def keep(self, channels: Iterable[int]) -> None:
        """Rules that channels must stay."""
        for channel in channels:
            self._unite(int(channel), _KEPT)

    def units(self, channels: Units) -> Units:
        """The units of channels, now that all is known of them."""
        return np.array([self._root(int(channel)) for channel in channels], np.int64)

    def _new(self, count: int) -> Units:
        first = len(self._parents)
        self._parents += range(first, first + count)
        return np.arange(first, first + count)

    def _tie(self, given: list[Units]) -> Units:
        widest = max(given, key=len)
        for other in given:
            # A single channel is spread over all: taking it out would leave nothing.
            for one, two in zip(widest, np.broadcast_to(other, widest.shape), strict=True):
                self._unite(int(one), int(two))
        return widest

    def _unite(self, one: int, two: int) -> None:
        # The smaller number stays the root, so that whatever is tied to a kept channel is kept.
        low, high = sorted((self._root(one), self._root(two)))
        self._parents[high] = low

    def _root(self, channel: int) -> int:
        while self._parents[channel] != channel:
            channel = self._parents[channel]
        return channel


def _elementwise(layer: Any) -> bool:
    return getattr(layer.activation, "__name__", "") in _ELEMENTWISE


def _channelwise() -> tuple[type, ...]:
    """Layers without weights that work on each channel alone, and change nothing in their number."""
    from keras import layers

    return (
        layers.ReLU,
        layers.LeakyReLU,
        layers.ELU,
        layers.Dropout,
        layers.SpatialDropout2D,
        layers.GaussianNoise,
        layers.MaxPooling2D,
        layers.AveragePooling2D,
        layers.GlobalMaxPooling2D,
        layers.GlobalAveragePooling2D,
        layers.ZeroPadding2D,
        layers.Cropping2D,
        layers.UpSampling2D,
    )


def _grouped(convolutions: Mapping[str, Units]) -> tuple[ChannelGroup, ...]:
    groups: list[tuple[list[str], set[int]]] = []
    for name, channels in convolutions.items():
        units = set(channels.tolist()) - {_KEPT}
        if not units:
            continue
        tied = [group for group in groups if group[1] & units]
        groups = [group for group in groups if not group[1] & units]
        groups.append(
            ([*(one for group in tied for one in group[0]), name], units.union(*(group[1] for group in tied)))
        )
    return tuple(ChannelGroup(tuple(names), np.array(sorted(units))) for names, units in groups)
