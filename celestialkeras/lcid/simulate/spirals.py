"""Spiral galaxies: discs with arms along which stars form.

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
from celestialkeras.lcid.simulate.texture import Texture, coarse_and_fine, ridges, turbulence


@dataclass(frozen=True)
class Spiral:
    """A disc with logarithmic arms, bulge, perhaps a bar, dust on the arms' inner edges, H II regions, clusters.

    Attributes:
        scale_length: Of the exponential disc.
        axis_ratio: Cosine of the inclination.
        angle: Direction of the line of nodes, radians from east.
        hand: +1 or -1: which way the arms wind on the sky.
        arms: Number of arms.
        pitch: Angle between arm and circle, radians.
        arm_strength: Young light on a crest over that between the arms.
        flocculence: How much shear breaks the arms up.
        bulge: Brightness of the bulge at its effective radius, over the disc's at its centre.
        bulge_radius: Effective radius of the bulge.
        bulge_index: Its Sersic index.
        bar: Half length of the bar, 0 for none.
        dust: Optical depth in the thickest lanes.
        ring: Radius of a star-forming ring around the nucleus, 0 for none.
        hydrogen: Diffuse ionised gas over young stars.
        wobble: Field that bends the arms and makes them uneven.
        fine: Field that breaks clouds up.
        sheared: Field in log-polar coordinates, drawn out into feathers by the disc's rotation.
        sources: Clusters, young stars, giants and globular clusters.
        blobs: H II regions.
    """

    scale_length: float
    axis_ratio: float
    angle: float
    hand: int
    arms: int
    pitch: float
    arm_strength: float
    flocculence: float
    bulge: float
    bulge_radius: float
    bulge_index: float
    bar: float
    dust: float
    ring: float
    hydrogen: float
    wobble: Texture
    fine: Texture
    sheared: Texture
    sources: PointSources
    blobs: Blobs | None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Spiral:
        """Draws a spiral whose disc fades out near `radius`."""
        scale_length = radius / rng.uniform(2.2, 3.2)
        barred = rng.random() < 0.5
        bar = float(barred) * rng.uniform(0.35, 0.8) * scale_length
        # From grand design (0) to flocculent (1): Elmegreen and Elmegreen 1987.
        disorder = rng.random()
        wobble, fine = coarse_and_fine(rng, radius)
        bulge_radius = scale_length * rng.uniform(0.06, 0.25)
        bare = cls(
            scale_length=scale_length,
            # Random orientation, short of edge-on: uniform in the cosine.
            axis_ratio=rng.uniform(0.3, 1.0),
            angle=rng.uniform(0, 2 * math.pi),
            hand=int(rng.choice([-1, 1])),
            arms=2 if barred else int(rng.choice([2, 2, 3, 4])),
            pitch=math.radians(rng.uniform(13.0, 28.0)),
            arm_strength=1.0 + 5.0 * (1 - disorder) * rng.uniform(0.5, 1.0),
            flocculence=0.35 + 0.55 * disorder,
            bulge=rng.lognormal(0.0, 0.8),
            bulge_radius=bulge_radius,
            bulge_index=rng.uniform(1.0, 3.5),
            bar=bar,
            dust=rng.uniform(1.0, 2.8),
            ring=float(rng.random() < 0.3) * rng.uniform(0.6, 1.2) * bulge_radius,
            hydrogen=rng.uniform(0.02, 0.10),
            wobble=wobble,
            fine=fine,
            sheared=turbulence(rng, 1.0, 2.5),
            sources=PointSources.joined(),
            blobs=None,
        )
        return bare._populated(rng, radius)

    def _populated(self, rng: np.random.Generator, radius: float) -> Spiral:
        places = Places.by_spectrum(self.light, 1.7 * radius)
        old, young = places[Spectrum.OLD], places[Spectrum.YOUNG]
        near = resolved_share(rng)
        activity = StarFormation(
            associations=int(rng.integers(150, 700)),
            members=int(rng.integers(3000, 15000)),
            size=radius * rng.uniform(0.004, 0.010),
            share=0.15 + 0.6 * near,
            ionised=rng.uniform(0.02, 0.10),
            oxygen=rng.uniform(0.05, 0.3),
        )
        clusters, regions = young_associations(rng, young, activity)
        field = young.stars(rng, int(rng.uniform(0.5, 1.0) * (8000 + 80000 * near)), 2.4, near, Spectrum.INTERMEDIATE)
        giants = old.stars(rng, int(rng.uniform(0.5, 1.0) * (15000 + 80000 * near)), 2.6, 0.7 * near)
        return replace(self, sources=PointSources.joined(clusters, field, giants), blobs=regions)

    def plane(self, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Offsets on the sky taken to the plane of the disc, where arms open anticlockwise."""
        along, across = rotated(x, y, self.angle)
        return along, across * np.float32(self.hand / self.axis_ratio)

    def _feathers(self, turn: FloatArray, rise: FloatArray, pitch: float, shift: float) -> FloatArray:
        """The sheared field: patches drawn out along spirals of this pitch (radians), the finer the farther in."""
        # Both coordinates grow by one period on the way around: no seam.
        angle = turn / np.float32(2 * np.pi)
        return self.sheared.at(angle + np.float32(shift), angle - rise / np.float32(2 * np.pi * math.tan(pitch)))

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = self.plane(x, y)
        radius = np.hypot(along, across) + np.float32(1e-3)
        fine = self.fine.at(along, across)
        coarse = self.wobble.at(along, across)
        # Feathers leave the arms at a wider angle than the arms' own (La Vigne, Vogel and Ostriker 2006).
        turn, rise = np.arctan2(across, along), np.log(radius / np.float32(self.scale_length))
        spurs = self._feathers(turn, rise, self.pitch + 0.35, 0.0)
        shreds = self._feathers(turn, rise, self.pitch + 0.1, 0.37)
        # Phase of the arms: 0 on a crest, positive on its inner side.
        phase = self.arms * (turn - rise / np.float32(math.tan(self.pitch)))
        phase = phase + np.float32(0.9 * self.flocculence) * coarse + np.float32(0.3 * self.flocculence) * shreds
        inner = max(self.bar, 1.2 * self.bulge_radius)
        reach = np.square(radius / np.float32(inner))
        reach = np.square(reach) if self.bar else reach
        reach = reach / (1 + reach)
        disc = np.exp(-radius / np.float32(self.scale_length))

        crest = np.exp(2.5 * (np.cos(phase) - 1)) * np.exp(0.4 * coarse - 0.1)
        patchy = np.exp(self.flocculence * (1.2 * shreds + 0.5 * fine) - 0.8 * self.flocculence**2)
        clumpy = np.exp(0.6 * fine - 0.2) * (0.5 + ridges(fine + 0.4 * spurs, 3.0))
        lane = np.exp(9.0 * (np.cos(phase - 0.8) - 1) + 0.4 * spurs)
        feathered = (0.55 + 0.45 * np.cos(phase)) * ridges(spurs, 4.0) + 0.1 * np.exp(shreds)
        depth = self.dust * np.exp(-radius / np.float32(2.2 * self.scale_length)) * clumpy
        depth = depth * (1.3 * reach * lane + 0.7 * feathered)
        bulge = self.bulge * sersic(np.hypot(along, 0.5 * across * (1 + self.axis_ratio)), *self._bulge_shape)
        ring = np.zeros_like(radius)
        if self.bar:
            spindle, lanes = self._bar(along, across)
            bulge = bulge + spindle
            depth = depth + self.dust * lanes * clumpy
        if self.ring:
            ring = np.exp(-(((radius - self.ring) / (0.25 * self.ring)) ** 2)) * np.exp(0.8 * fine)
            depth = depth + 0.5 * self.dust * ring * np.exp(0.5 * spurs)
        clear = np.exp(-depth)
        # The disc's dust hides two thirds of the old disc, most of the near half of the bulge, little of the far half.
        near = np.tanh(across / np.float32(self.bulge_radius)) * np.float32(0.4 * math.sqrt(1 - self.axis_ratio**2))
        old = 0.6 * disc * (1 + 0.35 * reach * crest) * (0.35 + 0.65 * clear) + bulge * (1 - (0.5 + near) * (1 - clear))
        stars = 0.35 * disc * ((0.3 + self.arm_strength * reach * crest) * patchy) + 1.5 * ring
        young = stars * (0.15 + 0.85 * clear)
        gas = self.hydrogen * stars * np.exp(1.3 * fine + 0.5 * shreds - 0.9)
        glow = {Spectrum.OLD: old, Spectrum.YOUNG: young, Spectrum.HYDROGEN: gas}
        return Light({kind: single(values) for kind, values in glow.items()}, single(depth))

    @property
    def _bulge_shape(self) -> tuple[float, float]:
        return self.bulge_radius, self.bulge_index

    def _bar(self, along: FloatArray, across: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Light of the bar and its two straight lanes, on the leading sides (Athanassoula 1992)."""
        # The arms start at the bar's ends.
        slant = math.log(self.bar / self.scale_length) / math.tan(self.pitch)
        length, width = rotated(along / np.float32(self.bar), across / np.float32(self.bar), slant)
        fourth = np.square(np.square(length))
        spindle = np.exp(-fourth - np.square(width / np.float32(0.28)))
        bent = np.tanh(4 * length)
        lanes = np.exp(-np.square((width + np.float32(0.12) * bent) / np.float32(0.05)) - fourth) * np.abs(bent)
        return single(spindle), single(lanes)
