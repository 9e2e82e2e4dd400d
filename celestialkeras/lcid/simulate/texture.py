"""Random fields with structure on all scales: the stuff of gas, dust and broken spiral arms."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.extras import scientific_python


@dataclass(frozen=True)
class Texture:
    """A periodic random field on the sky.

    Attributes:
        values: `float32 (n, n)`, zero mean and unit standard deviation; n is a power of two.
        period: Side of the field, arcseconds; it repeats beyond.
    """

    values: FloatArray
    period: float

    def at(self, x: FloatArray, y: FloatArray) -> FloatArray:
        """Bilinear values at `x`, `y` (arcseconds, any shape), `float32`."""
        # By hand: a third faster than SciPy's general interpolation, and this is where scenes spend their time.
        cells = self.values.shape[0]
        column, row = x * np.float32(cells / self.period), y * np.float32(cells / self.period)
        left, low = np.floor(column), np.floor(row)
        column, row = column - left, row - low
        first, next_first = _wrapped(left, cells)
        bottom, top = (rows * cells for rows in _wrapped(low, cells))
        flat = self.values.reshape(-1)
        under = flat.take(bottom + first)
        under += column * (flat.take(bottom + next_first) - under)
        over = flat.take(top + first)
        over += column * (flat.take(top + next_first) - over)
        return single(under + row * (over - under))


def turbulence(rng: np.random.Generator, period: float, slope: float, cells: int = 1024) -> Texture:
    """A Gaussian field with power spectrum k^-slope (2.7 to 3.7 in interstellar gas; Elmegreen and Scalo 2004).

    Args:
        rng: Source of the phases and amplitudes.
        period: Side of the field, arcseconds.
        slope: Steepness of the two-dimensional power spectrum; larger is smoother.
        cells: Cells on a side, a power of two.
    """
    fft = scientific_python().fft
    noise = fft.rfft2(rng.standard_normal((cells, cells), dtype=np.float32))
    ky = np.fft.fftfreq(cells)[:, None]
    kx = np.fft.rfftfreq(cells)[None, :]
    power = (ky**2 + kx**2).astype(np.float32)
    power[0, 0] = 1.0
    # The longest waves are held level, or each field would be one slope across the whole frame.
    np.maximum(power, np.float32((2.0 / cells) ** 2), out=power)
    noise *= power ** np.float32(-slope / 4)
    noise[0, 0] = 0.0
    field = fft.irfft2(noise, (cells, cells))
    field /= field.std()
    return Texture(np.asarray(field, dtype=np.float32), period)


def ridges(field: FloatArray, sharpness: float) -> FloatArray:
    """Filaments where a field crosses zero: 1 on the crest, falling off the faster the larger `sharpness`."""
    return np.asarray(np.exp(-np.abs(field) * np.float32(sharpness)), dtype=np.float32)


def coarse_and_fine(rng: np.random.Generator, radius: float) -> tuple[Texture, Texture]:
    """Two fields for the disc of a galaxy of this radius (arcseconds): its great clouds and their detail."""
    return turbulence(rng, 4.0 * radius, rng.uniform(2.8, 3.4)), turbulence(rng, 1.1 * radius, 2.8)


def _wrapped(whole: FloatArray, cells: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of a cell and of the next one on a periodic axis."""
    # As a mask of bits: the remainder of a division would take most of the time of `Texture.at`.
    index = whole.astype(np.int64) & (cells - 1)
    return index, (index + 1) & (cells - 1)
