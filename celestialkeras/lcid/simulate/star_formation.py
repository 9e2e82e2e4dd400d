"""Where stars stand and form: places drawn from a map of light, associations of young stars, H II regions.

Fluxes are relative, lengths arcseconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields, replace

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.blobs import Blobs
from celestialkeras.lcid.simulate.morphology import Light
from celestialkeras.lcid.simulate.sources import PointSources, power_law

_CELLS = 384


@dataclass(frozen=True)
class Places:
    """Draws places on the sky as often as a map is bright there.

    Attributes:
        cumulative: Running sum of the map, cell by cell, `float64`.
        reach: Half of the side of the map.
    """

    cumulative: NDArray[np.float64]
    reach: float

    @classmethod
    def by_spectrum(cls, light: Callable[[FloatArray, FloatArray], Light], reach: float) -> dict[Spectrum, Places]:
        """Maps the light of an object over a square around it, each spectrum on its own.

        Args:
            light: As in `Morphology`: its light at offsets east and north.
            reach: Half of the side of the square, arcseconds.
        """
        offsets = np.linspace(-reach, reach, _CELLS, dtype=np.float32)
        x, y = np.meshgrid(offsets, offsets)
        return {kind: cls(np.cumsum(glow, dtype=np.float64), reach) for kind, glow in light(x, y).glow.items()}

    @property
    def total(self) -> float:
        """Flux of the whole map."""
        return float(self.cumulative[-1]) * (2 * self.reach / (_CELLS - 1)) ** 2

    def draw(self, rng: np.random.Generator, count: int) -> tuple[FloatArray, FloatArray]:
        """Offsets east and north of `count` places, spread evenly within a cell, `float32 (count,)`."""
        cell = np.searchsorted(self.cumulative, rng.random(count) * self.cumulative[-1])
        row, column = np.divmod(np.minimum(cell, _CELLS**2 - 1), _CELLS)
        step = 2 * self.reach / (_CELLS - 1)
        jitter = rng.uniform(-0.5, 0.5, (2, count))
        return single((column + jitter[0]) * step - self.reach), single((row + jitter[1]) * step - self.reach)

    def stars(
        self, rng: np.random.Generator, count: int, index: float, share: float, kind: Spectrum = Spectrum.OLD
    ) -> PointSources:
        """Stars that follow the map and hold a share of its flux, with dN/dF ~ F^-index over 5 magnitudes."""
        flux = power_law(rng, count, index, 1.0, 100.0)
        return PointSources.of(*self.draw(rng, count), flux * np.float32(share * self.total / flux.sum()), kind)


@dataclass(frozen=True)
class StarFormation:
    """How much a galaxy forms stars.

    Attributes:
        associations: Number of young associations and clusters.
        members: Single stars in all of them.
        size: Radius of one of median mass, arcseconds.
        share: Part of the map's flux that they hold.
        ionised: Flux of their H II regions, as part of the map's flux.
        oxygen: Part of an H II region's flux in [O III], on average: about 0.1 in the inner disc of a large galaxy, 0.5
            in a metal-poor dwarf (Kewley et al. 2019).
    """

    associations: int
    members: int
    size: float
    share: float
    ionised: float
    oxygen: float


def young_associations(rng: np.random.Generator, places: Places, activity: StarFormation) -> tuple[PointSources, Blobs]:
    """Associations with their brightest stars and a cluster at the heart, and H II regions around the youngest.

    Masses follow dN/dM ~ M^-2 (Lada and Lada 2003); radii grow with the cube root of the mass, and with it an H II
    region's, as a Stromgren sphere's does with its star's luminosity.
    """
    count = activity.associations
    x, y = places.draw(rng, count)
    mass = power_law(rng, count, 2.0, 1.0, 200.0)
    radius = activity.size * np.cbrt(mass / np.median(mass)) * np.exp(rng.normal(0.0, 0.4, count))
    host = rng.choice(count, size=activity.members, p=np.float64(mass) / mass.sum(dtype=np.float64))
    # An exponential distance makes a core and a halo.
    spread = rng.normal(size=(2, len(host))) * np.sqrt(rng.exponential(1.0, len(host))) * radius[host]
    stars = power_law(rng, len(host), 2.0, 1.0, 150.0)
    budget = activity.share * places.total
    sources = PointSources.joined(
        PointSources.of(x, y, mass * np.float32(0.4 * budget / mass.sum()), Spectrum.YOUNG),
        PointSources.of(
            single(x[host] + spread[0]),
            single(y[host] + spread[1]),
            stars * np.float32(0.6 * budget / stars.sum()),
            Spectrum.YOUNG,
        ),
    )
    # Gas is blown away after some 5 Myr: a third of the associations still have theirs.
    lit = rng.random(count) < 0.3
    lit[np.argmax(mass)] = True
    strength = mass[lit] * np.exp(rng.normal(0.0, 0.6, lit.sum()))
    strength *= activity.ionised * places.total / strength.sum()
    regions = _ionised(rng, x[lit], y[lit], single(strength), single(1.3 * radius[lit]), activity.oxygen)
    return sources, regions


def _ionised(
    rng: np.random.Generator, x: FloatArray, y: FloatArray, flux: FloatArray, radius: FloatArray, oxygen: float
) -> Blobs:
    """Each region as clouds torn apart by its stars, the wider the more; half of the clouds shine in [O III] too."""
    count = len(x)
    radius = np.clip(radius, 0.1, 4.0)
    clouds = 2 + (4 * np.sqrt(radius)).astype(int)
    host = np.repeat(np.arange(count), clouds)
    part = rng.exponential(1.0, len(host)) * flux[host]
    part *= flux.sum() / part.sum()
    aside = rng.normal(0.0, 0.6, (2, len(host))) * radius[host]
    size = radius[host] * rng.uniform(0.8, 1.8, len(host)) / np.sqrt(clouds[host])
    hydrogen = Blobs(
        x=single(x[host] + aside[0]),
        y=single(y[host] + aside[1]),
        flux=single(part * (1 - oxygen)),
        radius=single(size),
        axis_ratio=single(rng.uniform(0.4, 1.0, len(host))),
        angle=single(rng.uniform(0, math.pi, len(host))),
        index=np.full(len(host), 0.5, dtype=np.float32),
        spectrum=np.full(len(host), Spectrum.HYDROGEN, dtype=np.uint8),
    )
    hot = np.flatnonzero(rng.random(len(host)) < 0.5)
    excited = Blobs(*(getattr(hydrogen, each.name)[hot] for each in fields(Blobs)))
    strength = single(part[hot] * oxygen * flux.sum() / max(part[hot].sum(), 1e-30))
    kinds = np.full(len(hot), Spectrum.OXYGEN, dtype=np.uint8)
    return Blobs.joined(hydrogen, replace(excited, flux=strength, spectrum=kinds))
