"""Stars and other points of light: drawing their brightness and laying them on pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Band, Spectrum, rate_factor


@dataclass(frozen=True)
class PointSources:
    """Points of light in the frame of an object.

    Attributes:
        x: Offsets from the object's centre, arcseconds (east on the sky), `float32 (n,)`.
        y: The same to the north.
        flux: V-band rates, electrons a second (see `bands`), `float32 (n,)`.
        spectrum: Codes of `Spectrum`, `uint8 (n,)`.
    """

    x: FloatArray
    y: FloatArray
    flux: FloatArray
    spectrum: NDArray[np.uint8]

    @classmethod
    def of(cls, x: FloatArray, y: FloatArray, flux: FloatArray, spectrum: Spectrum) -> PointSources:
        """Sources that all have one spectrum."""
        codes = np.full(len(x), spectrum, dtype=np.uint8)
        return cls(single(x), single(y), single(flux), codes)

    @classmethod
    def joined(cls, *parts: PointSources) -> PointSources:
        """All sources of several lists; none at all where there is no part."""
        if not parts:
            return cls.of(*(np.zeros(0, np.float32),) * 3, Spectrum.OLD)
        return cls(
            np.concatenate([part.x for part in parts]),
            np.concatenate([part.y for part in parts]),
            np.concatenate([part.flux for part in parts]),
            np.concatenate([part.spectrum for part in parts]),
        )

    def scaled(self, factor: float) -> PointSources:
        """The same sources, brighter by a factor."""
        return PointSources(self.x, self.y, self.flux * np.float32(factor), self.spectrum)

    def rates(self, band: Band) -> FloatArray:
        """Electrons a second of every source through a band, `float32 (n,)`."""
        table = np.array([rate_factor(spectrum, band) for spectrum in Spectrum], dtype=np.float32)
        return self.flux * table[self.spectrum]


def power_law(rng: np.random.Generator, count: int, index: float, low: float, high: float) -> FloatArray:
    """Draws from dN/dF ~ F^-index between `low` and `high`, `float32 (count,)`."""
    share = rng.random(count)
    if abs(index - 1.0) < 1e-6:
        drawn = low * (high / low) ** share
    else:
        power = 1.0 - index
        drawn = (low**power + share * (high**power - low**power)) ** (1.0 / power)
    return np.asarray(drawn, dtype=np.float32)


def resolved_share(rng: np.random.Generator) -> float:
    """Light of a galaxy's single stars over that of its glow: little in most, about as much in the nearest 30 %."""
    if rng.random() < 0.3:
        return float(rng.uniform(0.3, 1.2))
    return float(0.02 + 0.3 * rng.random() ** 2)


def on_ring(rng: np.random.Generator, radius: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Places at given radii and random angles."""
    angle = rng.random(len(radius), dtype=np.float32) * np.float32(2 * np.pi)
    return radius * np.cos(angle), radius * np.sin(angle)


def deposit(plane: FloatArray, columns: FloatArray, rows: FloatArray, amounts: FloatArray) -> None:
    """Adds amounts to a plane at fractional pixels, shared out bilinearly; what falls outside is dropped.

    Args:
        plane: `float32 (rows, columns)`, contiguous in memory, changed in place.
        columns: Pixel columns, `(n,)`; pixel centres are whole numbers.
        rows: Pixel rows, `(n,)`.
        amounts: What to add, `(n,)`.
    """
    # Of anything else, `reshape` would give a copy and the amounts would be lost.
    assert plane.flags.c_contiguous
    height, width = plane.shape
    inside = (columns >= 0) & (columns < width - 1) & (rows >= 0) & (rows < height - 1)
    columns, rows, amounts = columns[inside], rows[inside], amounts[inside]
    left, low = columns.astype(np.int64), rows.astype(np.int64)
    right_share, high_share = columns - left, rows - low
    flat = plane.reshape(-1)
    first = low * width + left
    np.add.at(flat, first, amounts * (1 - right_share) * (1 - high_share))
    np.add.at(flat, first + 1, amounts * right_share * (1 - high_share))
    np.add.at(flat, first + width, amounts * (1 - right_share) * high_share)
    np.add.at(flat, first + width + 1, amounts * right_share * high_share)
