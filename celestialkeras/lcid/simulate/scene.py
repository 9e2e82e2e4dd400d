"""The sky of one chip as the telescope hands it to the detector: electrons a second."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from celestialkeras.errors import SimulationError
from celestialkeras.lcid.simulate.arrays import FloatArray
from celestialkeras.lcid.simulate.bands import V_ZERO_POINT, Band, band_of, rate_factor, sky_rate
from celestialkeras.lcid.simulate.blobs import Blobs, paint
from celestialkeras.lcid.simulate.clusters import Globular, OpenCluster
from celestialkeras.lcid.simulate.edge_on import EdgeOn
from celestialkeras.lcid.simulate.ellipticals import Elliptical
from celestialkeras.lcid.simulate.field import distant_galaxies, foreground_stars
from celestialkeras.lcid.simulate.footprint import Footprint
from celestialkeras.lcid.simulate.irregulars import Irregular
from celestialkeras.lcid.simulate.morphology import Light, Morphology
from celestialkeras.lcid.simulate.nebulae import Emission, Reflection
from celestialkeras.lcid.simulate.optics import blurred, padded_shape, point_spread
from celestialkeras.lcid.simulate.plan import CelestialObject, Exposure
from celestialkeras.lcid.simulate.planetary import Planetary
from celestialkeras.lcid.simulate.remnants import Remnant
from celestialkeras.lcid.simulate.sources import PointSources, deposit
from celestialkeras.lcid.simulate.spirals import Spiral
from celestialkeras.lcid.simulate.window import MARGIN, Window

GRID_STEP = 4
"""Pixels between the points where extended light is worked out; between them it is interpolated."""

_V_SKY = 22.4
_BUILDERS: dict[str, Callable[[np.random.Generator, float], Morphology]] = {
    "spiral": Spiral.draw,
    "elliptical": Elliptical.draw,
    "edge-on": EdgeOn.draw,
    "irregular": Irregular.draw,
    "globular": Globular.draw,
    "open": OpenCluster.draw,
    "emission": Emission.draw,
    "reflection": Reflection.draw,
    "planetary": Planetary.draw,
    "remnant": Remnant.draw,
}


@dataclass(frozen=True)
class Sky:
    """All that shines around one object, made from its seed alone: every exposure of it sees the same.

    Attributes:
        morphology: The object itself.
        scale: What its fluxes are multiplied by to reach the brightness in its plan.
        stars: Milky Way stars.
        galaxies: Distant galaxies.
    """

    morphology: Morphology
    scale: float
    stars: PointSources
    galaxies: Blobs


@lru_cache(maxsize=1)
def sky_around(target: CelestialObject) -> Sky:
    """Builds the sky of an object.

    Raises:
        SimulationError: The subtype is not simulated.
        MissingExtraError: SciPy is not installed.
    """
    if target.subtype not in _BUILDERS:
        raise SimulationError(f"`subtype` must be one of {', '.join(_BUILDERS)}. Received: subtype={target.subtype!r}")
    shape_rng, stars_rng, galaxies_rng = (
        np.random.default_rng(seed) for seed in np.random.SeedSequence(target.seed).spawn(3)
    )
    morphology = _BUILDERS[target.subtype](shape_rng, target.radius)
    wanted = target.brightness * 10.0 ** (0.4 * (V_ZERO_POINT - _V_SKY))
    # Far enough for the farthest pointing and half the diagonal of the larger camera.
    reach = 2.4 * (target.radius + 60.0) + 150.0
    return Sky(
        morphology=morphology,
        scale=wanted / _mean_brightness(morphology, target.radius),
        stars=foreground_stars(stars_rng, target.star_density, reach),
        galaxies=distant_galaxies(galaxies_rng, reach),
    )


def electron_rates(exposure: Exposure, hdu: int) -> FloatArray:
    """Light that reaches one chip, blurred by the telescope, sky included, detector effects not.

    Args:
        exposure: What is exposed, where and how.
        hdu: 1 or 4: which chip.

    Returns:
        `float32 (imaging rows, 4096)`, electrons a second a pixel.

    Raises:
        SimulationError: The plan names a subtype, an instrument or a filter that is not simulated.
        MissingExtraError: GalSim or SciPy is not installed.
    """
    band = band_of(exposure.instrument, exposure.filter)
    footprint = Footprint(exposure.instrument, exposure.east, exposure.north, exposure.roll)
    kernel = point_spread(exposure.instrument, exposure.filter)
    sky = sky_around(exposure.target)
    window = Window(footprint, hdu)
    light, grid_shape = _light_on_grid(sky.morphology, window)
    smooth = np.zeros(grid_shape, dtype=np.float32)
    for spectrum, glow in light.glow.items():
        smooth += glow * np.float32(rate_factor(spectrum, band) * sky.scale * footprint.scale**2)
    plane = _upsampled(smooth, window.shape)
    _deposit_stars(plane, sky.morphology.sources.scaled(sky.scale), window, band)
    _deposit_stars(plane, sky.stars, window, band)
    if sky.morphology.blobs is not None:
        paint(plane, sky.morphology.blobs, window, band, sky.scale)
    dimming = 1.0 if light.veil is None else _through(light.veil, sky.galaxies, window)
    paint(plane, sky.galaxies, window, band, dimming)
    rows, columns = window.shape
    # Padded as if one margin smaller: what wraps around then stays within the other margin.
    scene = np.zeros(padded_shape((rows - MARGIN, columns - MARGIN)), dtype=np.float32)
    scene[:rows, :columns] = plane
    del plane
    scene = blurred(scene, kernel, exposure.jitter / footprint.scale)
    chip = scene[MARGIN : rows - MARGIN, MARGIN : columns - MARGIN]
    chip = chip + np.float32(exposure.sky * sky_rate(band, footprint.scale))
    # Rounding in the transforms can leave the empty sky a hair below nothing.
    return np.maximum(chip, np.float32(0.0), out=chip)


def _mean_brightness(morphology: Morphology, radius: float) -> float:
    """Mean V-band electrons a second a square arcsecond within the radius."""
    offsets = np.linspace(-radius, radius, 161, dtype=np.float32)
    x, y = np.meshgrid(offsets, offsets)
    inside = np.hypot(x, y) <= radius
    glow = morphology.light(x, y).glow
    extended = sum(float(values[inside].mean()) for values in glow.values())
    sources = morphology.sources
    points = float(sources.flux[np.hypot(sources.x, sources.y) <= radius].sum(dtype=np.float64))
    if morphology.blobs is not None:
        points += float(morphology.blobs.flux.sum(dtype=np.float64))
    return extended + points / (np.pi * radius**2)


def _light_on_grid(morphology: Morphology, window: Window) -> tuple[Light, tuple[int, int]]:
    rows, columns = (np.arange(0, side + GRID_STEP, GRID_STEP, dtype=np.float32) for side in window.shape)
    east, north = window.to_sky(columns[None, :], rows[:, None])
    return morphology.light(east, north), (len(rows), len(columns))


def _upsampled(grid: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """Linear interpolation of grid points that stand `GRID_STEP` pixels apart."""
    wide = np.ascontiguousarray(_stretched(grid.T, shape[1]).T)
    return _stretched(wide, shape[0])


def _stretched(grid: FloatArray, length: int) -> FloatArray:
    fine = np.empty(((grid.shape[0] - 1) * GRID_STEP, grid.shape[1]), dtype=np.float32)
    step = (grid[1:] - grid[:-1]) / np.float32(GRID_STEP)
    for phase in range(GRID_STEP):
        fine[phase::GRID_STEP] = grid[:-1] + np.float32(phase) * step
    return fine[:length]


def _deposit_stars(plane: FloatArray, sources: PointSources, window: Window, band: Band) -> None:
    columns, rows = window.to_pixels(sources.x, sources.y)
    deposit(plane, columns, rows, sources.rates(band))


def _through(veil: FloatArray, galaxies: Blobs, window: Window) -> FloatArray:
    columns, rows = window.to_pixels(galaxies.x, galaxies.y)
    row = np.clip(np.rint(rows / GRID_STEP).astype(int), 0, veil.shape[0] - 1)
    column = np.clip(np.rint(columns / GRID_STEP).astype(int), 0, veil.shape[1] - 1)
    return np.asarray(np.exp(-veil[row, column]), dtype=np.float32)
