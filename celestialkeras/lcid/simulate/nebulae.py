"""Diffuse nebulae: H II regions that hot stars ionise, and dust that cooler ones only light.

Fluxes are relative here; the scene scales each object to the brightness in its plan. Lengths are arcseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.ionised import IonisedCloud
from celestialkeras.lcid.simulate.morphology import Light
from celestialkeras.lcid.simulate.populations import coeval_population, field_stars
from celestialkeras.lcid.simulate.profiles import rising, rotated
from celestialkeras.lcid.simulate.sources import PointSources
from celestialkeras.lcid.simulate.texture import Texture, turbulence


@dataclass(frozen=True)
class Emission:
    """An H II region: see `IonisedCloud`; its young stars, some of them behind or inside the dust."""

    gas: IonisedCloud
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Emission:
        """Draws an H II region that ends near `radius`."""
        gas = IonisedCloud.draw(rng, radius)
        stars = coeval_population(rng, int(math.exp(rng.uniform(math.log(60), math.log(4000)))), 2.0e6)
        spread = radius * rng.uniform(0.05, 0.35) * (stars.mass / 0.5) ** -0.15
        x, y = rng.normal(0.0, 1.0, (2, len(spread))) * spread
        cluster = PointSources(
            single(x + gas.lamp[0]), single(y + gas.lamp[1]), stars.luminosity / stars.luminosity.sum(), stars.spectrum
        )
        field = field_stars(rng, int(rng.integers(50, 3000)), 0.8 * radius)
        starlight = math.pi * radius**2 * math.exp(rng.uniform(math.log(0.005), math.log(0.3)))
        sources = PointSources.joined(cluster.scaled(0.7 * starlight), field.scaled(0.3 * starlight))
        return cls(gas=gas, sources=behind_dust(rng, sources, gas))

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        return self.gas.light(x, y)


def behind_dust(rng: np.random.Generator, stars: PointSources, cloud: IonisedCloud | Reflection) -> PointSources:
    """Stars dimmed by the cloud that they lie in, at depths drawn evenly; deep ones are reddened to `OLD`."""
    veil = cloud.light(stars.x, stars.y).veil
    depth = (0.0 if veil is None else veil) * single(rng.random(len(stars.x)))
    return PointSources(
        stars.x,
        stars.y,
        stars.flux * np.exp(-depth),
        np.where(depth > 1.2, np.uint8(Spectrum.OLD), stars.spectrum).astype(np.uint8),
    )


@dataclass(frozen=True)
class Reflection:
    """Dust lit by a few bright stars nearby: wisps that brighten towards them, and dark lanes before them."""

    radius: float
    lamps: FloatArray
    dust: float
    streak: float
    angle: float
    balmer: float
    cloud: Texture
    detail: Texture
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Reflection:
        """Draws a reflection nebula that ends near `radius`."""
        count = int(rng.integers(1, 5))
        lamps = single(
            np.stack([*rng.normal(0.0, 0.3 * radius, (2, count)), np.exp(rng.normal(0.0, 0.7, count)) * radius**2 / 8])
        )
        # Behind more dust the star itself is dimmer than what it lights.
        bright = PointSources.of(
            lamps[0], lamps[1], lamps[2] * single(np.exp(rng.normal(-1.0, 1.0, count))), Spectrum.YOUNG
        )
        bare = cls(
            radius=radius,
            lamps=lamps,
            dust=rng.uniform(0.5, 2.5),
            streak=rng.uniform(1.0, 3.5),
            angle=rng.uniform(0, math.pi),
            balmer=rng.uniform(0.02, 0.12),
            cloud=turbulence(rng, 2.5 * radius, rng.uniform(3.2, 3.8)),
            detail=turbulence(rng, 1.0 * radius, 3.2),
            sources=bright,
        )
        field = field_stars(rng, int(rng.integers(30, 1500)), 0.7 * radius)
        field = behind_dust(rng, field.scaled(0.15 * radius**2), bare)
        return cls(**{**vars(bare), "sources": PointSources.joined(bright, field)})

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        along = along / self.streak
        detail = self.detail.at(along, across)
        bend = 0.02 * self.radius * detail
        cloud = self.cloud.at(along + bend, across - bend)
        other = self.cloud.at(along + 1.2 * self.radius, across - 0.8 * self.radius + bend)
        column = np.exp(0.9 * cloud + 0.4 * detail - 0.5)
        envelope = rising(single(7.0 * (1.0 - np.hypot(x, y) / self.radius - 0.2 * cloud)))
        lit = np.zeros_like(x)
        soft = (0.1 * self.radius) ** 2
        for x0, y0, power in self.lamps.T:
            lit += power / ((x - x0) ** 2 + (y - y0) ** 2 + soft)
        depth = self.dust * envelope * column * 0.6
        lanes = self.dust * envelope * np.exp(1.6 * (other + 0.35 * detail) - 1.6).clip(0, 3.5)
        glow = envelope * lit * (1.0 - np.exp(-depth)) * np.exp(-lanes)
        return Light(
            {Spectrum.YOUNG: single(glow), Spectrum.HYDROGEN: single(self.balmer * glow)}, single(depth + lanes)
        )
