"""One page of curves on an evaluation: ROC, precision and recall, reliability, and risk against coverage."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any

from celestialkeras.evaluation.assessment import Assessment
from celestialkeras.evaluation.calibration_error import BINS, ReliabilityBin
from celestialkeras.evaluation.figure_style import (
    COLOURS,
    DASHES,
    INK,
    LONGEST_TITLE,
    QUIET,
    new_page,
    open_panel,
    plain,
    save_page,
)
from celestialkeras.evaluation.intervals import Interval
from celestialkeras.evaluation.report import percent, percent_range
from celestialkeras.lcid.manifest import LABELS

_WIDTH = 10.0
_HEIGHT = 10.7
_PANEL = (3.95, 3.2)
_LEFT = (0.75, 5.7)
_BOTTOM = (6.3, 1.5)
_LINES = {LABELS[0]: DASHES, LABELS[1]: "-"}

# Letters of a line of a caption, at most.
_CAPTION = 72

# Room that a curve near an edge of its panel needs to be seen, per cent.
_MARGIN = 2.5


def save_curves(assessment: Assessment, path: str | Path, title: str = "Evaluation") -> None:
    """Draws the page and writes it as PNG or SVG, whole or not at all.

    Args:
        assessment: What to draw.
        path: The `.png` or `.svg` file to write or replace. The same assessment gives the same bytes.
        title: Heading of the page, such as the name of the model and of the list.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    figure = new_page(_WIDTH, _HEIGHT)
    evaluation = assessment.evaluation
    head = f"{evaluation.n} frames of {len(evaluation.by_object)} objects; intervals: 95 %, over objects (bootstrap)"
    figure.text(0.4 / _WIDTH, 1 - 0.35 / _HEIGHT, plain(title, LONGEST_TITLE), fontsize=14, color=INK, weight="bold")
    figure.text(0.4 / _WIDTH, 1 - 0.65 / _HEIGHT, head, fontsize=9.5, color=INK)

    def panel(row: int, column: int) -> Any:
        left, bottom = _LEFT[column] / _WIDTH, _BOTTOM[row] / _HEIGHT
        return figure.add_axes((left, bottom, _PANEL[0] / _WIDTH, _PANEL[1] / _HEIGHT))

    def caption(row: int, column: int, lines: Sequence[str]) -> None:
        top = (_BOTTOM[row] - 0.5) / _HEIGHT
        figure.text(_LEFT[column] / _WIDTH, top, "\n".join(lines), fontsize=8, color=INK, va="top", linespacing=1.35)

    caption(0, 0, _roc(panel(0, 0), assessment))
    caption(0, 1, _precision_recall(panel(0, 1), assessment))
    caption(1, 0, _reliability(panel(1, 0), assessment))
    caption(1, 1, _risk(panel(1, 1), assessment))
    save_page(figure, path)


def _roc(axes: Any, assessment: Assessment) -> list[str]:
    open_panel(axes, "ROC", "galaxies called NSC, %", "NSC frames called NSC, %")
    _limit(axes)
    axes.plot((0, 100), (0, 100), color=QUIET, linewidth=0.8, linestyle=DASHES)
    curve = assessment.roc
    if curve is None:
        return ["No curve: a class has no frames."]
    axes.plot(100 * curve.false_positives, 100 * curve.true_positives, color=INK, linewidth=1.6, clip_on=False)
    return [
        f"Area {curve.area:.4f}{_between(curve.interval)}: chance that an NSC frame",
        "is ranked above a galaxy. Dashed: guessing, 0.5.",
    ]


def _precision_recall(axes: Any, assessment: Assessment) -> list[str]:
    open_panel(axes, "Precision and recall", "frames of the class found, %", "of the class among those called it, %")
    _limit(axes)
    if not assessment.precision_recall:
        return ["No curves: a class has no frames."]
    lines = []
    for curve in assessment.precision_recall:
        style = {"color": COLOURS[curve.label], "linestyle": _LINES[curve.label], "label": curve.label}
        # Each threshold gives one precision for all the recall that it adds.
        axes.step(100 * curve.recall, 100 * curve.precision, where="post", linewidth=1.6, clip_on=False, **style)
        lines.append(f"{curve.label}: average precision {curve.area:.4f}{_between(curve.interval)},")
        lines.append(f"    {curve.base_rate:.2f} by guessing")
    axes.legend(loc="lower left", fontsize=8, frameon=False)
    return lines


