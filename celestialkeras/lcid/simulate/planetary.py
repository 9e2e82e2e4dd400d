"""Planetary nebulae: shells, lobes and halo that one dying star has shed and lights.

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
from celestialkeras.lcid.simulate.profiles import rising, rotated
from celestialkeras.lcid.simulate.sources import PointSources
from celestialkeras.lcid.simulate.texture import Texture, turbulence


@dataclass(frozen=True)
class Planetary:
    """Nested shells seen through, [O III] within and Balmer and [N II] without, knots, ansae, a faint ringed halo.

    Shells are ellipsoids with a waist, so that some are rings, some hourglasses. Their brightness is the path of the
    line of sight through them, which is what makes their limbs bright.
    """

    radius: float
    squash: float
    angle: float
    bubble: float
    bubble_light: float
    bubble_squash: float
    bubble_angle: float
    waist: float
    cavity: float
    oxygen: float
    oxygen_edge: float
    clumps: float
    streaks: float
    halo: float
    rings: float
    spacing: float
    ansae: float
    coarse: Texture
    fine: Texture
    sources: PointSources
    blobs: Blobs | None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Planetary:
        """Draws a planetary nebula whose main shell has about this radius, its halo twice that."""
        shell = 0.75 * radius
        squash, angle = rng.uniform(0.55, 1.0), rng.uniform(0, math.pi)
        waist = float(rng.random() < 0.45) * rng.uniform(0.35, 0.8)
        star = math.pi * radius**2 * math.exp(rng.uniform(math.log(2e-4), math.log(2e-2)))
        clumped = rng.random() < 0.5
        return cls(
            radius=shell,
            squash=squash,
            angle=angle,
            bubble=rng.uniform(0.35, 0.65) * (1.0 - 0.6 * waist),
            bubble_light=float(rng.random() < 0.6) * rng.uniform(0.2, 0.8),
            bubble_squash=rng.uniform(0.6, 1.0),
            bubble_angle=rng.normal(0.0, 0.5),
            waist=waist,
            cavity=rng.uniform(0.3, 0.7),
            oxygen=math.exp(rng.uniform(math.log(0.6), math.log(2.5))),
            oxygen_edge=rng.uniform(0.7, 0.9),
            clumps=rng.uniform(0.3, 0.7),
            streaks=rng.uniform(0.0, 0.6),
            halo=math.exp(rng.uniform(math.log(0.004), math.log(0.04))),
            rings=float(rng.random() < 0.4) * rng.uniform(0.1, 0.35),
            spacing=rng.uniform(0.14, 0.3),
            ansae=float(rng.random() < 0.3) * rng.uniform(0.5, 1.5),
            coarse=turbulence(rng, 2.2 * radius, 3.6),
            fine=turbulence(rng, 0.7 * radius, 3.3),
            sources=PointSources.of(single([0.0]), single([0.0]), single([star]), Spectrum.YOUNG),
            blobs=_cometary_knots(rng, shell, squash, angle, waist) if clumped else None,
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        along, across = rotated(x, y, self.angle)
        coarse, fine = self.coarse.at(along, across), self.fine.at(along, across)
        theta = np.arctan2(across, along)
        round_radius = single(np.hypot(along, across / self.squash) / self.radius)
        # A waist across the axis makes two lobes of one shell.
        lobes = 1.0 - self.waist * np.sin(theta) ** 4
        depth = single(round_radius / lobes * (1.0 + 0.035 * coarse + 0.008 * fine))
        # Streaks run outwards: a field sampled by direction, hardly by distance.
        around = self.fine.at(theta * np.float32(self.fine.period / (2 * math.pi)), 0.12 * self.radius * round_radius)
        streaks = np.exp(self.streaks * around * (1.5 * depth - 0.5).clip(0, 1) - 0.5 * self.streaks**2)
        clumps = np.exp(self.clumps * (coarse + 0.7 * fine) - 0.75 * self.clumps**2)
        u, v = rotated(along, across, self.bubble_angle)
        bubble = single(np.hypot(u, v / self.bubble_squash) * (1.0 + 0.06 * coarse + 0.02 * fine))
        inner = (
            self.bubble_light * _shell(bubble / (self.bubble * self.radius), 0.7, 1.0) * rising(30.0 * (1.0 - depth))
        )
        inner += 0.7 * _shell(depth, self.cavity * self.oxygen_edge, self.oxygen_edge)
        outer = _shell(depth, 0.5 * (self.cavity + 1.0), 1.0)
        web = np.exp(-2.0 * np.abs(coarse + 0.3 * fine))
        rim = np.exp(-(((depth - 0.5 * (self.cavity + 1.0)) / 0.035) ** 2)) * np.exp(0.8 * coarse - 0.3)
        filled = 0.12 * rising(25.0 * (self.oxygen_edge - depth))
        beyond = np.maximum(round_radius - 0.9, 0.0)
        rings = 1.0 + self.rings * np.sin(2 * math.pi * round_radius / self.spacing + 1.2 * coarse)
        halo = self.halo * np.exp(-1.3 * beyond) * rings * np.exp(0.3 * coarse) * rising(4.0 * (2.6 - round_radius))
        caps = np.zeros_like(depth)
        for side in (-1.0, 1.0):
            apart = np.hypot((along - side * 1.15 * self.radius) / 0.05, across / 0.025) / self.radius
            caps += np.exp(-apart * (1.0 + 0.15 * fine).clip(0.4, None))
        hydrogen = (
            (outer * (0.8 + 0.5 * web) + 0.35 * rim) * clumps * streaks
            + 0.25 * inner * clumps
            + halo
            + self.ansae * caps
        )
        oxygen = self.oxygen * ((inner + filled) * clumps**0.7 + 0.12 * outer * streaks + 0.4 * halo)
        return Light({Spectrum.HYDROGEN: single(hydrogen), Spectrum.OXYGEN: single(oxygen)})


def _shell(depth: FloatArray, inner: float, outer: float) -> FloatArray:
    """Path through a shell between two radii (unit: the longest path through the outer sphere), softly edged."""
    return single(np.maximum(_path(depth, outer) - _path(depth, inner), 0.0))


def _path(depth: FloatArray, outer: float) -> FloatArray:
    # Rounded so that the edge of the nebula does not stand like a knife's; outside in a form that loses no digits.
    room = outer**2 - depth**2
    rounded = np.sqrt(room * room + 0.012**2)
    return single(np.sqrt(np.where(room > 0, 0.5 * (room + rounded), 0.5 * 0.012**2 / (rounded - room))))


def _cometary_knots(rng: np.random.Generator, radius: float, squash: float, angle: float, waist: float) -> Blobs:
    """Small neutral globules around the inner edge with tails that point away from the star (O'Dell et al. 1996)."""
    count = int(rng.integers(20, 250))
    theta = rng.uniform(0.0, 2 * math.pi, count)
    distance = radius * (1.0 - waist * np.sin(theta) ** 4) * rng.normal(0.75, 0.14, count).clip(0.3, 1.05)
    along, across = distance * np.cos(theta), distance * np.sin(theta) * squash
    x, y = rotated(single(along), single(across), -angle)
    size = single(np.exp(rng.normal(math.log(0.9), 0.35, count)).clip(0.3, 2.5))
    flux = single(rng.lognormal(0.0, 0.6, count) * size**2 * rng.uniform(0.3, 1.5))
    return Blobs(
        x=x,
        y=y,
        flux=flux,
        radius=size,
        axis_ratio=single(rng.uniform(0.2, 0.5, count)),
        angle=single(np.arctan2(y, x)),
        index=single(np.full(count, 0.5)),
        spectrum=np.full(count, Spectrum.HYDROGEN, dtype=np.uint8),
    )
