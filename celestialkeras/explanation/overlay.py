"""Evidence drawn over the frame that it comes from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.figure_style import new_page, save_page
from celestialkeras.lcid.variants import resize_codes

WIDEST = 1024
"""Columns of a drawn frame; wider ones are averaged."""

COLOURS = "inferno"
"""Perceptually uniform, and lighter throughout with more evidence: it keeps its order in a grey print."""

CONTOURS = (0.4, 0.8)
"""Shares of the largest evidence with a contour, which also tell evidence from bright objects in a grey print."""

# Share of the picture that the most evidence takes.
_STRONGEST = 0.65

# The dark side of the sky's noise, which lies about code 41 of the default stretch.
_BLACK = 20.0

# White is the light that one pixel in two hundred exceeds: no fainter than 12 noises, or noise alone would fill the
# scale, and no brighter than 580.
_WHITE_PERCENTILE = 99.5
_WHITES = (110.0, 220.0)

_DPI = 100


def shown_codes(codes: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as large as it is drawn.

    Args:
        codes: `uint8 (H, W)`.
    """
    rows, columns = codes.shape
    if columns <= WIDEST:
        return codes
    return resize_codes(codes, (max(1, round(rows * WIDEST / columns)), WIDEST))


def relative(evidence: NDArray[np.float32], largest: float | None = None) -> NDArray[np.float32]:
    """The evidence for a class, relative to the largest.

    Args:
        evidence: `float32 (rows, columns)`, for the class where positive.
        largest: What counts as 1; by default the largest for this class.

    Returns:
        `float32 (rows, columns)` in [0, 1]; zero everywhere if nothing speaks for the class.
    """
    positive = np.maximum(evidence, 0)
    unit = float(positive.max()) if largest is None else largest
    return np.asarray(positive / unit if unit > 0 else positive, np.float32)


def shades(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    """A frame as shades of grey that reach white at its own brightest light, so that faint objects show.

    Args:
        codes: `uint8 (rows, columns)`, row 0 at the bottom.

    Returns:
        `float64 (rows, columns)` in [0, 1], row 0 on top.
    """
    white = float(np.clip(np.percentile(codes, _WHITE_PERCENTILE), *_WHITES))
    return np.asarray(((codes[::-1].astype(np.float64) - _BLACK) / (white - _BLACK)).clip(0, 1))


def draw_overlay(axes: Any, codes: NDArray[np.uint8], heat: NDArray[np.float32], line: float = 1.0) -> None:
    """Draws a frame, and evidence over it.

    Args:
        axes: matplotlib axes.
        codes: `uint8 (rows, columns)`, row 0 at the bottom.
        heat: `float32 (rows, columns)` in [0, 1].
        line: Width of the contours, points.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib import colormaps
        from matplotlib.patheffects import withStroke
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "Drawing figures") from error
    upright = heat[::-1]
    grey = shades(codes)[..., np.newaxis]
    colour = colormaps[COLOURS](upright)[..., :3]
    # The frame stays to be seen through the most evidence, and all of it where there is none.
    cover = _STRONGEST * upright[..., np.newaxis] ** 0.75
    axes.imshow(grey * (1 - cover) + colour * cover, interpolation="nearest", aspect="equal")
    if upright.max() > 0:
        contours = axes.contour(upright, levels=CONTOURS, colors="white", linewidths=line)
        contours.set_path_effects([withStroke(linewidth=2.2 * line, foreground="black")])
    axes.set_axis_off()


def save_picture(codes: NDArray[np.uint8], heat: NDArray[np.float32] | None, path: Path) -> None:
    """Writes a frame as a PNG, a pixel a code, with evidence over it if there is any to show.

    Args:
        codes: `uint8 (rows, columns)`, row 0 at the bottom.
        heat: `float32 (rows, columns)` in [0, 1]; None for the frame alone.
        path: The PNG to write or replace.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    rows, columns = codes.shape
    figure = new_page(columns / _DPI, rows / _DPI)
    axes = figure.add_axes((0, 0, 1, 1))
    draw_overlay(axes, codes, np.zeros(codes.shape, np.float32) if heat is None else heat)
    save_page(figure, path, _DPI)
