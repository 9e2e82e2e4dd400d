"""Irregular dwarf galaxies.

Fluxes are relative here; the scene scales each object to the brightness in its plan. Lengths are arcseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.blobs import Blobs
from celestialkeras.lcid.simulate.morphology import Light
from celestialkeras.lcid.simulate.profiles import rotated, sersic
from celestialkeras.lcid.simulate.sources import PointSources, resolved_share
from celestialkeras.lcid.simulate.star_formation import Places, StarFormation, young_associations
from celestialkeras.lcid.simulate.texture import Texture, coarse_and_fine, ridges


@dataclass(frozen=True)
class Irregular:
    """A faint sheet of old stars, most of them resolved, with star formation off its centre and bubbles of gas.

    Attributes:
        effective: Effective radius of the old sheet.
        axis_ratio: Of the sheet.
        angle: Direction of its long axis, radians from east.
        bar: Brightness of a bar, as in the Magellanic Clouds; 0 for none.
        complexes: Places along and across the axis, radius and strength of star-forming complexes, `float32 (4, n)`.
        contrast: How patchy the young stars are.
        dust: Optical depth in its few dark clouds: little, as metals are few.
        hydrogen: Diffuse gas over young stars.
        oxygen: [O III] over hydrogen in it: high, as the stars are hot and metals few.
        coarse: Field of the great clouds.
        fine: Field of their detail.
        sources: Stars and clusters.
        blobs: H II regions.
    """

    effective: float
    axis_ratio: float
    angle: float
    bar: float
    complexes: FloatArray
    contrast: float
    dust: float
    hydrogen: float
    oxygen: float
    coarse: Texture
    fine: Texture
    sources: PointSources
    blobs: Blobs | None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Irregular:
        """Draws an irregular galaxy that fades out near `radius`."""
        effective = radius * rng.uniform(0.4, 0.6)
        axis_ratio = rng.uniform(0.35, 0.9)
        count = int(rng.integers(2, 8))
        spread = rng.normal(0.0, 0.55 * effective, (2, count))
        spread[1] *= axis_ratio
        sizes = effective * np.exp(rng.normal(math.log(0.13), 0.45, count))
        coarse, fine = coarse_and_fine(rng, radius)
        bare = cls(
            effective=effective,
            axis_ratio=axis_ratio,
            angle=rng.uniform(0, 2 * math.pi),
            bar=float(rng.random() < 0.5) * rng.uniform(0.4, 1.2),
            complexes=single(np.stack([*spread, sizes, np.exp(rng.normal(0.0, 0.7, count))])),
            contrast=rng.uniform(0.5, 0.9),
            dust=rng.uniform(0.1, 0.7),
            hydrogen=rng.uniform(0.1, 0.4),
            oxygen=rng.uniform(0.2, 0.8),
            coarse=coarse,
            fine=fine,
            sources=PointSources.joined(),
            blobs=None,
        )
        return bare._populated(rng, radius)

    def _populated(self, rng: np.random.Generator, radius: float) -> Irregular:
        places = Places.by_spectrum(self.light, 1.7 * radius)
        old, young = places[Spectrum.OLD], places[Spectrum.YOUNG]
        near = 0.1 + resolved_share(rng)
        activity = StarFormation(
            associations=int(rng.integers(40, 250)),
            members=int(rng.integers(3000, 12000)),
            size=radius * rng.uniform(0.008, 0.02),
            share=0.2 + 0.6 * near,
            ionised=rng.uniform(0.05, 0.3),
            oxygen=0.6 * self.oxygen,
        )
        clusters, regions = young_associations(rng, young, activity)
        field = young.stars(rng, int(rng.uniform(0.5, 1.0) * (8000 + 50000 * near)), 2.2, near, Spectrum.YOUNG)
        giants = old.stars(rng, int(rng.uniform(0.5, 1.0) * (20000 + 120000 * near)), 2.4, near)
        return replace(self, sources=PointSources.joined(clusters, field, giants), blobs=regions)

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        coarse, fine = self.coarse.at(along, across), self.fine.at(along, across)
        squeezed = across / np.float32(self.axis_ratio)
        sheet = sersic(np.hypot(along, squeezed) * (1 + 0.05 * coarse.clip(-2, 2)), self.effective, 0.8)
        bar = np.exp(-((along / (0.6 * self.effective)) ** 2) - (across / (0.16 * self.effective)) ** 2)
        forming = np.zeros_like(along)
        bubbles = np.zeros_like(along)
        for x0, y0, size, power in self.complexes.T:
            distance = np.hypot(along - x0, across - y0) / size
            forming += power * np.exp(-distance)
            # Winds and supernovae sweep the gas into shells around the older complexes.
            bubbles += power * np.exp(-np.square((distance * (1 + 0.15 * coarse) - 1.6) / 0.22))
        patchy = np.exp(self.contrast * (1.3 * coarse + 0.7 * fine) - self.contrast**2)
        depth = self.dust * np.minimum(sheet, 1.5) * ridges(coarse - 0.3, 3.0) * np.exp(0.8 * fine)
        clear = np.exp(-depth)
        old = (sheet + self.bar * bar) * (0.4 + 0.6 * clear)
        young = (0.12 * sheet + 0.3 * self.bar * bar + 0.9 * forming) * patchy * clear
        wisps = ridges(fine, 2.5) * np.exp(0.8 * coarse)
        gas = self.hydrogen * (0.1 * sheet + forming + 0.35 * bubbles) * (2.0 * wisps + 0.3 * patchy)
        oxygen = self.hydrogen * self.oxygen * forming * np.exp(0.8 * fine - 0.4)
        glow = {Spectrum.OLD: old, Spectrum.YOUNG: young, Spectrum.HYDROGEN: gas, Spectrum.OXYGEN: oxygen}
        return Light({kind: single(values) for kind, values in glow.items()}, single(depth))
