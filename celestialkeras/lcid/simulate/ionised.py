"""Gas that hot stars light and eat away: fronts, pillars, globules, and what is ionised where.

The molecular cloud lies around a cavity. From the ionising stars, light goes out in every direction until it meets the
cloud: that distance is the front. Gas is bright on the side of the front that faces the stars; behind it the cloud is
neutral and dark. Dense lumps hold the front back and leave pillars that point at the stars (Hester et al. 1996). Oxygen
is twice ionised only near the stars, so its light keeps off the fronts (Osterbrock and Ferland 2006, chapter 2).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.morphology import Light
from celestialkeras.lcid.simulate.profiles import rising
from celestialkeras.lcid.simulate.texture import Texture, turbulence

_ANGLES = 8192


@dataclass(frozen=True)
class Front:
    """How far ionising light gets, and the dust behind.

    Attributes:
        reach: Distance of the front from the stars by direction, arcseconds, `float32 (8192,)` from -pi to pi.
        slope: Its derivative by angle, arcseconds a radian, `float32 (8192,)`.
        dust: Optical depth in V of the neutral cloud just behind it.
        bend: How far turbulence moves it about, arcseconds.
    """

    reach: FloatArray
    slope: FloatArray
    dust: float
    bend: float

    @classmethod
    def draw(cls, rng: np.random.Generator, wall: float, pillars: int, dust: float) -> Front:
        """Draws a front about `wall` arcseconds from the stars, open on one side, with pillars on the other."""
        angles = np.linspace(-math.pi, math.pi, _ANGLES)
        opening, width = rng.uniform(-math.pi, math.pi), rng.uniform(0.6, 1.4)
        waves = sum(
            rng.normal(0.0, 0.2) / order**0.8 * np.cos(order * angles + rng.uniform(0, 2 * math.pi))
            for order in range(1, 9)
        )
        reach = wall * np.exp(0.8 * waves)
        reach = reach * (1.0 + rng.uniform(0.0, 4.0) * np.exp((np.cos(angles - opening) - 1.0) * 3.0 / width**2))
        bare = reach
        middle = opening + math.pi + rng.normal(0.0, 0.4)
        for _ in range(pillars):
            direction = middle + rng.normal(0.0, 0.55)
            base = float(np.interp(_wrapped(direction), angles, bare))
            tip = base * rng.uniform(0.4, 0.9)
            half = wall * max(math.exp(rng.normal(math.log(0.08), 0.5)), 0.03)
            if base > 2.0 * wall:
                # Where the cavity is open there is no cloud for a pillar to stand on.
                continue
            off = np.abs(_wrapped(angles - direction)) * tip / half
            trunk = tip + (base - tip) * off ** rng.uniform(2.0, 5.0)
            reach = np.where(off < 1.0, np.minimum(reach, trunk), reach)
        return cls(single(reach), single(np.gradient(reach, angles)), dust, wall * rng.uniform(0.03, 0.1))


@dataclass(frozen=True)
class IonisedCloud:
    """A cavity around ionising stars, its far wall, and the clouds before it."""

    radius: float
    lamp: tuple[float, float]
    fronts: tuple[Front, ...]
    rim: float
    oxygen: float
    oxygen_reach: float
    relief: float
    globules: FloatArray
    cloud: Texture
    wall: Texture
    detail: Texture

    @classmethod
    def draw(cls, rng: np.random.Generator, radius: float, spread: float = 0.3) -> IonisedCloud:
        """Draws a cloud that ends near `radius`, its stars about `spread` radii off its centre."""
        hollow = radius * rng.uniform(0.3, 0.75)
        pillars = int(rng.integers(2, 12)) if rng.random() < 0.75 else 0
        fronts = (
            Front.draw(rng, 1.25 * hollow, int(rng.integers(0, 5)), rng.uniform(0.3, 1.2)),
            Front.draw(rng, hollow, pillars, rng.uniform(1.2, 4.5)),
        )
        count = int(rng.integers(0, 10))
        globules = np.concatenate(
            [
                rng.normal(0.0, 0.4 * radius, (2, count)),
                np.exp(rng.normal(math.log(0.013 * radius), 0.6, (1, count))),
                rng.uniform(0.4, 1.0, (1, count)),
                rng.uniform(0, math.pi, (1, count)),
            ]
        )
        return cls(
            radius=radius,
            lamp=(rng.normal(0.0, spread * radius), rng.normal(0.0, spread * radius)),
            fronts=fronts,
            rim=radius * rng.uniform(0.004, 0.014),
            oxygen=math.exp(rng.uniform(math.log(0.3), math.log(2.5))),
            oxygen_reach=hollow * rng.uniform(0.6, 1.2),
            relief=rng.uniform(0.5, 1.3),
            globules=single(globules),
            cloud=turbulence(rng, 2.4 * radius, rng.uniform(3.6, 4.0)),
            wall=turbulence(rng, 1.7 * radius, rng.uniform(3.7, 4.2)),
            detail=turbulence(rng, 0.7 * radius, 3.3),
        )

    def light(self, x: FloatArray, y: FloatArray) -> Light:
        """Lines, scattered starlight and dust on the sky; see `Morphology.light`."""
        east, north = x - self.lamp[0], y - self.lamp[1]
        distance = np.hypot(east, north) + 1e-3 * self.radius
        detail = self.detail.at(x, y)
        # Two places of one periodic field that are far apart serve as two fields.
        shift = 0.01 * self.radius * detail
        drift = 0.01 * self.radius * self.detail.at(x + 0.3 * self.radius, y - 0.2 * self.radius)
        cloud = self.cloud.at(x + shift, y + drift)
        other = self.cloud.at(x + 1.2 * self.radius - drift, y + 0.9 * self.radius + shift)
        envelope = rising(single(7.0 * (1.0 - np.hypot(x, y) / self.radius - 0.2 * other)))
        lit = 1.0 / (1.0 + (distance / (0.75 * self.radius)) ** 2)
        density = np.exp(0.85 * cloud + 0.2 * detail - 0.4)
        facing = self._facing(x + drift, y - shift, east / distance, north / distance)
        surface = lit * density * (0.3 + facing)
        volume = np.exp(-((distance / self.oxygen_reach) ** 2)) * (0.5 + 0.5 * density)
        oxygen = self.oxygen * (volume * (0.6 + 0.4 * facing) + 0.05 * surface)
        hydrogen = surface + 0.3 * volume
        depth = np.zeros_like(distance)
        for front, bend in zip(self.fronts, (other, cloud), strict=True):
            ahead, cosine = self._ahead(front, east, north, bend, detail)
            neutral = rising(-ahead / (0.002 * self.radius))
            behind = np.exp(np.minimum(ahead, 0.0) / (0.25 * self.radius))
            dust = front.dust * envelope * neutral * (0.3 + 0.7 * behind) * (0.5 + 0.5 * density)
            through = np.exp(-dust)
            glow = (1.0 - neutral) * np.exp(-np.maximum(ahead, 0.0) / self.rim) * cosine * lit
            hydrogen = hydrogen * through + 3.0 * glow * (0.4 + 0.6 * facing)
            # What shines in [O III] is gone before the front is reached.
            oxygen = oxygen * through * (1.0 - 0.5 * glow.clip(0, 1)) + 0.12 * glow
            depth += dust
        depth, rims = self._with_globules(depth, x, y, east, north, detail)
        hidden = np.exp(-rims[1])
        # Some of the ionised gas lies on this side of the dust.
        hydrogen = envelope * (hydrogen * hidden + lit * rims[0] + 0.1 * lit * density * (0.5 + facing))
        glow_of = {
            Spectrum.HYDROGEN: single(hydrogen),
            Spectrum.OXYGEN: single(envelope * oxygen * hidden),
            Spectrum.YOUNG: single(0.06 * hydrogen),
        }
        return Light(glow_of, single(depth))

    def _facing(self, x: FloatArray, y: FloatArray, cos: FloatArray, sin: FloatArray) -> FloatArray:
        """How squarely the corrugated far wall faces the stars: about 1 on slopes towards them, near 0 in shade."""
        step = 0.01 * self.radius
        here = self.wall.at(x, y)
        nearer = self.wall.at(x - step * cos, y - step * sin)
        cells = max(1, round(step * self.wall.values.shape[0] / self.wall.period))
        usual = float((self.wall.values[:, cells:] - self.wall.values[:, :-cells]).std())
        tilt = np.float32(self.relief / usual) * (here - nearer)
        return single(rising(1.6 * tilt - 0.8) + 0.15 * np.maximum(tilt, 0.0))

    def _ahead(
        self, front: Front, east: FloatArray, north: FloatArray, bend: FloatArray, detail: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        """Arcseconds from each place to the front (negative behind it), and the cosine of incidence there."""
        east = east + front.bend * bend + 0.003 * self.radius * detail
        north = north - front.bend * bend + 0.003 * self.radius * detail
        distance = np.hypot(east, north) + 1e-3 * self.radius
        place = (np.arctan2(north, east) + math.pi) * np.float32((_ANGLES - 1) / (2 * math.pi))
        index = place.astype(np.int64).clip(0, _ANGLES - 2)
        share = place - single(index)
        reach = front.reach.take(index) * (1 - share) + front.reach.take(index + 1) * share
        cosine = 1.0 / np.sqrt(1.0 + (front.slope.take(index) / distance) ** 2)
        return single((reach - distance) * cosine), single(cosine)

    def _with_globules(
        self, depth: FloatArray, x: FloatArray, y: FloatArray, east: FloatArray, north: FloatArray, detail: FloatArray
    ) -> tuple[FloatArray, tuple[FloatArray, FloatArray]]:
        """Adds dark globules to the veil; also their bright rims and their own depth."""
        own, rims = np.zeros_like(depth), np.zeros_like(depth)
        for x0, y0, size, squash, angle in self.globules.T:
            near = (np.abs(x - x0) < 2.5 * size) & (np.abs(y - y0) < 2.5 * size)
            dx, dy = x[near] - x0, y[near] - y0
            cos, sin = np.cos(angle), np.sin(angle)
            shape = np.hypot(dx * cos + dy * sin, (dy * cos - dx * sin) / squash) / size + 0.3 * detail[near]
            own[near] += 4.0 * rising(10.0 * (1.0 - shape))
            towards = -(dx * east[near] + dy * north[near]) / (
                np.hypot(dx, dy) * np.hypot(east[near], north[near]) + 1e-3
            )
            rims[near] += 1.2 * np.exp(-(((shape - 1.15) / 0.12) ** 2)) * np.maximum(towards, 0.0)
        return depth + own, (rims, own)


def _wrapped(angle: NDArray[np.float64] | float) -> NDArray[np.float64]:
    return np.asarray((np.asarray(angle) + math.pi) % (2 * math.pi) - math.pi, dtype=np.float64)
