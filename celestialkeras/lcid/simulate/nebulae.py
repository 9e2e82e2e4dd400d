"""Nebulae: H II regions, reflection nebulae, planetary nebulae, supernova remnants.

Fluxes are relative here; the scene scales each object to the brightness in its plan. Lengths are arcseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.morphology import Light
from celestialkeras.lcid.simulate.profiles import rising, rotated
from celestialkeras.lcid.simulate.sources import PointSources, power_law
from celestialkeras.lcid.simulate.texture import Texture, ridges, turbulence


def _envelope(x: FloatArray, y: FloatArray, radius: float, bend: FloatArray) -> FloatArray:
    """Falls from 1 inside to 0 beyond `radius`, along an edge that a field bends."""
    distance = np.hypot(x, y) / np.float32(radius) + np.float32(0.22) * bend
    return rising(single(7.0 * (1.0 - distance)))


def _stars(rng: np.random.Generator, count: int, spread: float, index: float, total: float, hot: float) -> PointSources:
    """Stars scattered about the centre, a share of them hot."""
    x, y = rng.normal(0.0, spread, (2, count)).astype(np.float32)
    flux = power_law(rng, count, index, 1.0, 3000.0)
    kinds = np.where(rng.random(count) < hot, Spectrum.YOUNG, Spectrum.OLD).astype(np.uint8)
    return PointSources(x, y, flux * np.float32(total / flux.sum()), kinds)


@dataclass(frozen=True)
class Emission:
    """An H II region: a hollow blown by its stars, bright fronts where it meets the cloud, filaments, dark globules."""

    radius: float
    hollow: float
    front: float
    filaments: float
    dust: float
    gas: Texture
    cloud: Texture
    detail: Texture
    globules: FloatArray
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Emission:
        """Draws an H II region that ends near `radius`."""
        area = math.pi * radius**2
        cluster = _stars(rng, int(rng.integers(20, 1500)), radius * rng.uniform(0.08, 0.4), 1.8, 1.0, 0.5)
        field = _stars(rng, int(rng.integers(50, 4000)), radius * 0.8, 2.0, 1.0, 0.1)
        starlight = area * math.exp(rng.uniform(math.log(0.005), math.log(0.5)))
        count = int(rng.integers(0, 25))
        globules = np.concatenate(
            [
                rng.normal(0.0, 0.5 * radius, (2, count)),
                np.exp(rng.normal(math.log(0.02 * radius), 0.6, (1, count))),
                rng.uniform(0.4, 1.0, (1, count)),
                rng.uniform(0, math.pi, (1, count)),
            ]
        )
        return cls(
            radius=radius,
            hollow=rng.uniform(0.15, 0.55),
            front=rng.uniform(0.6, 3.0),
            filaments=rng.uniform(0.1, 1.2),
            dust=rng.uniform(0.5, 3.5),
            gas=turbulence(rng, 2.2 * radius, rng.uniform(3.1, 3.7)),
            cloud=turbulence(rng, 1.9 * radius, rng.uniform(3.1, 3.7)),
            detail=turbulence(rng, 0.6 * radius, 3.0),
            globules=globules.astype(np.float32),
            sources=PointSources.joined(cluster.scaled(0.6 * starlight), field.scaled(0.4 * starlight)),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        detail = self.detail.at(x, y)
        # The coarse fields are sampled at places that the fine one shifts: sheared, as gas is, and not all Gaussian.
        shift = np.float32(0.02 * self.radius) * detail
        gas = self.gas.at(x + shift, y - shift)
        cloud = self.cloud.at(x - shift, y + shift)
        envelope = _envelope(x, y, self.radius, cloud)
        wall = np.hypot(x, y) / np.float32(self.radius) - self.hollow - np.float32(0.25) * cloud
        front = self.front * np.exp(-wall.clip(0, None) / 0.05) * rising(single(wall / 0.02))
        diffuse = np.exp(0.8 * gas + 0.25 * detail - 0.4)
        threads = self.filaments * (ridges(gas + 0.15 * detail, 12.0) + 0.7 * ridges(cloud, 16.0)) * diffuse
        depth = self.dust * envelope * np.exp(1.7 * (cloud + 0.35 * detail) - 1.6).clip(0, 6)
        for x0, y0, size, squash, angle in self.globules.T:
            along, across = rotated(x - x0, y - y0, float(angle))
            reach = np.hypot(along, across / squash) / size + np.float32(0.25) * detail
            depth = depth + 4.0 * rising(single(9.0 * (1.0 - reach)))
        glow = envelope * (0.35 * diffuse + front + threads) * np.exp(-depth)
        dusty = 0.1 * envelope * diffuse * np.exp(-depth)
        return Light({Spectrum.GAS: single(glow), Spectrum.YOUNG: single(dusty)}, single(0.7 * depth))


@dataclass(frozen=True)
class Reflection:
    """Dust lit by a few bright stars nearby: smooth wisps that brighten towards them, and dark lanes between."""

    radius: float
    lamps: FloatArray
    dust: float
    streak: float
    angle: float
    cloud: Texture
    detail: Texture
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Reflection:
        """Draws a reflection nebula that ends near `radius`."""
        count = int(rng.integers(1, 5))
        lamps = np.stack(
            [*rng.normal(0.0, 0.35 * radius, (2, count)), np.exp(rng.normal(0.0, 0.6, count)) * radius**2 / 8]
        ).astype(np.float32)
        bright = PointSources.of(lamps[0], lamps[1], lamps[2] * np.float32(rng.uniform(0.3, 3.0)), Spectrum.YOUNG)
        faint = _stars(rng, int(rng.integers(30, 1500)), 0.7 * radius, 1.9, 0.15 * radius**2, 0.1)
        return cls(
            radius=radius,
            lamps=lamps,
            dust=rng.uniform(0.4, 2.0),
            streak=rng.uniform(1.0, 3.5),
            angle=rng.uniform(0, math.pi),
            cloud=turbulence(rng, 2.5 * radius, rng.uniform(3.0, 3.7)),
            detail=turbulence(rng, 1.0 * radius, 3.0),
            sources=PointSources.joined(bright, faint),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        along = along / np.float32(self.streak)
        cloud, detail = self.cloud.at(along, across), self.detail.at(along, across)
        column = np.exp(0.9 * cloud + 0.35 * detail - 0.5)
        envelope = _envelope(x, y, self.radius, cloud)
        lit = np.zeros_like(x)
        soft = np.float32((0.12 * self.radius) ** 2)
        for x0, y0, power in self.lamps.T:
            lit += power / ((x - x0) ** 2 + (y - y0) ** 2 + soft)
        depth = self.dust * envelope * column * np.float32(0.6)
        lanes = np.exp(-0.5 * self.dust * np.exp(1.6 * (-cloud + 0.4 * detail) - 1.5).clip(0, 8))
        glow = envelope * lit * (1 - np.exp(-depth)) * lanes
        return Light({Spectrum.YOUNG: single(glow), Spectrum.GAS: single(0.08 * glow)}, single(depth))


@dataclass(frozen=True)
class Planetary:
    """A planetary nebula: bright rim, one or two lobes, knots and rays, a faint ringed halo, the star in the middle."""

    radius: float
    squash: float
    angle: float
    waist: float
    rim: float
    rings: float
    rays: float
    coarse: Texture
    fine: Texture
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Planetary:
        """Draws a planetary nebula whose main shell has about this radius, its halo twice that."""
        flux = math.pi * radius**2 * math.exp(rng.uniform(math.log(0.002), math.log(0.15)))
        centre = PointSources.of(single([0.0]), single([0.0]), single([flux]), Spectrum.YOUNG)
        return cls(
            radius=0.75 * radius,
            squash=rng.uniform(0.55, 1.0),
            angle=rng.uniform(0, math.pi),
            waist=float(rng.random() < 0.45) * rng.uniform(0.4, 0.85),
            rim=rng.uniform(0.08, 0.25),
            rings=float(rng.random() < 0.5) * rng.uniform(0.1, 0.4),
            rays=rng.uniform(0.1, 0.5),
            coarse=turbulence(rng, 2.2 * radius, 3.0),
            fine=turbulence(rng, 0.8 * radius, 2.5),
            sources=centre,
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        coarse, fine = self.coarse.at(along, across), self.fine.at(along, across)
        radius = np.hypot(along, across / np.float32(self.squash)) / np.float32(self.radius)
        theta = np.arctan2(across, along)
        # A waist across the axis makes two lobes of one shell.
        shell = 1.0 - self.waist * np.sin(theta) ** 4
        depth = radius / shell + np.float32(0.05) * coarse
        edge = (depth - 1.0) / self.rim
        rim = np.exp(-np.abs(edge) * np.where(edge > 0, 3.0, 1.0))
        inside = rising(30.0 * (1.0 - depth))
        knots = np.exp(0.5 * coarse + 0.5 * fine - 0.25)
        spokes = 1.0 + self.rays * np.sin(theta * 23.0 + 3.0 * coarse)
        halo = 0.05 * np.exp(-1.6 * (radius - 1.0).clip(0, None)) * (1 + self.rings * np.sin(26.0 * radius))
        glow = (rim * spokes + 0.35 * inside) * knots + halo * np.exp(0.4 * fine)
        return Light({Spectrum.GAS: single(glow)})


@dataclass(frozen=True)
class Remnant:
    """A supernova remnant: a broken shell of thin filaments, sheets seen on their edge, on faint haze."""

    radius: float
    thickness: float
    lopsided: float
    angle: float
    network: float
    coarse: Texture
    fine: Texture
    detail: Texture
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Remnant:
        """Draws a remnant whose blast wave stands near `radius`."""
        stars = _stars(rng, int(rng.integers(20, 1500)), radius, 2.0, 1.0, 0.1)
        return cls(
            radius=0.9 * radius,
            thickness=rng.uniform(0.06, 0.3),
            lopsided=rng.uniform(0.0, 0.9),
            angle=rng.uniform(0, 2 * math.pi),
            network=rng.uniform(0.3, 1.5),
            # Smooth fields: their zero crossings are long curves, as the edges of shocked sheets are.
            coarse=turbulence(rng, 2.4 * radius, 4.2),
            fine=turbulence(rng, 1.3 * radius, 4.0),
            detail=turbulence(rng, 0.7 * radius, 3.2),
            sources=stars.scaled(math.pi * radius**2 * rng.uniform(0.01, 0.3)),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        coarse, fine, detail = self.coarse.at(x, y), self.fine.at(x, y), self.detail.at(x, y)
        radius = np.hypot(x, y) / np.float32(self.radius)
        wave = radius - 1.0 + 0.09 * coarse + 0.03 * fine + 0.004 * detail
        inner = np.exp(-((wave / self.thickness) ** 2)) + 0.25 * rising(-20 * wave)
        sheet = np.exp(-np.abs(wave) / 0.012) + 0.8 * np.exp(-np.abs(wave + 0.5 * self.thickness) / 0.015)
        net = ridges(fine + 0.08 * detail, 22.0) + 0.8 * ridges(coarse + 0.3 * fine, 30.0)
        lean = 1 + self.lopsided * np.cos(np.arctan2(y, x) - self.angle)
        broken = np.exp(0.8 * fine + 0.6 * coarse + 0.4 * detail - 0.7)
        glow = lean * (inner * (0.06 + self.network * net) + sheet) * broken
        return Light({Spectrum.GAS: single(glow)})
