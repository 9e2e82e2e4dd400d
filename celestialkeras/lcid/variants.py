"""LCID-Resize: frames of any smaller size, by exact area averaging as they are read.

Zhang et al. 2024 train their baselines on frames resized from 2048 x 4096. Here size is an option of reading: shards
keep the full resolution, and every size comes from them.
"""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.stretch import bin_codes

Size: TypeAlias = int | tuple[int, int]
"""Side of the squares of pixels averaged into one, such as 4, or rows and columns of the result, as (512, 1000)."""


def resized_shape(shape: tuple[int, int], size: Size) -> tuple[int, int]:
    """Rows and columns that frames have once they are read at a size.

    Args:
        shape: Rows and columns of the frames.
        size: The size.

    Raises:
        DatasetError: A binning does not divide both sides, or rows or columns are none or more than the frames have.
    """
    frames = " x ".join(map(str, shape))
    if isinstance(size, int):
        if size < 1 or any(side % size for side in shape):
            raise DatasetError(
                f"a whole binning must divide frames of {frames}; give rows and columns for any other size."
                f" Received: size={size}"
            )
        return shape[0] // size, shape[1] // size
    if not all(1 <= wanted <= side for wanted, side in zip(size, shape, strict=True)):
        raise DatasetError(
            f"rows and columns must be at least 1 and at most those of the frames, {frames}; averaging makes frames"
            f" smaller only. Received: size={size[0]}x{size[1]}"
        )
    return size


def resize_codes(codes: npt.NDArray[np.uint8], size: Size) -> npt.NDArray[np.uint8]:
    """Averages codes over the area that each pixel of the result covers, rounded half up.

    A pixel of the input that lies in two pixels of the result counts in each by the part of its area that lies there.
    The weights are whole numbers, so the result is exact and the same on every machine; where rows and columns are
    those of a whole binning it is `bin_codes`, to the bit.

    Args:
        codes: `uint8 (H, W)`.
        size: A whole binning, or rows and columns.

    Returns:
        `uint8 (rows, columns)`; `codes` themselves at full size.

    Raises:
        DatasetError: As `resized_shape`.
    """
    height, width = codes.shape
    rows, columns = resized_shape((height, width), size)
    factor = height // rows
    if (rows * factor, columns * factor) == (height, width):
        return bin_codes(codes, factor)
    total = _area_sums(_area_sums(codes.astype(np.int64), rows).T, columns).T
    area = height * width
    return np.asarray((total + area // 2) // area, np.uint8)


def _area_sums(values: npt.NDArray[np.int64], parts: int) -> npt.NDArray[np.int64]:
    """Sums over `parts` equal stretches of the first axis, in units of 1 / `parts` of a row: `(parts, ...)`.

    A row is `parts` units long and a stretch as many units as there are rows, so that every overlap is a whole number.
    """
    length = len(values)
    before = np.zeros((length + 1, *values.shape[1:]), np.int64)
    np.cumsum(values, axis=0, out=before[1:])
    whole, rest = np.divmod(np.arange(parts + 1) * length, parts)
    # The last stretch ends where the last row does: there is no row after it, and nothing of it to take.
    following = values[np.minimum(whole, length - 1)]
    return np.diff(before[whole] * parts + following * rest[:, None], axis=0)
