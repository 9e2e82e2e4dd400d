from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from celestialkeras.evaluation.gate import judge
from celestialkeras.evaluation.gate_report import judgement_to_json
from celestialkeras.evaluation.intervals import paired_difference
from celestialkeras.evaluation.metrics import Resampling, Timing, score
from celestialkeras.evaluation.paired import compare
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.report import figure_rows, slice_rows, to_json

Make = Callable[[Sequence[Any]], Predictions]


def test_json_holds_every_figure_with_its_unit_and_meaning(predictions: Make, mixed: list[Any]) -> None:
    evaluation = score(predictions(mixed), Timing(12.5, 3), Resampling(seed=4, resamples=200))
    found = json.loads(json.dumps(to_json(evaluation), allow_nan=False))
    assert found["schema"] == "celestialkeras.evaluation/1"
    assert (found["frames"], found["objects"], found["labels"]) == (10, 3, ["galaxy", "NSC"])
    assert set(found["figures"]) == {
        "accuracy",
        "balanced_accuracy",
        "instrument_balanced_accuracy",
        "object_balanced_accuracy",
        "majority_accuracy",
        "calibration_error",
        "brier",
        "log_loss",
        "milliseconds_per_frame",
    }
    for figure in found["figures"].values():
        assert {"value", "unit", "what"} <= set(figure)
    accuracy = found["figures"]["accuracy"]
    assert (accuracy["value"], accuracy["correct"], accuracy["unit"]) == (0.7, 7, "fraction")
    assert accuracy["intervals"]["frames"]["low"] == pytest.approx(0.3968, abs=1e-4)
    assert accuracy["intervals"]["frames"]["high"] == pytest.approx(0.8922, abs=1e-4)
    assert "200 resamples, seed 4" in accuracy["intervals"]["objects"]["method"]
    assert accuracy["headline"] == "objects"
    balanced = found["figures"]["balanced_accuracy"]
    assert balanced["intervals"]["objects"]["low"] <= balanced["value"] <= balanced["intervals"]["objects"]["high"]
    assert "intervals" not in found["figures"]["calibration_error"], "resampling raises it"
    assert found["figures"]["majority_accuracy"]["label"] == "galaxy"
    assert found["figures"]["milliseconds_per_frame"]["value"] == 12.5
    assert found["figures"]["milliseconds_per_frame"]["batches"] == 3
    assert "2 instrument(s), each counting alike" in found["figures"]["instrument_balanced_accuracy"]["what"]
    assert found["confusion"]["counts"] == [[5, 1], [2, 2]]
    assert found["classes"]["NSC"]["recall"] == 0.5
    # All NSC frames are of one object: whenever it is drawn, half of them are found.
    assert found["classes"]["NSC"]["object_intervals"]["recall"] == {"low": 0.5, "high": 0.5}
    worst = found["slices"]["instrument"][0]
    assert (worst["name"], worst["objects"], worst["frames_by_class"]) == ("WFC3/UVIS", 2, {"galaxy": 4, "NSC": 2})
    assert (worst["object_interval"], worst["too_small"]) == (None, True)
    assert [part["name"] for part in found["slices"]["object"]] == ["M16", "NGC1", "NGC2"]
    assert [part["correct"] for part in found["slices"]["filter"]] == [4, 3]


def test_json_says_null_for_what_cannot_be_computed(predictions: Make) -> None:
    evaluation = score(predictions([("NGC1", "ACS/WFC", "F814W", "galaxy", True)]))
    text = json.dumps(to_json(evaluation), allow_nan=False)
    found = json.loads(text)
    assert "NaN" not in text
    assert found["figures"]["balanced_accuracy"]["value"] is None
    assert found["figures"]["milliseconds_per_frame"]["value"] is None
    assert found["figures"]["accuracy"]["intervals"]["objects"]["low"] is None
    nsc = found["classes"]["NSC"]
    assert nsc.pop("object_intervals") == {"precision": None, "recall": None, "f1": None}
    assert nsc == {"frames": 0, "predicted": 0, "precision": None, "recall": None, "f1": None}
    assert accuracy_headline(found) == "frames"


