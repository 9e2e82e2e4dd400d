"""Elliptical and lenticular galaxies among their globular clusters.

Fluxes are relative here; the scene scales each object to the brightness in its plan. Lengths are arcseconds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.morphology import Light
from celestialkeras.lcid.simulate.profiles import rising, rotated, sersic
from celestialkeras.lcid.simulate.sources import PointSources, on_ring, resolved_share
from celestialkeras.lcid.simulate.star_formation import Places
from celestialkeras.lcid.simulate.texture import Texture, ridges, turbulence

LENTICULAR_SHARE = 0.4
"""Part of the subtype that has a disc: about as many as have none (Dressler 1980, in the field)."""

DUSTY_SHARE = 0.45
"""Part with dust that shows: HST sees it in 43 to 48 % of nearby ones (Rest 2001; van Dokkum and Franx 1995)."""

TURNOVER_WIDTH = 1.3
"""Spread of globular clusters' brightness, magnitudes: a Gaussian (Harris 1991) of 1.32 (Secker and Harris 1993)."""


@dataclass(frozen=True)
class Dust:
    """A disc or ring of dust, seen inclined, whole or torn to wisps.

    Attributes:
        depth: V-band optical depth in its midst, 0 for none.
        radius: Of the ring; 0 for a disc.
        width: Half width of the ring, or radius of the disc.
        flatness: Axis ratio as seen.
        angle: Direction of its long axis, radians from the galaxy's own.
        raggedness: From 0, smooth, to 1, nothing but wisps.
    """

    depth: float
    radius: float
    width: float
    flatness: float
    angle: float
    raggedness: float

    @classmethod
    def draw(cls, rng: np.random.Generator, effective: float) -> Dust:
        """Draws dust of one of three kinds: compact disc, ring, or the wisps of a swallowed neighbour."""
        kind = rng.integers(3)
        size = effective * rng.uniform(*((0.06, 0.2), (0.15, 0.5), (0.4, 1.0))[kind])
        return cls(
            depth=float(rng.random() < DUSTY_SHARE) * rng.uniform(0.6, 2.5),
            radius=size if kind == 1 else 0.0,
            width=size * (rng.uniform(0.1, 0.3) if kind == 1 else 1.0),
            flatness=rng.uniform(0.12, 0.6),
            angle=rng.uniform(0, 2 * math.pi) if kind == 2 else rng.normal(0.0, 0.1),
            raggedness=(0.2, 0.35, 0.9)[kind],
        )

    def veil(self, along: FloatArray, across: FloatArray, texture: Texture) -> tuple[FloatArray, FloatArray]:
        """Optical depth, and how much of the galaxy's light stands behind it (more on the near side)."""
        length, width = rotated(along, across, self.angle)
        field = texture.at(length, width / np.float32(self.flatness))
        bent = np.hypot(length, width / np.float32(self.flatness)) * (1 + np.float32(0.3 * self.raggedness) * field)
        span = np.exp(-np.square(np.square((bent - np.float32(self.radius)) / np.float32(self.width))))
        torn = self.raggedness * 1.6 * ridges(field, 3.0) + (1 - self.raggedness)
        behind = 0.5 + 0.42 * np.tanh(3 * width / np.float32(self.flatness * (self.radius + self.width)))
        return single(self.depth * span * torn * np.exp(0.6 * field - 0.2)), single(behind)


