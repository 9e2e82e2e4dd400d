"""What a frame offers a classifier, measured from its codes: light above the noise, structures, point sources.

All of it is measured on the frame as it is stored, at full resolution, in units of its own noise above its own sky
(`stretch.decode`), so that frames of any instrument, filter and exposure compare.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.frame_signal import signal_to_noise
from celestialkeras.explanation.axis import even_axis
from celestialkeras.lcid.stretch import Stretch

CELL = 8
"""Side of the squares of pixels that structures are looked for in; their mean has 1/8 of the noise of a pixel."""

STRUCTURE_LEVEL = 5.0
"""Noises of a cell above the light around it from which on it belongs to a structure."""

SMALLEST_STRUCTURE = 6
"""Cells, 384 pixels: the halo of a bright star is smaller, knots of spiral arms and filaments of nebulae are larger."""

SOURCE_LEVEL = 10.0
"""Noises of a pixel above what surrounds it from which on it may be the core of a point source."""

LEAST_NEIGHBOUR = 0.15
"""Share of a star's core that its faintest next pixel has at least.

Hubble's and CSST's point-spread functions are about 2 pixels wide: a Gaussian of that width, however it lies on the
pixels, leaves a quarter. Cosmic rays hit one pixel or draw lines, and leave none on some side.
"""

# As `celestial_edge.device.quality`: cosmic rays, hot pixels and stars count no more than this in a cell's mean.
_CLIP = 3.0

# Cells on a side of a mesh of the light around structures: 256 pixels.
_MESH = 32

# The surroundings of a point source: pixels at this distance, beyond the core of its light.
_RING = 5


@dataclass(frozen=True)
class Proxies:
    """What can be counted and measured on one frame.

    Attributes:
        signal_to_noise: Light of the frame's brightest region above its darkest one, in noises of a pixel, as slices
            of evaluations have it (`evaluation.frame_signal`).
        structures: Number of connected areas of at least 384 pixels that stand out of the light around them.
        sources: Number of point sources, cosmic rays left out as far as their shape tells them.
    """

    signal_to_noise: float
    structures: int
    sources: int


def measure_frame(codes: NDArray[np.uint8], stretch: Stretch) -> Proxies:
    """Measures one frame.

    Args:
        codes: `uint8 (H, W)`, at full resolution, at least 16 x 16.
        stretch: Shape of their stretch.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    return Proxies(
        signal_to_noise=signal_to_noise(codes, stretch),
        structures=_count_structures(_cells(codes, stretch)),
        sources=_count_sources(codes, stretch),
    )


def _cells(codes: NDArray[np.uint8], stretch: Stretch) -> NDArray[np.float32]:
    """Clipped means over squares of `CELL` pixels, in noises; what is left over at the far edges is left out."""
    rows, columns = (length // CELL for length in codes.shape)
    clipped = stretch.signals().astype(np.float32).clip(-_CLIP, _CLIP)
    squares = clipped[codes[: rows * CELL, : columns * CELL]].reshape(rows, CELL, columns, CELL)
    return np.asarray(squares.mean(axis=(1, 3), dtype=np.float32))


def _count_structures(cells: NDArray[np.float32]) -> int:
    try:
        from scipy import ndimage
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "Counting structures") from error
    above = cells - _light_around(cells)
    # The cells' own scatter, which contains what unresolved stars add to the noise of the sky.
    noise = max(1.4826 * float(np.median(np.abs(above - np.median(above)))), 1 / CELL)
    areas, count = ndimage.label(above > STRUCTURE_LEVEL * noise, structure=np.ones((3, 3)))
    sizes = np.bincount(areas.ravel(), minlength=count + 1)[1:]
    return int((sizes >= SMALLEST_STRUCTURE).sum())


def _light_around(cells: NDArray[np.float32]) -> NDArray[np.float32]:
    """The light that structures stand in: medians of a mesh, interpolated; `float32` as `cells`."""
    rows, columns = (max(1, round(length / _MESH)) for length in cells.shape)
    mesh = np.array(
        [[np.median(block) for block in np.array_split(line, columns, 1)] for line in np.array_split(cells, rows, 0)]
    )
    down, across = even_axis(rows, cells.shape[0]), even_axis(columns, cells.shape[1])
    return np.asarray(down.interpolation(cells.shape[0]) @ mesh @ across.interpolation(cells.shape[1]).T, np.float32)


def _count_sources(codes: NDArray[np.uint8], stretch: Stretch) -> int:
    """Counts peaks as round as stars are."""
    height, width = codes.shape
    if min(height, width) <= 2 * _RING:
        return 0
    signals = stretch.signals().astype(np.float32)
    inside = codes[_RING:-_RING, _RING:-_RING]
    # Codes are compared first: few pixels are left whose signal is looked up.
    peak = inside >= int(np.searchsorted(signals, SOURCE_LEVEL))

    def moved(down: int, right: int) -> NDArray[np.uint8]:
        return codes[_RING + down : height - _RING + down, _RING + right : width - _RING + right]

    for down in (-1, 0, 1):
        for right in (-1, 0, 1):
            if (down, right) < (0, 0):
                # Of pixels as bright as one another, the last in reading order is the peak.
                peak &= inside >= moved(down, right)
            elif (down, right) > (0, 0):
                peak &= inside > moved(down, right)
    row, column = (where + _RING for where in np.nonzero(peak))

    def signal(down: int, right: int) -> NDArray[np.float32]:
        return np.asarray(signals[codes[row + down, column + right]])

    around = np.stack([signal(down, right) for down, right in _ring()])
    level_around = np.median(around, axis=0)
    scatter = 1.4826 * np.median(np.abs(around - level_around), axis=0)
    core = signal(0, 0) - level_around
    neighbours = np.stack([signal(1, 0), signal(-1, 0), signal(0, 1), signal(0, -1)]) - level_around
    round_enough = neighbours.min(axis=0) >= LEAST_NEIGHBOUR * core
    # In bright light the photons' own noise is above the sky's.
    return int((round_enough & (core >= SOURCE_LEVEL * np.maximum(scatter, 1.0))).sum())


def _ring() -> list[tuple[int, int]]:
    """Sixteen pixels about `_RING` away, evenly around."""
    angles = np.arange(16) * (2 * np.pi / 16)
    return [(round(_RING * float(np.sin(angle))), round(_RING * float(np.cos(angle)))) for angle in angles]
