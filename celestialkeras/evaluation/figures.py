"""One page of figures on an evaluation: confusion matrix, instruments and objects, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celestialkeras.evaluation.figure_style import (
    COLOURS,
    DASHES,
    INK,
    LONGEST_TITLE,
    MARKERS,
    QUIET,
    new_page,
    plain,
    save_page,
)
from celestialkeras.evaluation.metrics import Evaluation
from celestialkeras.evaluation.report import percent, percent_range
from celestialkeras.evaluation.slices import Slice, worst_first
from celestialkeras.lcid.manifest import LABELS

_WIDTH = 10.0
_HEADLINE_HEIGHT = 1.15
_OVERVIEW_HEIGHT = 3.1
_MATRIX_SIDE = 1.9
_MATRIX_BOTTOM = 0.65
_ROW_HEIGHT = 0.19
_ROWS_OF_ONE_COLUMN = 26
_LONGEST_NAME = 18


def save_figure(evaluation: Evaluation, path: str | Path, title: str = "Evaluation") -> None:
    """Draws the page and writes it as PNG, whole or not at all.

    Above, the accuracy with its intervals; below it the confusion matrix and the accuracy of each instrument; then
    every object, worst first, coloured by its class, in two columns where there are many. Bars are 95 % Wilson
    intervals.

    Args:
        evaluation: What to draw.
        path: The PNG file to write or replace. The same evaluation gives the same bytes.
        title: Heading of the page, such as the name of the model and of the list.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    objects = worst_first(evaluation.by_object)
    columns = 1 if len(objects) <= _ROWS_OF_ONE_COLUMN else 2
    rows = math.ceil(len(objects) / columns)
    object_height = _ROW_HEIGHT * rows + 1.0
    height = _HEADLINE_HEIGHT + _OVERVIEW_HEIGHT + object_height
    figure = new_page(_WIDTH, height)

    def axes(left: float, bottom: float, width: float, high: float) -> Any:
        return figure.add_axes((left / _WIDTH, bottom / height, width / _WIDTH, high / height))

    _headline(figure, evaluation, title, height)
    matrix_bottom = object_height + _MATRIX_BOTTOM
    _confusion(axes(1.15, matrix_bottom, _MATRIX_SIDE, _MATRIX_SIDE), evaluation)
    instruments = worst_first(evaluation.by_instrument)
    instrument_height = min(1.25, 0.38 * len(instruments) + 0.15)
    panel = axes(5.0, matrix_bottom + _MATRIX_SIDE - instrument_height, 4.6, instrument_height)
    _accuracies(panel, instruments, "Instruments")
    _baselines(panel, instruments)
    _legend(figure, (4.9 / _WIDTH, (object_height + 0.2) / height))
    column_width = (_WIDTH - 0.4) / columns
    for column in range(columns):
        part = objects[column * rows : (column + 1) * rows]
        panel_height = _ROW_HEIGHT * len(part) + 0.1
        panel = axes(
            1.75 + column * column_width, object_height - 0.45 - panel_height, column_width - 1.75, panel_height
        )
        heading = f"Objects, worst first{' (continued)' if column else ''}"
        _accuracies(panel, part, heading)
        panel.axvline(100 * evaluation.accuracy, color=QUIET, linewidth=0.8, linestyle=DASHES, zorder=1)
    save_page(figure, path)


def _headline(figure: Any, evaluation: Evaluation, title: str, height: float) -> None:
    objects = len(evaluation.by_object)
    if evaluation.object_interval is None:
        over_objects = "no interval over objects, since there is one"
    else:
        over_objects = f"{percent_range(evaluation.object_interval)} over {objects} objects (bootstrap)"
    intervals = (
        f"95 % intervals: {over_objects};"
        f" {percent_range(evaluation.accuracy_interval)} over {evaluation.n} frames (Wilson)"
    )
    if evaluation.balanced_accuracy is None:
        over_classes = "Not balanced over classes, since one has no frames"
    else:
        over_classes = f"Balanced over classes {percent(evaluation.balanced_accuracy)}"
    others = (
        f"{over_classes}; over instruments {percent(evaluation.instrument_balanced_accuracy)};"
        f" over objects {percent(evaluation.object_balanced_accuracy)};"
        f" always answering {evaluation.majority_label} {percent(evaluation.majority_accuracy)}"
    )
    left = 0.4 / _WIDTH
    top = 1 - 0.35 / height
    figure.text(left, top, plain(title, LONGEST_TITLE), fontsize=14, color=INK, weight="bold", va="center")
    accuracy = f"accuracy {percent(evaluation.accuracy)}"
    figure.text(1 - left, top, accuracy, fontsize=14, color=INK, weight="bold", va="center", ha="right")
    for index, line in enumerate((intervals, others)):
        figure.text(left, top - (0.36 + 0.24 * index) / height, line, fontsize=9.5, color=INK, va="center")


