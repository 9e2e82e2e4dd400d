"""One chip's place in an exposure, with the sky around it that throws light onto it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray
from celestialkeras.lcid.simulate.footprint import Footprint

MARGIN = 64
"""Pixels of sky around a chip that are made with it: without them its border would lack light from beyond."""


@dataclass(frozen=True)
class Window:
    """A plane of pixels: one chip and `MARGIN` pixels on each side of it.

    Attributes:
        footprint: The exposure's place on the sky.
        hdu: 1 or 4: which chip.
    """

    footprint: Footprint
    hdu: int

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the plane."""
        return self.footprint.chip_rows + 2 * MARGIN, self.footprint.shape[1] + 2 * MARGIN

    @property
    def scale(self) -> float:
        """Arcseconds a pixel."""
        return self.footprint.scale

    def rotation(self) -> tuple[float, float]:
        """Cosine and sine of the roll."""
        return self.footprint.rotation()

    def to_sky(self, columns: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """East and north of the object in arcseconds, of plane pixels (any broadcastable shapes)."""
        return self.footprint.to_sky(columns - np.float32(MARGIN), rows + np.float32(self._first_row))

    def to_pixels(self, east: FloatArray, north: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Columns and rows of the plane for places on the sky; the inverse of `to_sky`."""
        columns, rows = self.footprint.to_pixels(east, north)
        return columns + np.float32(MARGIN), rows - np.float32(self._first_row)

    @property
    def _first_row(self) -> int:
        return self.footprint.first_row(self.hdu) - MARGIN
