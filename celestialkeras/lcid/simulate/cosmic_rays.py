"""Cosmic rays: straight tracks of charge through the silicon.

Riess 2002 (ACS ISR 2002-07): 1.5 to 3 % of pixels are hit in 1000 s; a hit leaves at least about 500 electrons, 1000 in
the median, on mostly 4 pixels, with a long tail of grazing tracks. UVIS, and CSST in a similar orbit, are given the
same rate and charge a pixel.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.sources import deposit

HITS_PER_SECOND = 3.9e-6
"""Tracks a pixel a second: with the lengths below, 2.2 to 2.4 % of pixels gain over 20 electrons in 1000 s."""

_STEP = 0.5
_DEPTH = 1.0
_LONGEST = 120.0


def add_cosmic_rays(charge: FloatArray, seconds: float, rate: float, rng: np.random.Generator) -> int:
    """Adds the tracks of one exposure and readout to a chip.

    Args:
        charge: Electrons, `float32 (rows, columns)`, changed in place.
        seconds: How long the chip gathered them.
        rate: Rate of this orbit over the average one.
        rng: Source of the tracks.

    Returns:
        How many tracks there were.
    """
    rows, columns = charge.shape
    count = int(rng.poisson(HITS_PER_SECOND * rate * seconds * charge.size))
    # Isotropic rays through a slab as deep as a pixel is wide: the track across the surface grows as tan(theta).
    cosine = np.sqrt(rng.random(count))
    length = np.minimum(_DEPTH * np.sqrt(1.0 / np.maximum(cosine, 1e-3) ** 2 - 1.0), _LONGEST)
    # Charge grows with the path in silicon and scatters as energy loss does (Landau, by its Moyal shape).
    loss = np.maximum(700.0 + 140.0 * _moyal(rng, count), 450.0)
    total = loss * np.hypot(length, _DEPTH)
    points = np.ceil(length / _STEP).astype(np.int64) + 1
    track = np.repeat(np.arange(count), points)
    along = np.arange(len(track)) - np.repeat(np.cumsum(points) - points, points)
    angle = rng.uniform(0.0, 2.0 * np.pi, count)
    start_column, start_row = rng.uniform(0, columns, count), rng.uniform(0, rows, count)
    reach = along * (length / np.maximum(points - 1, 1))[track]
    deposit(
        charge,
        single(start_column[track] + reach * np.cos(angle)[track]),
        single(start_row[track] + reach * np.sin(angle)[track]),
        single((total / points)[track] * rng.uniform(0.6, 1.4, len(track))),
    )
    return count


def _moyal(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    # If Z is normal, -2 log|Z| follows Moyal's distribution.
    return np.asarray(-2.0 * np.log(np.abs(rng.standard_normal(count)) + 1e-12) - 1.27)
