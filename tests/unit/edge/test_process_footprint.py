from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from celestial_edge.compress.footprint import INTERPRETER, TOLERANCE, Fit, fit_of, footprint_of
from celestial_edge.compress.keras_graphs import read_model
from celestial_edge.compress.layers import Graph
from celestial_edge.compress.lowering import lay_out, lower
from celestial_edge.compress.memory import memory_of
from celestial_edge.compress.network import Network
from celestial_edge.compress.planner import Piece, pieces_within
from celestial_edge.device.bench import bench
from celestial_edge.device.bench_options import BenchOptions
from celestial_edge.device.boards import BOARDS, Board
from celestialkeras.models.registry import build_model
from network_artifacts import random_codes, write_artifact
from toy_networks import few_channels, network, two_stages

CHIP = 2 * 2048 * 4096


def test_one_graph_is_counted_by_hand() -> None:
    graph = read_model(network(few_channels(7, pool=(4, 4)), (40, 48, 1)), "logits")
    flat = 8 * 10 * 6
    for size in (1, 4):
        found = footprint_of([Piece(graph, 1, 1)], (40, 48), size)
        weights = size * (49 * 6 + flat * 2) + 4 * (6 + 2)
        packed = memory_of(graph, size).packed
        pointers = 8 * 49 * 34 * 42 + 8 * 16 * 8 * 10
        workspace, ends = size * (34 * 42 * 6 + flat), size * (40 * 48 + 2)
        assert (found.weights, found.indirection, found.activations) == (packed, pointers, workspace + ends)
        assert found.planes == size * 2, "the logits; LiteRT's input takes the frame"
        assert found.frames == 2 * 40 * 48
        # The mapped weights are still there, the input is not yet.
        assert found.loading == INTERPRETER + weights + packed + pointers + workspace
        assert found.peak == INTERPRETER + packed + pointers + workspace + ends + size * 2 + found.frames
        assert found.peak_with_chip == INTERPRETER + packed + pointers + workspace + ends + size * 2 + found.chip


@pytest.mark.parametrize(
    ("rows", "size", "expected"),
    [
        (2048, 1, CHIP),
        # Only int8 codes at full size become the input without lying anywhere else.
        (2048, 4, CHIP + 2048 * 4096),
        (512, 1, CHIP + 2048 * 4096 + 2 * 512 * 4096),
    ],
)
def test_a_chip_takes_its_counts_its_codes_and_their_binning(rows: int, size: int, expected: int) -> None:
    graph = read_model(network(lambda layers, x: layers.MaxPooling2D(64)(x), (rows, 2 * rows, 1)), "logits")
    assert footprint_of([Piece(graph, 1, 1)], (rows, 2 * rows), size).chip == expected


@pytest.fixture(scope="module")
def graph() -> Graph:
    return lower(network(two_stages, (128, 136, 1))).graph


def test_strips_add_the_planes_between_graphs(graph: Graph) -> None:
    pieces = pieces_within(graph, 20_000)
    assert [len(piece.starts) > 1 for piece in pieces] == [True, True, False]
    first, second = (piece.plane_out for piece in pieces[:2])
    assert (first[0], second[0]) == (pieces[0].rows, pieces[1].rows)
    found = footprint_of(pieces, (128, 136), 4)
    plane = 4 * first[0] * first[1] * first[2]
    # The frame and the first plane; the second is written straight into the last graph's input.
    assert found.planes == 4 * 128 * 136 + plane
    memories = [memory_of(piece.graph, 4) for piece in pieces]
    assert found.indirection == sum(memory.indirection for memory in memories)
    assert found.peak == (
        INTERPRETER + found.weights + found.indirection + found.activations + found.planes + found.frames
    )


def test_while_the_largest_graph_is_loaded_its_weights_are_there_twice() -> None:
    def body(layers: Any, x: Any) -> Any:
        return layers.Dense(500, name="heavy")(layers.Flatten(name="flatten")(x))

    graph = read_model(network(body, (40, 48, 1)), "logits")
    found = footprint_of([Piece(graph, 1, 1)], (40, 48), 4)
    weights = 4 * (40 * 48 * 500 + 500 + 500 * 2 + 2)
    packed = 4 * (40 * 48 * 512 + 512 + 500 * 16 + 16)
    assert found.weights == packed
    # Two copies are more than one, a frame and two frames' codes: this is the peak.
    assert found.peak == found.loading == INTERPRETER + weights + packed + 4 * (40 * 48 + 500)


def test_a_prediction_near_a_budget_is_left_to_measurement() -> None:
    board = Board("toy", 1, 200, 100, "")
    assert fit_of(86_000_000, board) is Fit.YES
    assert fit_of(88_000_000, board) is Fit.CLOSE
    assert fit_of(114_000_000, board) is Fit.CLOSE
    assert fit_of(116_000_000, board) is Fit.NO
    for board in BOARDS.values():
        assert board.budget_mb < board.memory_mb
        assert board.source.startswith("estimate")


@pytest.mark.parametrize("recipe", ["static_wi8_ai8", "float32"])
def test_a_fresh_process_takes_what_was_predicted(recipe: str, tmp_path: Path) -> None:
    shape = (512, 1024)
    model = network(few_channels(7, pool=(4, 2)), (*shape, 1))
    lowered = lower(model)
    artifacts, predicted = [], []
    for layout in ("plain", "whole"):
        calibrated = Network(model, list(random_codes(1, shape)), layout)
        artifacts.append(write_artifact(tmp_path / layout, calibrated, recipe, shape))
        size = 1 if recipe == "static_wi8_ai8" else 4
        predicted.append(footprint_of(lay_out(lowered, layout), shape, size).peak / 1e6)
    report = bench(artifacts, BenchOptions(frames=1, warmup=1, rounds=1, threads=1))
    measured = [entry.peak_memory_mb for entry in report.artifacts]
    assert predicted == pytest.approx(measured, rel=TOLERANCE)
    # What sets them apart are pointers; the interpreter alone would be no prediction of either.
    assert predicted[0] > 1.5 * predicted[1] > 2 * INTERPRETER / 1e6


# MB, as `celestial bench --tflite` measured them with two threads: LiteRT 2.3, Python 3.11, x86-64.
MEASURED = {
    ("plain", 1): 3840.2,
    ("plain", 4): 4096.3,
    ("whole", 1): 434.7,
    ("whole", 4): 553.6,
    ("strips", 1): 119.7,
    ("strips", 4): 199.5,
}


def test_peaks_of_hr_celestialnet_at_quarter_width_are_predicted() -> None:
    lowered = lower(build_model("hr_celestialnet", width=0.25))
    predicted = {
        (layout, size): footprint_of(lay_out(lowered, layout), (2048, 4096), size).peak / 1e6
        for layout, size in MEASURED
    }
    assert predicted == pytest.approx(MEASURED, rel=TOLERANCE)
