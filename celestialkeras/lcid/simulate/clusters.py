"""Star clusters: old globulars, and open or young ones with what is left of their gas.

Fluxes are relative here; the scene scales each object to the brightness in its plan. Lengths are arcseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.ionised import IonisedCloud
from celestialkeras.lcid.simulate.morphology import Light
from celestialkeras.lcid.simulate.nebulae import behind_dust
from celestialkeras.lcid.simulate.populations import coeval_population, evolved_population
from celestialkeras.lcid.simulate.profiles import rotated
from celestialkeras.lcid.simulate.sources import PointSources, on_ring

_GIANT_MASS = 0.8
_FAINT_MASS = 0.4
_SINGLE_STARS = 80_000
_GASLESS_AGE = 1.0e7


def globular_magnitude(rng: np.random.Generator) -> float:
    """Draws a globular cluster's absolute V magnitude.

    Most are of the Milky Way's luminosities (Harris 1996), 15 in 100 among the most luminous that are known: those are
    seen from afar, and their stars melt into glow.
    """
    if rng.random() < 0.85:
        return float(np.clip(rng.normal(-7.4, 1.2), -9.8, -4.5))
    return float(rng.normal(-10.0, 0.6))


@dataclass(frozen=True)
class Globular:
    """A King (1962) profile for every mass: stars that are seen singly, and the glow of the faintest."""

    core: float
    tidal: float
    flattening: float
    angle: float
    glow: float
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Globular:
        """Draws a globular cluster of tidal radius twice `radius`."""
        core, tidal = radius * math.exp(rng.uniform(math.log(0.025), math.log(0.3))), 2.0 * radius
        flattening, angle = rng.uniform(0.82, 1.0), rng.uniform(0, 2 * math.pi)
        stars = evolved_population(rng, globular_magnitude(rng), float(rng.beta(0.6, 0.6)), _SINGLE_STARS)
        # Equipartition is never reached (Trenti and van der Marel 2013): the exponent would be 0.5 at most.
        segregation = rng.uniform(0.25, 0.5)
        distance = _king_distances(rng, core * (stars.mass / _GIANT_MASS) ** -segregation, tidal)
        along, across = on_ring(rng, distance)
        x, y = rotated(along, across * np.float32(flattening), -angle)
        faint_core = core * (_FAINT_MASS / _GIANT_MASS) ** -segregation
        grid = np.linspace(0.0, tidal, 4000)
        under = float(2 * math.pi * np.trapezoid(grid * _king(grid, faint_core, tidal), grid)) * flattening
        return cls(
            faint_core,
            tidal,
            flattening,
            angle,
            stars.faint / under,
            PointSources(x, y, stars.luminosity, stars.spectrum),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        radius = np.hypot(along, across / np.float32(self.flattening))
        profile = _king(radius, self.core, self.tidal)
        return Light({Spectrum.OLD: np.float32(self.glow) * profile})


@dataclass(frozen=True)
class OpenCluster:
    """A loose cluster of one age: in clumps while young, then often still in the gas that it ionises."""

    radius: float
    glow: float
    lit: float
    gas: IonisedCloud | None
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> OpenCluster:
        """Draws a cluster whose stars lie mostly within `radius`."""
        young = rng.random() < 0.45
        age = 10.0 ** (rng.uniform(6.1, 7.0) if young else rng.uniform(7.0, 9.3))
        count = int(math.exp(rng.uniform(math.log(1500.0), math.log(50_000.0))))
        stars = coeval_population(rng, count, age)
        x, y = _loose_places(rng, radius, stars.mass, age)
        flux = stars.luminosity
        scale = math.pi * radius**2 / (float(flux.sum(dtype=np.float64)) + stars.faint)
        sources = PointSources(x, y, flux * np.float32(scale), stars.spectrum)
        gas = None
        if age < _GASLESS_AGE and rng.random() < 0.85:
            gas = IonisedCloud.draw(rng, radius, spread=0.08)
            sources = behind_dust(rng, sources, gas)
        return cls(
            radius=radius,
            glow=stars.faint * scale / (2.4 * radius**2),
            lit=math.exp(rng.uniform(math.log(0.3), math.log(4.0))),
            gas=gas,
            sources=sources,
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        fall = 1.0 / (1.0 + (np.hypot(x, y) / np.float32(0.7 * self.radius)) ** 3)
        stars = {Spectrum.OLD: single(self.glow * fall)}
        if self.gas is None:
            return Light(stars)
        gas = self.gas.light(x, y)
        return Light(stars | {spectrum: self.lit * glow for spectrum, glow in gas.glow.items()}, gas.veil)


def _loose_places(
    rng: np.random.Generator, radius: float, mass: FloatArray, age: float
) -> tuple[FloatArray, FloatArray]:
    """Places after Elson, Fall and Freeman (1987), without a tidal edge; massive stars nearer to the middle."""
    core = radius * rng.uniform(0.06, 0.3)
    gamma = rng.uniform(2.3, 3.5)
    share = rng.random(len(mass)) * 0.97
    distance = core * np.sqrt((1.0 - share) ** (-2.0 / (gamma - 1.0)) - 1.0)
    distance = distance * (mass / 0.6) ** -rng.uniform(0.05, 0.25)
    x, y = on_ring(rng, single(np.minimum(distance, 3 * radius)))
    # Groups in which stars are born have merged within some 10 Myr.
    groups = int(rng.integers(2, 8)) if age < _GASLESS_AGE else 1
    member = rng.choice(groups, size=len(mass), p=rng.dirichlet(np.full(groups, 1.5)))
    centres = single(rng.normal(0.0, 0.35 * radius, (2, groups)))
    # The first group, at the middle, is the one that ionises what gas there is.
    centres[:, 0] = 0.0
    spread = single(rng.uniform(0.25, 1.0, groups) if groups > 1 else [1.0])
    return x * spread[member] + centres[0, member], y * spread[member] + centres[1, member]


def _king_distances(rng: np.random.Generator, cores: FloatArray, tidal: float) -> FloatArray:
    """Projected distances, one for each core radius; radii are binned to a few per cent."""
    distance = np.empty(len(cores), dtype=np.float32)
    bins = np.rint(np.log(cores) / 0.04).astype(int)
    grid = tidal * np.linspace(0.0, 1.0, 3000) ** 2
    for code in np.unique(bins):
        chosen = np.flatnonzero(bins == code)
        # The rise of the grid's radii towards the edge weighs each step by its width.
        inside = np.cumsum(grid * _king(grid, math.exp(0.04 * code), tidal) * np.gradient(grid))
        distance[chosen] = np.interp(rng.random(len(chosen)), inside / inside[-1], grid)
    return distance


def _king(radius: NDArray[np.floating], core: float, tidal: float) -> FloatArray:
    edge = 1.0 / math.hypot(1.0, tidal / core)
    inner = 1.0 / np.sqrt(1.0 + (radius / core) ** 2)
    return np.asarray(np.clip(inner - edge, 0.0, None) ** 2, dtype=np.float32)