@dataclass(frozen=True)
class Elliptical:
    """A Sersic spheroid with a core, perhaps a disc, dust or shells, among its globular clusters.

    Attributes:
        effective: Effective radius.
        index: Sersic index.
        core: Radius within which the centre is flat.
        axis_ratio: Of the isophotes.
        boxiness: Exponent of the isophotes: 2 for ellipses, more for boxes, less for lemons.
        angle: Direction of the long axis, radians from east.
        disc: Brightness of the disc at its centre over that of the spheroid at its effective radius; 0 for none.
        disc_ratio: Axis ratio of the disc as seen.
        lens: Brightness of a lens with an edge in the disc.
        dust: Its dust.
        shells: Radii of shells, `float32 (n,)`: stars of a swallowed neighbour that pile up on either side in turn.
        texture: Field that tears the dust.
        sources: Globular clusters and the brightest giants.
    """

    effective: float
    index: float
    core: float
    axis_ratio: float
    boxiness: float
    angle: float
    disc: float
    disc_ratio: float
    lens: float
    dust: Dust
    shells: FloatArray
    texture: Texture
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Elliptical:
        """Draws an elliptical or lenticular with an effective radius of about half of `radius`."""
        effective = radius * rng.uniform(0.3, 0.6)
        lenticular = float(rng.random() < LENTICULAR_SHARE)
        shells = int(rng.integers(3, 8)) if rng.random() < 0.25 else 0
        bare = cls(
            effective=effective * (1 - 0.5 * lenticular),
            index=rng.uniform(1.5, 3.0) if lenticular else rng.uniform(2.5, 5.0),
            core=min(rng.lognormal(-0.7, 0.8), 3.0),
            axis_ratio=rng.uniform(0.7, 0.95) if lenticular else rng.uniform(0.5, 1.0),
            boxiness=rng.uniform(1.8, 2.4),
            angle=rng.uniform(0, 2 * math.pi),
            disc=lenticular * rng.uniform(1.5, 5.0),
            disc_ratio=rng.uniform(0.2, 0.9),
            lens=lenticular * float(rng.random() < 0.5) * rng.uniform(0.1, 0.4),
            dust=Dust.draw(rng, effective),
            shells=single(effective * np.geomspace(0.4, 2.5, shells) * rng.uniform(0.85, 1.15, shells)),
            texture=turbulence(rng, 1.5 * effective, 2.8),
            sources=PointSources.joined(),
        )
        return replace(bare, sources=bare._populated(rng, radius))

    def _populated(self, rng: np.random.Generator, radius: float) -> PointSources:
        places = Places.by_spectrum(self.light, 2.2 * radius)[Spectrum.OLD]
        near = resolved_share(rng)
        giants = places.stars(rng, int(rng.uniform(0.5, 1.0) * (15000 + 100000 * near)), 2.7, near)
        parts = [giants]
        # Metal-poor clusters are bluer and stand farther out than metal-rich ones, and those than the stars
        # (Brodie and Strader 2006).
        for kind, extent in ((Spectrum.OLD, 1.4), (Spectrum.INTERMEDIATE, 2.2)):
            count = int(rng.integers(40, 700))
            along, across = on_ring(rng, single(extent * self._half_light * rng.lognormal(0.0, 0.75, count)))
            x, y = rotated(along, across * np.float32((1 + self.axis_ratio) / 2), -self.angle)
            flux = 10 ** (0.4 * rng.normal(0.0, TURNOVER_WIDTH, count))
            share = count / 700 * rng.uniform(0.0015, 0.004)
            parts.append(PointSources.of(x, y, single(flux * share * places.total / flux.sum()), kind))
        return PointSources.joined(*parts)

    @property
    def _half_light(self) -> float:
        # A lenticular's disc holds most of its light.
        return self.effective * (2.0 if self.disc else 1.0)

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        shape = np.float32(self.boxiness)
        radius = np.abs(along) ** shape + np.abs(across / np.float32(self.axis_ratio)) ** shape
        radius = np.hypot(radius ** (1 / shape), np.float32(self.core))
        old = sersic(radius, self.effective, self.index)
        if self.disc:
            in_plane = np.hypot(along, across / np.float32(self.disc_ratio)) / np.float32(1.3 * self.effective)
            old = old + self.disc * (np.exp(-in_plane) + self.lens * rising(6 * (1.2 - in_plane)))
        if len(self.shells):
            cone = np.exp(-((across / (0.8 * np.abs(along) + np.float32(1e-3))) ** 2))
            piled = np.zeros_like(radius)
            for turn, place in enumerate(self.shells):
                side = np.float32((-1) ** turn)
                # Stars crowd where they turn back: a sharp edge outside, a slow fall inside.
                inside = (place - radius) / place
                piled += rising(side * along * 4 / place) * rising(80 * inside) * np.exp(-5 * np.abs(inside))
            old = old * (1 + 0.18 * cone * piled)
        if not self.dust.depth:
            return Light({Spectrum.OLD: single(old)})
        depth, behind = self.dust.veil(along, across, self.texture)
        return Light({Spectrum.OLD: single(old * (1 - behind * (1 - np.exp(-depth))))}, depth)
