"""Where to cut a layer graph, and how to fold it, so that it takes less memory to run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass

from celestial_edge.compress.layers import Convolution, Dense, Frame, Graph, MaxPool, Shape
from celestial_edge.compress.memory import indirection_of, memory_of, weight_bytes
from celestial_edge.compress.rewrites import NotApplicableError, fold_columns_by, folded_taps
from celestial_edge.compress.strips import cut, join_strips, leading_chain, rows_through, strip


@dataclass(frozen=True)
class Piece:
    """A graph that runs over strips of rows, one after another, of what the piece before it gives.

    Attributes:
        graph: The graph for one strip.
        stride: Input rows from one output row to the next.
        rows: Output rows in all; 1 for an output without rows.
    """

    graph: Graph
    stride: int
    rows: int

    @property
    def rows_in(self) -> int:
        """Input rows of a strip."""
        inlet = self.graph.nodes[0].operation
        assert isinstance(inlet, Frame)
        return inlet.shape[0]

    @property
    def rows_out(self) -> int:
        """Output rows of a strip."""
        shape = self.graph.shapes()[self.graph.output.name]
        return shape[0] if len(shape) == 3 else 1

    @property
    def plane_out(self) -> Shape:
        """Shape of what the strips give together."""
        shape = self.graph.shapes()[self.graph.output.name]
        return (self.rows, *shape[1:]) if len(shape) == 3 else shape

    @property
    def starts(self) -> list[int]:
        """First output row of each strip; the last strip ends with the last row, and may overlap the one before."""
        step = self.rows_out
        return [min(first, self.rows - step) for first in range(0, self.rows, step)]


def pieces_within(graph: Graph, budget: int, bytes_per_value: int = 1) -> list[Piece]:
    """Cuts a graph into pieces whose strips each work within a budget, as long as it can be cut.

    The front of the graph is cut off, stage by stage, at its poolings, until what is left works within the budget as
    it is. Each piece gets the highest strips that fit. Whole planes lie between the pieces, so that hardly a row is
    computed twice. Dense layers of more weights than the budget are set apart.

    Args:
        graph: The graph.
        budget: Bytes for pointers and activations of one strip.
        bytes_per_value: 1 for int8, 4 for float32.

    Returns:
        The pieces in order; one alone when the graph cannot be cut, or need not be.
    """
    pieces = []
    while memory_of(graph, bytes_per_value).working > budget:
        end = _first_stage(graph)
        if end is None:
            break
        front, graph = cut(graph, end)
        pieces.append(_highest(front, budget, bytes_per_value))
    pieces += [Piece(piece, 1, 1) for piece in _apart(graph, budget, bytes_per_value)]
    return pieces


def _apart(graph: Graph, budget: int, bytes_per_value: int) -> Iterator[Graph]:
    """The graph, cut before and behind dense layers whose weights alone are more than the budget.

    While a graph is loaded its weights are there twice, mapped and packed: apart, only one layer's are.
    """
    for node in graph.nodes:
        if isinstance(node.operation, Dense) and weight_bytes(node, bytes_per_value) > budget:
            for end in (node.inputs[0], node.name):
                # A graph that starts or ends there need not be cut.
                if end not in (graph.nodes[0].name, graph.output.name):
                    try:
                        front, graph = cut(graph, end)
                    except NotApplicableError:
                        continue
                    yield front
    yield graph


def join_within(graph: Graph, budget: int) -> Graph:
    """Splits the first stage of a graph into joined strips whose activations fit a budget.

    Pointers are not counted: every strip of one graph keeps its own.

    Args:
        graph: The graph.
        budget: Bytes for the activations of one strip.

    Returns:
        The graph; the same one when its first stage cannot be split, or fits.
    """
    end = _first_stage(graph)
    if end is None:
        return graph
    front, _ = cut(graph, end)
    rows = front.shapes()[end][0]
    for count in _strip_counts(rows):
        outputs = -(-rows // count)
        try:
            piece = strip(front, outputs)
        except NotApplicableError:
            continue
        if memory_of(piece).activations <= budget or outputs == 1:
            return graph if count == 1 else join_strips(graph, end, outputs)
    return graph


def fewer_pointers(graph: Graph, limit: int, growth: float) -> Graph:
    """Folds pairs of columns of convolutions with many pointers: their pointers halve, their arithmetic grows little.

    Half as many output columns keep pointers, to a kernel of a little more than half as many columns: of 7, 4 remain
    and 8 / 7 of the arithmetic.

    Args:
        graph: The graph.
        limit: Bytes of pointers above which a convolution is folded.
        growth: Factor on its arithmetic that is worth it.

    Returns:
        The graph; the same one when no convolution can be folded, or need be.
    """
    for name in [node.name for node in graph.nodes]:
        node = graph.node(name)
        if isinstance(node.operation, Convolution) and indirection_of(node, graph.shapes()[name]) > limit:
            width, stride = node.operation.kernel.shape[1], node.operation.strides[1]
            if folded_taps(width, stride, 2 * stride) * 2 * stride <= growth * width:
                with suppress(NotApplicableError):
                    graph = fold_columns_by(graph, name, 2 * stride)
    return graph


def _first_stage(graph: Graph) -> str | None:
    """The first pooling of the leading chain that shortens it, after a convolution.

    Of a cascade this is the part without overlap: strips that end there compute no row of the convolution twice.
    """
    convolved = False
    for node in leading_chain(graph):
        convolved = convolved or isinstance(node.operation, Convolution)
        if convolved and isinstance(node.operation, MaxPool) and node.operation.strides[0] > 1:
            return node.name
    return None


def _highest(front: Graph, budget: int, bytes_per_value: int) -> Piece:
    """The front in the highest strips that work within the budget, at least one row; all of one height."""
    rows = front.shapes()[front.output.name][0]
    stride = rows_through(leading_chain(front)).stride
    for count in _strip_counts(rows):
        outputs = -(-rows // count)
        try:
            graph = strip(front, outputs)
        except NotApplicableError:
            continue
        if memory_of(graph, bytes_per_value).working <= budget or outputs == 1:
            return Piece(graph, stride, rows)
    raise AssertionError(rows)


def _strip_counts(rows: int) -> Iterator[int]:
    seen = 0
    for count in range(1, rows + 1):
        height = -(-rows // count)
        if height != seen:
            seen = height
            yield count
