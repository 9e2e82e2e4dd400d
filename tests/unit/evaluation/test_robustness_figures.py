"""Curves, areas and relative means by hand, and how they are reported and drawn."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from matplotlib import image
from matplotlib.figure import Figure
from small_sweeps import candidate, dataset, record, records

from celestialkeras.errors import RunError
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.robustness.curves import Robustness, area, ratios, robustness_of
from celestialkeras.evaluation.robustness.figure import save_robustness_figure
from celestialkeras.evaluation.robustness.report import (
    CSV_COLUMNS,
    blurry_rows,
    curve_rows,
    mean_rows,
    missing_in_words,
    notes,
    robustness_to_csv,
    robustness_to_json,
)
from celestialkeras.evaluation.robustness.sweep import Findings, SweepPlan
from celestialkeras.lcid.degradations import KINDS

# Two objects of two frames; by point, which frames are told wrongly.
Wrong = Mapping[str, Sequence[int]]
TWO = [record(number, f"galaxy {number // 2}", "galaxy") for number in range(4)]


def levels(kind: str, wrong: Sequence[int]) -> dict[str, Sequence[int]]:
    return {f"{kind}:{level}": wrong for level in range(1, 6)}


REFERENCE: Wrong = {"clear": [], **levels("psf", [0]), **levels("sky", [0, 2])}
OTHER: Wrong = {"clear": [0], **levels("psf", [0, 2]), **levels("sky", [0])}


def said(plan: SweepPlan, wrong: Sequence[int]) -> Predictions:
    rows = tuple(one.observation for one in plan.records)
    codes = [row.label_code ^ (place in wrong) for place, row in enumerate(rows)]
    return Predictions(rows, np.eye(2, dtype=np.float32)[codes])


def found(answers: Mapping[str, Wrong], missing: Sequence[str] = (), **plan_options: Any) -> Findings:
    plan = SweepPlan(**{"dataset": dataset(TWO), "kinds": ("psf", "sky"), "minutes": 30.0, **plan_options})
    given = {name: {point: said(plan, wrong) for point, wrong in of.items()} for name, of in answers.items()}
    return Findings(plan, tuple(map(candidate, answers)), given, tuple(missing), 12.5, {"psf:1": 830.0})


@pytest.fixture(scope="module")
def pair() -> Robustness:
    return robustness_of(found({"a": REFERENCE, "b": OTHER}))


@pytest.mark.parametrize(
    ("accuracies", "expected"),
    [
        ((1.0, 0.75, 0.75, 0.75, 0.75, 0.75), 0.775),
        ((1.0,) * 6, 1.0),
        ((1.0, 0.8, 0.6, 0.4, 0.2, 0.0), 0.5),
        ((1.0, 0.8, None, 0.4, 0.2, 0.0), None),
    ],
)
def test_areas_by_hand(accuracies: tuple[float | None, ...], expected: float | None) -> None:
    assert area(accuracies) == (None if expected is None else pytest.approx(expected))


def test_curves_by_hand(pair: Robustness) -> None:
    shown = {(curve.model, curve.kind): [share.accuracy for share in curve.shares if share] for curve in pair.curves}
    assert shown == {
        ("a", "psf"): [1.0, *[0.75] * 5],
        ("a", "sky"): [1.0, *[0.5] * 5],
        ("b", "psf"): [0.75, *[0.5] * 5],
        ("b", "sky"): [0.75, *[0.75] * 5],
    }
    assert pair.curves[0].area == pytest.approx(0.775)
    share = pair.curves[0].shares[3]
    assert share is not None
    assert share.interval is not None
    # Of objects that are half and wholly right, either may be drawn twice.
    assert (share.interval.low, share.interval.high) == (0.5, 1.0)


def test_relative_means_by_hand(pair: Robustness) -> None:
    reference, other = pair.means
    assert (reference.reference, other.reference) == ("a", "a")
    assert (reference.corruption_error, reference.relative_corruption_error) == (1.0, 1.0)
    # psf: 10 errors over 5, sky: 5 over 10. Beyond 5 times one clear error: 5 over 5, none over 10.
    assert other.corruption_errors == {"psf": 2.0, "sky": 0.5}
    assert other.corruption_error == pytest.approx(1.25)
    assert other.relative_corruption_error == pytest.approx(0.5)
    assert (reference.accuracy, other.accuracy) == (pytest.approx(0.625), pytest.approx(0.625))
    assert other.kinds == ("psf", "sky")
    assert reference.interval is not None
    assert (reference.interval.low, reference.interval.high) == (1.0, 1.0)


def test_the_interval_of_a_relative_mean_by_hand(pair: Robustness) -> None:
    # Both objects: 1.25. Object 0 twice: both have the same errors, 1. Object 1 twice: in psf the reference has none,
    # in sky it has ten and the other none.
    interval = pair.means[1].interval
    assert interval is not None
    assert (interval.low, interval.high) == (0.0, 1.25)


def test_another_reference() -> None:
    findings = found({"a": REFERENCE, "b": OTHER})
    means = robustness_of(findings, "b").means
    assert means[0].corruption_errors == {"psf": 0.5, "sky": 2.0}
    assert means[1].corruption_error == 1.0
    with pytest.raises(RunError, match=r"the reference must be one of a, b\. Received: 'c'"):
        robustness_of(findings, "c")


def test_a_kind_without_errors_of_the_reference_is_left_out_of_the_mean() -> None:
    perfect = {"clear": [], **levels("psf", []), **levels("sky", [0])}
    mean = robustness_of(found({"a": perfect, "b": OTHER})).means[1]
    assert mean.corruption_errors == {"psf": None, "sky": 1.0}
    assert mean.corruption_error == 1.0
    without = robustness_of(found({"a": {"clear": [], **levels("psf", []), **levels("sky", [])}, "b": OTHER})).means[1]
    assert (without.corruption_error, without.interval, without.relative_corruption_error) == (None, None, None)
    assert np.isnan(ratios(np.array([1.0, 2.0]), np.array([0.0, -1.0]))).all()


def test_what_was_not_run_is_none() -> None:
    cut = {point: wrong for point, wrong in REFERENCE.items() if point != "sky:5"}
    result = robustness_of(found({"a": cut, "b": cut}, missing=["sky:5"]))
    sky = result.curves[1]
    assert (sky.shares[5], sky.area) == (None, None)
    assert result.means[1].kinds == ("psf",)
    held = robustness_to_json(result)
    assert held["missing"] == ["sky:5"]
    assert held["curves"][1]["accuracy"] == [1.0, 0.5, 0.5, 0.5, 0.5, None]
    assert held["curves"][1]["interval"][5] is None
    assert held["curves"][1]["area"] is None
    assert any("budget of 30 minutes ended: sky:5; the same command goes on" in note for note in notes(result))
    assert curve_rows(result)[2][-2:] == ("-", "-")


def test_one_object_gives_no_intervals() -> None:
    alone = dataset([record(number, "M51", "galaxy") for number in range(4)])
    result = robustness_of(found({"a": REFERENCE}, dataset=alone))
    assert [share.interval for share in result.curves[0].shares if share] == [None] * 6
    assert result.means[0].interval is None


def test_the_json_that_reports_count_on(pair: Robustness) -> None:
    held = json.loads(json.dumps(robustness_to_json(pair), allow_nan=False))
    assert held["schema"] == "celestialkeras.robustness/1"
    assert (held["frames"], held["objects"], held["minutes"]) == (4, 2, 12.5)
    assert held["budget"] == {"frames": 0, "minutes": 30.0}
    assert held["models"][0] == {
        "name": "a",
        "kind": "run",
        "sha256": "a".ljust(64, "0"),
        "source": "runs/a/model.keras",
        "size": [16, 32],
    }
    curve = held["curves"][0]
    assert (curve["model"], curve["kind"], curve["unit"]) == ("a", "psf", "pixels")
    assert curve["levels"] == [0, 1, 2, 3, 4, 5]
    assert curve["amounts"] == [None, 1.5, 3.0, 6.0, 12.0, 24.0]
    assert curve["accuracy"] == [1.0, *[0.75] * 5]
    assert curve["interval"][1] == [0.5, 1.0]
    assert curve["area"] == pytest.approx(0.775)
    assert held["means"][1]["mean_corruption_error"] == pytest.approx(1.25)
    assert held["means"][1]["reference"] == "a"
    assert held["blurry"] is None


def test_the_csv_has_a_row_for_each_point(pair: Robustness) -> None:
    rows = list(csv.DictReader(io.StringIO(robustness_to_csv(pair))))
    assert tuple(rows[0]) == CSV_COLUMNS
    assert len(rows) == 2 * 2 * 6
    assert (rows[0]["level"], rows[0]["amount"]) == ("0", "")
    assert rows[7] == {
        "model": "a",
        "kind": "sky",
        "level": "1",
        "amount": "30.0",
        "unit": "electrons",
        "frames": "4",
        "correct": "2",
        "accuracy": "0.5",
        "low": "0.5",
        "high": "0.5",
    }


def test_tables_for_a_terminal(pair: Robustness) -> None:
    rows = curve_rows(pair)
    assert [row[:2] for row in rows] == [("psf", "a"), ("psf", "b"), ("sky", "a"), ("sky", "b")]
    assert rows[0][2:] == ("100.0 %", *["75.0 %"] * 5, "0.775")
    assert mean_rows(pair)[1] == ("b", "62.5 %", "a", "125.0 %", "0.0 to 125.0 %", "50.0 %", "2")
    assert notes(pair)[0] == "4 test frames of 2 objects of set; 12.5 minutes"


def many(names: Sequence[str], blurry: bool = True) -> Robustness:
    rows = records(galaxies=5, nscs=5)
    rng = np.random.default_rng(0)
    points = ["clear", *(f"{kind}:{level}" for kind in KINDS for level in range(1, 6))]
    answers = {name: {point: rng.permutation(20)[: rng.integers(2, 12)] for point in points} for name in names}
    data = dataset(rows, "bench")
    findings = found(answers, dataset=data, kinds=tuple(KINDS), frames=20)
    if not blurry:
        return robustness_of(findings)
    plan = replace(findings.plan, blurry=dataset(rows[:6], "LCID-Blurry", "9" * 64))
    rows_of = tuple(one.observation for one in rows[:6])
    on_blurry = Predictions(rows_of, np.eye(2, dtype=np.float32)[[0, 0, 1, 0, 1, 0]])
    given = {name: {**of, "blurry": on_blurry} for name, of in findings.answers.items()}
    return robustness_of(replace(findings, plan=plan, answers=given))


MODELS = ("hr_celestialnet 0.25", "resnet18", "celestialnet_edge", "celestialnet_edge, static_wi8_ai8")


@contextmanager
def saved_figures() -> Iterator[list[Figure]]:
    """The figures that were saved, for asking where their texts lie."""
    kept: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, path: Path, **options: Any) -> None:
        if options["format"] == "png":
            kept.append(figure)
        save(figure, path, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Figure, "savefig", keep)
        yield kept


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Figure, Robustness]:
    """Four models, eleven kinds and a blurry list."""
    stem = tmp_path_factory.mktemp("robustness") / "robustness"
    result = many(MODELS)
    with saved_figures() as kept:
        save_robustness_figure(result, stem, "Robustness of four models")
    return stem, kept[0], result


def test_a_panel_for_each_kind_with_its_unit(page: tuple[Path, Figure, Robustness]) -> None:
    _, figure, _ = page
    assert [axes._left_title.get_text() for axes in figure.axes] == [*KINDS, "blurry list"]
    for axes, kind in zip(figure.axes, KINDS.values(), strict=False):
        label = " ".join(axes.get_xlabel().split())
        assert label == f"{kind.quantity}, {kind.unit}"
        ticks = [text.get_text() for text in axes.get_xticklabels()]
        assert ticks == ["clear", *(f"{amount:g}" for amount in kind.levels)]
        # One curve and six bars for each model.
        assert len(axes.lines) == 4 * 7
    assert figure.axes[-1].get_xlabel() == "LCID-Blurry"
    (legend,) = figure.legends
    assert [text.get_text().split(" (mCE ")[0] for text in legend.get_texts()] == list(MODELS)
    heading = " ".join(text.get_text() for text in figure.texts)
    assert "20 test frames of 10 objects of bench; 12.5 minutes" in heading
    styles = {(line.get_color(), line.get_marker(), str(line.get_linestyle())) for line in legend.get_lines()}
    assert len({colour for colour, *_ in styles}) == len({marker for _, marker, _ in styles}) == 4


def test_no_two_texts_of_the_page_overlap(page: tuple[Path, Figure, Robustness]) -> None:
    _, figure, _ = page
    figure.draw_without_rendering()
    texts = [*figure.texts, *figure.legends[0].get_texts()]
    for axes in figure.axes:
        texts += [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label]
        texts.append(axes._left_title)
    shown = [text for text in texts if text.get_text()]
    boxes = [text.get_window_extent() for text in shown]
    for index, box in enumerate(boxes):
        assert box.x0 >= 0, shown[index].get_text()
        assert box.x1 <= figure.bbox.x1, shown[index].get_text()
        assert box.y0 >= 0, shown[index].get_text()
        assert box.y1 <= figure.bbox.y1, shown[index].get_text()
        for other in range(index):
            assert not box.overlaps(boxes[other]), (shown[index].get_text(), shown[other].get_text())


def test_each_model_is_drawn_in_its_colour(page: tuple[Path, Figure, Robustness]) -> None:
    stem, _, _ = page
    pixels = np.rint(255 * image.imread(stem.with_suffix(".png"))[..., :3]).astype(int)
    for colour in ((0, 0, 0), (0xD5, 0x5E, 0x00), (0x00, 0x72, 0xB2), (0x00, 0x9E, 0x73)):
        assert (np.abs(pixels - colour).max(axis=-1) <= 1).any()
    assert {path.name for path in stem.parent.iterdir()} == {"robustness.png", "robustness.svg"}


def test_the_same_figures_give_the_same_bytes(pair: Robustness, tmp_path: Path) -> None:
    for name in ("one", "other"):
        save_robustness_figure(pair, tmp_path / name)
    for ending in (".png", ".svg"):
        assert (tmp_path / f"one{ending}").read_bytes() == (tmp_path / f"other{ending}").read_bytes()
    assert ElementTree.parse(tmp_path / "one.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_blurry_list_in_tables_and_json(page: tuple[Path, Figure, Robustness]) -> None:
    _, _, result = page
    held = robustness_to_json(result)["blurry"]
    assert (held["data"], held["data_sha256"]) == ("LCID-Blurry", "9" * 64)
    assert held["models"][0]["accuracy"] == pytest.approx(4 / 6)
    assert held["models"][0]["frames"] == 6
    assert [row[0] for row in blurry_rows(result)] == list(MODELS)
    assert blurry_rows(result)[0][3] == "66.7 %"


def test_a_page_of_a_sweep_that_was_cut(tmp_path: Path) -> None:
    cut = {point: wrong for point, wrong in REFERENCE.items() if point[:4] != "sky:"}
    missing = [f"sky:{level}" for level in range(1, 6)]
    findings = found({"a": cut}, missing=[*missing, "psf:5"])
    assert missing_in_words(findings) == "psf:5, sky"
    assert missing_in_words(replace(findings, missing=("blurry", "psf:4", "psf:5"))) == "blurry, psf:4, psf:5"
    with saved_figures() as kept:
        save_robustness_figure(robustness_of(findings), tmp_path / "cut")
    (figure,) = kept
    assert "Not run for want of time: psf:5, sky." in [text.get_text() for text in figure.texts]
    psf, sky = figure.axes
    # What was run is drawn: a curve and a bar for each of its points.
    assert (len(psf.lines), len(sky.lines)) == (7, 2)
