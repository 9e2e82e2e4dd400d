"""Counts -> 8-bit codes: an asinh stretch about the sky, applied by lookup table.

The stretch is monotone. Its position and scale are the sky level and noise of the frame itself, from a sparse sample,
so frames of any exposure, gain and filter come out alike; its shape (`Stretch`) is part of a model's contract and
travels in the artifact's card. Each amplifier has its own table, since each has its own bias.
"""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from celestialkeras.lcid.frames import Frame

CODES = 256
"""Codes run from 0 to 255; an int8 model takes `code - 128`."""

# Every 16th row and column: 32,768 of 8.4 million pixels place the sky to 1/100 of its noise.
_SAMPLE_STEP = 16

# Uniform rounding to whole DN alone spreads a level by 0.29 DN.
_NOISE_FLOOR = 0.29

# The golden ratio in units of 2**-32: the fractional parts of its multiples fill an interval evenly, in an order that
# no pattern of a detector follows. Whole numbers give every machine the same ones.
_GOLDEN_RATIO = np.uint32(0x9E3779B9)

# One entry for each value of a 16-bit count; float pixels are rounded to as many steps from black to white. With the
# default shape a step is 1/33 of the noise, and rounding to it moves no pixel by more than a quarter of a code.
_TABLE_SIZE = 65536

# Lookups go through a block of 64-bit indices: numpy would otherwise widen the whole frame to them at once.
_BLOCK_ROWS = 32


@dataclass(frozen=True)
class Stretch:
    """Shape of the stretch, in units of the frame's own noise above its own sky.

    Attributes:
        black: Signal of code 0.
        white: Signal of code 255.
        softening: Signal about which the map turns from linear to logarithmic.
    """

    black: float = -4.0
    white: float = 2000.0
    softening: float = 2.0

    def __post_init__(self) -> None:
        finite = all(map(math.isfinite, (self.black, self.white, self.softening)))
        if not (finite and self.black < 0 < self.white and self.softening > 0):
            raise ValueError(f"finite `black` < 0 < `white` and `softening` > 0 are needed. Received: {self}")

    def thresholds(self) -> npt.NDArray[np.float64]:
        """The 255 signals, in units of the noise, at which codes 1 to 255 begin: `float64 (255,)`, rising."""
        low, high = np.arcsinh((self.black / self.softening, self.white / self.softening))
        edges = low + (high - low) * (np.arange(CODES - 1) + 0.5) / (CODES - 1)
        return np.asarray(self.softening * np.sinh(edges))

    def signals(self) -> npt.NDArray[np.float64]:
        """The signals, in units of the noise, that codes 0 to 255 stand for: `float64 (256,)`, rising."""
        low, high = np.arcsinh((self.black / self.softening, self.white / self.softening))
        return np.asarray(self.softening * np.sinh(low + (high - low) * np.arange(CODES) / (CODES - 1)))


@dataclass(frozen=True)
class Background:
    """Sky level above the bias and noise of one frame, DN (electrons for calibrated frames)."""

    sky: float
    noise: float


