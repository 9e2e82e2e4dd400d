from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from celestial_edge.compress.keras_graphs import build_model, read_model
from celestial_edge.compress.layers import Frame, Graph
from celestial_edge.compress.lowering import lower
from celestial_edge.compress.memory import memory_of
from celestial_edge.compress.planner import Piece, fewer_pointers, join_within, pieces_within
from celestial_edge.compress.rewrites import NotApplicableError
from celestial_edge.compress.strips import Rows, cut, join_strips, leading_chain, rows_through, strip
from toy_networks import few_channels, logits_of, network, residual, some_frames, two_stages


@pytest.fixture(scope="module")
def model() -> Any:
    return network(two_stages, (128, 136, 1))


@pytest.fixture(scope="module")
def graph(model: Any) -> Graph:
    return lower(model).graph


def run_pieces(pieces: list[Piece], frame: np.ndarray) -> np.ndarray:
    """Runs pieces one after another as the board does, in float32."""
    plane = frame
    for piece in pieces:
        taking = build_model(piece.graph)
        parts: dict[int, np.ndarray] = {}
        for first in piece.starts:
            start = first * piece.stride
            part = taking.predict_on_batch(plane[None, start : start + piece.rows_in])[0]
            parts.update({first + row: values for row, values in enumerate(part)})
        assert sorted(parts) == list(range(len(parts))), "strips must leave no row out"
        plane = np.stack([parts[row] for row in sorted(parts)])
    return plane


def test_rows_of_operations_one_after_another() -> None:
    # A 7x7 convolution and an 8 / 4 pooling: the first stage of HR-CelestialNet.
    stage = Rows(7, 1).then(Rows(8, 4))
    assert stage == Rows(14, 4)
    assert stage.needed(509) == 2046


def test_the_chain_ends_where_rows_are_mixed_or_padded(graph: Graph) -> None:
    assert leading_chain(graph)[-1].name == "three_pool"
    assert [node.name for node in leading_chain(lower(network(residual)).graph)] == []
    padded = network(few_channels(5, 2, padding="same"))
    assert leading_chain(read_model(padded, "logits")) == ()


def test_a_cut_hands_on_shape_and_values(graph: Graph) -> None:
    front, rest = cut(graph, "one_pool")
    assert front.output.name == "one_pool"
    inlet = rest.nodes[0]
    assert inlet.operation == Frame(graph.shapes()["one_pool"])
    assert inlet.values == "one_relu"
    assert rest.shapes()["logits"] == (2,)


def test_a_cut_across_two_paths_is_refused() -> None:
    branched = read_model(network(residual), "logits")
    with pytest.raises(NotApplicableError, match="not all that follows 'branch' takes from it alone"):
        cut(branched, "branch")
    with pytest.raises(NotApplicableError, match="not all that follows 'logits'"):
        cut(branched, "logits")


def test_a_strip_takes_the_rows_that_its_outputs_need(graph: Graph) -> None:
    front, _ = cut(graph, "one_pool/tiles")
    piece = strip(front, 3)
    assert rows_through(leading_chain(front)) == Rows(10, 4)
    assert piece.shapes()[piece.nodes[0].name][0] == 18
    assert piece.shapes()["one_pool/tiles"][0] == 3
    with pytest.raises(NotApplicableError, match="31 rows need 130, and there are 128"):
        strip(front, 31)
    with pytest.raises(NotApplicableError, match="'flatten' does not work row by row"):
        strip(graph, 1)


@pytest.mark.parametrize("outputs", [1, 7, 28])
def test_joined_strips_compute_the_same(model: Any, graph: Graph, outputs: int) -> None:
    frames = some_frames(model)
    joined = join_strips(graph, "one_pool", outputs)
    assert joined.shapes()["logits"] == (2,)
    found = build_model(joined).predict_on_batch(frames)
    np.testing.assert_allclose(found, logits_of(model, frames), rtol=1e-5, atol=1e-6)


def test_one_strip_that_takes_all_is_refused(graph: Graph) -> None:
    rows = graph.shapes()["one_pool"][0]
    with pytest.raises(NotApplicableError, match=f"one strip of {rows} rows takes all {rows}"):
        join_strips(graph, "one_pool", rows)


@pytest.mark.parametrize("budget", [20_000, 60_000, 10**9])
def test_pieces_compute_the_same_within_the_budget(model: Any, graph: Graph, budget: int) -> None:
    pieces = pieces_within(graph, budget)
    assert (len(pieces) == 1) == (budget == 10**9)
    for piece in pieces:
        assert memory_of(piece.graph).working <= budget or piece.rows_out == 1
        assert piece.starts[-1] + piece.rows_out == piece.rows
    frames = some_frames(model)
    np.testing.assert_allclose(run_pieces(pieces, frames[0]), logits_of(model, frames)[0], rtol=1e-5, atol=1e-6)


def test_pieces_end_before_pools_overlap_so_that_no_convolution_row_is_computed_twice(graph: Graph) -> None:
    first = pieces_within(graph, 20_000)[0]
    assert first.graph.output.name == "one_pool/tiles"
    assert first.rows_in - 6 == first.rows_out * first.stride


def test_heavy_dense_layers_are_set_apart(model: Any) -> None:
    graph = lower(model).graph
    pieces = pieces_within(graph, 2000)
    assert [piece.graph.output.name for piece in pieces[-3:]] == ["flatten", "fc", "logits"]
    assert pieces[-2].rows_in == graph.shapes()["flatten"][0]


def test_the_first_stage_is_joined_when_its_activations_exceed_the_budget(graph: Graph) -> None:
    assert join_within(graph, 10**9) == graph
    joined = join_within(graph, 20_000)
    assert sum("one_relu/phases@" in node.name for node in joined.nodes) > 1
    assert sum("two_relu/phases" in node.name for node in joined.nodes) <= 1
    untouched = lower(network(residual)).graph
    assert join_within(untouched, 1) == untouched


def test_pointers_are_halved_where_the_arithmetic_hardly_grows(model: Any, graph: Graph) -> None:
    fewer = fewer_pointers(graph, 50_000, growth=1.2)
    before, after = memory_of(graph), memory_of(fewer)
    # The second stage's 5 columns become 3 over half as many pixels; the first stage's 2 would stay 2, the limit
    # spares the third.
    assert [node.name for node in fewer.nodes if node.name.endswith("/folded")] == [
        "one_relu/folded",
        "two_relu/folded",
    ]
    assert before.indirection - after.indirection > 8 * 25 * 25 * 27 - 8 * 15 * 25 * 14
    assert fewer_pointers(graph, 50_000, growth=1.1) == fewer_pointers(graph, 10**9, growth=2.0) == graph
    frames = some_frames(model)
    np.testing.assert_allclose(
        build_model(fewer).predict_on_batch(frames), logits_of(model, frames), rtol=1e-5, atol=1e-6
    )
