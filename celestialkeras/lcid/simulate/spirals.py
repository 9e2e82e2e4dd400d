"""Spiral galaxies: discs with arms along which stars form.

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
from celestialkeras.lcid.simulate.sources import PointSources, power_law, resolved_share
from celestialkeras.lcid.simulate.star_formation import hydrogen_regions
from celestialkeras.lcid.simulate.texture import Texture, coarse_and_fine


@dataclass(frozen=True)
class Spiral:
    """A disc with logarithmic arms, bulge, perhaps a bar, dust on the arms' inner edges, H II regions, clusters."""

    scale_length: float
    axis_ratio: float
    angle: float
    arms: int
    winding: float
    arm_strength: float
    bulge: float
    bulge_radius: float
    bar: float
    dust: float
    flocculence: float
    hydrogen: float
    coarse: Texture
    fine: Texture
    sources: PointSources
    blobs: Blobs

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Spiral:
        """Draws a spiral whose disc fades out near `radius`."""
        scale_length = radius / rng.uniform(2.6, 3.4)
        axis_ratio, angle = math.cos(math.radians(rng.uniform(5.0, 68.0))), rng.uniform(0, 2 * math.pi)
        arms = int(rng.choice([2, 2, 2, 3, 4]))
        winding = arms / math.tan(math.radians(rng.uniform(11.0, 28.0)))
        coarse, fine = coarse_and_fine(rng, radius)
        bar = float(rng.random() < 0.45) * rng.uniform(0.3, 0.7) * scale_length
        shape = _ArmShape(scale_length, axis_ratio, angle, arms, winding, coarse)
        disc_flux = 2 * math.pi * scale_length**2 * axis_ratio
        share = resolved_share(rng)
        parts = [
            shape.clumps(rng, int(rng.integers(150, 700)), 0.25, share * disc_flux * 0.4, 1.9, Spectrum.YOUNG),
            shape.clumps(rng, int(rng.integers(3000, 25000)), 0.8, share * disc_flux, 2.2, Spectrum.YOUNG),
        ]
        regions = shape.clumps(rng, int(rng.integers(60, 300)), 0.2, rng.uniform(0.005, 0.05) * disc_flux, 1.6)
        return cls(
            scale_length=scale_length,
            axis_ratio=axis_ratio,
            angle=angle,
            arms=arms,
            winding=winding,
            arm_strength=rng.uniform(0.8, 2.5),
            bulge=rng.uniform(0.5, 6.0),
            bulge_radius=scale_length * rng.uniform(0.08, 0.3),
            bar=bar,
            dust=rng.uniform(0.4, 2.0),
            flocculence=rng.uniform(0.25, 0.7),
            hydrogen=rng.uniform(0.1, 0.6),
            coarse=coarse,
            fine=fine,
            sources=PointSources.joined(*parts),
            blobs=hydrogen_regions(rng, regions, 0.006 * radius),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        across = across / np.float32(self.axis_ratio)
        radius = np.hypot(along, across) + np.float32(1e-3)
        coarse, fine = self.coarse.at(along, across), self.fine.at(along, across)
        shape = _ArmShape(self.scale_length, self.axis_ratio, self.angle, self.arms, self.winding, self.coarse)
        phase = shape.phase(along, across, radius) + np.float32(0.35) * fine
        crest = np.exp(2.2 * (np.cos(phase) - 1))
        # Arms start outside the bulge and the bar and die out in the outer disc.
        inner = max(self.bar, 1.5 * self.bulge_radius)
        reach = radius**2 / (radius**2 + np.float32(inner**2))
        disc = np.exp(-radius / np.float32(self.scale_length))
        patchy = np.exp(self.flocculence * (coarse + 0.6 * fine) - 0.7 * self.flocculence**2)
        lane = np.exp(3.5 * (np.cos(phase + 0.75) - 1)) * np.exp(0.8 * fine - 0.3)
        depth = self.dust * reach * np.exp(-radius / (1.6 * self.scale_length)) * (1.3 * lane + 0.25 * patchy)
        bulge = self.bulge * sersic(np.hypot(along, 0.5 * across * (1 + self.axis_ratio)), self.bulge_radius, 2.0)
        if self.bar:
            slant_along, slant_across = rotated(along, across, 0.6)
            spindle = (slant_along / self.bar) ** 4 + (slant_across / (0.28 * self.bar)) ** 2
            bulge = bulge + 1.5 * np.exp(-spindle)
        clear = np.exp(-depth)
        # Half of the old stars lie in front of the dust.
        old = (0.6 * disc + bulge) * (0.45 + 0.55 * clear)
        young = 0.5 * disc * (0.35 + self.arm_strength * reach * crest) * patchy * clear
        gas = self.hydrogen * disc * reach * crest * np.exp(1.6 * (fine + 0.5 * coarse) - 1.6)
        return Light({Spectrum.OLD: old, Spectrum.YOUNG: young, Spectrum.GAS: gas}, depth)


@dataclass(frozen=True)
class _ArmShape:
    scale_length: float
    axis_ratio: float
    angle: float
    arms: int
    winding: float
    wobble: Texture

    def phase(self, along: FloatArray, across: FloatArray, radius: FloatArray) -> FloatArray:
        """Phase of the arms, 0 on a crest, for places in the plane of the disc."""
        swing = np.float32(0.55) * self.wobble.at(np.float32(0.4) * along, np.float32(0.4) * across)
        turn = self.arms * np.arctan2(across, along) - self.winding * np.log(radius / self.scale_length)
        return np.asarray(turn + swing, dtype=np.float32)

    def clumps(
        self,
        rng: np.random.Generator,
        count: int,
        scatter: float,
        total: float,
        index: float,
        kind: Spectrum = Spectrum.GAS,
    ) -> PointSources:
        """Clusters or stars along the arms, `scatter` radians of phase off the crest."""
        radius = np.float32(self.scale_length) * rng.gamma(2.0, 1.0, count).astype(np.float32)
        radius = np.clip(radius, 0.25 * self.scale_length, 5 * self.scale_length)
        offset = rng.normal(0.0, scatter, count) + 2 * np.pi * rng.integers(self.arms, size=count)
        theta = (offset + self.winding * np.log(radius / self.scale_length)) / self.arms
        along, across = radius * np.cos(theta), radius * np.sin(theta)
        # One step towards the crest that the wobble has moved.
        theta = theta - 0.55 * self.wobble.at(single(0.4 * along), single(0.4 * across)) / self.arms
        along, across = radius * np.cos(theta), radius * np.sin(theta) * self.axis_ratio
        x, y = rotated(single(along), single(across), -self.angle)
        flux = power_law(rng, count, index, 1.0, 1000.0)
        return PointSources.of(x, y, flux * np.float32(total / flux.sum()), kind)
