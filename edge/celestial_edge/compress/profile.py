"""What a network costs, layer by layer and in every layout, counted without running or exporting anything."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celestial_edge.compress.footprint import Footprint, footprint_of
from celestial_edge.compress.layers import Convolution, Dense, Node, NotLowerableError, Other, Shape
from celestial_edge.compress.lowering import lay_out, lower
from celestial_edge.compress.memory import indirection_of
from celestial_edge.compress.planner import Piece
from celestial_edge.recipes import FLOAT32, LAYOUTS, STATIC_INT8
from celestialkeras.errors import ModelError
from celestialkeras.models.cost import layer_macs, leaf_layers

BYTES_PER_VALUE = {STATIC_INT8: 1, FLOAT32: 4}
"""The recipes that peak memory is predicted for."""


@dataclass(frozen=True)
class LayerProfile:
    """One layer, each time that its graph runs.

    Attributes:
        name: Its name.
        kind: What it does, such as `Convolution`, or the Keras class where no rewrite knows it.
        shape: Its output, without the batch.
        parameters: Its weights and biases, batch normalisation folded in.
        macs: Multiply-accumulate operations; None where they cannot be counted.
        indirection: Bytes of XNNPACK's pointers; None where the graph cannot be read.
        graph: Number of its graph in the artifact, from 0.
    """

    name: str
    kind: str
    shape: Shape
    parameters: int
    macs: int | None
    indirection: int | None
    graph: int = 0

    @property
    def activations(self) -> Mapping[str, int]:
        """Bytes of its output by recipe."""
        return {recipe: size * math.prod(self.shape) for recipe, size in BYTES_PER_VALUE.items()}


@dataclass(frozen=True)
class LayoutProfile:
    """A network in one layout.

    Attributes:
        layout: `plain`, `whole` or `strips`.
        layers: The layers of all graphs, in order.
        runs: How often each graph runs for one frame.
        footprints: What a process takes, by recipe.
    """

    layout: str
    layers: tuple[LayerProfile, ...]
    runs: tuple[int, ...]
    footprints: Mapping[str, Footprint]

    @property
    def macs(self) -> int | None:
        """Multiply-accumulate operations for one frame, rows that strips compute twice among them."""
        return _total([None if one.macs is None else one.macs * self.runs[one.graph] for one in self.layers])


@dataclass(frozen=True)
class ModelProfile:
    """A network, as it is drawn and in the layouts that it can be exported in.

    Attributes:
        model: Its name.
        input_shape: `(height, width, 1)`, pixels.
        layers: As it is drawn, batch normalisation folded and ReLUs fused where its graph can be read.
        layouts: In the order of `LAYOUTS`; empty where its graph cannot be read.
        refused: Why it cannot be lowered; empty when it can.
    """

    model: str
    input_shape: Shape
    layers: tuple[LayerProfile, ...]
    layouts: tuple[LayoutProfile, ...]
    refused: str = ""

    @property
    def parameters(self) -> int:
        """Weights and biases of all layers."""
        return sum(one.parameters for one in self.layers)

    @property
    def macs(self) -> int | None:
        """Multiply-accumulate operations for one frame; None where a layer's cannot be counted."""
        return _total([one.macs for one in self.layers])


def profile_model(model: Any) -> ModelProfile:
    """Counts a model, up to its logits, and predicts the peak memory of each layout.

    Args:
        model: A Keras 3 model of the project's kind, built for a fixed size.

    Returns:
        Its profile. Of a model that is no graph of single layers it holds the layers alone, without pointers and
        layouts, and the reason.

    Raises:
        ModelError: The model leaves its input shape open.
    """
    shape = tuple(model.input_shape[1:])
    if None in shape:
        raise ModelError(
            f"model {model.name!r} leaves its input shape open; build it for one size. Received: input_shape={shape}"
        )
    try:
        lowered = lower(model)
    except NotLowerableError as error:
        return ModelProfile(model.name, shape, tuple(_drawn(model)), (), str(error))
    layouts = []
    for layout in LAYOUTS:
        pieces = lay_out(lowered, layout)
        footprints = {recipe: footprint_of(pieces, shape[:2], size) for recipe, size in BYTES_PER_VALUE.items()}
        runs = tuple(len(piece.starts) for piece in pieces)
        layouts.append(LayoutProfile(layout, tuple(_layers(pieces)), runs, footprints))
    plain = tuple(_layers([Piece(lowered.reference, 1, 1)]))
    return ModelProfile(model.name, shape, plain, tuple(layouts))


def _layers(pieces: Sequence[Piece]) -> Iterator[LayerProfile]:
    for number, piece in enumerate(pieces):
        shapes = piece.graph.shapes()
        for node in piece.graph.nodes[1:]:
            shape = shapes[node.name]
            yield LayerProfile(
                name=node.name,
                kind=_kind(node),
                shape=shape,
                parameters=_parameters(node),
                macs=_macs(node, shape),
                indirection=indirection_of(node, shape),
                graph=number,
            )


def _drawn(model: Any) -> Iterator[LayerProfile]:
    """The layers of a model whose graph cannot be read."""
    for layer in leaf_layers(model):
        macs = _layer_macs(layer)
        # Its weights are there once, and work at each call.
        work = None if macs is None else macs * len(layer._inbound_nodes)
        shape = tuple(layer.output.shape[1:])
        yield LayerProfile(layer.name, type(layer).__name__, shape, int(layer.count_params()), work, None)


def _kind(node: Node) -> str:
    match node.operation:
        case Convolution(kernel=kernel, strides=strides, relu=relu):
            stride = "" if strides == (1, 1) else f" / {strides[0]} x {strides[1]}"
            return f"Convolution {kernel.shape[0]} x {kernel.shape[1]}{stride}{' + ReLU' if relu else ''}"
        case Dense(relu=relu):
            return f"Dense{' + ReLU' if relu else ''}"
        case Other(layer=layer):
            return type(layer).__name__
        case operation:
            return type(operation).__name__


def _parameters(node: Node) -> int:
    match node.operation:
        case Convolution(kernel=kernel, bias=bias) | Dense(kernel=kernel, bias=bias):
            return int(kernel.size + bias.size)
        case Other(layer=layer):
            return int(layer.count_params())
        case _:
            return 0


def _macs(node: Node, shape: Shape) -> int | None:
    match node.operation:
        case Convolution(kernel=kernel):
            return int(kernel.size) * shape[0] * shape[1]
        case Dense(kernel=kernel):
            return int(kernel.size)
        case Other(layer=layer):
            return _layer_macs(layer)
        case _:
            return 0


def _layer_macs(layer: Any) -> int | None:
    try:
        return layer_macs(layer)
    except ModelError:
        return None


def _total(counts: Sequence[int | None]) -> int | None:
    known = [count for count in counts if count is not None]
    return sum(known) if len(known) == len(counts) else None
