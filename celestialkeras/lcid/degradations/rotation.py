"""A telescope that was rolled about its axis."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from celestialkeras.lcid.degradations.optics import Signal

# Coordinates are computed for so many rows at a time, which stay in the processor's cache.
_BLOCK_ROWS = 32


def rotated(signal: Signal, angle: float) -> Signal:
    """Turns a frame about its centre.

    Every pixel takes the value of the nearest one, at most 0.71 pixels away: interpolation would smooth the noise, and
    by that show which frames were turned. Beyond its edges the sky goes on as its mirror image.

    Args:
        signal: `float32 (H, W)`.
        angle: Radians, from the direction of rising columns to that of rising rows.

    Returns:
        `float32 (H, W)`.
    """
    rows, columns = signal.shape
    down, across = np.arange(rows) - (rows - 1) / 2, np.arange(columns) - (columns - 1) / 2
    cosine, sine = math.cos(angle), math.sin(angle)
    # Where a pixel of the turned frame came from, as a sum of what its row and what its column add.
    row_terms = (down * cosine + (rows - 1) / 2, down * sine + (columns - 1) / 2)
    column_terms = (-across * sine, across * cosine)
    found = np.empty_like(signal)
    for first in range(0, rows, _BLOCK_ROWS):
        block = slice(first, first + _BLOCK_ROWS)
        row, column = (
            _mirrored(np.rint(by_row[block, None] + by_column).astype(np.intp), side)
            for by_row, by_column, side in zip(row_terms, column_terms, signal.shape, strict=True)
        )
        found[block] = signal[row, column]
    return found


def _mirrored(index: npt.NDArray[np.intp], side: int) -> npt.NDArray[np.intp]:
    """Indices beyond an axis, folded back into it as often as it takes."""
    folded = index % (2 * side)
    return np.minimum(folded, 2 * side - 1 - folded)
