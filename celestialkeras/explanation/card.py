"""The card of one frame: what it shows, what the network made of it, and what is known and measured of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from celestialkeras.evaluation.figure_style import COLOURS as CLASS_COLOURS
from celestialkeras.evaluation.figure_style import INK, QUIET, WRONG, new_page, save_page, verbatim
from celestialkeras.explanation.causes import FEW_PERCENTILE, LOW_PERCENTILE, RULES
from celestialkeras.explanation.explain import ExplainedFrame, Explanation
from celestialkeras.explanation.overlay import COLOURS, draw_overlay, relative
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.preview import SUBTYPE

_WIDTH = 13.0
_PANEL = 6.35
_GAP = 0.1
_TITLE = 0.62
_HEADING = 0.3
_FOOT = 2.3

# Share of the frame's largest evidence that cannot be seen on the card.
_LITTLE = 0.05


@dataclass(frozen=True)
class Gauge:
    """One measured quantity of a frame, beside those of the frames told rightly.

    Attributes:
        name: What it is, with its unit.
        value: Of this frame.
        rightly: Of the frames told rightly; empty where they are too few to compare with.
        percentile: Percentile of these at or below which it counts as low.
        decimals: Of the value as it is written.
    """

    name: str
    value: float
    rightly: Sequence[float]
    percentile: float
    decimals: int


def gauges_of(frame: ExplainedFrame, explanation: Explanation) -> list[Gauge]:
    """What the causes are judged by, of one frame.

    Args:
        frame: The frame.
        explanation: The explanation that it is part of.
    """
    # Too few for thresholds are too few for ranks.
    right = [one.measured for one in explanation.right] if explanation.thresholds else []
    own = frame.measured
    low, few = LOW_PERCENTILE, FEW_PERCENTILE
    return [
        Gauge("signal to noise", own.proxies.signal_to_noise, [one.proxies.signal_to_noise for one in right], low, 2),
        Gauge("structures", own.proxies.structures, [one.proxies.structures for one in right], few, 0),
        Gauge("point sources", own.proxies.sources, [one.proxies.sources for one in right], few, 0),
        Gauge("logit margin", own.margin, [one.margin for one in right], low, 2),
    ]


def facts_of(frame: ExplainedFrame) -> list[str]:
    """What is known of a frame, a line each: object, exposure and chip, detector and filter, exposure time.

    Args:
        frame: The frame.
    """
    row = frame.record.observation
    exptime = frame.record.measured.get("exptime")
    kind = row.extra.get(SUBTYPE, "")
    return [
        f"{row.object_id}{f' ({kind})' if kind else ''}",
        f"{row.obsid}, HDU {row.hdu}",
        f"{row.instrument}, {row.filter}",
        f"exposure {exptime:.0f} s" if exptime is not None else "exposure time unknown",
    ]


def save_card(frame: ExplainedFrame, explanation: Explanation, codes: NDArray[np.uint8], path: Path) -> None:
    """Draws a card and writes it as PNG, whole or not at all.

    Args:
        frame: The frame.
        explanation: The explanation that it is part of.
        codes: `uint8 (rows, columns)`, the frame as large as it is drawn, row 0 at the bottom.
        path: The PNG to write or replace. The same frame gives the same bytes.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    high = _PANEL * codes.shape[0] / codes.shape[1]
    height = _TITLE + 2 * (high + _HEADING) + _FOOT
    figure = new_page(_WIDTH, height)

    def axes(left: float, top: float, width: float, tall: float) -> Any:
        return figure.add_axes((left / _WIDTH, 1 - (top + tall) / height, width / _WIDTH, tall / height))

    _title(figure, frame, height)
    panels = _panels(frame, explanation, codes.shape)
    for index, (heading, heat) in enumerate(panels):
        left = _GAP + index % 2 * (_PANEL + _GAP)
        top = _TITLE + index // 2 * (high + _HEADING)
        panel = axes(left, top + _HEADING, _PANEL, high)
        draw_overlay(panel, codes, np.zeros(codes.shape, np.float32) if heat is None else heat)
        panel.set_title(heading, fontsize=10, color=INK, loc="left", pad=4)
    if frame.occlusion is None:
        note = "not checked by occlusion; `celestial explain --occlude N` checks more frames"
        across, down = (_PANEL * 1.5 + 2 * _GAP) / _WIDTH, 1 - (_TITLE + 1.5 * (high + _HEADING)) / height
        figure.text(across, down, note, fontsize=9, color=QUIET, ha="center")
    top = height - _FOOT
    _probabilities(axes(1.2, top + 0.32, 2.3, 0.62), frame)
    figure.text(
        0.2 / _WIDTH,
        1 - (top + 1.5) / height,
        "\n".join(map(verbatim, facts_of(frame))),
        fontsize=9,
        color=INK,
        va="center",
    )
    _scale(axes(3.75, top + 1.5, 2.3, 0.13), explanation)
    for index, gauge in enumerate(gauges_of(frame, explanation)):
        _gauge(axes(7.9, top + 0.3 + 0.4 * index, 3.6, 0.26), gauge, index == 3)
    save_page(figure, path, dpi=110)


