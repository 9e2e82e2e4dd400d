"""Where stars form: the H II regions of spiral and irregular galaxies."""

from __future__ import annotations

import math

import numpy as np

from celestialkeras.lcid.simulate.arrays import single
from celestialkeras.lcid.simulate.blobs import Blobs
from celestialkeras.lcid.simulate.sources import PointSources


def hydrogen_regions(rng: np.random.Generator, places: PointSources, size: float) -> Blobs:
    """Round glows of gas, the brighter the wider (radius as the cube root of luminosity, a Stromgren sphere)."""
    count = len(places.x)
    width = size * np.cbrt(places.flux / np.median(places.flux)) * np.exp(rng.normal(0.0, 0.3, count))
    return Blobs(
        x=places.x,
        y=places.y,
        flux=places.flux,
        radius=single(np.clip(width, 0.1, 4.0)),
        axis_ratio=single(rng.uniform(0.6, 1.0, count)),
        angle=single(rng.uniform(0, math.pi, count)),
        index=np.full(count, 0.5, dtype=np.float32),
        spectrum=places.spectrum,
    )
