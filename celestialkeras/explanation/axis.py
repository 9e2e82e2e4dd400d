"""Maps of few cells on frames of many pixels: where the cells lie along a side, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Axis:
    """Where the cells of a map lie along one side of the frame.

    Attributes:
        cells: How many there are.
        first: Middle of the first cell, of a network's map that of its receptive field, pixels from the first pixel's.
        step: From one cell's middle to the next one's, pixels.
        pixels: Length of the frame's side.
    """

    cells: int
    first: float
    step: float
    pixels: int

    def interpolation(self, samples: int) -> NDArray[np.float32]:
        """Weights of the cells in each of equal stretches of the side, linear between the cells' middles.

        An outermost cell counts for one step beyond its middle, and less and less over the next one. So padded maps
        reach the frame's edges; those of a network without padding end before, where no cell is centred, and are not
        drawn out to them.

        Args:
            samples: Number of stretches.

        Returns:
            `float32 (samples, cells)`; the sum of a row is 1, or less beyond the cells.
        """
        middles = (np.arange(samples) + 0.5) * (self.pixels / samples) - 0.5
        beside = (middles - self.first) / self.step
        along = beside.clip(0, self.cells - 1)
        lower = np.minimum(along.astype(np.intp), max(self.cells - 2, 0))
        share = along - lower
        weights = np.zeros((samples, self.cells), np.float32)
        rows = np.arange(samples)
        weights[rows, lower] = 1 - share
        weights[rows, np.minimum(lower + 1, self.cells - 1)] += share
        return np.asarray(weights * (2 - np.abs(beside - along)).clip(0, 1)[:, np.newaxis], np.float32)


def even_axis(cells: int, pixels: int) -> Axis:
    """Cells that share a side evenly.

    Args:
        cells: How many.
        pixels: Length of the side.
    """
    return Axis(cells, (pixels / cells - 1) / 2, pixels / cells, pixels)
