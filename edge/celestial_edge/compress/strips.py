"""Strips of rows: what a run of layers needs of the rows before it, graphs cut there, and strips joined in a graph."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from celestial_edge.compress.layers import (
    BatchNorm,
    Convolution,
    Crop,
    FoldColumns,
    Frame,
    Graph,
    JoinRows,
    MaxPool,
    Node,
    Relu,
    UnfoldColumns,
)
from celestial_edge.compress.rewrites import NotApplicableError


@dataclass(frozen=True)
class Rows:
    """Which input rows an output row is made of: `extent` rows from row `stride * i` on, for output row `i`."""

    extent: int
    stride: int

    def needed(self, outputs: int) -> int:
        """How many input rows make this many output rows."""
        return (outputs - 1) * self.stride + self.extent

    def then(self, after: Rows) -> Rows:
        """Rows of two operations one after another."""
        return Rows(self.needed(after.extent), self.stride * after.stride)


def rows_of(node: Node) -> Rows:
    """Rows that one operation reads.

    Raises:
        NotApplicableError: An output row needs more than a fixed number of rows of one input.
    """
    match node.operation:
        case Convolution(strides=strides, same=False):
            return Rows(node.operation.kernel.shape[0], strides[0])
        case MaxPool(window=window, strides=strides):
            return Rows(window[0], strides[0])
        case BatchNorm() | Relu() | FoldColumns() | UnfoldColumns():
            return Rows(1, 1)
        case Crop(rows=(0, _)):
            return Rows(1, 1)
        case _:
            raise NotApplicableError(f"{type(node.operation).__name__} does not work row by row")


def leading_chain(graph: Graph) -> tuple[Node, ...]:
    """The nodes after the frame that work row by row, each on the one before it alone."""
    chain: list[Node] = []
    for before, node in zip(graph.nodes, graph.nodes[1:], strict=False):
        if node.inputs != (before.name,) or len(graph.consumers(before.name)) != 1:
            break
        try:
            rows_of(node)
        except NotApplicableError:
            break
        chain.append(node)
    return tuple(chain)


def rows_through(chain: Sequence[Node]) -> Rows:
    """Rows of a run of operations, from its input to its output."""
    rows = Rows(1, 1)
    for node in chain:
        rows = rows.then(rows_of(node))
    return rows


def cut(graph: Graph, last: str) -> tuple[Graph, Graph]:
    """Two graphs, the second taking what the first gives.

    Args:
        graph: The graph.
        last: The node that the first graph ends with.

    Raises:
        NotApplicableError: What follows also takes from an earlier node, or nothing follows.
    """
    position = [node.name for node in graph.nodes].index(last) + 1
    front, rest = graph.nodes[:position], graph.nodes[position:]
    earlier = {node.name for node in front[:-1]}
    if not rest or any(earlier.intersection(node.inputs) for node in rest):
        raise NotApplicableError(f"not all that follows {last!r} takes from it alone")
    inlet = Node(last, Frame(graph.shapes()[last]), (), front[-1].values)
    return Graph(front), Graph((inlet, *rest))


def strip(graph: Graph, outputs: int) -> Graph:
    """The graph of a chain for a strip of its input that gives `outputs` rows.

    Raises:
        NotApplicableError: A node does not work row by row, or the graph gives fewer rows.
    """
    chain = leading_chain(graph)
    if len(chain) != len(graph.nodes) - 1:
        raise NotApplicableError(f"{graph.nodes[len(chain) + 1].name!r} does not work row by row on one input")
    inlet = graph.nodes[0]
    assert isinstance(inlet.operation, Frame)
    rows, *rest = inlet.operation.shape
    needed = rows_through(chain).needed(outputs)
    if needed > rows:
        raise NotApplicableError(f"{outputs} rows need {needed}, and there are {rows}")
    return _with_rows(Graph((replace(inlet, operation=Frame((needed, *rest))), *chain)))


def join_strips(graph: Graph, last: str, outputs: int) -> Graph:
    """Computes a graph's leading chain in strips that are joined, so that only one strip is at work at a time.

    Args:
        graph: The graph.
        last: Where the chain ends.
        outputs: Rows of a strip at that place; the last strip takes what remains.

    Raises:
        NotApplicableError: What comes before the node does not work row by row, or one strip takes all.
    """
    stem, _ = cut(graph, last)
    chain, total = stem.nodes[1:], stem.shapes()[last][0]
    if outputs >= total:
        raise NotApplicableError(f"one strip of {outputs} rows takes all {total}")
    inlet, rows = stem.nodes[0], rows_through(chain)
    assert isinstance(inlet.operation, Frame)
    columns = inlet.operation.shape[1]
    nodes: list[Node] = [inlet]
    ends = []
    for number, first in enumerate(range(0, total, outputs)):
        count = min(outputs, total - first)
        start = first * rows.stride
        crop = Crop((start, start + rows.needed(count)), (0, columns))
        source = f"{inlet.name}@{number}"
        nodes.append(Node(source, crop, (inlet.name,), inlet.values))
        for node in strip(stem, count).nodes[1:]:
            nodes.append(replace(node, name=f"{node.name}@{number}", inputs=(source,)))
            source = nodes[-1].name
        ends.append(source)
    joined = Node(last, JoinRows(), tuple(ends), graph.node(last).values)
    return Graph((*nodes, joined, *graph.nodes[len(stem.nodes) :]))


def _with_rows(graph: Graph) -> Graph:
    """The graph with its crops of columns as high as what they crop."""
    nodes: list[Node] = []
    for node in graph.nodes:
        if isinstance(node.operation, Crop):
            rows = Graph(tuple(nodes)).shapes()[node.inputs[0]][0]
            node = replace(node, operation=replace(node.operation, rows=(0, rows)))
        nodes.append(node)
    return Graph(tuple(nodes))
