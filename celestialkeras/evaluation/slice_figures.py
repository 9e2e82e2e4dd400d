"""One page of slices of an evaluation: subtype, exposure time, signal, what is seen of the object, filter."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from celestialkeras.evaluation.assessment import Assessment
from celestialkeras.evaluation.figure_style import (
    COLOURS,
    DASHES,
    GRID,
    INK,
    LONGEST_TITLE,
    MARKERS,
    QUIET,
    new_page,
    plain,
    save_page,
)
from celestialkeras.evaluation.slices import SLICE_NOTE, Division, Slice, worst_first

_WIDTH = 10.0
_ROW = 0.22
_HEADING = 0.85
_TOP = 1.0
_FOOT = 1.0
_COLUMN = 4.9
_NAMES = 1.75
_LONGEST_NAME = 20


def save_slices(assessment: Assessment, path: str | Path, title: str = "Evaluation") -> None:
    """Draws the page and writes it as PNG or SVG, whole or not at all.

    Quantities run upwards from their lowest value, names from the worst slice. Bars are 95 % intervals, over objects
    where a slice has enough of them; slices that are too small to say anything are hollow and grey.

    Args:
        assessment: What to draw.
        path: The `.png` or `.svg` file to write or replace. The same assessment gives the same bytes.
        title: Heading of the page, such as the name of the model and of the list.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    evaluation = assessment.evaluation
    instruments = Division("instrument", "Instrument", "", evaluation.by_instrument, False, 0)
    filters = Division("filter", "Filter", "", evaluation.by_filter, False, 0)
    columns = _columns([*assessment.divisions, instruments, filters])
    height = _TOP + max(sum(map(_height, column)) for column in columns) + _FOOT
    figure = new_page(_WIDTH, height)
    figure.text(0.4 / _WIDTH, 1 - 0.35 / height, plain(title, LONGEST_TITLE), fontsize=14, color=INK, weight="bold")
    head = f"{evaluation.n} frames of {len(evaluation.by_object)} objects; dashed: all of them"
    figure.text(0.4 / _WIDTH, 1 - 0.65 / height, head, fontsize=9.5, color=INK)
    for index, column in enumerate(columns):
        top = height - _TOP
        for division in column:
            size = _ROW * len(division.slices)
            left = index * _COLUMN + _NAMES
            box = (left / _WIDTH, (top - 0.3 - size) / height, (_COLUMN - _NAMES - 0.1) / _WIDTH, size / height)
            _draw(figure.add_axes(box), division, evaluation.accuracy)
            top -= _height(division)
    _legend(figure, height)
    save_page(figure, path)


def _columns(divisions: list[Division]) -> list[list[Division]]:
    """The divisions in two columns of about one height, in their order."""
    total = sum(map(_height, divisions))
    cut, high = 0, 0.0
    while cut < len(divisions) - 1 and high + _height(divisions[cut]) / 2 < total / 2:
        high += _height(divisions[cut])
        cut += 1
    return [divisions[: max(cut, 1)], divisions[max(cut, 1) :]]


def _height(division: Division) -> float:
    return _ROW * len(division.slices) + _HEADING


def _draw(axes: Any, division: Division, accuracy: float) -> None:
    slices = list(division.slices) if division.ordered else worst_first(division.slices)
    axes.axvline(100 * accuracy, color=QUIET, linewidth=0.8, linestyle=DASHES, zorder=1)
    for row, part in enumerate(slices):
        _draw_slice(axes, part, row)
    axes.set_yticks(range(len(slices)), [f"{plain(part.name, _LONGEST_NAME)} ({part.frames})" for part in slices])
    axes.set_ylim(len(slices) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy, %", fontsize=8, color=QUIET, labelpad=2)
    order = "" if division.ordered else ", worst first"
    axes.set_title(f"{division.title}{order}", fontsize=10, color=INK, loc="left", weight="bold")
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0, labelsize=7.5)
    axes.grid(axis="x", color=GRID, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _draw_slice(axes: Any, part: Slice, row: int) -> None:
    interval, accuracy = part.headline, part.accuracy
    if interval is None or accuracy is None:
        return
    colour = QUIET if part.too_small else COLOURS[part.label]
    width = 0.8 if part.too_small else 1.6
    axes.plot((100 * interval.low, 100 * interval.high), (row, row), color=colour, linewidth=width, alpha=0.75)
    face = "white" if part.too_small else colour
    style = {"markeredgecolor": QUIET if part.too_small else INK, "markeredgewidth": 0.6, "linestyle": "none"}
    marker = MARKERS[part.label]
    axes.plot(100 * accuracy, row, marker=marker, markersize=5, color=face, zorder=3, clip_on=False, **style)


def _legend(figure: Any, height: float) -> None:
    from matplotlib.lines import Line2D

    edge: dict[str, Any] = {"markersize": 5, "markeredgecolor": INK, "markeredgewidth": 0.6}
    keys = [
        Line2D([], [], color=COLOURS[label], marker=marker, linewidth=1.6, label=label or "both classes", **edge)
        for label, marker in MARKERS.items()
    ]
    keys.append(
        Line2D([], [], color=QUIET, marker="D", markerfacecolor="white", markersize=5, linewidth=0.8, label="too small")
    )
    corner = (0.35 / _WIDTH, 0.45 / height)
    figure.legend(handles=keys, loc="lower left", bbox_to_anchor=corner, ncols=4, fontsize=8, frameon=False)
    first, _, rest = SLICE_NOTE.partition("; ")
    lines = f"Bars: 95 % intervals; {first};\n{rest} anything of others."
    figure.text(0.4 / _WIDTH, 0.4 / height, lines, fontsize=7.5, color=INK, va="top", linespacing=1.3)
