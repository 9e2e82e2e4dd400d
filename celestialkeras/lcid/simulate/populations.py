"""Stars of one age: how bright, how massive and of what colour the members of a cluster are.

Magnitudes are absolute, in V. Only three stellar spectra exist (`bands.Spectrum`), so each star takes the nearest.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import Spectrum
from celestialkeras.lcid.simulate.sources import PointSources, power_law

SUN = 4.83
"""Absolute V magnitude of the Sun."""

# Stars a magnitude (dex, any zero) along a 12 Gyr isochrone: the giant branch rises by 0.3 dex a magnitude, jumps at
# the subgiants to the turn-off near M_V = 4 and flattens along the main sequence (shape after Piotto et al. 1997 and
# Bolte 1994).
_OLD_MAGNITUDE = np.array([-2.4, -1.0, 0.0, 1.0, 2.0, 3.0, 3.4, 3.8, 4.2, 4.7, 5.2, 6.0, 7.0, 8.0, 9.5, 11.0, 12.5])
_OLD_COUNT = np.array([0.15, 0.62, 0.92, 1.22, 1.52, 1.90, 2.25, 2.75, 3.02, 3.18, 3.3, 3.45, 3.6, 3.72, 3.9, 3.9, 3.6])
_OLD_MASS = np.array([0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.8, 0.79, 0.76, 0.73, 0.67, 0.6, 0.53, 0.4, 0.28, 0.18])
_CLUMP_TO_GIANTS = 1.4  # horizontal-branch stars for each giant brighter than they: the R of Iben (1968)
_CLUMP_LEVEL = 0.6
_TURN_OFF = 4.0
_STRAGGLER_MASS = 1.2

# Main sequence: mass (Sun = 1) to M_V, rounded from Pecaut and Mamajek (2013), above 20 from Martins et al. (2005).
_MASS = np.array([0.1, 0.2, 0.35, 0.5, 0.7, 0.9, 1.0, 1.3, 1.7, 2.1, 3.0, 5.0, 8.0, 12.0, 20.0, 40.0, 100.0])
_MAGNITUDE = np.array([17.0, 13.5, 11.0, 9.2, 7.2, 5.4, 4.8, 3.6, 2.4, 1.5, 0.2, -1.2, -2.4, -3.3, -4.3, -5.3, -6.3])


@dataclass(frozen=True)
class Population:
    """Stars singly, and the light of all that are too faint for that.

    Attributes:
        magnitude: Absolute V magnitudes, `float32 (n,)`.
        mass: Solar masses, `float32 (n,)`.
        spectrum: Codes of `Spectrum`, `uint8 (n,)`.
        faint: V light of the stars that are not listed, in Suns.
    """

    magnitude: FloatArray
    mass: FloatArray
    spectrum: NDArray[np.uint8]
    faint: float

    @property
    def luminosity(self) -> FloatArray:
        """V light of each star in Suns."""
        return single(10.0 ** (-0.4 * (self.magnitude - SUN)))


def evolved_population(rng: np.random.Generator, total: float, blue: float, at_most: int) -> Population:
    """Stars of an old globular cluster.

    Giants are `OLD`, subgiants and the turn-off `INTERMEDIATE`, the lower main sequence `OLD`; on the horizontal branch
    the red part is `INTERMEDIATE`, the blue part `YOUNG` and fainter in V the hotter, and so are blue stragglers.

    Args:
        rng: Source of the draws.
        total: Absolute V magnitude of the whole cluster.
        blue: Share of horizontal-branch stars on its blue side.
        at_most: About how many stars to list before the rest goes into `Population.faint`.
    """
    grid = np.linspace(_OLD_MAGNITUDE[0], _OLD_MAGNITUDE[-1], 1500)
    step = grid[1] - grid[0]
    counts = 10.0 ** np.interp(grid, _OLD_MAGNITUDE, _OLD_COUNT) * step
    light = counts * 10.0 ** (-0.4 * (grid - SUN))
    clump = _CLUMP_TO_GIANTS * counts[grid < _CLUMP_LEVEL].sum()
    norm = 10.0 ** (-0.4 * (total - SUN)) / (light.sum() + clump * 10.0 ** (-0.4 * (_CLUMP_LEVEL - SUN)))
    below = np.cumsum(counts) * norm
    last = max(int(np.searchsorted(below, at_most)), int(np.searchsorted(grid, _TURN_OFF)))
    last = min(last, len(grid) - 1)
    magnitude = np.interp(rng.random(rng.poisson(below[last])) * below[last], below, grid)
    mass = np.interp(magnitude, _OLD_MAGNITUDE, _OLD_MASS)
    warm = (magnitude > 2.8) & (magnitude < 6.3)
    spectrum = np.where(warm, Spectrum.INTERMEDIATE, Spectrum.OLD)

    hot = rng.random(rng.poisson(clump * norm)) < blue
    branch = _CLUMP_LEVEL + rng.normal(0.0, 0.08, len(hot)) + hot * rng.exponential(0.8, len(hot)).clip(0, 3.5)
    stragglers = rng.uniform(2.0, 3.8, rng.poisson(0.35 * clump * norm))
    return Population(
        magnitude=single(np.concatenate([magnitude, branch, stragglers])),
        mass=single(np.concatenate([mass, np.full(len(hot), 0.7), np.full(len(stragglers), _STRAGGLER_MASS)])),
        spectrum=np.concatenate(
            [
                spectrum,
                np.where(hot, Spectrum.YOUNG, Spectrum.INTERMEDIATE),
                np.full(len(stragglers), Spectrum.YOUNG),
            ]
        ).astype(np.uint8),
        faint=float(light[last + 1 :].sum() * norm),
    )


def coeval_population(rng: np.random.Generator, count: int, age: float) -> Population:
    """Stars of an open or young cluster: Kroupa (2001) masses above 0.35 Suns, evolved to one age.

    Stars past the turn-off are red giants for the last tenth of their life and then gone; below 10 Myr the low-mass
    stars still contract and are brighter and redder than they will be.

    Args:
        rng: Source of the draws.
        count: Stars born with more than 0.35 solar masses.
        age: Years.
    """
    mass = _initial_masses(rng, count)
    turn_off = min((age / 1.0e10) ** -0.4, 100.0)
    mass = mass[mass < 1.06 * turn_off]
    magnitude = np.interp(mass, _MASS, _MAGNITUDE)
    spectrum = np.select([mass > 1.8, mass > 0.85], [Spectrum.YOUNG, Spectrum.INTERMEDIATE], Spectrum.OLD)
    giant = mass > turn_off
    level = min(0.8, float(np.interp(turn_off, _MASS, _MAGNITUDE)) - 0.5)
    magnitude = np.where(giant, level + rng.normal(0.0, 0.5, len(mass)), magnitude)
    contracting = (mass < 2.0) & (age < 1.0e7)
    magnitude = np.where(contracting, magnitude - rng.uniform(0.5, 1.8, len(mass)), magnitude)
    spectrum = np.where(giant | (contracting & (mass < 1.2)), Spectrum.OLD, spectrum)
    # Stars of 0.1 to 0.35 Suns are as many again as those listed and give 0.2 % of the Sun's light each.
    return Population(single(magnitude), single(mass), spectrum.astype(np.uint8), faint=0.002 * count)


def field_stars(rng: np.random.Generator, count: int, spread: float) -> PointSources:
    """Stars of the Milky Way's disc around a nebula, of 1 unit of flux in all, few of them hot.

    Args:
        rng: Source of the draws.
        count: How many, at least 1.
        spread: Standard deviation of their places about the centre, arcseconds.
    """
    x, y = rng.normal(0.0, spread, (2, count)).astype(np.float32)
    flux = power_law(rng, count, 1.8, 1.0, 3000.0)
    spectrum = rng.choice([Spectrum.OLD, Spectrum.INTERMEDIATE, Spectrum.YOUNG], size=count, p=[0.6, 0.3, 0.1]).astype(
        np.uint8
    )
    return PointSources(x, y, flux / flux.sum(), spectrum)


def _initial_masses(rng: np.random.Generator, count: int) -> NDArray[np.float64]:
    grid = np.geomspace(0.35, 100.0, 3000)
    numbers = np.where(grid < 0.5, (grid / 0.5) ** -1.3, (grid / 0.5) ** -2.3) * grid
    below = np.cumsum(numbers)
    return np.asarray(np.interp(rng.random(count) * below[-1], below, grid), dtype=np.float64)
