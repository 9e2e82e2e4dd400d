"""Nearby galaxies without arms: ellipticals and lenticulars, edge-on discs, irregulars.

Fluxes are relative here; the scene scales each object to the brightness in its plan. Lengths are arcseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.blobs import Blobs
from celestialkeras.lcid.simulate.morphology import Light
from celestialkeras.lcid.simulate.profiles import rotated, sersic
from celestialkeras.lcid.simulate.sources import PointSources, on_ring, power_law, resolved_share
from celestialkeras.lcid.simulate.star_formation import hydrogen_regions
from celestialkeras.lcid.simulate.texture import Texture, coarse_and_fine, turbulence


@dataclass(frozen=True)
class Elliptical:
    """A Sersic spheroid, perhaps with a disc, a dust ring or shells, among its globular clusters."""

    effective: float
    index: float
    axis_ratio: float
    angle: float
    disc: float
    dust: float
    dust_radius: float
    shells: float
    texture: Texture
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Elliptical:
        """Draws an elliptical or lenticular with an effective radius of about half of `radius`."""
        effective = radius * rng.uniform(0.3, 0.6)
        axis_ratio, angle = rng.uniform(0.45, 1.0), rng.uniform(0, 2 * math.pi)
        total = 2.5 * math.pi * effective**2 * axis_ratio
        clusters = int(rng.integers(60, 900))
        distance = effective * rng.lognormal(0.0, 0.75, clusters).astype(np.float32)
        along, across = on_ring(rng, distance)
        x, y = rotated(along, across * np.float32(axis_ratio), -angle)
        flux = np.exp(rng.normal(0.0, 1.0, clusters)).astype(np.float32)
        globulars = PointSources.of(x, y, flux * (0.01 * total / flux.sum()), Spectrum.OLD)
        giants = int(rng.integers(2000, 30000))
        along, across = on_ring(rng, effective * rng.lognormal(-0.1, 0.8, giants).astype(np.float32))
        x, y = rotated(along, across * np.float32(axis_ratio), -angle)
        flux = power_law(rng, giants, 2.5, 1.0, 30.0)
        stars = PointSources.of(x, y, flux * (0.4 * resolved_share(rng) * total / flux.sum()), Spectrum.OLD)
        return cls(
            effective=effective,
            index=rng.uniform(1.8, 4.5),
            axis_ratio=axis_ratio,
            angle=angle,
            disc=float(rng.random() < 0.4) * rng.uniform(0.5, 2.0),
            dust=float(rng.random() < 0.35) * rng.uniform(0.5, 2.5),
            dust_radius=effective * rng.uniform(0.1, 0.4),
            shells=float(rng.random() < 0.25) * rng.uniform(0.05, 0.2),
            texture=turbulence(rng, 2.0 * radius, 2.8),
            sources=PointSources.joined(globulars, stars),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        across = across / np.float32(self.axis_ratio)
        radius = np.hypot(along, across)
        old = sersic(np.hypot(radius, 0.3), self.effective, self.index)
        if self.disc:
            old = old + self.disc * np.exp(-np.hypot(along, 2.2 * across) / (0.8 * self.effective))
        if self.shells:
            rings = np.sin(9.0 * np.log1p(radius / self.effective)) * np.cos(np.arctan2(across, along))
            old = old * (1 + self.shells * np.tanh(3 * rings))
        if not self.dust:
            return Light({Spectrum.OLD: old})
        tilted = np.hypot(along, across / 0.3)
        ring = np.exp(-(((tilted - self.dust_radius) / (0.35 * self.dust_radius)) ** 2))
        depth = self.dust * ring * np.exp(1.1 * self.texture.at(x, y) - 0.5)
        return Light({Spectrum.OLD: old * (0.3 + 0.7 * np.exp(-depth))}, depth)


@dataclass(frozen=True)
class EdgeOn:
    """A disc seen on its edge: a spindle cut by a ragged dust lane, with a bulge and a warp."""

    scale_length: float
    height: float
    angle: float
    bulge: float
    bulge_radius: float
    dust: float
    warp: float
    hydrogen: float
    coarse: Texture
    fine: Texture
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> EdgeOn:
        """Draws an edge-on disc that fades out along its axis near `radius`."""
        scale_length, angle = radius / rng.uniform(2.4, 3.2), rng.uniform(0, 2 * math.pi)
        height = scale_length * rng.uniform(0.1, 0.22)
        coarse, fine = coarse_and_fine(rng, radius)
        total = 4.0 * scale_length * height
        share = resolved_share(rng)
        parts = []
        for count, thick, spectrum, part, index in (
            (int(rng.integers(2000, 25000)), 1.6, Spectrum.OLD, share, 2.4),
            (int(rng.integers(100, 1500)), 0.5, Spectrum.YOUNG, 0.3 * share, 1.9),
            (int(rng.integers(30, 300)), 6.0, Spectrum.OLD, 0.01, 1.5),
        ):
            x0 = rng.laplace(0.0, scale_length, count)
            y0 = rng.laplace(0.0, thick * height, count)
            x, y = rotated(single(x0), single(y0), -angle)
            flux = power_law(rng, count, index, 1.0, 60.0)
            parts.append(PointSources.of(x, y, flux * np.float32(part * total / flux.sum()), spectrum))
        return cls(
            scale_length=scale_length,
            height=height,
            angle=angle,
            bulge=rng.uniform(0.2, 3.0),
            bulge_radius=scale_length * rng.uniform(0.15, 0.45),
            dust=rng.uniform(0.8, 4.0),
            warp=rng.normal(0.0, 0.12),
            hydrogen=rng.uniform(0.05, 0.5),
            coarse=coarse,
            fine=fine,
            sources=PointSources.joined(*parts),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        across = across - self.warp * along * np.abs(along) / np.float32(3 * self.scale_length)
        far = np.abs(along) / np.float32(self.scale_length)
        tall = np.abs(across) / np.float32(self.height)
        coarse, fine = self.coarse.at(along, across), self.fine.at(along, across)
        disc = np.exp(-far) * np.exp(-tall) * (1 + far)
        bulge = self.bulge * sersic(np.hypot(along, 1.4 * across), self.bulge_radius, 1.6)
        ragged = tall / (0.35 + 0.12 * coarse.clip(-2, 2))
        depth = self.dust * np.exp(-0.7 * far) * np.exp(-(ragged**2)) * np.exp(0.8 * fine - 0.3)
        clear = np.exp(-depth)
        young = 0.5 * np.exp(-0.9 * far - 3.0 * tall) * np.exp(0.6 * coarse + 0.4 * fine) * clear
        gas = self.hydrogen * np.exp(-0.9 * far - 3.5 * tall) * np.exp(0.9 * fine - 0.4)
        old = (disc + bulge) * (0.25 + 0.75 * clear)
        return Light({Spectrum.OLD: old, Spectrum.YOUNG: young, Spectrum.GAS: gas}, depth)


@dataclass(frozen=True)
class Irregular:
    """A lopsided small galaxy: old sheet, off-centre bar, star-forming clumps and shells, many resolved stars."""

    effective: float
    axis_ratio: float
    angle: float
    knots: FloatArray
    hydrogen: float
    roughness: float
    coarse: Texture
    fine: Texture
    sources: PointSources
    blobs: Blobs

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Irregular:
        """Draws an irregular galaxy that fades out near `radius`."""
        effective = radius * rng.uniform(0.4, 0.6)
        axis_ratio, angle = rng.uniform(0.4, 0.9), rng.uniform(0, 2 * math.pi)
        count = int(rng.integers(5, 25))
        spread = rng.normal(0.0, 0.5 * effective, (2, count))
        spread[1] *= axis_ratio
        size = effective * np.exp(rng.normal(math.log(0.06), 0.5, count))
        knots = np.stack([*spread, size, np.exp(rng.normal(0.0, 0.8, count))]).astype(np.float32)
        coarse, fine = coarse_and_fine(rng, radius)
        total = math.pi * effective**2 * axis_ratio
        share = 0.1 + resolved_share(rng)
        stars = int(rng.integers(8000, 60000))
        x0, y0 = rng.normal(0.0, 0.75 * effective, (2, stars))
        old = _scattered(rng, x0, axis_ratio * y0, 2.3, share * total, Spectrum.OLD, angle)
        chosen = rng.integers(count, size=stars // 8)
        x0, y0 = knots[:2, chosen] + 1.5 * knots[2, chosen] * rng.normal(size=(2, len(chosen)))
        young = _scattered(rng, x0, y0, 1.9, 0.6 * share * total, Spectrum.YOUNG, angle)
        chosen = rng.integers(count, size=int(rng.integers(20, 120)))
        x0, y0 = knots[:2, chosen] + 2.0 * knots[2, chosen] * rng.normal(size=(2, len(chosen)))
        regions = _scattered(rng, x0, y0, 1.6, rng.uniform(0.02, 0.15) * total, Spectrum.GAS, angle)
        return cls(
            effective=effective,
            axis_ratio=axis_ratio,
            angle=angle,
            knots=knots,
            hydrogen=rng.uniform(0.1, 0.8),
            roughness=rng.uniform(0.2, 0.6),
            coarse=coarse,
            fine=fine,
            sources=PointSources.joined(old, young),
            blobs=hydrogen_regions(rng, regions, 0.01 * radius),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        coarse, fine = self.coarse.at(along, across), self.fine.at(along, across)
        squeezed = across / np.float32(self.axis_ratio)
        sheet = sersic(np.hypot(along, squeezed) * (1 + 0.12 * coarse.clip(-2, 2)), self.effective, 1.0)
        bar = 0.6 * np.exp(-((along / (0.5 * self.effective)) ** 2) - (squeezed / (0.15 * self.effective)) ** 2)
        clumps = np.zeros_like(x)
        bubbles = np.zeros_like(x)
        for x0, y0, size, power in self.knots.T:
            distance = np.hypot(along - x0, across - y0) / size
            clumps += power * np.exp(-distance)
            bubbles += power * np.exp(-(((distance - 2.0 - 0.5 * fine) / 0.5) ** 2))
        rough = np.exp(self.roughness * (coarse + 0.7 * fine) - self.roughness**2)
        depth = 0.3 * np.minimum(sheet, 1.5) * np.exp(1.1 * (0.7 * fine - coarse) - 0.8).clip(0, 3)
        clear = np.exp(-depth)
        old = (0.7 * sheet + bar) * clear
        young = (0.4 * sheet + 0.25 * clumps) * rough * clear
        gas = self.hydrogen * (0.4 * clumps + 0.25 * bubbles + 0.1 * sheet) * np.exp(fine - 0.5)
        return Light({Spectrum.OLD: old, Spectrum.YOUNG: young, Spectrum.GAS: gas}, depth)


def _scattered(
    rng: np.random.Generator, x: FloatArray, y: FloatArray, index: float, total: float, kind: Spectrum, angle: float
) -> PointSources:
    x, y = rotated(single(x), single(y), -angle)
    flux = power_law(rng, len(x), index, 1.0, 200.0)
    return PointSources.of(x, y, flux * np.float32(total / flux.sum()), kind)
