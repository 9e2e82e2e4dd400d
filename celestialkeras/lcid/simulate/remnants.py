"""Supernova remnants: rippled shocked sheets, each a bundle of thin filaments where the line of sight runs along it.

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
from celestialkeras.lcid.simulate.populations import field_stars
from celestialkeras.lcid.simulate.profiles import rising
from celestialkeras.lcid.simulate.sources import PointSources
from celestialkeras.lcid.simulate.texture import Texture, turbulence

CELLS = 16384
"""Steps around a remnant in which the course of a filament is kept: under 0.1 arcsec for all radii in use."""

STREAK = 4
"""How many times longer than wide the streaks of a sheet are; they run along its filaments."""


@dataclass(frozen=True)
class Filament:
    """One fold of a sheet, seen edge-on.

    Attributes:
        course: `float32 (CELLS,)`, how far inside the front of its sheet it runs, by position angle, arcseconds.
        brightness: `float32 (CELLS,)`, by position angle.
        thickness: Width of its sharp edge, arcseconds.
        fade: How far its light reaches inwards from the edge, arcseconds.
        ahead: How far the edge in [O III] runs outside the one in hydrogen, arcseconds.
        oxygen: Share of its light in [O III].
    """

    course: FloatArray
    brightness: FloatArray
    thickness: float
    fade: float
    ahead: float
    oxygen: float

    @property
    def outside(self) -> float:
        """Distance outside its edge from which on there is no light, arcseconds."""
        return self.ahead + 2.0 * self.thickness

    @property
    def inside(self) -> float:
        """Distance inside its edge from which on there is no light, arcseconds."""
        return 5.0 * self.fade

    def glow(self, inward: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Light in hydrogen and in [O III] by distance inside the edge, for a brightness of 1."""
        balmer = _fold(inward, self.thickness, self.fade)
        # Gas cools through [O III] before it recombines: that filament runs ahead of the Balmer one.
        leading = _fold(inward + np.float32(self.ahead), self.thickness, 0.8 * self.fade)
        return single((1.0 - self.oxygen) * balmer), single(self.oxygen * (0.3 * balmer + 0.7 * leading))


@dataclass(frozen=True)
class Sheet:
    """One piece of the blast wave: a front, the bundle of its folds, and the faint face of the sheet between them.

    Attributes:
        centre: Offset of its middle from the remnant's, arcseconds.
        radius: Where its front stands on average, arcseconds.
        ripple: How far long ripples carry the whole bundle in and out, arcseconds.
        sway: Direction in the plane of the two ripple fields; each sheet is rippled otherwise, radians.
        place: Which part of the random field streaks it, arcseconds.
        mix: Direction in the plane of the two brightness fields; each sheet lights up elsewhere.
        face: Brightness of the sheet between its filaments.
        reach: How far inwards its face is seen, arcseconds.
        oxygen: Share of the light of its face in [O III].
        filaments: Its folds.
    """

    centre: tuple[float, float]
    radius: float
    ripple: float
    sway: float
    place: float
    mix: float
    face: float
    reach: float
    oxygen: float
    filaments: tuple[Filament, ...]

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float, oxygen: float) -> Sheet:
        """Draws one of the sheets of a remnant of this radius whose light is so far in [O III]."""
        depth = min(abs(rng.normal(0.0, 0.25)), 0.45)
        share = oxygen + rng.normal(0.0, 0.3)
        # Sheets that lie towards us and away are seen more face-on than those at the limb.
        strength = rng.uniform(0.5, 1.5) * math.exp(-1.5 * depth)
        width = rng.uniform(3.0, 12.0) * math.sqrt(radius / 100.0)
        return cls(
            centre=(radius * rng.normal(0.0, 0.08), radius * rng.normal(0.0, 0.08)),
            radius=radius * (1.0 - depth),
            ripple=radius * rng.uniform(0.03, 0.07),
            sway=rng.uniform(0.0, 2 * math.pi),
            place=rng.uniform(0.0, 3.0 * radius),
            mix=rng.uniform(0.0, 2 * math.pi),
            face=strength * rng.uniform(0.015, 0.05),
            reach=width * rng.uniform(0.6, 1.5),
            oxygen=float(np.clip(share, 0.0, 1.0)),
            filaments=_bundle(rng, radius, width, strength, share),
        )

    @property
    def limits(self) -> tuple[float, float]:
        """Between which distances inside its front it has light, arcseconds."""
        outer = min(float(one.course.min()) - one.outside for one in self.filaments)
        inner = max(float(one.course.max()) + one.inside for one in self.filaments)
        return min(outer, -3.0), max(inner, 3.5 * self.reach)