def _confusion(axes: Any, evaluation: Evaluation) -> None:
    shares = [[count / max(sum(row), 1) for count in row] for row in evaluation.confusion]
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, counts in enumerate(evaluation.confusion):
        for column, count in enumerate(counts):
            share = shares[row][column]
            text = f"{count}\n{percent(share)}" if sum(counts) else "0"
            colour = "white" if share > 0.55 else INK
            axes.text(column, row, text, ha="center", va="center", fontsize=10, color=colour)
    axes.set_xticks(range(len(LABELS)), LABELS, fontsize=9)
    axes.set_yticks(range(len(LABELS)), LABELS, fontsize=9)
    axes.set_xlabel("predicted", fontsize=9, color=QUIET)
    axes.set_ylabel("true", fontsize=9, color=QUIET)
    axes.set_title("Frames, with shares of the true class", fontsize=10, color=INK, loc="left", weight="bold")
    axes.tick_params(length=0)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _accuracies(axes: Any, slices: Sequence[Slice], heading: str) -> None:
    for row, part in enumerate(slices):
        colour = COLOURS[part.label]
        accuracy, interval = part.accuracy, part.interval
        if accuracy is None or interval is None:
            continue
        axes.plot(
            (100 * interval.low, 100 * interval.high), (row, row), color=colour, linewidth=1.6, alpha=0.75, zorder=2
        )
        axes.plot(
            100 * accuracy,
            row,
            marker=MARKERS[part.label],
            markersize=5,
            color=colour,
            markeredgecolor=INK,
            markeredgewidth=0.6,
            linestyle="none",
            zorder=3,
            clip_on=False,
        )
    names = [f"{plain(part.name, _LONGEST_NAME)} ({part.frames})" for part in slices]
    axes.set_yticks(range(len(slices)), names, fontsize=7.5)
    axes.set_ylim(len(slices) - 0.4, -0.6)
    axes.set_xlim(0, 100)
    axes.set_xlabel("accuracy, %", fontsize=8, color=QUIET, labelpad=2)
    axes.set_title(heading, fontsize=10, color=INK, loc="left", weight="bold")
    axes.tick_params(axis="x", labelsize=8)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _baselines(axes: Any, instruments: Sequence[Slice]) -> None:
    # On one instrument a class may prevail so far that the instrument alone gives the answer.
    for row, part in enumerate(instruments):
        if part.frames:
            share = 100 * max(part.frames_by_class) / part.frames
            axes.plot(share, row, marker="|", markersize=14, color=QUIET, linestyle="none", zorder=1)


def _legend(figure: Any, corner: tuple[float, float]) -> None:
    from matplotlib.lines import Line2D

    keys = [
        Line2D(
            [],
            [],
            color=COLOURS[label],
            marker=MARKERS[label],
            markersize=5,
            markeredgecolor=INK,
            markeredgewidth=0.6,
            linewidth=1.6,
            label=label or "both classes",
        )
        for label in (*LABELS, None)
    ]
    bare = Line2D([], [], color=QUIET, marker="|", markersize=11, linestyle="none", label="always its larger class")
    dashed = Line2D([], [], color=QUIET, linewidth=0.8, linestyle=DASHES, label="all frames")
    figure.legend(
        handles=[*keys, bare, dashed],
        loc="lower left",
        bbox_to_anchor=corner,
        ncols=3,
        fontsize=8,
        frameon=False,
        borderaxespad=0.0,
        columnspacing=1.6,
    )
