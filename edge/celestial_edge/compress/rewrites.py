"""Rewrites of a layer graph that change what it costs and not what it computes.

Each takes a graph and the name of one node, and gives a graph, or raises `NotApplicableError` with the reason. In real
arithmetic they are all exact. In int8 all but the folding of batch normalisation, which changes weights, are exact to
the bit: the weights, and so their scales, stay, and what is moved about is moved whole.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from celestial_edge.compress.layers import (
    BatchNorm,
    Convolution,
    Crop,
    Dense,
    FoldColumns,
    Graph,
    MaxPool,
    Node,
    Relu,
    UnfoldColumns,
    output_shape,
)

LANES = 8
"""Input channels that XNNPACK's int8 kernels for x86 (and Arm with I8MM) take at once; fewer are padded to as many."""

# Below this a narrower padding does not pay for the larger kernel.
_WORTHWHILE = 1.25

# Wider folds only ever add zeros to the kernels of the networks' first layers.
_WIDEST_FOLD = 32


class NotApplicableError(Exception):
    """The rewrite cannot be applied, or is not worth it; the message says why."""


Rewrite = Callable[[Graph, str], Graph]


@dataclass(frozen=True)
class Refusal:
    """A rewrite that was not applied.

    Attributes:
        rewrite: Its name.
        layer: Name of the node.
        reason: Why not.
    """

    rewrite: str
    layer: str
    reason: str


def rewrite_everywhere(graph: Graph, rewrite: Rewrite, kind: type) -> tuple[Graph, list[Refusal]]:
    """Applies a rewrite wherever it can be applied.

    Args:
        graph: The graph.
        rewrite: The rewrite.
        kind: Which operation to try it on.

    Returns:
        The graph, and what was refused.
    """
    refusals = []
    for name in [node.name for node in graph.nodes if isinstance(node.operation, kind)]:
        try:
            graph = rewrite(graph, name)
        except NotApplicableError as error:
            refusals.append(Refusal(getattr(rewrite, "__name__", str(rewrite)), name, str(error)))
    return graph, refusals


def fold_batch_norm(graph: Graph, name: str) -> Graph:
    """Multiplies a batch normalisation into the convolution or dense layer before it."""
    norm = graph.node(name)
    before = graph.node(norm.inputs[0])
    assert isinstance(norm.operation, BatchNorm)
    if not isinstance(before.operation, Convolution | Dense) or before.operation.relu:
        raise NotApplicableError(f"it follows {before.name!r}, which is no convolution or dense layer without a ReLU")
    _need_one_consumer(graph, before)
    scale = norm.operation.scale.astype(np.float64)
    operation = replace(
        before.operation,
        kernel=(before.operation.kernel * scale).astype(np.float32),
        bias=(before.operation.bias * scale + norm.operation.offset).astype(np.float32),
    )
    return _merged(graph, before, norm, operation)


def fuse_relu(graph: Graph, name: str) -> Graph:
    """Makes a ReLU part of the convolution or dense layer before it."""
    relu = graph.node(name)
    before = graph.node(relu.inputs[0])
    assert isinstance(relu.operation, Relu)
    if not isinstance(before.operation, Convolution | Dense):
        raise NotApplicableError(f"it follows {before.name!r}, which is no convolution or dense layer")
    _need_one_consumer(graph, before)
    return _merged(graph, before, relu, replace(before.operation, relu=True))


