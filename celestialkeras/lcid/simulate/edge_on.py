"""Discs seen on their edge, quiet ones and starbursts.

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

STARBURST_SHARE = 0.3
"""Part of the subtype that bursts: more than in the sky, as Hubble has looked at them more often."""


@dataclass(frozen=True)
class EdgeOn:
    """A thin and a thick disc cut by a ragged dust lane, with a bulge that may be a box or a peanut.

    Attributes:
        scale_length: Of both discs.
        height: Scale height of the thin disc; the thick one's is three times that.
        angle: Direction of the disc, radians from east.
        tilt: How far the dust's near rim falls below the mid-plane, in heights: 0 seen exactly on the edge.
        bulge: Brightness of the bulge at its effective radius, over the disc's at its centre.
        bulge_radius: Effective radius of the bulge.
        peanut: How much thicker a boxy bulge is on either side than at its centre.
        dust: Optical depth through the middle.
        warp: How far the outer disc bends up on one side and down on the other, in heights.
        burst: Strength of a starburst and its wind; 0 for none.
        hydrogen: Diffuse ionised gas over young stars.
        coarse: Field of the great clouds.
        fine: Field of their detail.
        sources: Clusters, stars, globular clusters.
        blobs: H II regions.
    """

    scale_length: float
    height: float
    angle: float
    tilt: float
    bulge: float
    bulge_radius: float
    peanut: float
    dust: float
    warp: float
    burst: float
    hydrogen: float
    coarse: Texture
    fine: Texture
    sources: PointSources
    blobs: Blobs | None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> EdgeOn:
        """Draws an edge-on disc that fades out along its axis near `radius`."""
        scale_length = radius / rng.uniform(2.4, 3.2)
        burst = float(rng.random() < STARBURST_SHARE) * rng.uniform(0.5, 1.0)
        coarse, fine = coarse_and_fine(rng, radius)
        bare = cls(
            scale_length=scale_length,
            height=scale_length * rng.uniform(0.08, 0.20) * (1 + burst),
            angle=rng.uniform(0, 2 * math.pi),
            tilt=rng.normal(0.0, 0.5),
            bulge=0.15 if burst else rng.lognormal(-0.5, 0.9),
            bulge_radius=scale_length * rng.uniform(0.12, 0.35),
            peanut=float(rng.random() < 0.45) * rng.uniform(0.4, 1.0),
            dust=rng.uniform(1.0, 3.5),
            warp=rng.normal(0.0, 0.25),
            burst=burst,
            hydrogen=rng.uniform(0.03, 0.12) * (1 + burst),
            coarse=coarse,
            fine=fine,
            sources=PointSources.joined(),
            blobs=None,
        )
        return bare._populated(rng, radius)

    def _populated(self, rng: np.random.Generator, radius: float) -> EdgeOn:
        places = Places.by_spectrum(self.light, 1.7 * radius)
        old, young = places[Spectrum.OLD], places[Spectrum.YOUNG]
        near = resolved_share(rng)
        activity = StarFormation(
            associations=int(rng.integers(80, 500) * (1 + self.burst)),
            members=int(rng.integers(1000, 8000)),
            size=radius * rng.uniform(0.003, 0.007),
            share=0.1 + 0.5 * near,
            ionised=rng.uniform(0.02, 0.08) * (1 + 2 * self.burst),
            oxygen=rng.uniform(0.05, 0.3),
        )
        clusters, regions = young_associations(rng, young, activity)
        giants = old.stars(rng, int(rng.uniform(0.5, 1.0) * (15000 + 100000 * near)), 2.6, 0.6 * near)
        globulars = self._globulars(rng, old.total)
        return replace(self, sources=PointSources.joined(clusters, giants, globulars), blobs=regions)

    def _globulars(self, rng: np.random.Generator, total: float) -> PointSources:
        count = int(rng.integers(20, 250))
        x, y = single(rng.normal(size=(2, count)) * self.scale_length * rng.lognormal(-0.5, 0.7, count))
        flux = np.exp(rng.normal(0.0, 1.0, count))
        return PointSources.of(x, y, single(flux * 0.002 * total / flux.sum()), Spectrum.OLD)

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        far = np.abs(along) / np.float32(self.scale_length)
        beyond = np.maximum(far - 1.8, 0)
        # Sets in gently and then goes straight: a disc that kept curving up would look broken.
        bend = np.sign(along) * beyond**2 / (1 + beyond) * np.float32(self.warp * self.height)
        across = across - np.clip(bend, -4 * self.height, 4 * self.height)
        tall = np.abs(across) / np.float32(self.height)
        coarse, fine = self.coarse.at(along, across), self.fine.at(along, across)
        # Away from the plane the field is drawn out upwards: chimneys and plumes (Howk and Savage 1999).
        plumes = self.coarse.at(np.float32(4.0) * along, np.float32(1.5) * across)
        # Along the line of sight an exponential disc adds up to nearly this (van der Kruit and Searle 1981).
        column = np.exp(-far) * (1 + far)
        discs = column * (1 / np.cosh(np.minimum(1.2 * tall, 30)) + 0.2 * np.exp(-tall / 3))
        old = discs + self.bulge * self._bulge(along, across)

        lower = across / np.float32(self.height) + np.float32(self.tilt) * np.exp(-np.square(far / 2)) + 0.12 * coarse
        layer = np.exp(-np.square(lower / (0.4 * np.exp(0.35 * fine)))) * np.exp(0.65 * fine + 0.3 * coarse - 0.2)
        raised = np.square(ridges(plumes, 1.8)) * np.exp(-np.abs(lower) / 1.1 + 0.7 * fine) * (0.8 + 0.6 * self.burst)
        depth = self.dust * np.exp(-0.25 * np.square(far)) * (layer + 0.55 * raised)
        clear = np.exp(-depth)
        seen = 0.15 + 0.85 * clear
        # Young stars are mixed with the dust: only those in front of it are seen.
        mixed = (1 - clear) / np.maximum(depth, np.float32(1e-3))
        patchy = np.exp(0.7 * coarse + 0.6 * fine - 0.4)
        young = (0.5 + self.burst) * column * np.exp(-2.0 * tall) * patchy
        if self.burst:
            heart = np.exp(-np.hypot(along / (0.35 * self.scale_length), across / np.float32(0.8 * self.height)))
            young = young + 3 * self.burst * heart * patchy
        gas = self.hydrogen * young * np.exp(0.8 * fine - 0.3)
        glow = {Spectrum.OLD: old * seen, Spectrum.YOUNG: young * mixed, Spectrum.HYDROGEN: gas * mixed}
        if self.burst:
            glow[Spectrum.HYDROGEN] = glow[Spectrum.HYDROGEN] + self._wind(along, across)
        return Light({kind: single(values) for kind, values in glow.items()}, single(depth))

    def _bulge(self, along: FloatArray, across: FloatArray) -> FloatArray:
        size = np.float32(self.bulge_radius)
        if not self.peanut:
            return sersic(np.hypot(along, across / np.float32(0.7)) + np.float32(0.2), self.bulge_radius, 2.0)
        # A bar seen from its side: thick halfway out, thin at the centre (Bureau and Freeman 1999).
        thick = 0.55 + 0.2 * self.peanut * np.exp(-np.square((np.abs(along) / size - 1.2) / 0.7))
        box = np.square(np.square(along / np.float32(1.3))) + np.square(np.square(across / thick))
        return sersic(single(np.sqrt(np.sqrt(box))) + np.float32(0.2), self.bulge_radius, 1.2)

    def _wind(self, along: FloatArray, across: FloatArray) -> FloatArray:
        """Filaments of a wind that blows out of the starburst to both sides in opening cones (Shopbell 1998)."""
        rise = np.abs(across) / np.float32(self.height)
        opening = np.float32(0.3 * self.scale_length) * (1 + 0.3 * rise)
        place = along / opening
        size = np.float32(0.5 * self.scale_length)
        side = np.sign(across) * np.float32(3 * self.scale_length)
        strands = self.fine.at(single(place * size + side), np.float32(0.22) * across)
        knots = self.coarse.at(np.float32(2) * along, np.float32(2) * across)
        # The cones' walls shine more than their inside.
        walls = np.exp(-np.square(np.square(place))) * (0.4 + np.square(place))
        filaments = ridges(strands, 3.5) * np.exp(0.7 * knots) + 0.12
        return single(0.15 * self.burst * walls * filaments * np.exp(-rise / 3.0))
