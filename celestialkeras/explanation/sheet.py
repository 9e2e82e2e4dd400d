"""All explained frames on one sheet, each under its verdict, probability and likely cause."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from celestialkeras.evaluation.figure_style import INK, QUIET, WRONG, new_page, save_page
from celestialkeras.explanation.explain import ExplainedFrame
from celestialkeras.explanation.overlay import draw_overlay
from celestialkeras.lcid.variants import resize_codes

MOST_FRAMES = 60
"""Frames on the sheet at most; the others have their cards."""

_COLUMNS = 4
_WIDE = 3.6
_GAP = 0.12
_LINES = 0.42
_HEADING = 0.4
_PIXELS = 400


@dataclass(frozen=True, eq=False)
class Thumbnail:
    """One frame of the sheet.

    Attributes:
        codes: `uint8 (rows, columns)`, row 0 at the bottom.
        heat: `float32 (rows, columns)` in [0, 1], the evidence for the class that was told.
        verdict: The line that says what it is and what it was told.
        known: The line below.
        wrong: Whether it was told wrongly.
    """

    codes: NDArray[np.uint8]
    heat: NDArray[np.float32]
    verdict: str
    known: str
    wrong: bool

    @classmethod
    def of(cls, frame: ExplainedFrame, codes: NDArray[np.uint8], heat: NDArray[np.float32]) -> Thumbnail:
        """Makes a frame small.

        Args:
            frame: The frame.
            codes: `uint8 (H, W)`, as it is drawn elsewhere.
            heat: `float32 (H, W)` in [0, 1].
        """
        rows, columns = codes.shape
        row = frame.record.observation
        sure = max(frame.p_nsc, 1 - frame.p_nsc)
        told = f"{frame.label}, told {'rightly' if frame.cause is None else frame.predicted}, {100 * sure:.0f} %"
        cause = "" if frame.cause is None else f", {frame.cause.value}"
        step = max(1, columns // _PIXELS)
        small = (rows // step, columns // step)
        places = [np.arange(count) * side // count for count, side in zip(small, (rows, columns), strict=True)]
        return cls(
            codes=resize_codes(codes, small),
            heat=heat[np.ix_(*places)],
            verdict=told + cause,
            known=f"{row.object_id}, {row.instrument} {row.filter}, {row.obsid} HDU {row.hdu}",
            wrong=frame.cause is not None,
        )


def save_sheet(thumbnails: Sequence[Thumbnail], path: Path) -> None:
    """Draws the sheet and writes it as PNG, whole or not at all.

    Args:
        thumbnails: The frames, at least one; the first `MOST_FRAMES` are drawn.
        path: The PNG to write or replace. The same frames give the same bytes.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    shown = thumbnails[:MOST_FRAMES]
    high = _WIDE * max(one.codes.shape[0] / one.codes.shape[1] for one in shown)
    columns = min(_COLUMNS, len(shown))
    lines = math.ceil(len(shown) / columns)
    # A line of words needs the width of two frames.
    width = max(columns, 2) * (_WIDE + _GAP) + _GAP
    height = _HEADING + lines * (high + _LINES + _GAP) + _GAP
    figure = new_page(width, height)
    wrong = sum(one.wrong for one in thumbnails)
    beyond = f", the first {len(shown)} of them here" if len(shown) < len(thumbnails) else ""
    figure.text(
        _GAP / width,
        1 - _HEADING / 2 / height,
        f"{wrong} told wrongly, the surest first, then {len(thumbnails) - wrong} told rightly{beyond}:"
        " what spoke for the class that was told",
        fontsize=11,
        weight="bold",
        va="center",
    )
    for number, one in enumerate(shown):
        left = _GAP + number % columns * (_WIDE + _GAP)
        top = _HEADING + number // columns * (high + _LINES + _GAP)
        axes = figure.add_axes((left / width, 1 - (top + _LINES + high) / height, _WIDE / width, high / height))
        draw_overlay(axes, one.codes, one.heat, line=0.6)
        for index, (text, colour) in enumerate(((one.verdict, WRONG if one.wrong else INK), (one.known, QUIET))):
            place = 1 - (top + 0.1 + 0.18 * index) / height
            figure.text(left / width, place, _fitting(text), fontsize=8.5 - 1.5 * index, color=colour, va="center")
    save_page(figure, path, dpi=110)


def _fitting(text: str, longest: int = 62) -> str:
    short = text if len(text) <= longest else text[: longest - 1] + "\N{HORIZONTAL ELLIPSIS}"
    # A dollar sign would begin mathematics.
    return short.replace("$", r"\$")
