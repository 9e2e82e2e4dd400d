"""The table: its rows and their order, the figures, and that JSON, CSV and Markdown hold the same."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from small_plans import MakePlan

from celestialkeras.comparison.conduct import read_results
from celestialkeras.comparison.folder import ComparisonFolder, begin_comparison
from celestialkeras.comparison.plan import Plan, open_sides
from celestialkeras.comparison.report import accuracy_table, comparison_to_markdown, write_comparison
from celestialkeras.comparison.results import Result, write_result
from celestialkeras.comparison.table import Comparison, tabulate
from celestialkeras.comparison.training import Training
from celestialkeras.errors import RunError
from celestialkeras.evaluation.intervals import bootstrap_over_objects, wilson
from celestialkeras.evaluation.metrics import Resampling
from celestialkeras.evaluation.predictions import Predictions

# Which of the six test frames each trial has right, clear and blurry.
RIGHT = {
    "01-one-seed-0": ("111111", "111000"),
    "01-one-seed-1": ("111100", "110000"),
    "02-two-seed-0": ("011001", "000000"),
    "02-two-seed-1": ("111101", "100000"),
    "03-runs-old": ("111101", "111101"),
}


def fill(plan: Plan, folder: ComparisonFolder, keys: list[str]) -> None:
    clear, blurry = open_sides(plan)

    def said(side: object, right: str) -> Predictions:
        rows = tuple(record.observation for record in side.records("test"))  # type: ignore[attr-defined]
        codes = [row.label_code if one == "1" else 1 - row.label_code for row, one in zip(rows, right, strict=True)]
        return Predictions(rows, np.eye(2, dtype=np.float32)[codes] * 3)

    for number, key in enumerate(keys, start=1):
        old = key.startswith("03")
        result = Result(
            kind="run" if old else "network",
            source=f"{key}.keras",
            sha256="a" * 64,
            clear=said(clear, RIGHT[key][0]),
            blurry=said(blurry, RIGHT[key][1]),
            milliseconds=10.0 * number,
            parameters=1234,
            macs=5_600_000,
            training=None if old else Training(7, 3, 4.25, "minutes", 812.5),
        )
        write_result(result, folder.result(next(trial for trial in plan.trials() if trial.key == key)))


@pytest.fixture
def begun(make_plan: MakePlan, tmp_path: Path) -> tuple[Plan, ComparisonFolder]:
    plan = make_plan(seeds=(0, 1), existing=("runs/old",))
    return plan, begin_comparison(plan, "made", tmp_path)


@pytest.fixture
def found(begun: tuple[Plan, ComparisonFolder]) -> Comparison:
    plan, folder = begun
    fill(plan, folder, list(RIGHT))
    return tabulate(plan, read_results(plan, folder), {}, resampling=Resampling(resamples=300))


def test_rules_come_first_then_entries_the_mean_before_its_trainings(found: Comparison) -> None:
    assert [(row.name, row.kind, row.seeds) for row in found.rows] == [
        ("majority", "rule", ()),
        ("instrument", "rule", ()),
        ("instrument and filter", "rule", ()),
        ("one", "network", (0, 1)),
        ("one", "network", (0,)),
        ("one", "network", (1,)),
        ("two", "network", (0, 1)),
        ("two", "network", (0,)),
        ("two", "network", (1,)),
        ("runs/old", "run", ()),
    ]
    majority = found.rows[0]
    assert majority.clear is not None
    # Of four galaxies and four NSC to learn from, a tie is galaxy: four of the six test frames.
    assert majority.clear.value == pytest.approx(4 / 6)
    assert majority.blurry == majority.clear


def test_accuracies_and_intervals_of_one_training_and_of_the_mean(found: Comparison) -> None:
    one, mean = found.rows[5], found.rows[3]
    assert one.clear is not None
    assert one.blurry is not None
    assert mean.clear is not None
    assert (one.clear.value, one.blurry.value, mean.clear.value) == pytest.approx((4 / 6, 2 / 6, 5 / 6))
    assert one.clear.frame_interval == wilson(4, 6)
    assert mean.clear.frame_interval is None
    objects = ["g0", "g0", "g1", "g1", "n2", "n2"]
    for accuracy, shares in ((one.clear, [1, 1, 1, 1, 0, 0]), (mean.clear, [1, 1, 1, 1, 0.5, 0.5])):
        by_hand = bootstrap_over_objects(np.array(shares, float), objects, np.random.default_rng(0), 300)
        assert accuracy.object_interval == by_hand
    assert (mean.milliseconds, mean.training, mean.gmac) == (15.0, None, 0.0056)


def test_entries_are_held_against_the_first_seed_by_seed(found: Comparison) -> None:
    pairs = [(pair.name, pair.reference, pair.seeds) for pair in found.pairs]
    assert pairs == [
        ("two", "one", None),
        ("two", "one", (0, 0)),
        ("two", "one", (1, 1)),
        ("runs/old", "one", None),
        ("runs/old", "one", (None, 0)),
        ("runs/old", "one", (None, 1)),
    ]
    mean, first = found.pairs[:2]
    assert mean.difference == pytest.approx((3 / 6 + 5 / 6) / 2 - 5 / 6)
    assert (mean.compared, mean.p_value, mean.differing) == (None, None, ())
    # Three frames that only the first has right: 2 * (1/2)^3.
    assert first.compared is not None
    assert (first.compared.only_a, first.compared.only_b, first.p_value) == (0, 3, 0.25)
    assert first.difference == pytest.approx(-0.5)
    assert [(one.observation.obsid, one.said, one.reference_said) for one in first.differing] == [
        ("jtest0000", "NSC", "galaxy"),
        ("jtest0003", "NSC", "galaxy"),
        ("jtest0004", "galaxy", "NSC"),
    ]


def test_the_reference_may_be_any_entry(begun: tuple[Plan, ComparisonFolder], found: Comparison) -> None:
    plan, folder = begun
    other = tabulate(plan, read_results(plan, folder), {}, "runs/old", Resampling(resamples=50))
    assert {(pair.name, pair.reference) for pair in other.pairs} == {("one", "runs/old"), ("two", "runs/old")}
    with pytest.raises(RunError, match=r"one of the entries, one, two, runs/old\. Received: 'three'"):
        tabulate(plan, {}, {}, "three")


def test_what_is_not_there_yet_is_said(begun: tuple[Plan, ComparisonFolder]) -> None:
    plan, folder = begun
    fill(plan, folder, ["01-one-seed-0", "03-runs-old"])
    failures = {"02-two-seed-0": "out of luck"}
    found = tabulate(plan, read_results(plan, folder), failures, resampling=Resampling(resamples=50))
    assert [(row.name, row.seeds, row.missing) for row in found.rows[3:]] == [
        ("one", (0,), ""),
        ("one", (1,), "not done yet"),
        ("two", (0,), "out of luck"),
        ("two", (1,), "not done yet"),
        ("runs/old", (), ""),
    ]
    assert [pair.seeds for pair in found.pairs] == [(None, 0)]
    written = comparison_to_markdown(found)
    assert "| two | 0 | - | - | - | - | - | - | - | - | - | - | - | not done |" in written
    assert "* not done: two: out of luck" in written


def test_json_csv_and_markdown_hold_the_same(begun: tuple[Plan, ComparisonFolder], found: Comparison) -> None:
    _, folder = begun
    held = write_comparison(found, folder, {"cores": 2})
    assert json.loads(folder.table(".json").read_text()) == held
    assert (held["schema"], held["machine"]) == ("celestialkeras.compare/1", {"cores": 2})
    assert held["plan"]["seeds"] == [0, 1]

    lines = list(csv.DictReader(io.StringIO(folder.table(".csv").read_text())))
    marks = [line.split(" | ") for line in folder.table(".md").read_text().splitlines() if line.startswith("| ")]
    table = marks[2 : 2 + len(held["rows"])]
    assert len(lines) == len(held["rows"]) == len(table) == 10
    for row, line, mark in zip(held["rows"], lines, table, strict=True):
        assert line["name"] == row["name"] == mark[0].removeprefix("| ")
        assert line["seeds"] == " ".join(map(str, row["seeds"]))
        for side, cell in (("accuracy", 2), ("blurry", 5)):
            assert float(line[f"{side}_value"]) == row[side]["value"]
            assert mark[cell] == f"{100 * row[side]['value']:.1f} %"
            low, high = row[side]["over_objects"]["low"], row[side]["over_objects"]["high"]
            assert (float(line[f"{side}_over_objects_low"]), float(line[f"{side}_over_objects_high"])) == (low, high)
            assert mark[cell + 1] == f"{100 * low:.1f} to {100 * high:.1f} %"
        for name, cell, form in (("milliseconds", 7, "{:.1f}"), ("parameters", 8, "{:,}"), ("gmac", 9, "{:.2f}")):
            value = row[name]
            assert line[name] == ("" if value is None else str(value))
            assert mark[cell] == ("-" if value is None else form.format(value))
        training = row["training"]
        assert line["training_ended_by"] == (training["ended_by"] or "")
        assert mark[11] == ("-" if training["epochs"] is None else str(training["epochs"]))
        assert line["training_peak_memory_mb"] == ("812.5" if training["epochs"] else "")

    pairs = marks[2 + len(table) + 2 :]
    for pair, mark in zip(held["pairs"], pairs, strict=True):
        assert mark[:2] == [f"| {pair['name']}", pair["reference"]]
        assert mark[3] == f"{100 * pair['difference']:+.1f}"
        assert mark[-1] == f"{len(pair['differing'])} |" if pair["seeds"] else "- |"
    assert held["pairs"][1]["differing"][0] == {
        "object_id": "test-galaxy-0",
        "obsid": "jtest0000",
        "hdu": 1,
        "label": "galaxy",
        "said": "NSC",
        "reference_said": "galaxy",
    }


def test_the_table_names_its_columns(found: Comparison) -> None:
    columns, lines = accuracy_table(found)
    assert columns == (
        *("entry", "seed", "accuracy", "95 %, objects", "95 %, frames"),
        *("blurry", "blurry, 95 %, objects"),
    )
    assert lines[3][:3] == ("one", "mean of 2", "83.3 %")


def test_a_result_of_other_frames_is_refused(begun: tuple[Plan, ComparisonFolder]) -> None:
    plan, folder = begun
    fill(plan, folder, ["01-one-seed-0"])
    path = folder.result(next(plan.trials()))
    held = json.loads(path.read_text())
    path.write_text(json.dumps({**held, "clear": held["clear"][:-1]}))
    with pytest.raises(RunError, match=r"01-one-seed-0\.json: not the result of a comparison .*compare again"):
        read_results(plan, folder)
