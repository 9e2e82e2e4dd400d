"""What lies in front of and behind every object alike: stars of the Milky Way and distant galaxies."""

from __future__ import annotations

import math

import numpy as np

from celestialkeras.lcid.simulate.arrays import single
from celestialkeras.lcid.simulate.bands import V_ZERO_POINT, Spectrum
from celestialkeras.lcid.simulate.blobs import Blobs
from celestialkeras.lcid.simulate.sources import PointSources

GALAXIES_PER_SQUARE_ARCMINUTE = 45.0
"""Distant galaxies brighter than 25.5 in V (Ellis 1997, as order of magnitude)."""


def foreground_stars(rng: np.random.Generator, density: float, reach: float) -> PointSources:
    """Milky Way stars over a square around an object.

    Counts grow by 0.2 dex a magnitude, as they do towards the faint end (Bahcall and Soneira 1980).

    Args:
        rng: Source of places and magnitudes.
        density: Stars with 17 < V < 26, per square arcminute.
        reach: Half of the side of the square, arcseconds.
    """
    count = int(rng.poisson(density * (reach / 30.0) ** 2))
    slope = 0.2 * math.log(10.0)
    share = rng.random(count)
    magnitude = 17.0 + np.log1p(share * math.expm1(slope * 9.0)) / slope
    x, y = rng.uniform(-reach, reach, (2, count)).astype(np.float32)
    kinds = rng.choice([Spectrum.OLD, Spectrum.INTERMEDIATE], size=count, p=[0.45, 0.55]).astype(np.uint8)
    return PointSources(x, y, single(10.0 ** (0.4 * (V_ZERO_POINT - magnitude))), kinds)


def distant_galaxies(rng: np.random.Generator, reach: float) -> Blobs:
    """Galaxies with 18 < V < 25.5 over a square of half side `reach` arcseconds around an object."""
    count = int(rng.poisson(GALAXIES_PER_SQUARE_ARCMINUTE * (reach / 30.0) ** 2))
    slope = 0.38 * math.log(10.0)
    magnitude = 18.0 + np.log1p(rng.random(count) * math.expm1(slope * 7.5)) / slope
    radius = 0.35 * 10.0 ** (0.12 * (24.0 - magnitude)) * np.exp(rng.normal(0.0, 0.35, count))
    x, y = rng.uniform(-reach, reach, (2, count))
    early = rng.random(count) < 0.25
    return Blobs(
        x=single(x),
        y=single(y),
        flux=single(10.0 ** (0.4 * (V_ZERO_POINT - magnitude))),
        radius=single(np.clip(radius, 0.08, 3.0)),
        axis_ratio=single(rng.uniform(0.25, 1.0, count)),
        angle=single(rng.uniform(0, math.pi, count)),
        index=np.where(early, single(3.0), single(1.0)),
        spectrum=np.where(early, Spectrum.OLD, Spectrum.INTERMEDIATE).astype(np.uint8),
    )
