"""A study as a plot: the accuracy of each arm, and how far it is ahead of the first, with seeds and intervals."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from celestialkeras.evaluation.intervals import Interval
from celestialkeras.report.drawing import Drawing
from celestialkeras.report.palette import light, series
from celestialkeras.studies.findings import Findings

_WIDTH = 8.0
_HEAD = 1.5
_ROW = 0.5

# Circles and squares are told apart without colours.
_MARKERS = {"clear": "o", "blurry": "s"}

# How far the marks of clear and blurry frames lie from the middle of an arm's row.
_APART = 0.16


@dataclass(frozen=True)
class _Mark:
    """What is drawn in one row of one panel, in percent or points."""

    row: float
    side: str
    mean: float
    interval: Interval | None
    seeds: Sequence[float]


def study_drawing(findings: Findings, name: str) -> Drawing:
    """The plot of a study.

    Args:
        findings: Of the study.
        name: Stem of its files.

    Returns:
        The plot, of two panels. Large marks are means over seeds, their bars 95 % intervals over objects; small ones
        are the seeds.
    """

    def draw(axes: Any) -> None:
        figure = axes.figure
        axes.remove()
        left, right = figure.subplots(1, 2, sharey=True)
        _panel(left, [*_accuracies(findings)], "accuracy, %")
        _panel(right, [*_differences(findings)], f"ahead of {findings.arms[0].name}, points")
        right.axvline(0, color=light("faint"), linewidth=0.8)
        names = [arm.name for arm in findings.arms]
        left.set_yticks(range(len(names)), names)
        left.set_ylim(len(names) - 0.5, -0.5)
        left.tick_params(axis="y", length=0)
        right.tick_params(axis="y", length=0)
        figure.suptitle(f"{findings.study.name}: {_used(findings)}", fontsize=9, x=0.01, ha="left")
        _legend(figure, findings)

    return Drawing(name, draw, (_WIDTH, _HEAD + _ROW * len(findings.arms)))


def _sides(findings: Findings) -> tuple[tuple[str, float], ...]:
    return (("clear", -_APART), ("blurry", _APART)) if findings.plan.sides.blurry else (("clear", 0.0),)


def _accuracies(findings: Findings) -> Iterator[_Mark]:
    for side, offset in _sides(findings):
        for row, arm in enumerate(findings.arms):
            if outcome := getattr(arm, side):
                interval = outcome.accuracy.object_interval
                yield _Mark(row + offset, side, outcome.accuracy.value, interval, outcome.by_seed)


def _differences(findings: Findings) -> Iterator[_Mark]:
    for side, offset in _sides(findings):
        for row, arm in enumerate(findings.arms):
            outcome = getattr(arm, side)
            if outcome and (difference := outcome.difference):
                yield _Mark(row + offset, side, difference.mean, difference.over_objects, difference.by_seed)


def _panel(axes: Any, marks: Sequence[_Mark], label: str) -> None:
    for mark in marks:
        colour = _colour(mark.side)
        if mark.interval is not None:
            axes.plot((100 * mark.interval.low, 100 * mark.interval.high), (mark.row, mark.row), color=colour)
        axes.plot(
            [100 * seed for seed in mark.seeds],
            [mark.row] * len(mark.seeds),
            marker="|",
            markersize=8,
            color=light("ink"),
            linestyle="none",
            zorder=3,
        )
        axes.plot(100 * mark.mean, mark.row, marker=_MARKERS[mark.side], markersize=6, color=colour, zorder=4)
    axes.set_xlabel(label)
    axes.grid(axis="y", visible=False)


def _colour(side: str) -> str:
    return series(0 if side == "clear" else 1)


def _used(findings: Findings) -> str:
    done = max(len(arm.seeds) for arm in findings.arms)
    accuracy = next((arm.clear.accuracy for arm in findings.arms if arm.clear), None)
    frames = f", {accuracy.frames} test frames of {accuracy.objects} objects" if accuracy else ""
    return f"{findings.arms[0].options.model}, {done} seed{'' if done == 1 else 's'}{frames}"


def _legend(figure: Any, findings: Findings) -> None:
    from matplotlib.lines import Line2D

    frames = "all test frames" if not findings.plan.sides.blurry else "clear frames"
    keys = [Line2D([], [], color=_colour("clear"), marker="o", label=f"{frames}: mean, 95 % over objects")]
    if findings.plan.sides.blurry:
        label = f"blurry ones ({findings.plan.sides.blurry})"
        keys.append(Line2D([], [], color=_colour("blurry"), marker="s", label=label))
    keys.append(Line2D([], [], color=light("ink"), marker="|", markersize=8, linestyle="none", label="a seed"))
    figure.legend(handles=keys, loc="outside lower center", ncols=len(keys))
