"""What the optics and the pointing do to an exposure: blur and trails.

They act before the detector adds its noise. Blurring a stored frame would smooth that noise too, and a network could
tell blurred frames by their quiet sky; so what noise the blur takes away is drawn anew, with the spectrum that leaves
the noise of the sky white and as strong as before.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from celestialkeras.lcid.frame_noise import FrameNoise

Signal: TypeAlias = npt.NDArray[np.float32]
"""A frame, `float32 (H, W)`, in units of its noise above its sky."""

# A Gaussian holds all but 1/16000 of its light within so many standard deviations along an axis.
_GAUSSIAN_REACH = 4.0

# Transforms are quick at lengths without a large prime factor; chips are padded to multiples of this.
_FFT_MULTIPLE = 64

# The line of a trail is laid down in points so many pixels apart.
_TRAIL_STEP = 1 / 16


def gaussian_kernel(width: float) -> npt.NDArray[np.float32]:
    """A round Gaussian: `float32 (n, n)`, n odd, sum 1.

    Args:
        width: Full width at half maximum, pixels; from 1.5 on, the samples' own width is within 1 % of it.
    """
    sigma = width / math.sqrt(8 * math.log(2))
    reach = math.ceil(_GAUSSIAN_REACH * sigma)
    profile = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = np.outer(profile, profile)
    return np.asarray(kernel / kernel.sum(), np.float32)


def trail_kernel(length: float, angle: float) -> npt.NDArray[np.float32]:
    """A straight line through the middle, run through evenly: `float32 (n, n)`, n odd, sum 1.

    Each point of the line is shared among its four nearest pixels, as in linear interpolation.

    Args:
        length: Pixels.
        angle: Radians from the direction of rising columns to that of rising rows.
    """
    count = math.ceil(length / _TRAIL_STEP)
    along = ((np.arange(count) + 0.5) / count - 0.5) * length
    reach = math.ceil(length / 2) + 1
    down, across = reach + along * math.sin(angle), reach + along * math.cos(angle)
    row, column = np.floor(down).astype(np.intp), np.floor(across).astype(np.intp)
    lower, right = down - row, across - column
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    np.add.at(kernel, (row, column), (1 - lower) * (1 - right))
    np.add.at(kernel, (row, column + 1), (1 - lower) * right)
    np.add.at(kernel, (row + 1, column), lower * (1 - right))
    np.add.at(kernel, (row + 1, column + 1), lower * right)
    return np.asarray(kernel / count, np.float32)


def blurred(signal: Signal, kernel: npt.NDArray[np.float32], noise: FrameNoise, rng: np.random.Generator) -> Signal:
    """Blurs the light of an exposure, and leaves its noise as it was.

    Beyond its edges the sky goes on as its mirror image.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        kernel: From `gaussian_kernel` or `trail_kernel`.
        noise: What the noise is made of.
        rng: Draws the noise that the blur takes away.

    Returns:
        `float32 (H, W)`, the same units.
    """
    reach = len(kernel) // 2
    # Sides of the padded frame; at least the kernel's reach before and after, that nothing wraps around into it.
    padded = tuple(-(-(side + 2 * reach) // _FFT_MULTIPLE) * _FFT_MULTIPLE for side in signal.shape)
    margins = [(reach, whole - side - reach) for whole, side in zip(padded, signal.shape, strict=True)]
    inside = tuple(slice(reach, reach + side) for side in signal.shape)

    centred = np.zeros(padded, np.float32)
    centred[: len(kernel), : len(kernel)] = kernel
    transfer = np.fft.rfft2(np.roll(centred, (-reach, -reach), axis=(0, 1)))
    light = np.fft.irfft2(np.fft.rfft2(np.pad(signal, margins, mode="symmetric")) * transfer, padded)[inside]

    lost = np.sqrt(np.maximum(1.0 - np.abs(transfer) ** 2, 0.0))
    fresh = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(padded, np.float32)) * lost, padded)[inside]
    variance = noise.read + noise.sky + np.maximum(light, 0.0) / noise.electrons
    return np.asarray(light + fresh * np.sqrt(variance), np.float32)
