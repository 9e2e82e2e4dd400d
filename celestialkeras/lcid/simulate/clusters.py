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
from celestialkeras.lcid.simulate.morphology import Light
from celestialkeras.lcid.simulate.profiles import rotated
from celestialkeras.lcid.simulate.sources import PointSources, on_ring, power_law
from celestialkeras.lcid.simulate.texture import Texture, ridges, turbulence


@dataclass(frozen=True)
class Globular:
    """A King (1962) profile of resolved evolved stars over the glow of those too faint to be seen singly."""

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
        core, tidal = radius * rng.uniform(0.06, 0.3), 2.0 * radius
        flattening, angle = rng.uniform(0.82, 1.0), rng.uniform(0, 2 * math.pi)
        grid = np.linspace(0.0, tidal, 2000)
        inside = np.cumsum(grid * _king(grid, core, tidal))
        count = int(math.exp(rng.uniform(math.log(6e3), math.log(1.5e5))))
        distance = np.interp(rng.random(count), inside / inside[-1], grid).astype(np.float32)
        along, across = on_ring(rng, distance)
        x, y = rotated(along, across * np.float32(flattening), -angle)
        # Red giants and the main sequence follow power laws, the horizontal branch is a clump.
        giants, clump = int(0.2 * count), int(0.03 * count)
        reach = math.exp(rng.uniform(math.log(60.0), math.log(1500.0)))
        flux = np.concatenate(
            [
                power_law(rng, giants, 2.1, 1.0, reach),
                0.12 * reach * np.exp(rng.normal(0.0, 0.15, clump)).astype(np.float32),
                power_law(rng, count - giants - clump, 2.6, 0.2, 2.0),
            ]
        )
        kinds = np.full(count, Spectrum.INTERMEDIATE, dtype=np.uint8)
        kinds[:giants] = Spectrum.OLD
        kinds[giants : giants + clump // 2] = Spectrum.YOUNG
        total = float(2 * math.pi * np.trapezoid(grid * _king(grid, core, tidal), grid))
        glow = rng.uniform(0.15, 1.5)
        return cls(
            core, tidal, flattening, angle, glow, PointSources(x, y, flux * np.float32(total / flux.sum()), kinds)
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        radius = np.hypot(along, across / np.float32(self.flattening))
        profile = _king(radius, self.core, self.tidal)
        return Light({Spectrum.INTERMEDIATE: np.float32(self.glow) * profile})


@dataclass(frozen=True)
class OpenCluster:
    """A loose or young cluster: stars in clumps, the brightest hot, often with reefs of gas and dust."""

    radius: float
    glow: float
    hydrogen: float
    dust: float
    gas: Texture
    veil: Texture
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> OpenCluster:
        """Draws a cluster whose stars lie mostly within `radius`."""
        count = int(math.exp(rng.uniform(math.log(600.0), math.log(25000.0))))
        core = radius * rng.uniform(0.1, 0.5)
        # Elson, Fall and Freeman (1987): no tidal edge in young clusters.
        gamma = rng.uniform(2.3, 3.5)
        share = rng.random(count) * 0.97
        distance = core * np.sqrt((1.0 - share) ** (-2.0 / (gamma - 1.0)) - 1.0)
        x, y = on_ring(rng, single(np.minimum(distance, 3 * radius)))
        subgroups = int(rng.integers(1, 6))
        centres = rng.normal(0.0, 0.35 * radius * (subgroups > 1), (2, subgroups)).astype(np.float32)
        member = rng.integers(subgroups, size=count)
        x, y = x * 0.7 + centres[0, member], y * 0.7 + centres[1, member]
        flux = power_law(rng, count, rng.uniform(1.5, 1.9), 1.0, math.exp(rng.uniform(6.0, 9.0)))
        hot = np.where(flux > np.quantile(flux, 0.7), Spectrum.YOUNG, Spectrum.INTERMEDIATE).astype(np.uint8)
        hot[rng.random(count) < 0.06] = Spectrum.OLD
        total = math.pi * radius**2
        wet = rng.random() < 0.55
        return cls(
            radius=radius,
            glow=rng.uniform(0.02, 0.5),
            hydrogen=wet * rng.uniform(0.3, 2.0),
            dust=wet * rng.uniform(0.3, 1.5),
            gas=turbulence(rng, 2.5 * radius, rng.uniform(2.8, 3.4)),
            veil=turbulence(rng, 1.7 * radius, 3.0),
            sources=PointSources(x, y, flux * np.float32(total / flux.sum()), hot),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        fall = 1.0 / (1.0 + (np.hypot(x, y) / np.float32(0.7 * self.radius)) ** 3)
        glow = {Spectrum.YOUNG: np.asarray(self.glow * fall, dtype=np.float32)}
        if not self.hydrogen:
            return Light(glow)
        wisps = self.gas.at(x, y)
        depth = self.dust * fall * np.exp(1.5 * self.veil.at(x, y) - 0.8)
        lit = self.hydrogen * fall * (np.exp(1.1 * wisps - 0.6) + 0.5 * ridges(wisps, 5.0))
        glow[Spectrum.GAS] = np.asarray(lit * np.exp(-depth), dtype=np.float32)
        return Light(glow, depth)


def _king(radius: NDArray[np.floating], core: float, tidal: float) -> FloatArray:
    edge = 1.0 / math.hypot(1.0, tidal / core)
    inner = 1.0 / np.sqrt(1.0 + (radius / core) ** 2)
    return np.asarray(np.clip(inner - edge, 0.0, None) ** 2, dtype=np.float32)