def cascade_pool(graph: Graph, name: str) -> Graph:
    """Max-pooling over overlapping windows = without overlap in small windows, then over neighbouring results.

    A window of `k` strides (8 / 4 has 2) is the maximum over `k` neighbouring windows of one stride each.
    """
    node = graph.node(name)
    pool = node.operation
    assert isinstance(pool, MaxPool)
    for window, stride in zip(pool.window, pool.strides, strict=True):
        if window % stride:
            raise NotApplicableError(f"a window of {window} is no whole number of strides of {stride}")
    if pool.window == pool.strides or 1 in pool.strides:
        raise NotApplicableError("its windows do not overlap, or at every step")
    windows = (pool.window[0] // pool.strides[0], pool.window[1] // pool.strides[1])
    first = Node(f"{name}/tiles", MaxPool(pool.strides, pool.strides), node.inputs, node.values)
    return graph.replacing(name, (first, Node(name, MaxPool(windows, (1, 1)), (first.name,), node.values)))


def fold_columns(graph: Graph, name: str) -> Graph:
    """Neighbouring columns become channels; the convolution gives as many outputs at once, and they become columns.

    A kernel of `w` columns over a frame of one channel becomes one of `ceil((w + b - 1) / b)` columns over `b`
    channels, with a set of filters for each of the `b` positions of its window; zeros fill it up. Both reshapes leave
    all bytes where they are, so that, unlike with space-to-depth in two directions, no phases are left for what
    follows to sort out: any pooling may. XNNPACK pads few input channels to `LANES` and keeps a pointer for each place
    of the kernel and each output pixel: both costs shrink.
    """
    node = graph.node(name)
    assert isinstance(node.operation, Convolution)
    channels = graph.shapes()[node.inputs[0]][2]
    width, stride = node.operation.kernel.shape[1], node.operation.strides[1]
    work = {
        factor: folded_taps(width, stride, factor) * _padded(factor * channels)
        for factor in range(stride, _WIDEST_FOLD + 1, stride)
        if factor > 1
    }
    enough = width * _padded(channels) / _WORTHWHILE
    reason = f"{channels} channels fill the {LANES} lanes of a kernel well enough"
    # Of equals the widest: it keeps the fewest pointers.
    for factor in sorted(work, key=lambda factor: (work[factor], -factor)):
        if work[factor] <= enough:
            try:
                return fold_columns_by(graph, name, factor)
            except NotApplicableError as error:
                reason = str(error)
    raise NotApplicableError(reason)


def fold_columns_by(graph: Graph, name: str, factor: int) -> Graph:
    """`fold_columns` with a given number of columns to become the channels of one."""
    node = graph.node(name)
    convolution = node.operation
    assert isinstance(convolution, Convolution)
    shapes = graph.shapes()
    rows, columns, channels = shapes[node.inputs[0]]
    _need_no_padding(convolution, (rows, columns))
    height, width, _, filters = convolution.kernel.shape
    stride = convolution.strides[1]
    if factor % stride:
        raise NotApplicableError(f"{factor} columns are no whole number of strides of {stride}")
    phases = factor // stride
    taps = folded_taps(width, stride, factor)
    wide = np.zeros((height, taps * factor, channels, phases, filters), np.float32)
    for phase in range(phases):
        wide[:, phase * stride : phase * stride + width, :, phase] = convolution.kernel
    kernel = wide.reshape(height, taps, factor * channels, phases * filters)
    folded = replace(
        convolution,
        kernel=kernel,
        bias=np.tile(convolution.bias, phases),
        strides=(convolution.strides[0], 1),
        same=False,
    )
    made, wanted = (columns // factor - taps + 1) * phases, shapes[name][1]
    unaffected = made == wanted or _pools_ignore(graph, node, wanted, made)
    if made < 1 or (made < wanted and not unaffected):
        raise NotApplicableError(f"folds of {factor} columns give {max(made, 0)} of the {wanted} that are needed")
    values = graph.node(node.inputs[0]).values
    nodes = []
    source = node.inputs[0]
    if columns % factor:
        crop = Crop((0, rows), (0, columns - columns % factor))
        nodes.append(Node(f"{name}/cropped", crop, (source,), values))
        source = nodes[-1].name
    nodes.append(Node(f"{name}/folded", FoldColumns(factor), (source,), values))
    nodes.append(Node(f"{name}/phases", folded, (nodes[-1].name,), node.values))
    if phases > 1:
        nodes.append(Node(f"{name}/unfolded", UnfoldColumns(phases), (nodes[-1].name,), node.values))
    if not unaffected:
        nodes.append(Node(f"{name}/trimmed", Crop((0, shapes[name][0]), (0, wanted)), (nodes[-1].name,), node.values))
    return graph.replacing(name, nodes, {name: nodes[-1].name})


def _pools_ignore(graph: Graph, node: Node, wanted: int, made: int) -> bool:
    """Whether only poolings follow, and they give the same for `made` columns as for `wanted`."""
    pools = [one.operation for one in graph.consumers(node.name)]
    return bool(pools) and all(
        isinstance(pool, MaxPool)
        and output_shape(pool, [(pool.window[0], wanted, 1)]) == output_shape(pool, [(pool.window[0], made, 1)])
        for pool in pools
    )


def folded_taps(width: int, stride: int, factor: int) -> int:
    """Columns of a kernel of `width` columns once `factor` columns of its input are folded into one."""
    return -(-(factor - stride + width) // factor)


def _padded(channels: int) -> int:
    return -(-channels // LANES) * LANES


def _need_no_padding(convolution: Convolution, sides: tuple[int, int]) -> None:
    for side, size, stride in zip(sides, convolution.kernel.shape[:2], convolution.strides, strict=True):
        if convolution.same and (-(-side // stride) - 1) * stride + size > side:
            raise NotApplicableError("its input is padded")


def _need_one_consumer(graph: Graph, node: Node) -> None:
    consumers = len(graph.consumers(node.name))
    if consumers != 1:
        raise NotApplicableError(f"{consumers} layers take from {node.name!r} before it")


def _merged(graph: Graph, before: Node, node: Node, operation: Convolution | Dense) -> Graph:
    """The graph with `node` taken into the one before it; the values are then called after the later layer."""
    nodes = [
        Node(node.name, operation, before.inputs, node.values) if one.name == before.name else one
        for one in graph.nodes
        if one.name != node.name
    ]
    return Graph(tuple(nodes))
