"""Occlusion (Zeiler and Fergus 2014, arXiv:1311.2901): what the answer loses when a patch of the frame is made sky."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import DatasetError, MissingExtraError
from celestialkeras.evaluation.predictor import Predictor

PATCHES_ACROSS = 8
"""Patches along the shorter side of a frame; a chip then has 8 x 16 of 256 x 256 pixels."""

# A whole frame alone: HR-CelestialNet needs 3 GB for it.
_BATCH_PIXELS = 4 * 512 * 1024

# The sky is looked for so many patches around one.
_NEIGHBOURHOOD = 2

# Stars and cosmic rays lie beyond so many noises.
_CLIP = 3.0


@dataclass(frozen=True)
class PatchGrid:
    """Patches that tile a frame.

    Attributes:
        rows: First row of each row of patches, and the frame's height.
        columns: First column of each column of patches, and the frame's width.
    """

    rows: tuple[int, ...]
    columns: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of patches."""
        return len(self.rows) - 1, len(self.columns) - 1

    def patch(self, row: int, column: int) -> tuple[slice, slice]:
        """Where a patch lies on the frame."""
        return slice(*self.rows[row : row + 2]), slice(*self.columns[column : column + 2])

    def means(self, values: NDArray[np.float32]) -> NDArray[np.float64]:
        """Averages a value for each pixel over the patches.

        Args:
            values: `float32 (H, W)`, of the frame's pixels.

        Returns:
            `float64`, one for each patch.
        """
        sums = np.add.reduceat(np.add.reduceat(values.astype(np.float64), self.rows[:-1], 0), self.columns[:-1], 1)
        return np.asarray(sums / np.outer(np.diff(self.rows), np.diff(self.columns)))

    def expand(self, values: NDArray[np.float64], shape: tuple[int, int]) -> NDArray[np.float32]:
        """Gives each pixel the value of its patch, at any sampling of the frame.

        Args:
            values: One for each patch.
            shape: Rows and columns of the result, which cover the frame evenly.

        Returns:
            `float32 shape`.
        """
        at = [
            np.searchsorted(edges, (np.arange(samples) + 0.5) * (edges[-1] / samples), side="right") - 1
            for edges, samples in zip((self.rows, self.columns), shape, strict=True)
        ]
        return values[np.ix_(*at)].astype(np.float32)


def patch_grid(shape: tuple[int, int], across: int = PATCHES_ACROSS) -> PatchGrid:
    """Nearly square patches, so many along the frame's shorter side.

    Args:
        shape: Rows and columns of the frame.
        across: Patches along the shorter side.

    Raises:
        DatasetError: There are more patches than pixels, or fewer than two.
    """
    short = min(shape)
    if not 2 <= across <= short:
        raise DatasetError(
            f"from 2 to {short} patches fit along the shorter side of {shape[0]} x {shape[1]} pixels."
            f" Received: {across}"
        )
    edges = [
        tuple(int(edge) for edge in np.linspace(0, side, round(across * side / short) + 1).round()) for side in shape
    ]
    return PatchGrid(*edges)


def occlude(
    predictor: Predictor, codes: NDArray[np.uint8], grid: PatchGrid, rng: np.random.Generator
) -> NDArray[np.float64]:
    """What each patch speaks for, by what changes when it is made sky.

    A patch is filled with pixels drawn from the darkest patch at most two patches away, its stars and cosmic rays
    clipped: so the level and the noise are those of the sky nearby, which amplifiers and flat field make differ over a
    chip. Where an object fills the neighbourhood, its own faintest light is all the sky there is.

    Args:
        predictor: The network.
        codes: `uint8 (H, W)`, at its size.
        grid: The patches.
        rng: Draws the sky.

    Returns:
        `float64`, a value for each patch: by how much the margin, logit of NSC minus that of galaxy, falls without it;
        positive where it speaks for NSC.
    """
    rows, columns = grid.shape
    skies = _skies(codes, grid)
    patches = [(row, column) for row in range(rows) for column in range(columns)]
    margin = _margins(predictor, codes[np.newaxis])[0]
    lost = np.empty(grid.shape)
    count = _batch_size(len(patches), codes.size)
    for start in range(0, len(patches), count):
        part = patches[start : start + count]
        batch = np.repeat(codes[np.newaxis], count, axis=0)
        for copy, (row, column) in zip(batch, part, strict=True):
            hole = copy[grid.patch(row, column)]
            hole[:] = rng.choice(skies[row][column], hole.shape)
        for place, without in zip(part, _margins(predictor, batch), strict=True):
            lost[place] = margin - without
    return lost


def rank_correlation(one: NDArray[np.float64], other: NDArray[np.float64]) -> float | None:
    """Spearman's rank correlation of two maps; None where one of them is the same everywhere.

    Args:
        one: A map.
        other: Another of the same shape.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    try:
        from scipy.stats import spearmanr
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "Comparing maps") from error
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return None
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def _margins(predictor: Predictor, codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    logits = predictor.logits(codes).astype(np.float64)
    return np.asarray(logits[:, 1] - logits[:, 0])


def _batch_size(patches: int, pixels: int) -> int:
    """Frames a batch; all batches are of one size, since Keras compiles the network anew for another."""
    most = max(1, min(patches, _BATCH_PIXELS // pixels))
    return next(size for size in range(most, 0, -1) if patches % size == 0)


def _skies(codes: NDArray[np.uint8], grid: PatchGrid) -> Sequence[Sequence[NDArray[np.uint8]]]:
    """The pixels that each patch is filled from."""
    rows, columns = grid.shape
    own = [[_without_stars(codes[grid.patch(row, column)]) for column in range(columns)] for row in range(rows)]
    levels = np.array([[pixels.mean() for pixels in line] for line in own])

    def darkest_near(row: int, column: int) -> NDArray[np.uint8]:
        near = [
            (other, another)
            for other in range(max(row - _NEIGHBOURHOOD, 0), min(row + _NEIGHBOURHOOD + 1, rows))
            for another in range(max(column - _NEIGHBOURHOOD, 0), min(column + _NEIGHBOURHOOD + 1, columns))
        ]
        at = min(near, key=lambda place: levels[place])
        return own[at[0]][at[1]]

    return [[darkest_near(row, column) for column in range(columns)] for row in range(rows)]


def _without_stars(patch: NDArray[np.uint8]) -> NDArray[np.uint8]:
    away = np.abs(patch.astype(np.int16) - np.int16(np.median(patch)))
    noise = 1.4826 * float(np.median(away))
    # Whole codes spread by at least one.
    return np.asarray(patch[away <= max(_CLIP * noise, 1.0)])
