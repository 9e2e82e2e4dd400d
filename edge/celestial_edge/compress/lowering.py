"""Keras model -> a cheaper graph of the same function, laid out whole or in strips."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from celestial_edge.compress.keras_graphs import read_model
from celestial_edge.compress.layers import BatchNorm, Convolution, Graph, MaxPool, Relu
from celestial_edge.compress.planner import Piece, fewer_pointers, join_within, pieces_within
from celestial_edge.compress.rewrites import (
    Refusal,
    Rewrite,
    cascade_pool,
    fold_batch_norm,
    fold_columns,
    fuse_relu,
    rewrite_everywhere,
)
from celestial_edge.recipes import PLAIN, STRIPS, WHOLE
from celestialkeras.evaluation.predictor import LOGITS_LAYER

STRIP_BUDGET = 4_000_000
"""Bytes that one strip may work in. HR-CelestialNet takes as long with 4 MB as with 64, and 150 MB less."""

WHOLE_BUDGET = 24_000_000
"""The same for strips within one graph, where each strip keeps pointers of its own in any case."""

POINTER_LIMIT = 64_000_000
"""Bytes of pointers above which a convolution of one whole graph is worth folding further."""

POINTER_GROWTH = 1.2
"""Most that the arithmetic of a convolution may grow by to halve its pointers."""

_FOLDING: tuple[tuple[Rewrite, type], ...] = ((fold_batch_norm, BatchNorm), (fuse_relu, Relu))
_CHEAPENING: tuple[tuple[Rewrite, type], ...] = ((cascade_pool, MaxPool), (fold_columns, Convolution))


@dataclass(frozen=True)
class Lowered:
    """A network in two equal forms.

    Attributes:
        reference: Batch normalisation folded and ReLUs fused, nothing else: what ranges are measured on.
        graph: Rewritten to cost less.
        refusals: The rewrites that were not applied, and why.
    """

    reference: Graph
    graph: Graph
    refusals: tuple[Refusal, ...]


def lower(model: Any) -> Lowered:
    """Rewrites a model, up to its logits, wherever a rewrite applies.

    Args:
        model: A Keras 3 functional model with a layer `logits`.

    Returns:
        Both forms. Of a model that nothing applies to they are the same graph.

    Raises:
        NotLowerableError: The model is no graph of layers, each called once, with one input of fixed size.
    """
    reference, refusals = _rewritten(read_model(model, LOGITS_LAYER), _FOLDING)
    lowered = cheapen(reference)
    return replace(lowered, refusals=(*refusals, *lowered.refusals))


def cheapen(reference: Graph) -> Lowered:
    """Rewrites a reference graph to cost less.

    Args:
        reference: Batch normalisation folded and ReLUs fused.

    Returns:
        It and what became of it.
    """
    graph, refusals = _rewritten(reference, _CHEAPENING)
    return Lowered(reference, graph, tuple(refusals))


def lay_out(lowered: Lowered, layout: str) -> list[Piece]:
    """The graphs of an artifact, in the order in which they run.

    Args:
        lowered: The network.
        layout: `plain`, the reference graph as it is; `whole`, one graph that works in strips inside where that saves
            memory; or `strips`, a few graphs that the runtime runs over strips of rows.
    """
    match layout:
        case "plain":
            return [Piece(lowered.reference, 1, 1)]
        case "whole":
            graph = fewer_pointers(lowered.graph, POINTER_LIMIT, POINTER_GROWTH)
            return [Piece(join_within(graph, WHOLE_BUDGET), 1, 1)]
        case "strips":
            return pieces_within(lowered.graph, STRIP_BUDGET)
        case _:
            raise ValueError(f"`layout` must be {PLAIN}, {WHOLE} or {STRIPS}. Received: layout={layout!r}")


def _rewritten(graph: Graph, rewrites: tuple[tuple[Rewrite, type], ...]) -> tuple[Graph, list[Refusal]]:
    refusals: list[Refusal] = []
    for rewrite, kind in rewrites:
        graph, refused = rewrite_everywhere(graph, rewrite, kind)
        refusals += refused
    return graph, refusals