def sparse_sample(frame: Frame) -> npt.NDArray[np.float32]:
    """Every 16th row and column of a chip, bias subtracted.

    Args:
        frame: The chip.

    Returns:
        `float32 (128, 256)` of a whole chip, DN (electrons for calibrated frames).
    """
    start = _SAMPLE_STEP // 2
    sample = frame.data[start::_SAMPLE_STEP, start::_SAMPLE_STEP].astype(np.float32)
    for (first, last), bias in zip(frame.channel_columns, frame.bias, strict=True):
        # The first sampled column in the channel, and the first one beyond it.
        columns = slice(max(-(-(first - start) // _SAMPLE_STEP), 0), max(-(-(last - start) // _SAMPLE_STEP), 0))
        sample[:, columns] -= np.float32(bias)
    return sample


def estimate_background(frame: Frame) -> Background:
    """Sky and noise from every 16th row and column, robust against stars, cosmic rays and dead pixels.

    The sky is the median, the noise the median absolute deviation scaled to a standard deviation, of the sample within
    three noises of the sky, taken again until it settles. Whole counts are spread evenly over their width of 1 DN
    first: on bare counts a deviation of 2 DN is 2.97 DN of noise and the next possible one is 4.45.

    Args:
        frame: The chip.

    Returns:
        Sky and noise in the units of `frame.data`, bias subtracted; the noise is never zero.
    """
    sample = sparse_sample(frame)
    if frame.data.dtype == np.uint16:
        dither = (np.arange(sample.size, dtype=np.uint32) * _GOLDEN_RATIO).astype(np.float32) * np.float32(2**-32)
        sample += dither.reshape(sample.shape) - np.float32(0.5)
    values = sample[np.isfinite(sample)]
    if not values.size:
        pixels = frame.calibrated()
        values = pixels[np.isfinite(pixels)]
    sky = noise = 0.0
    for _ in range(5):
        sky = float(np.median(values))
        noise = 1.4826 * float(np.median(np.abs(values - sky)))
        if noise == 0.0:
            noise = float(values.std())
        kept = values[np.abs(values - sky) <= 3 * noise]
        # Of pure noise 1 in 400 lies beyond; fewer than 1 in 1000 means that it was cut before.
        if kept.size == 0 or kept.size > 0.999 * values.size:
            break
        values = kept
    floor = _NOISE_FLOOR if frame.data.dtype == np.uint16 else 1e-6
    return Background(sky=sky, noise=max(noise, floor))


def encode(
    frame: Frame,
    stretch: Stretch,
    background: Background | None = None,
    out: npt.NDArray[Any] | None = None,
) -> npt.NDArray[Any]:
    """Looks every pixel of a chip up.

    Args:
        frame: The chip.
        stretch: Shape of the map.
        background: Sky and noise of the frame; estimated from it if not given.
        out: Array of the frame's shape to fill: `uint8` with codes, or `int8` with `code - 128`, such as the input
            tensor of an int8 model.

    Returns:
        `out`, or a new `uint8 (2048, 4096)` of codes 0 to 255.

    Raises:
        ValueError: `out` has another shape or dtype.
    """
    background = background or estimate_background(frame)
    if out is None:
        out = np.empty(frame.data.shape, np.uint8)
    if out.shape != frame.data.shape or out.dtype not in (np.uint8, np.int8):
        raise ValueError(f"`out` must be uint8 or int8 {frame.data.shape}. Received: {out.dtype} {out.shape}")
    if frame.data.dtype == np.uint16:
        levels = [bias + background.sky for _, bias in frame.channels()]
        tables = [_table(np.ceil(level + background.noise * stretch.thresholds()), out.dtype) for level in levels]
        _look_up_counts(frame, np.concatenate(tables), out)
    else:
        steps = (_TABLE_SIZE - 1) / (stretch.white - stretch.black)
        table = _table(np.rint((stretch.thresholds() - stretch.black) * steps), out.dtype)
        _look_up_floats(frame, table, out, background, stretch.black, steps)
    return out


def decode(codes: npt.NDArray[np.uint8], stretch: Stretch) -> npt.NDArray[np.float32]:
    """Takes codes back to signal, by table: `encode` of the result gives the same codes.

    With the default shape codes are 0.07 noises apart at the sky, which leaves an error of 0.025 noises rms in it, and
    3.5 % apart far above it, 1 % rms. Codes 0 and 255 stand for black and white, whatever lay beyond.

    Args:
        codes: `uint8`, of any shape.
        stretch: Shape of the map that they were made with.

    Returns:
        `float32` of the same shape, in units of the frame's noise above its sky.
    """
    return np.asarray(stretch.signals().astype(np.float32)[codes])


def bin_codes(codes: npt.NDArray[np.uint8], factor: int) -> npt.NDArray[np.uint8]:
    """Averages codes over squares of `factor` x `factor`, rounded half up in whole numbers.

    Whole-number arithmetic makes the training pipeline and the device agree to the bit.

    Args:
        codes: `uint8 (..., H, W)`; both sides must be multiples of `factor`.
        factor: Side of the squares, 1 or more.

    Returns:
        `uint8 (..., H / factor, W / factor)`.

    Raises:
        ValueError: A side is not a multiple of `factor`.
    """
    if factor == 1:
        return codes
    *lead, height, width = codes.shape
    if factor < 1 or height % factor or width % factor:
        raise ValueError(f"sides of {height} x {width} must be multiples of `factor`. Received: factor={factor}")
    wide = np.uint16 if 256 * factor * factor < 65536 else np.uint32
    # Adding strided views is several times as fast as a reduction over a short last axis.
    rows = np.zeros((*lead, height // factor, width), wide)
    for phase in range(factor):
        np.add(rows, codes[..., phase::factor, :], out=rows)
    total = np.full((*lead, height // factor, width // factor), factor * factor // 2, wide)
    for phase in range(factor):
        np.add(total, rows[..., phase::factor], out=total)
    total //= wide(factor * factor)
    return total.astype(np.uint8)


def _table(edges: npt.NDArray[np.float64], dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """Codes of the indices 0 to 65535, given the first index of each code from 1 to 255.

    The last index always has code 255: a saturated pixel is white however noisy its frame.
    """
    first = np.clip(edges, 0, _TABLE_SIZE - 1).astype(np.intp)
    codes = np.repeat(np.arange(CODES, dtype=np.uint8), np.diff(first, prepend=0, append=_TABLE_SIZE))
    # Turning the highest bit over subtracts 128 in two's complement.
    return codes if dtype == np.uint8 else (codes ^ np.uint8(0x80)).view(np.int8)


def _look_up_counts(frame: Frame, tables: npt.NDArray[Any], out: npt.NDArray[Any]) -> None:
    """Looks counts up in the amplifiers' tables, which follow one another from left to right."""
    index = np.zeros((_BLOCK_ROWS, frame.data.shape[1]), np.intp)
    for channel, (columns, _) in enumerate(frame.channels()):
        index[:, columns] = channel * _TABLE_SIZE
    # Only the low 16 bits of an index change from block to block; the rest says which table, and stays.
    words = index.view(np.uint16).reshape(*index.shape, -1)
    low = words[..., 0 if sys.byteorder == "little" else -1]
    for row in range(0, len(frame.data), _BLOCK_ROWS):
        counts = frame.data[row : row + _BLOCK_ROWS]
        np.copyto(low[: len(counts)], counts)
        # Whole rows at once, and a mode other than "raise", let numpy write straight into `out`.
        tables.take(index[: len(counts)], out=out[row : row + _BLOCK_ROWS], mode="clip")


def _look_up_floats(
    frame: Frame,
    table: npt.NDArray[Any],
    out: npt.NDArray[Any],
    background: Background,
    black: float,
    steps: float,
) -> None:
    """Looks floats up by steps of `1 / steps` of the noise above black; NaN counts as sky."""
    sky_index = np.float32(-black * steps)
    # A hot pixel near the largest float32 overflows to infinity, which is white as it should be, and so does the origin
    # where the noise is that large. Infinities that cancel out give NaN.
    with np.errstate(over="ignore"):
        scale = np.float32(steps / background.noise)
        origin = np.float32(background.sky + black * background.noise)
    for row in range(0, len(frame.data), _BLOCK_ROWS):
        with np.errstate(over="ignore", invalid="ignore"):
            index = (frame.data[row : row + _BLOCK_ROWS] - origin) * scale
        np.copyto(index, sky_index, where=np.isnan(index))
        np.clip(index, 0, _TABLE_SIZE - 1, out=index)
        table.take(index.astype(np.intp), out=out[row : row + _BLOCK_ROWS], mode="clip")