def _reliability(axes: Any, assessment: Assessment) -> list[str]:
    open_panel(axes, "Reliability", "confidence, %", "classified rightly, %")
    axes.set_xticks(range(50, 101, 10))
    axes.set_yticks(range(0, 101, 20))
    axes.set_xlim(50 - _MARGIN / 2, 100 + _MARGIN / 2)
    axes.set_ylim(-_MARGIN, 100 + _MARGIN)
    axes.plot((50, 100), (50, 100), color=QUIET, linewidth=0.8, linestyle=DASHES)
    temperature = assessment.setting.temperature
    if temperature != 1:
        _bins(axes, assessment.reliability_before, QUIET, "D", "at temperature 1", 0.5)
    _bins(axes, assessment.reliability, COLOURS[LABELS[0]], "o", f"at temperature {temperature:.3f}", 0.0)
    axes.legend(loc="lower right", fontsize=8, frameon=False)
    before, after = assessment.evaluation.calibration, assessment.calibrated
    return [
        f"{BINS} bins of confidence; bars: 95 % Wilson intervals over frames.",
        f"Dashed: as sure as right. Expected calibration error {100 * before.expected_error:.2f} points"
        + ("," if temperature != 1 else "."),
        *([f"{100 * after.expected_error:.2f} at its temperature."] if temperature != 1 else []),
        *wrap(f"Temperature: {assessment.setting.source}.", _CAPTION),
    ]


def _bins(axes: Any, bins: Sequence[ReliabilityBin], colour: str, marker: str, label: str, shift: float) -> None:
    filled = [(part, part.confidence, part.accuracy, part.interval) for part in bins]
    for part, confidence, accuracy, interval in filled:
        if confidence is None or accuracy is None or interval is None:
            continue
        across = 100 * confidence - shift
        axes.plot((across, across), (100 * interval.low, 100 * interval.high), color=colour, linewidth=1, alpha=0.6)
        # The area of a marker grows with the frames of its bin, so that the eye weighs them.
        size = 4 + 8 * (part.frames / max(other.frames for other in bins)) ** 0.5
        style = {"color": colour, "markeredgecolor": INK, "markeredgewidth": 0.5, "linestyle": "none"}
        axes.plot(across, 100 * accuracy, marker=marker, markersize=size, zorder=3, clip_on=False, **style)
    axes.plot([], [], marker=marker, color=colour, linestyle="none", markersize=6, label=label)


def _risk(axes: Any, assessment: Assessment) -> list[str]:
    open_panel(axes, "Frames left undecided", "frames left undecided, the least sure, %", "of the others right, %")
    curve = assessment.risk_curve
    undecided = 100 * (1 - curve.coverage)
    axes.step(undecided, 100 * curve.accuracy, where="post", color=INK, linewidth=1.4, zorder=2)
    shown = [point for point in assessment.risk if point.interval is not None]
    for point in shown:
        interval = point.object_interval or point.interval
        assert interval is not None
        assert point.accuracy is not None
        across = 100 * (1 - point.coverage)
        axes.plot((across, across), (100 * interval.low, 100 * interval.high), color=COLOURS[LABELS[0]], linewidth=1.6)
        style = {"color": COLOURS[LABELS[0]], "markeredgecolor": INK, "markeredgewidth": 0.6, "linestyle": "none"}
        axes.plot(across, 100 * point.accuracy, marker="o", markersize=6, zorder=3, clip_on=False, **style)
    axes.set_xticks(range(0, 61, 10))
    axes.set_xlim(-1, 61)
    lowest = min((100 * (point.object_interval or point.interval).low for point in shown if point.interval), default=0)
    bottom = max(0, 10 * int((lowest - 2) // 10))
    axes.set_yticks(range(bottom, 101, 5 if bottom >= 60 else 10))
    axes.set_ylim(bottom, 100.5)
    told = [
        f"{percent(1 - point.coverage)} undecided: P = {point.threshold:.3f}, {percent(point.accuracy)} right"
        f" ({percent_range(point.object_interval or point.interval)})"
        for point in shown[1:4]
    ]
    return ["Accuracy of the frames that are at least P probable:", *told]


def _limit(axes: Any) -> None:
    axes.set_xticks(range(0, 101, 20))
    axes.set_yticks(range(0, 101, 20))
    axes.set_xlim(-_MARGIN, 100 + _MARGIN)
    axes.set_ylim(-_MARGIN, 100 + _MARGIN)


def _between(interval: Interval | None) -> str:
    return "" if interval is None else f" ({interval.low:.4f} to {interval.high:.4f})"
