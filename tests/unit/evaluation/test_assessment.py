"""An assessment: its JSON, its tables and its pages."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib import image

from celestial_cli.evaluation_tables import print_assessment
from celestialkeras.evaluation.assessment import Assessment, Setting, assess
from celestialkeras.evaluation.assessment_report import (
    assessment_to_json,
    risk_rows,
    small_slice_warning,
    worst_slices,
)
from celestialkeras.evaluation.calibration_error import calibration_of
from celestialkeras.evaluation.curve_figures import save_curves
from celestialkeras.evaluation.metrics import Resampling, Timing, score
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.slice_figures import save_slices
from celestialkeras.lcid.manifest import Observation

Make = Callable[..., Observation]

SUBTYPES = {"galaxy": ("spiral", "elliptical"), "NSC": ("globular", "emission")}


def some_frames(observation: Make, count: int, offset: int = 0) -> Predictions:
    """Frames of simulated objects, three of each, of which about three in four are told rightly."""
    rng = np.random.default_rng(11)
    rows, measured = [], []
    for index in range(offset, offset + count):
        number = index // 3
        label = ("galaxy", "NSC")[number % 2]
        row = observation(index, f"SIM20240102-{label[0]}{number:04d}", label=label)
        instrument = ("ACS/WFC", "WFC3/UVIS", "CSST/MSC")[index % 3]
        extra = {"subtype": SUBTYPES[label][number % 4 // 2], "radius": "100", "distance": str(7 * (index % 25))}
        rows.append(replace(row, instrument=instrument, filter=f"F{400 + index % 4}W", extra=extra))
        measured.append({"exptime": 50.0 * (1 + index % 20), "signal_to_noise": 0.3 * 1.2 ** (index % 40)})
    toward_nsc = np.array([2 * row.label_code - 1 for row in rows])
    margins = toward_nsc * rng.normal(2.5, 3.5, count)
    return Predictions(tuple(rows), np.stack([0 * margins, margins], axis=1).astype(np.float32), tuple(measured))


@pytest.fixture(scope="module")
def assessed() -> Assessment:
    def observation(index: int, object_id: str, label: str) -> Observation:
        return Observation(object_id, "ACS/WFC", f"j{index:08d}", "F814W", 10.0, -5.0, 1, label)

    fitted = some_frames(observation, 60, offset=300).observations
    evaluation = score(some_frames(observation, 150), Timing(12.5, 3), Resampling(1, 200))
    return assess(evaluation, Setting(1.7, "fitted on 90 validation frames", 0.9, "set", fitted))


def test_json_holds_what_the_evaluation_says_and_more(assessed: Assessment) -> None:
    found = json.loads(json.dumps(assessment_to_json(assessed), allow_nan=False))
    evaluation = assessed.evaluation
    assert found["schema"] == "celestialkeras.evaluation/1"
    assert found["figures"]["accuracy"]["value"] == evaluation.accuracy
    raw = evaluation.predictions
    assert found["calibration"]["temperature"] == 1.7
    for key, temperature in (("before", 1.0), ("after", 1.7)):
        expected = calibration_of(raw.at_temperature(temperature))
        assert found["calibration"][key] == {
            "expected_error": expected.expected_error,
            "brier": expected.brier,
            "log_loss": expected.log_loss,
        }
    assert found["figures"]["log_loss"]["value"] == found["calibration"]["before"]["log_loss"]
    for name in ("reliability", "reliability_before"):
        assert sum(part["frames"] for part in found[name]) == 150
        assert set(found[name][0]) == {"low", "high", "frames", "confidence", "accuracy", "interval"}
    assert found["reliability"] != found["reliability_before"]
    curves = found["curves"]
    assert curves["roc"]["fpr"][0] == curves["roc"]["tpr"][0] == 0.0
    assert curves["roc"]["area"] == found["figures"]["roc_area"]["value"]
    assert curves["pr"]["base_rate"] + curves["pr_galaxy"]["base_rate"] == 1.0
    assert {"recall", "precision", "area", "interval"} <= set(curves["pr"])
    assert {score["name"] for score in found["rules"]["scores"]} >= {"majority", "instrument", "filter"}
    assert found["rules"]["fitted_frames"] == 60
    for key in ("object", "instrument", "filter", "subtype", "exposure_time", "signal_to_noise", "offset"):
        accuracies = [part["accuracy"] for part in found["slices"][key] if not part["too_small"]]
        assert accuracies == sorted(accuracies), f"{key}: the worst first"
        assert sum(part["frames"] for part in found["slices"][key]) == 150
    points = found["risk_coverage"]
    assert [point["coverage"] for point in points] == sorted(point["coverage"] for point in points)
    assert points[-1]["accuracy"] == evaluation.accuracy
    assert found["abstain"]["threshold"] == 0.9
    assert len(found["risk_coverage_curve"]["coverage"]) == len(found["risk_coverage_curve"]["accuracy"])


def test_json_of_one_class_says_null_for_curves(observation: Make) -> None:
    row = observation()
    evaluation = score(Predictions((row,), np.array([[1, 0]], np.float32)), resampling=Resampling(0, 20))
    found = assessment_to_json(assess(evaluation))
    assert (found["curves"]["roc"], found["curves"]["pr"], found["curves"]["pr_galaxy"]) == (None, None, None)
    assert found["rules"]["scores"] == []
    assert found["calibration"]["temperature"] == 1.0
    assert found["calibration"]["before"] == found["calibration"]["after"]
    assert found["abstain"] is None


def test_tables_fit_into_a_hundred_columns(assessed: Assessment, capsys: pytest.CaptureFixture[str]) -> None:
    print_assessment(assessed, "runs/edge/model.keras on 150 test frames", "test")
    said = capsys.readouterr()
    lines = [line.rstrip() for line in said.out.splitlines()]
    assert max(map(len, lines)) <= 100
    text = "\n".join(lines)
    for words in (
        "balanced over objects",
        "Rules that see no pixel, fitted on 60 training frames",
        "Probabilities at temperature 1.700 (fitted on 90 validation frames)",
        "The least sure frames left undecided",
        "By exposure time, worst first",
        "By object, worst first; 30 more in the JSON",
    ):
        assert words in text
    assert re.search(r"^ 0.0 % +0.5000 +150 of 150", text, re.MULTILINE)
    assert "worst by instrument: " in said.err
    assert "have fewer than 20 frames, or 2 to 4 objects: too few to say anything" in said.err


def test_the_asked_threshold_is_the_last_row(assessed: Assessment) -> None:
    rows = risk_rows(assessed)
    assert rows[-1].threshold == "0.9000"
    assert (
        rows[-1].decided
        == f"{int((assessed.evaluation.predictions.at_temperature(1.7).confidence >= 0.9).sum())} of 150"
    )
    assert len(rows) == len(assessed.risk) + 1


def test_worst_slices_leave_out_those_that_say_nothing(observation: Make) -> None:
    rows = tuple(observation(i, f"O{i}", filter_name="F606W" if i < 25 else "F814W") for i in range(30))
    evaluation = score(Predictions(rows, np.eye(2, dtype=np.float32)[[0] * 30]), resampling=Resampling(0, 20))
    found = assess(evaluation)
    assert worst_slices(found) == [
        "instrument: ACS/WFC 100.0 %",
        "filter: F606W 100.0 %; 1 of 2 too small to say",
    ]
    assert small_slice_warning(found).startswith("warning: 1 of 3 slices have fewer than 20 frames")
    large = assess(replace(evaluation, by_filter=()))
    assert small_slice_warning(large) == ""


@pytest.mark.parametrize("save", [save_curves, save_slices])
def test_pages_keep_their_texts_apart_and_are_written_alike(
    assessed: Assessment, tmp_path: Path, save: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    from matplotlib.figure import Figure

    drawn: list[Any] = []
    plain = Figure.savefig

    def keep(figure: Figure, *args: Any, **options: Any) -> None:
        drawn.append(figure)
        plain(figure, *args, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    for name in ("one.svg", "two.svg", "page.png"):
        save(assessed, tmp_path / name, "hr_celestialnet, static_wi8_ai8 on test frames")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
    assert image.imread(tmp_path / "page.png").shape[1] == 1500
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.svg", "page.png", "two.svg"]

    figure = drawn[-1]
    figure.draw_without_rendering()
    texts = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        assert axes.get_xlabel().endswith("%"), "axes have units"
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
        texts.append(axes._left_title)
    shown = [text for text in texts if text.get_text()]
    boxes = [text.get_window_extent() for text in shown]
    assert len(shown) > 30
    for index, box in enumerate(boxes):
        assert figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1, shown[index].get_text()
        assert figure.bbox.y0 <= box.y0 <= box.y1 <= figure.bbox.y1, shown[index].get_text()
        for other in range(index):
            assert not box.overlaps(boxes[other]), (shown[index].get_text(), shown[other].get_text())
