"""One page of curves: a panel for each kind of degradation, all models in each."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from celestialkeras.evaluation.figure_style import INK, QUIET, new_page, save_page, verbatim
from celestialkeras.evaluation.report import percent
from celestialkeras.evaluation.robustness.curves import Curve, Robustness, Share
from celestialkeras.evaluation.robustness.report import missing_in_words, used
from celestialkeras.lcid.degradations import KINDS

# Okabe and Ito's palette in an order of falling contrast, without the yellow that paper swallows. Markers and dashes
# differ as well, so that curves are told apart in grey.
_COLOURS = ("#000000", "#D55E00", "#0072B2", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_MARKERS = ("o", "s", "^", "D", "v", "P", "X")
_DASHES = ("-", (0, (5, 1.5)), (0, (1, 1)), (0, (5, 1, 1, 1)), (0, (3, 1)), (0, (8, 2)), (0, (2, 2)))

_COLUMNS = 4
_PANEL_WIDTH = 2.9
_PANEL_HEIGHT = 2.35
_HEAD = 0.85
_KEY_HEIGHT = 0.2
_FOOT = 0.25
_WRAPPED = 46


def save_robustness_figure(found: Robustness, stem: Path, title: str = "Robustness") -> None:
    """Draws the curves and writes them as PNG and SVG, each whole or not at all.

    Accuracy over levels, with 95 % bootstrap intervals over objects as bars; each panel states its amounts and their
    unit, the heading what the sweep used. The same figures give the same bytes.

    Args:
        found: What to draw.
        stem: Path of the files without their ending.
        title: Heading of the page.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    kinds = found.findings.plan.swept
    names = [candidate.name for candidate in found.findings.candidates]
    panels = len(kinds) + bool(found.blurry)
    columns = min(_COLUMNS, max(panels, 2))
    rows = math.ceil(panels / columns)
    remarks = _remarks(found, columns)
    key_rows = math.ceil(len(names) / columns)
    head = _HEAD + _KEY_HEIGHT * (key_rows + len(remarks))
    width, height = columns * _PANEL_WIDTH, rows * _PANEL_HEIGHT + head + _FOOT
    figure = new_page(width, height)

    def panel(place: int) -> Any:
        row, column = divmod(place, columns)
        left = column * _PANEL_WIDTH + 0.55
        bottom = height - head - (row + 1) * _PANEL_HEIGHT + 0.75
        return figure.add_axes((left / width, bottom / height, (_PANEL_WIDTH - 0.75) / width, 1.35 / height))

    figure.text(0.2 / width, 1 - 0.25 / height, verbatim(title), fontsize=13, weight="bold", color=INK, va="center")
    for line, remark in enumerate(remarks):
        figure.text(
            0.2 / width,
            1 - (0.53 + _KEY_HEIGHT * line) / height,
            verbatim(remark),
            fontsize=8,
            color=QUIET,
            va="center",
        )
    for place, kind in enumerate(kinds):
        of_kind = [curve for curve in found.curves if curve.kind == kind]
        _draw_curves(panel(place), kind, of_kind, first=place % columns == 0)
    if found.blurry:
        _draw_blurry(panel(len(kinds)), found, first=len(kinds) % columns == 0)
    _legend(figure, found, (0.2 / width, 1 - (head - 0.15) / height), columns)
    for ending in (".png", ".svg"):
        save_page(figure, stem.with_suffix(ending))


def _remarks(found: Robustness, columns: int) -> list[str]:
    lines = [f"{used(found)}. Bars: 95 % intervals over objects (bootstrap)."]
    if found.findings.missing:
        lines.append(f"Not run for want of time: {missing_in_words(found.findings)}.")
    return [part for line in lines for part in textwrap.wrap(line, 48 * columns, break_on_hyphens=False)]


def _draw_curves(axes: Any, kind: str, curves: Sequence[Curve], first: bool) -> None:
    labels = ["clear", *(f"{amount:g}" for amount in KINDS[kind].levels)]
    for index, curve in enumerate(curves):
        _draw(axes, curve.shares, index, len(curves))
    _dress(axes, kind, labels, first)
    axes.set_xlabel(_axis_label(kind), fontsize=7, color=INK, labelpad=2)


def _draw_blurry(axes: Any, found: Robustness, first: bool) -> None:
    for index, (name, share) in enumerate(found.blurry.items()):
        clear = next(curve.shares[0] for curve in found.curves if curve.model == name)
        _draw(axes, (clear, share), index, len(found.blurry))
    assert found.findings.plan.blurry is not None
    _dress(axes, "blurry list", ["clear", "blurry"], first)
    axes.set_xlabel(verbatim(found.findings.plan.blurry.folder.name), fontsize=7, color=INK, labelpad=2)


def _draw(axes: Any, shares: Sequence[Share | None], index: int, count: int) -> None:
    # Side by side, that bars of models which do alike stay apart.
    shift = 0.14 * (index - (count - 1) / 2)
    drawn = [(place, share) for place, share in enumerate(shares) if share is not None]
    colour = _COLOURS[index % len(_COLOURS)]
    for place, share in drawn:
        if share.interval is not None:
            ends = (100 * share.interval.low, 100 * share.interval.high)
            axes.plot([place + shift] * 2, ends, color=colour, linewidth=0.9, alpha=0.7, zorder=2)
    axes.plot(
        [place + shift for place, _ in drawn],
        [100 * share.accuracy for _, share in drawn],
        **_style(index),
        zorder=3,
        clip_on=False,
    )


def _style(index: int) -> dict[str, Any]:
    which = index % len(_COLOURS)
    return {
        "color": _COLOURS[which],
        "marker": _MARKERS[which],
        "linestyle": _DASHES[(which + index // len(_COLOURS)) % len(_DASHES)],
        "markersize": 3.6,
        "linewidth": 1.2,
    }


def _dress(axes: Any, heading: str, labels: Sequence[str], first: bool) -> None:
    axes.set_title(heading, fontsize=9, color=INK, loc="left", weight="bold", pad=4)
    axes.set_xticks(range(len(labels)), labels, fontsize=7)
    axes.set_xlim(-0.45, len(labels) - 0.55)
    axes.set_ylim(0, 102)
    axes.set_yticks((0, 25, 50, 75, 100))
    axes.tick_params(labelsize=7, length=2)
    axes.grid(axis="y", color="#DDDDDD", linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    if first:
        axes.set_ylabel("accuracy, %", fontsize=8, color=INK, labelpad=2)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _axis_label(kind: str) -> str:
    return "\n".join(textwrap.wrap(f"{KINDS[kind].quantity}, {KINDS[kind].unit}", _WRAPPED, break_on_hyphens=False))


def _legend(figure: Any, found: Robustness, corner: tuple[float, float], columns: int) -> None:
    from matplotlib.lines import Line2D

    keys = [
        Line2D([], [], label=verbatim(f"{mean.model}{_mce(found, mean.corruption_error)}"), **_style(index))
        for index, mean in enumerate(found.means)
    ]
    figure.legend(
        handles=keys,
        loc="lower left",
        bbox_to_anchor=corner,
        ncols=columns,
        fontsize=8,
        frameon=False,
        borderaxespad=0.0,
        handlelength=3.2,
    )


def _mce(found: Robustness, error: float | None) -> str:
    """The mean corruption error, where there is more than one model and it says something."""
    return "" if len(found.means) < 2 or error is None else f" (mCE {percent(error)})"
