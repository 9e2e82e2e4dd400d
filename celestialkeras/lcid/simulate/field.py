"""What lies in front of and behind every object alike: stars of the Milky Way and distant galaxies."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.simulate.arrays import single
from celestialkeras.lcid.simulate.bands import V_ZERO_POINT, Spectrum
from celestialkeras.lcid.simulate.blobs import Blobs
from celestialkeras.lcid.simulate.sources import PointSources

STAR_MAGNITUDES = (12.0, 26.0)
"""Brightest and faintest Milky Way star, V."""

GALAXY_COUNTS = ((18.0, 0.018), (20.0, 0.25), (22.0, 2.2), (24.0, 19.0), (25.5, 60.0))
"""V magnitude and galaxies brighter than that, per square arcminute.

From the r counts of the Sloan survey (Yasuda et al. 2001) and the F814W counts of COSMOS (Leauthaud et al. 2007), with
V - r = 0.5 and V - I = 1.0; good to about 30 %."""

_STRUCTURED = 22.0


def foreground_stars(rng: np.random.Generator, density: float, reach: float) -> PointSources:
    """Milky Way stars over a square around an object.

    Counts grow by 0.1 dex a magnitude at high galactic latitude, where stars are few, and by nearly 0.3 dex towards the
    plane (Bahcall and Soneira 1980; Robin et al. 2003).

    Args:
        rng: Source of places and magnitudes.
        density: Stars within `STAR_MAGNITUDES`, per square arcminute.
        reach: Half of the side of the square, arcseconds.
    """
    count = int(rng.poisson(density * (reach / 30.0) ** 2))
    slope = math.log(10.0) * float(np.interp(math.log(density), np.log([3.0, 250.0]), [0.1, 0.28]))
    brightest, faintest = STAR_MAGNITUDES
    magnitude = brightest + np.log1p(rng.random(count) * math.expm1(slope * (faintest - brightest))) / slope
    x, y = rng.uniform(-reach, reach, (2, count)).astype(np.float32)
    kinds = rng.choice([Spectrum.OLD, Spectrum.INTERMEDIATE], size=count, p=[0.45, 0.55]).astype(np.uint8)
    return PointSources(x, y, single(10.0 ** (0.4 * (V_ZERO_POINT - magnitude))), kinds)


def distant_galaxies(rng: np.random.Generator, reach: float) -> Blobs:
    """Galaxies down to V = 25.5 over a square of half side `reach` arcseconds around an object.

    A quarter are spheroids, the others discs; the brighter discs have a bulge and knots along two arms. Half-light
    radii are about 0.3 arcseconds at V = 25 and 1 at V = 20.5 (Leauthaud et al. 2007).
    """
    limits, counts = np.array(GALAXY_COUNTS).T
    count = int(rng.poisson(counts[-1] * (reach / 30.0) ** 2))
    # Below the first limit the counts are too few to matter.
    share = rng.uniform(counts[0], counts[-1], count)
    magnitude = np.interp(np.log(share), np.log(counts), limits)
    radius = 0.35 * 10.0 ** (0.12 * (24.0 - magnitude)) * np.exp(rng.normal(0.0, 0.35, count))
    x, y = rng.uniform(-reach, reach, (2, count))
    early = rng.random(count) < 0.25
    flat = Blobs(
        x=single(x),
        y=single(y),
        flux=single(10.0 ** (0.4 * (V_ZERO_POINT - magnitude))),
        radius=single(np.clip(radius, 0.08, 3.0)),
        axis_ratio=single(np.where(early, rng.uniform(0.5, 1.0, count), rng.uniform(0.2, 1.0, count))),
        angle=single(rng.uniform(0, math.pi, count)),
        index=np.where(early, single(3.0), single(1.0)),
        spectrum=np.where(early, Spectrum.OLD, Spectrum.INTERMEDIATE).astype(np.uint8),
    )
    return _with_structure(rng, flat, np.flatnonzero(~early & (magnitude < _STRUCTURED)))


def _with_structure(rng: np.random.Generator, plain: Blobs, chosen: NDArray[np.intp]) -> Blobs:
    """Gives the discs that are `chosen` a bulge and knots, out of their own light."""
    knots, arms = 8, 2
    shape = (len(chosen), knots)
    size, ratio, angle = (values[chosen, None] for values in (plain.radius, plain.axis_ratio, plain.angle))
    away = rng.uniform(0.4, 1.7, shape)
    turn = rng.choice([-1.0, 1.0], (len(chosen), 1)) * (1.0 + 2.5 * np.log(away)) + rng.normal(0.0, 0.2, shape)
    turn += 2 * math.pi / arms * rng.integers(arms, size=shape)
    along, across = size * away * np.cos(turn), size * away * np.sin(turn) * ratio
    share = rng.exponential(1.0, shape)
    share *= 0.2 / share.sum(axis=1, keepdims=True)
    cos, sin = np.cos(angle), np.sin(angle)
    bright = Blobs(
        x=single(plain.x[chosen, None] + along * cos - across * sin).ravel(),
        y=single(plain.y[chosen, None] + along * sin + across * cos).ravel(),
        flux=single(plain.flux[chosen, None] * share).ravel(),
        radius=single(size * rng.uniform(0.12, 0.3, shape)).ravel(),
        axis_ratio=single(np.broadcast_to(np.maximum(ratio, 0.4), shape)).ravel(),
        angle=single(np.broadcast_to(angle, shape)).ravel(),
        index=np.full(shape, 0.5, dtype=np.float32).ravel(),
        spectrum=np.full(shape, Spectrum.YOUNG, dtype=np.uint8).ravel(),
    )
    bulges = Blobs(
        x=plain.x[chosen],
        y=plain.y[chosen],
        flux=single(0.2 * plain.flux[chosen]),
        radius=single(0.25 * plain.radius[chosen]),
        axis_ratio=np.maximum(plain.axis_ratio[chosen], np.float32(0.6)),
        angle=plain.angle[chosen],
        index=np.full(len(chosen), 2.0, dtype=np.float32),
        spectrum=np.full(len(chosen), Spectrum.OLD, dtype=np.uint8),
    )
    flux = plain.flux.copy()
    flux[chosen] *= np.float32(0.6)
    return Blobs.joined(replace(plain, flux=flux), bright, bulges)
