"""Where the chips of an exposure lie on the sky: pixels to arcseconds from the object, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from celestialkeras.lcid.detectors import CHIP_SHAPE, DETECTORS, LOWER_CHIP_HDU
from celestialkeras.lcid.simulate.arrays import FloatArray, single

PIXEL_SCALES = {"ACS/WFC": 0.05, "WFC3/UVIS": 0.04, "CSST/MSC": 0.074}
"""Arcseconds a pixel, mean over the field (ACS Instrument Handbook table 3.1, WFC3 table 5.1; Zhan 2021 for CSST)."""

CHIP_GAPS = {"ACS/WFC": 50, "WFC3/UVIS": 31, "CSST/MSC": 0}
"""Gap between the chips, pixels (ACS Instrument Handbook 7.7, WFC3 6.4); CSST's windows meet in mid-chip."""

_DISC_STEPS = 64


@dataclass(frozen=True)
class Footprint:
    """Both chips and the gap between them as one plane of pixels, lower chip first, without geometric distortion.

    Attributes:
        instrument: Name in manifests.
        east: Offset of the plane's centre from the object, arcseconds to the east.
        north: The same to the north.
        roll: Position angle of the detector's +y axis, degrees east of north.
    """

    instrument: str
    east: float
    north: float
    roll: float

    @property
    def scale(self) -> float:
        """Arcseconds a pixel."""
        return PIXEL_SCALES[self.instrument]

    @property
    def chip_rows(self) -> int:
        """Imaging rows of one chip."""
        return DETECTORS[self.instrument].imaging_rows

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the plane."""
        return 2 * self.chip_rows + CHIP_GAPS[self.instrument], CHIP_SHAPE[1]

    def first_row(self, hdu: int) -> int:
        """Row of the plane where the chip of an HDU begins."""
        return 0 if hdu == LOWER_CHIP_HDU else self.chip_rows + CHIP_GAPS[self.instrument]

    def rotation(self) -> tuple[float, float]:
        """Cosine and sine of the roll."""
        angle = math.radians(self.roll)
        return math.cos(angle), math.sin(angle)

    def to_sky(self, columns: FloatArray, rows: FloatArray) -> tuple[FloatArray, FloatArray]:
        """East and north of the object in arcseconds, of plane pixels (any broadcastable shapes)."""
        cos, sin = (np.float32(value) for value in self.rotation())
        u = (columns - np.float32((self.shape[1] - 1) / 2)) * np.float32(self.scale)
        v = (rows - np.float32((self.shape[0] - 1) / 2)) * np.float32(self.scale)
        # East lies to the left of north, as on the sky.
        return single(np.float32(self.east) - u * cos + v * sin), single(np.float32(self.north) + u * sin + v * cos)

    def to_pixels(self, east: FloatArray, north: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Columns and rows of the plane for places on the sky; the inverse of `to_sky`."""
        cos, sin = (np.float32(value) for value in self.rotation())
        east, north = east - np.float32(self.east), north - np.float32(self.north)
        u, v = -east * cos + north * sin, east * sin + north * cos
        columns = u / np.float32(self.scale) + np.float32((self.shape[1] - 1) / 2)
        return single(columns), single(v / np.float32(self.scale) + np.float32((self.shape[0] - 1) / 2))

    def chip_centre(self, hdu: int) -> tuple[float, float]:
        """East and north offset of a chip's centre from the object, arcseconds."""
        row = self.first_row(hdu) + (self.chip_rows - 1) / 2
        east, north = self.to_sky(single([(self.shape[1] - 1) / 2]), single([row]))
        return float(east[0]), float(north[0])

    def share_in_chip(self, hdu: int, radius: float) -> float:
        """Share of a disc around the object that falls on one chip, 0 to 1, from some 3,200 points of it.

        Args:
            hdu: 1 or 4: which chip.
            radius: Of the disc, arcseconds.
        """
        steps = single((np.arange(_DISC_STEPS) + 0.5) / _DISC_STEPS * 2 - 1) * np.float32(radius)
        east, north = np.meshgrid(steps, steps)
        disc = np.hypot(east, north) <= radius
        columns, rows = self.to_pixels(east[disc], north[disc])
        rows = rows - np.float32(self.first_row(hdu))
        inside = (columns > -0.5) & (columns < CHIP_SHAPE[1] - 0.5) & (rows > -0.5) & (rows < CHIP_SHAPE[0] - 0.5)
        return float(inside.mean())

    def cd_matrix(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """The FITS CD matrix, degrees a pixel."""
        cos, sin = self.rotation()
        scale = self.scale / 3600
        return (-scale * cos, scale * sin), (scale * sin, scale * cos)


def offset_position(ra: float, dec: float, east: float, north: float) -> tuple[float, float]:
    """The place on the sky at tangent-plane offsets from another (gnomonic deprojection, Calabretta and Greisen 2002).

    Args:
        ra: Right ascension of the tangent point, degrees.
        dec: Declination of the tangent point, degrees.
        east: Offset to the east, arcseconds.
        north: Offset to the north, arcseconds.

    Returns:
        Right ascension in [0, 360) and declination, degrees.
    """
    xi, eta = math.radians(east / 3600), math.radians(north / 3600)
    dec0 = math.radians(dec)
    down = math.cos(dec0) - eta * math.sin(dec0)
    new_ra = math.radians(ra) + math.atan2(xi, down)
    new_dec = math.atan2(math.sin(dec0) + eta * math.cos(dec0), math.hypot(xi, down))
    return math.degrees(new_ra) % 360.0, math.degrees(new_dec)