def _title(figure: Any, frame: ExplainedFrame, height: float) -> None:
    wrong = frame.label != frame.predicted
    verdict = f"{verbatim(frame.record.observation.object_id)}: {frame.label}, told {frame.predicted}"
    left = 0.2 / _WIDTH
    figure.text(left, 1 - 0.2 / height, verdict, fontsize=14, weight="bold", color=WRONG if wrong else INK, va="center")
    if frame.cause is not None:
        cause = f"Likely cause: {frame.cause.value}"
        figure.text(1 - left, 1 - 0.2 / height, cause, fontsize=14, weight="bold", color=INK, va="center", ha="right")
        figure.text(left, 1 - 0.45 / height, RULES[frame.cause], fontsize=9, color=QUIET, va="center")


def _panels(
    frame: ExplainedFrame, explanation: Explanation, shape: tuple[int, ...]
) -> list[tuple[str, NDArray[np.float32] | None]]:
    rows, columns = shape
    for_nsc = explanation.feature_map.upsample(frame.evidence.for_nsc, (rows, columns))
    side = 1 if frame.predicted == LABELS[1] else -1
    other = LABELS[1 - LABELS.index(frame.predicted)]
    # One scale for both classes, so that what hardly spoke for one does not look as much as what decided.
    largest = float(np.abs(for_nsc).max())
    against = relative(-side * for_nsc, largest)
    panels: list[tuple[str, NDArray[np.float32] | None]] = [
        ("The frame, asinh stretch", None),
        (f"Grad-CAM: speaks for {frame.predicted}, as told", relative(side * for_nsc, largest)),
        (f"Grad-CAM: speaks for {other}{'' if against.max() > _LITTLE else ': next to nothing'}", against),
    ]
    if frame.occlusion is not None:
        lost = explanation.grid.expand(side * frame.occlusion.for_nsc, (rows, columns))
        correlation = frame.occlusion.correlation
        agrees = f", rank correlation with Grad-CAM {correlation:+.2f}" if correlation is not None else ""
        panels.append((f"Occlusion: what {frame.predicted} loses without the patch{agrees}", relative(lost)))
    return panels


def _probabilities(axes: Any, frame: ExplainedFrame) -> None:
    for row, (label, share) in enumerate(zip(LABELS, (1 - frame.p_nsc, frame.p_nsc), strict=True)):
        axes.barh(row, share, color=CLASS_COLOURS[label], edgecolor=INK, linewidth=0.5, height=0.7)
        axes.text(1.03, row, f"{100 * share:.1f} %", fontsize=9, color=INK, va="center")
    axes.set_yticks(
        range(len(LABELS)), [f"{label}{' (true)' if label == frame.label else ''}" for label in LABELS], fontsize=9
    )
    axes.set_xlim(0, 1)
    axes.set_ylim(1.6, -0.6)
    axes.set_xticks([])
    axes.tick_params(length=0)
    axes.set_title("Probability", fontsize=10, color=INK, loc="left", pad=4)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _scale(axes: Any, explanation: Explanation) -> None:
    axes.imshow(np.linspace(0, 1, 256)[np.newaxis], cmap=COLOURS, aspect="auto", extent=(0, 1, 0, 1))
    axes.set_yticks([])
    axes.set_xticks((0, 0.4, 0.8, 1), ("0", "0.4", "0.8", "1"), fontsize=8)
    axes.tick_params(length=2)
    axes.set_title("Evidence, relative to the frame's largest", fontsize=9, color=INK, loc="left", pad=3)
    rows, columns = explanation.feature_map.shape
    axes.set_xlabel(f"lines at 0.4 and 0.8; map of {rows} x {columns} cells", fontsize=8, color=QUIET)


def _gauge(axes: Any, gauge: Gauge, last: bool) -> None:
    """A quantity's rank among the frames told rightly, in per cent."""
    # The number at or below, as thresholds are meant: many frames may have one count.
    rank = 100 * float(np.mean(np.asarray(gauge.rightly) <= gauge.value)) if gauge.rightly else None
    axes.axhline(0, color=QUIET, linewidth=0.8, zorder=1)
    if rank is not None:
        axes.axvspan(0, gauge.percentile, color="#D9D9D9", zorder=0)
        axes.plot(rank, 0, marker="D", markersize=7, color=INK, clip_on=False, zorder=3)
    axes.set_xlim(0, 100)
    axes.set_ylim(-1, 1)
    axes.set_yticks([0], [gauge.name], fontsize=9)
    axes.text(103, 0, f"{gauge.value:.{gauge.decimals}f}", fontsize=9, color=INK, va="center")
    if last:
        axes.set_xticks((0, 25, 50, 75, 100))
        axes.tick_params(axis="x", labelsize=8, length=2)
        axes.set_xlabel("frames told rightly that have as much or less, %; grey: low", fontsize=8, color=QUIET)
    else:
        axes.set_xticks([])
    axes.tick_params(axis="y", length=0, pad=9)
    for spine in axes.spines.values():
        spine.set_visible(False)