def accuracy_headline(found: dict[str, Any]) -> str:
    return str(found["figures"]["accuracy"]["headline"])


def test_rows_give_the_accuracy_with_both_intervals_first(predictions: Make, mixed: list[Any]) -> None:
    evaluation = score(predictions(mixed), Timing(12.5, 3))
    rows = figure_rows(evaluation)
    over_objects = evaluation.object_interval
    assert over_objects is not None
    assert rows[0] == ("frames", "10", "", "of 3 object(s)")
    assert rows[1] == (
        "accuracy",
        "70.0 %",
        f"{100 * over_objects.low:.1f} to {100 * over_objects.high:.1f} %",
        "Wilson, over frames: 39.7 to 89.2 %",
    )
    assert (rows[3].figure, rows[3].value, rows[3].note) == (
        "balanced over instruments",
        "70.8 %",
        "mean of 2 accuracies",
    )
    assert rows[4][:2] == ("balanced over objects", "75.0 %")
    assert rows[5] == ("always galaxy", "60.0 %", "", "baseline: its larger class")
    assert (rows[7].figure, rows[7].value, rows[7].note) == ("NSC F1", "57.1 %", "precision 66.7 %, recall 50.0 %")
    assert rows[-1] == ("time a frame", "12.5 ms", "", "median of 3 batch(es)")


def test_rows_say_why_a_figure_is_missing(predictions: Make) -> None:
    rows = {row.figure: row for row in figure_rows(score(predictions([("NGC1", "ACS/WFC", "F814W", "galaxy", True)])))}
    assert rows["accuracy"].interval == "-"
    assert rows["balanced over classes"][1:] == ("-", "-", "a class has no frames")
    assert rows["time a frame"][1:] == ("-", "", "not measured: no batch left after warm-up")
    assert rows["NSC F1"][1:] == ("-", "-", "precision -, recall -")


def test_slices_are_listed_worst_first_with_their_classes(predictions: Make, mixed: list[Any]) -> None:
    evaluation = score(predictions(mixed))
    assert slice_rows(evaluation.by_object) == [
        ("M16", "NSC", "4", "1", "50.0 %", "15.0 to 85.0 %", "too few"),
        ("NGC1", "galaxy", "4", "1", "75.0 %", "30.1 to 95.4 %", "too few"),
        ("NGC2", "galaxy", "2", "1", "100.0 %", "34.2 to 100.0 %", "too few"),
    ]
    assert slice_rows(evaluation.by_instrument)[0][:2] == ("WFC3/UVIS", "4 galaxy, 2 NSC")


def test_a_judgement_is_reported_with_its_words(predictions: Make, mixed: list[Any]) -> None:
    original = predictions(mixed)
    flipped = original.logits.copy()
    flipped[0] = flipped[0, ::-1]
    judgement = judge(compare(original, Predictions(original.observations, flipped)), max_drop=1.0)
    found = json.loads(json.dumps(judgement_to_json(judgement), allow_nan=False))
    assert (found["schema"], found["frames"]) == ("celestialkeras.comparison/1", 10)
    assert (found["outcome"], found["judged"], found["minimum_frames"]) == ("not judged", False, 300)
    assert "reported, not judged" in found["reason"]
    assert found["max_drop"]["value"] == 1.0
    drop = found["figures"]["drop"]
    expected = paired_difference(1, 0, 10)
    assert expected is not None
    assert drop["value"] == pytest.approx(0.1)
    assert (drop["interval"]["low"], drop["interval"]["high"]) == (expected.low, expected.high)
    assert found["figures"]["agreement"]["value"] == 0.9
    for name in ("calibration_error", "brier", "log_loss"):
        before, after = (found["figures"][f"{name}_{model}"] for model in "ab")
        assert before["value"] < after["value"], "a certain frame became wrong"
        assert before["what"] == after["what"]
    assert "15 bins of equal width" in found["figures"]["calibration_error_a"]["what"]
    assert np.isclose(found["figures"]["accuracy_a"]["value"] - found["figures"]["accuracy_b"]["value"], 0.1)
