"""Whether there is anything on a chip to decide by: what its sparse sample and its background tell.

A pixel counts as saturated near the smallest full well of its detector, in electrons where files are calibrated, and
in DN above the bias, at the usual gain, where they are raw: ACS/WFC 77,400 electrons (ACS Instrument Handbook 4.3.1) at
2.02 electrons a DN, WFC3/UVIS 63,000 (WFC3 Instrument Handbook, table 5.1) at 1.6, CSST/MSC 90,000 at 1.1 (Wei et al.
2025, arXiv:2511.06970), or where the converter ends, at 65,535 DN, if that comes first. Frames do not tell their gain:
on ACS at gain 1 pixels count from half the full well on.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.stretch import Background, sparse_sample

# Electrons, and electrons a DN.
_FULL_WELLS = {"ACS/WFC": (77_400.0, 2.02), "WFC3/UVIS": (63_000.0, 1.6), "CSST/MSC": (90_000.0, 1.1)}

# Wells are full to within some per cent of one level; noise lies about it.
_NEARLY = 0.98

_HIGHEST_COUNT = 65535.0

SATURATED_SKY = 0.5
"""Share of saturated pixels from which on the median of the chip, its sky, is one of them."""

STANDING_OUT = 5.0
"""Noises above the sky from which on a pixel stands out: one in 3.5 million does of noise alone."""

FEWEST_STANDING_OUT = 1e-3
"""Share of pixels standing out below which nothing was exposed: hot pixels and cosmic rays alone are more.

Simulated chips of an empty sky have 1.1e-3 at least, and 3e-3 and more from 100 s on.
"""

LOWEST_LIGHT = 0.65
"""Noises that the brightest region of a chip lies above the others when its light is more than an empty sky's.

Flat field and amplifiers leave up to 0.61 on simulated chips of an empty sky and of the dark; of 128 simulated chips
with a target 10 lie below.
"""

# Samples on a side of a region: 256 pixels. The mean of 16 x 16 samples is uncertain by 1/16 of the noise.
_REGION = 16

# Cosmic rays, hot pixels and stars count no more than this in a region's mean, in noises.
_CLIP = 3.0


@dataclass(frozen=True)
class FrameQuality:
    """What a chip is good for, or the chips of an exposure.

    Attributes:
        saturated_fraction: Share of the pixels that are saturated, from a sample of 32,768 of a chip.
        light: How far the brightest region of 256 x 256 pixels lies above the sky, in noises a pixel.
        empty: Nothing was exposed: no exposure time, or nothing stands out of the noise, neither pixel nor region.
        low_signal: No region's light can be told from an empty sky's; what is on the chip, if anything is, are single
            points. It can be decided by all the same.
    """

    saturated_fraction: float
    light: float
    empty: bool
    low_signal: bool

    @property
    def unusable(self) -> str:
        """Why nothing can be decided by it, in words; empty if it can."""
        if self.saturated_fraction > SATURATED_SKY:
            return f"saturated: {self.saturated_fraction:.0%} of the pixels are at full well"
        return "empty: nothing stands out of the noise" if self.empty else ""

    @classmethod
    def together(cls, chips: Sequence[FrameQuality]) -> FrameQuality:
        """The quality of an exposure by those of its chips: a flag stands where all chips have it."""
        return cls(
            sum(chip.saturated_fraction for chip in chips) / len(chips),
            max(chip.light for chip in chips),
            all(chip.empty for chip in chips),
            all(chip.low_signal for chip in chips),
        )


def judge_frame(frame: Frame, background: Background) -> FrameQuality:
    """Measures the quality of a chip by every 16th row and column.

    Args:
        frame: The chip.
        background: Its sky and noise.
    """
    sample = sparse_sample(frame)
    with np.errstate(over="ignore"):
        signal = (sample - np.float32(background.sky)) / np.float32(background.noise)
    # Pixels that are not there are sky.
    signal[np.isnan(signal)] = 0.0
    light = _brightest_region(signal)
    standing_out = float(np.mean(signal > STANDING_OUT))
    nothing = standing_out < FEWEST_STANDING_OUT and light < LOWEST_LIGHT
    return FrameQuality(
        saturated_fraction=float(np.mean(sample >= _saturation(frame))),
        light=light,
        # An exposure time that the header does not tell is NaN, and no bias frame's.
        empty=nothing or frame.exptime <= 0,
        low_signal=light < LOWEST_LIGHT,
    )


def _saturation(frame: Frame) -> float:
    """Signal above the bias from which on a pixel is saturated, in the frame's units."""
    electrons, gain = _FULL_WELLS[frame.instrument]
    if frame.data.dtype != np.uint16:
        return _NEARLY * electrons
    return min(_NEARLY * electrons / gain, _HIGHEST_COUNT - max(frame.bias))


def _brightest_region(signal: npt.NDArray[np.float32]) -> float:
    """The largest of the regions' clipped means above their median, in noises."""
    rows, columns = (side // _REGION for side in signal.shape)
    clipped = signal[: rows * _REGION, : columns * _REGION].clip(-_CLIP, _CLIP)
    means = clipped.reshape(rows, _REGION, columns, _REGION).mean(axis=(1, 3))
    # Cosmic rays and hot pixels lift all regions alike.
    return float(means.max() - np.median(means))
