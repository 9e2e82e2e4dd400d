"""The plots of the page, each as a function that draws given figures on given axes."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from celestialkeras.evaluation.intervals import wilson
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.report.palette import SERIES, light, series

Draw = Callable[[Any], None]

_DASHES = (0, (4, 3))
_LONGEST_NAME = 34
_WIDEST_TITLE = 52
# Two names that are no longer stand in one line of a legend.
_SHORT_NAME = 28
# Where the confusion matrix is deeper, its figures take the colour of the paper.
_DARK_CELL = 0.6


@dataclass(frozen=True)
class Line:
    """A series.

    Attributes:
        name: What it is called in the legend; empty where it stands alone.
        x: Values across.
        y: Values up, as many.
        low: Lower ends of the intervals; empty without.
        high: Upper ends.
    """

    name: str
    x: Sequence[float]
    y: Sequence[float]
    low: Sequence[float] = ()
    high: Sequence[float] = ()


@dataclass(frozen=True)
class Mark:
    """A place of its own on a plot, such as the epoch that was kept."""

    name: str
    x: float
    y: float


def lines(found: Sequence[Line], titles: tuple[str, str], marks: Sequence[Mark] = (), markers: bool = True) -> Draw:
    """Draws series, their intervals as bands.

    Args:
        found: The series.
        titles: Of the axes across and up, with units.
        marks: Places of their own.
        markers: Whether each value has a marker.
    """

    def draw(axes: Any) -> None:
        for number, line in enumerate(found):
            colour = series(number)
            dashes = "-" if number < len(SERIES) else _DASHES
            marker = "os^Dv<"[number % len(SERIES)] if markers else None
            if len(line.low):
                axes.fill_between(line.x, line.low, line.high, color=colour, alpha=0.14, linewidth=0)
            name = shortened(line.name) if line.name else None
            axes.plot(line.x, line.y, color=colour, linestyle=dashes, marker=marker, markersize=3.4, label=name)
        for mark in marks:
            axes.axvline(mark.x, color=light("faint"), linewidth=0.9, linestyle=_DASHES)
            axes.annotate(
                mark.name,
                (mark.x, mark.y),
                xytext=(-5, 5),
                textcoords="offset points",
                ha="right",
                color=light("ink"),
            )
        _titled(axes, titles)
        _legend(axes)

    return draw


def steps(found: Sequence[Line], titles: tuple[str, str], names: Sequence[str], limits: tuple[float, float]) -> Draw:
    """Draws series over named steps, such as levels that are stated in physical units.

    Args:
        found: The series; their values across are numbers of steps, from 0.
        titles: Of the axes across and up, with units.
        names: Of the steps.
        limits: Ends of the axis up, so that plots side by side compare.
    """
    drawn = lines(found, titles)

    def draw(axes: Any) -> None:
        drawn(axes)
        axes.set_xticks(range(len(names)), names)
        axes.set_ylim(*limits)

    return draw


def share_line(found: Line, titles: tuple[str, str], chance: Line) -> Draw:
    """Draws a share against a share, such as ROC and precision-recall, with what chance gives.

    Args:
        found: The curve, per cent.
        titles: Of the axes across and up, with units.
        chance: What chance gives, per cent.
    """
    drawn = lines([found], titles, markers=False)

    def draw(axes: Any) -> None:
        style = {"color": light("faint"), "linewidth": 1.0, "linestyle": _DASHES}
        axes.plot(chance.x, chance.y, label=chance.name, **style)
        drawn(axes)
        axes.set_xlim(-1, 101)
        axes.set_ylim(-1, 101)

    return draw


def confusion(counts: Sequence[Sequence[int]]) -> Draw:
    """Draws counts of frames, true classes down and said ones across, as deep as their share of the true class."""

    def draw(axes: Any) -> None:
        from matplotlib.patches import Rectangle

        axes.grid(visible=False)
        for row, cells in enumerate(counts):
            for column, count in enumerate(cells):
                share = count / max(sum(cells), 1)
                cell = Rectangle((column - 0.49, row - 0.49), 0.98, 0.98, color=light("s0"), linewidth=0)
                cell.set_alpha(0.06 + 0.94 * share)
                axes.add_patch(cell)
                colour = light("paper") if share > _DARK_CELL else light("ink")
                axes.text(column, row - 0.08, str(count), ha="center", va="center", fontsize=17, color=colour)
                text = f"{100 * share:.1f} %" if sum(cells) else ""
                axes.text(column, row + 0.22, text, ha="center", va="center", color=colour)
        axes.set_xlim(-0.5, len(LABELS) - 0.5)
        axes.set_ylim(len(LABELS) - 0.5, -0.5)
        axes.set_xticks(range(len(LABELS)), LABELS)
        axes.set_yticks(range(len(LABELS)), LABELS)
        axes.tick_params(length=0)
        for spine in axes.spines.values():
            spine.set_visible(False)
        _titled(axes, ("told to be", "truly"))

    return draw


def reliability(bins: Mapping[str, Sequence[Mapping[str, Any]]]) -> Draw:
    """Draws accuracy against confidence by bin, with Wilson's interval; on the diagonal the two agree.

    Args:
        bins: For each series its bins: `confidence` and `accuracy` (shares of 1) and `frames`, above 0.
    """

    def draw(axes: Any) -> None:
        axes.plot((50, 100), (50, 100), color=light("faint"), linewidth=1.0, linestyle=_DASHES)
        lowest = 50.0
        for number, (name, held) in enumerate(bins.items()):
            across = [100 * one["confidence"] for one in held]
            up = [100 * one["accuracy"] for one in held]
            ends = [_wilson(one) for one in held]
            gaps = [
                [share - low for share, (low, _) in zip(up, ends, strict=True)],
                [high - share for share, (_, high) in zip(up, ends, strict=True)],
            ]
            marker = "os^D"[number % 4]
            style = {"color": series(number), "marker": marker, "markersize": 4.5, "linewidth": 1.2}
            axes.errorbar(across, up, gaps, label=name if len(bins) > 1 else None, elinewidth=0.9, capsize=0, **style)
            lowest = min([lowest, *(low for low, _ in ends)])
        axes.set_xlim(49, 101)
        axes.set_ylim(max(-1.0, lowest - 3), 102)
        _titled(axes, ("mean confidence of the bin, %", "accuracy of the bin, %"))
        _legend(axes)

    return draw


def shortened(name: str) -> str:
    """A name at its longest; of longer ones the middle goes, for names of one folder differ at their ends."""
    if len(name) <= _LONGEST_NAME:
        return name
    tail = _LONGEST_NAME * 2 // 3
    return f"{name[: _LONGEST_NAME - tail - 1]}\N{HORIZONTAL ELLIPSIS}{name[-tail:]}"


def _wilson(one: Mapping[str, Any]) -> tuple[float, float]:
    interval = wilson(round(one["accuracy"] * one["frames"]), one["frames"])
    assert interval is not None
    return 100 * interval.low, 100 * interval.high


def _titled(axes: Any, titles: tuple[str, str]) -> None:
    axes.set_xlabel(textwrap.fill(titles[0], _WIDEST_TITLE))
    axes.set_ylabel(titles[1])


def _legend(axes: Any) -> None:
    handles, names = axes.get_legend_handles_labels()
    if names:
        # Below the plot, where it hides nothing.
        columns = 2 if len(names) > 1 and max(map(len, names)) <= _SHORT_NAME else 1
        axes.figure.legend(handles, names, loc="outside lower center", ncols=columns)