@dataclass(frozen=True)
class Remnant:
    """A broken shell of sheets: Balmer filaments and [O III] filaments apart, faint haze within."""

    radius: float
    lopsided: float
    angle: float
    haze: float
    sheets: tuple[Sheet, ...]
    ripples: Texture
    patches: Texture
    detail: Texture
    sources: PointSources
    blobs: None = None

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float) -> Remnant:
        """Draws a remnant whose blast wave stands near `radius`."""
        shock = 0.9 * radius
        oxygen = rng.uniform(0.15, 0.6)
        stars = field_stars(rng, int(rng.integers(20, 1500)), radius)
        return cls(
            radius=shock,
            lopsided=rng.uniform(0.0, 0.9),
            angle=rng.uniform(0, 2 * math.pi),
            haze=math.exp(rng.uniform(math.log(0.001), math.log(0.008))),
            sheets=tuple(Sheet.draw(rng, shock, oxygen) for _ in range(int(rng.integers(4, 8)))),
            # Steep spectrum: shocks smooth out short ripples, so the filaments are long calm curves.
            # Fine cells, or the edges of the cells would show in them.
            ripples=turbulence(rng, 2.6 * radius, rng.uniform(4.2, 4.8), cells=2048),
            patches=turbulence(rng, 2.6 * radius, 3.9),
            # A whole number of periods around the shock, or the streaks of the sheets would break at one angle.
            detail=turbulence(rng, math.pi * shock / STREAK, 3.0),
            sources=stars.scaled(math.pi * radius**2 * math.exp(rng.uniform(math.log(0.012), math.log(0.5)))),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """See `Morphology.light`."""
        patch, other = self.patches.at(x, y), self.patches.at(x + 1.3 * self.radius, y - 0.9 * self.radius)
        ripple, swell = self.ripples.at(x, y), self.ripples.at(x - 0.7 * self.radius, y + 1.1 * self.radius)
        distance, angle = single(np.hypot(x, y)), np.arctan2(y, x)
        cell = (angle * np.float32(CELLS / (2 * math.pi))).astype(np.int64) & (CELLS - 1)
        hydrogen, oxygen = np.zeros_like(distance), np.zeros_like(distance)
        for sheet in self.sheets:
            # Sheets are thin: most of the sky is left alone.
            from_middle = single(np.hypot(x - np.float32(sheet.centre[0]), y - np.float32(sheet.centre[1])))
            outer, inner = sheet.limits
            rough = single(sheet.radius - from_middle)
            near = np.flatnonzero((rough > outer - 3.5 * sheet.ripple) & (rough < inner + 3.5 * sheet.ripple))
            around, inward = angle.take(near), rough.take(near)
            inward += np.float32(sheet.ripple * math.cos(sheet.sway)) * ripple.take(near)
            inward += np.float32(sheet.ripple * math.sin(sheet.sway)) * swell.take(near)
            seen = np.flatnonzero((inward > outer) & (inward < inner))
            near, around, inward = near.take(seen), around.take(seen), inward.take(seen)
            streaks = self._streaks(sheet, inward, around)
            patchy = math.cos(sheet.mix) * patch.take(near) + math.sin(sheet.mix) * other.take(near)
            strength = np.exp(1.5 * np.minimum(patchy, 1.5) - 1.0 + 0.5 * streaks)
            face = sheet.face * strength * _face(inward, sheet.reach)
            balmer, leading = (1.0 - sheet.oxygen) * face, sheet.oxygen * face
            steps = cell.take(near)
            for filament in sheet.filaments:
                depth = inward - filament.course.take(steps)
                lit = np.flatnonzero((depth > -filament.outside) & (depth < filament.inside))
                brightness = filament.brightness.take(steps.take(lit)) * strength.take(lit)
                in_hydrogen, in_oxygen = filament.glow(depth.take(lit))
                balmer[lit] += brightness * in_hydrogen
                leading[lit] += brightness * in_oxygen
            hydrogen.reshape(-1)[near] += balmer
            oxygen.reshape(-1)[near] += leading
        inside = rising(single(14.0 * (1.0 - distance / self.radius + 0.05 * patch)))
        haze = self.haze * inside * np.exp(0.7 * patch - 0.2)
        along = x * math.cos(self.angle) + y * math.sin(self.angle)
        ends = rising(single(12.0 * (1.25 - distance / self.radius)))
        lean = ends * (1.0 + self.lopsided * (along / self.radius).clip(-1, 1))
        return Light({Spectrum.HYDROGEN: single(lean * (hydrogen + haze)), Spectrum.OXYGEN: single(lean * oxygen)})

    def _streaks(self, sheet: Sheet, inward: FloatArray, angle: FloatArray) -> FloatArray:
        """The field that modulates a sheet, drawn out along its filaments."""
        return self.detail.at(angle * np.float32(self.radius / STREAK), inward + np.float32(sheet.place))


def _bundle(
    rng: np.random.Generator, radius: float, width: float, strength: float, oxygen: float
) -> tuple[Filament, ...]:
    """Draws the folds of a sheet within `width` (arcseconds) of each other; they braid as they run along it."""
    count = int(rng.integers(3, 8))
    round_it = 2 * math.pi * radius
    braids = _waves(rng, count, round_it / (rng.uniform(0.5, 1.5) * radius), 4.4)
    wriggles = _waves(rng, count, round_it / rng.uniform(8.0, 25.0), 5.0)
    lengths = _waves(rng, count, round_it / (rng.uniform(0.2, 0.7) * radius), 2.6)
    courses = width * (rng.uniform(0.0, 1.0, (count, 1)) + 0.4 * braids) + rng.uniform(0.05, 0.25) * wriggles
    # Most folds are faint and a few are bright, as each is seen edge-on for part of its length only.
    strengths = strength * np.exp(rng.normal(-0.4, 0.7, (count, 1)) + 1.3 * lengths.clip(-4.0, 1.2))
    return tuple(
        Filament(
            course=course,
            brightness=brightness,
            # Widths are set by the gas a shock runs into, not by the size of the remnant.
            thickness=math.exp(rng.uniform(math.log(0.2), math.log(0.4))),
            fade=math.exp(rng.uniform(math.log(0.3), math.log(1.2))),
            ahead=rng.uniform(0.4, 1.2),
            oxygen=float(np.clip(oxygen + rng.normal(0.0, 0.2), 0.0, 1.0)),
        )
        for course, brightness in zip(single(courses), single(strengths), strict=True)
    )


def _waves(rng: np.random.Generator, count: int, longest: float, slope: float) -> NDArray[np.float64]:
    """Random waves around the circle, zero mean and unit deviation, shape `(count, CELLS)`.

    Args:
        rng: Source of the phases and amplitudes.
        count: How many to draw, each on its own.
        longest: Waves around the circle below which the power is level.
        slope: Power falls as the wave number to minus this.
    """
    number = np.arange(CELLS // 2 + 1)
    power = (1.0 + (number / max(longest, 1.0)) ** 2) ** (-slope / 2)
    power[0] = 0.0
    phases = rng.standard_normal((count, number.size)) + 1j * rng.standard_normal((count, number.size))
    waves = np.fft.irfft(phases * np.sqrt(power), CELLS, axis=1)
    return np.asarray(waves / waves.std(axis=1, keepdims=True))


def _fold(inward: FloatArray, thickness: float, fade: float) -> FloatArray:
    """Light of a thin sheet by distance from the line where it turns away from us.

    The path through a sheet grows as the inverse root of the distance from its edge; beyond the edge there is none.
    """
    inner = np.maximum(inward, 0.0)
    outer = np.minimum(inward, 0.0) / (0.7 * thickness)
    return single(np.exp(-(outer * outer) - inner / fade) / np.sqrt(1.0 + inner / thickness))


def _face(inward: FloatArray, reach: float) -> FloatArray:
    """Light of a sheet between its filaments by distance inside its front."""
    return rising(2.0 * inward) * single(np.exp(-np.maximum(inward, 0.0) / np.float32(reach)))
