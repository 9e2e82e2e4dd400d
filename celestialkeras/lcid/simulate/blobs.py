"""Small extended sources drawn one by one at full resolution: distant galaxies, H II regions."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.simulate.arrays import FloatArray
from celestialkeras.lcid.simulate.bands import Band, Spectrum, rate_factor
from celestialkeras.lcid.simulate.profiles import rotated, sersic
from celestialkeras.lcid.simulate.window import Window


@dataclass(frozen=True)
class Blobs:
    """Elliptical Sersic profiles (index 0.5 is a Gaussian), parallel arrays of length n.

    Attributes:
        x: Offset from the object, arcseconds east, `float32`.
        y: Offset from the object, arcseconds north, `float32`.
        flux: V-band electrons a second, `float32`.
        radius: Effective radius, arcseconds, `float32`.
        axis_ratio: Short over long axis, `float32`.
        angle: Direction of the long axis, radians from +x, `float32`.
        index: Sersic index, `float32`.
        spectrum: Codes of `Spectrum`, `uint8`.
    """

    x: FloatArray
    y: FloatArray
    flux: FloatArray
    radius: FloatArray
    axis_ratio: FloatArray
    angle: FloatArray
    index: FloatArray
    spectrum: NDArray[np.uint8]

    @classmethod
    def joined(cls, *parts: Blobs) -> Blobs:
        """All blobs of one or more lists."""
        return cls(*(np.concatenate([getattr(part, each.name) for part in parts]) for each in fields(cls)))


def paint(plane: FloatArray, blobs: Blobs, window: Window, band: Band, dimming: FloatArray | float) -> None:
    """Adds blobs to a plane of electrons a second.

    Args:
        plane: `float32`, of the window's shape; changed in place.
        blobs: What to paint; those off the plane are left out.
        window: Where the plane lies.
        band: Filter and camera.
        dimming: What the flux of each is multiplied by, `float32 (n,)` or one number for all.
    """
    columns, rows = window.to_pixels(blobs.x, blobs.y)
    height, width = window.shape
    scale = np.float32(window.scale)
    factors = np.array([rate_factor(spectrum, band) for spectrum in Spectrum], dtype=np.float32)
    rates = blobs.flux * factors[blobs.spectrum] * dimming
    # A Gaussian has ended at three effective radii, an exponential at five; wings of a steeper one go on to six.
    reach = np.where(blobs.index < 0.8, 3.0, np.where(blobs.index < 1.5, 5.0, 6.0))
    size = np.ceil(reach * blobs.radius / window.scale).astype(int) + 2
    near = (columns > -size) & (columns < width + size) & (rows > -size) & (rows < height + size)
    cos, sin = window.rotation()
    for index in np.flatnonzero(near):
        half = int(size[index])
        left, low = round(float(columns[index])) - half, round(float(rows[index])) - half
        first_row, last_row = max(low, 0), min(low + 2 * half + 1, height)
        first, last = max(left, 0), min(left + 2 * half + 1, width)
        if first >= last or first_row >= last_row:
            continue
        u = (np.arange(first, last, dtype=np.float32) - columns[index]) * scale
        v = (np.arange(first_row, last_row, dtype=np.float32) - rows[index])[:, None] * scale
        along, across = rotated(-u * cos + v * sin, u * sin + v * cos, float(blobs.angle[index]))
        # The profile is rounded off at half a pixel, where one sample a pixel would miss the cusp.
        distance = np.sqrt(along**2 + (across / blobs.axis_ratio[index]) ** 2 + (scale / 2) ** 2)
        profile = sersic(distance, float(blobs.radius[index]), float(blobs.index[index]))
        total = _sersic_total(float(blobs.radius[index]), float(blobs.axis_ratio[index]), float(blobs.index[index]))
        plane[first_row:last_row, first:last] += profile * np.float32(rates[index] * scale**2 / total)


def _sersic_total(radius: float, axis_ratio: float, index: float) -> float:
    """Flux under a Sersic profile that is 1 at its effective radius (Graham and Driver 2005)."""
    constant = 2.0 * index - 1.0 / 3.0 + 0.009876 / index
    shape = 2.0 * math.pi * index * math.exp(constant) * math.pow(constant, -2.0 * index) * math.gamma(2.0 * index)
    return radius**2 * axis_ratio * shape
