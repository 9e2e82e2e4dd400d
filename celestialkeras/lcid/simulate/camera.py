"""What the cameras' electronics and silicon are like: the figures behind the detector model.

ACS: ACS Data Handbook 4.1 (gain and read noise since 2009, rounded), 4.3 (dark current, hot pixels), ACS Instrument
Handbook 4.3 (saturation near 77,400 electrons). WFC3: WFC3 Data Handbook 5.1 (gains 1.58 to 1.60, read noise) and
5.6.1 (full well 63,000 to 72,000 electrons), WFC3 Instrument Handbook table 5.1. Bias levels are of the observed
order; the archive's drift by tens of DN over the years.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.detectors import AMPLIFIERS, CHIP_SHAPE, DETECTORS
from celestialkeras.lcid.simulate.arrays import FloatArray, single


@dataclass(frozen=True)
class Amplifier:
    """One readout amplifier.

    Attributes:
        gain: Electrons a DN, relative to the commanded gain.
        read_noise: Electrons rms.
        bias: Level, DN.
    """

    gain: float
    read_noise: float
    bias: float


@dataclass(frozen=True)
class Camera:
    """One camera's detectors.

    Attributes:
        amplifiers: By letter.
        dark: Dark current, electrons a second a pixel.
        full_well: Charge that a pixel holds before it bleeds along its column, electrons.
        hot_share: Share of pixels with a dark current far above the rest.
        stripes: Noise common to a row, electrons rms.
        prescan_decay: DN by which the first physical prescan column stands above the bias, decaying inwards.
    """

    amplifiers: dict[str, Amplifier]
    dark: float
    full_well: float
    hot_share: float
    stripes: float
    prescan_decay: float


CAMERAS = {
    "ACS/WFC": Camera(
        amplifiers={
            "A": Amplifier(1.010, 4.35, 4192.0),
            "B": Amplifier(0.943, 3.75, 4044.0),
            "C": Amplifier(1.009, 4.05, 4137.0),
            "D": Amplifier(1.005, 5.05, 4002.0),
        },
        dark=0.0065,
        full_well=77400.0,
        hot_share=0.008,
        # ACS ISR 2011-05: stripes of about 0.9 electrons since the repair of 2009.
        stripes=0.9,
        prescan_decay=4.0,
    ),
    "WFC3/UVIS": Camera(
        amplifiers={
            "A": Amplifier(1.053, 3.05, 2559.0),
            "B": Amplifier(1.053, 3.15, 2541.0),
            "C": Amplifier(1.067, 3.07, 2516.0),
            "D": Amplifier(1.060, 3.18, 2505.0),
        },
        dark=0.003,
        full_well=68000.0,
        hot_share=0.006,
        stripes=0.0,
        prescan_decay=0.5,
    ),
}
"""Cameras by manifest name."""


@dataclass(frozen=True)
class Blemishes:
    """What is wrong with one chip for good; the same in every exposure of a survey and of any other.

    Attributes:
        hot: Flat indices of hot pixels among the imaging pixels.
        hot_dark: Their dark current, electrons a second.
        dead_columns: Columns that hardly record light.
        bright_columns: Columns with a glow of their own.
        bright_from: Row from which each bright column glows towards the far edge.
        flat: Sensitivity on a coarse grid of 9 x 17 points across the chip, mean 1.
    """

    hot: NDArray[np.int64]
    hot_dark: FloatArray
    dead_columns: NDArray[np.int64]
    bright_columns: NDArray[np.int64]
    bright_from: NDArray[np.int64]
    flat: FloatArray


@lru_cache(maxsize=4)
def blemishes(instrument: str, hdu: int) -> Blemishes:
    """The blemishes of one chip.

    Hot pixels follow the steep tail of the measured histograms (ACS Data Handbook 4.3.2: dN/dD ~ D^-2 beyond 0.04
    electrons a second); raw frames are not flattened, and differ by some per cent across a chip.
    """
    camera, detector = CAMERAS[instrument], DETECTORS[instrument]
    rng = np.random.default_rng([20020301, *map(ord, instrument), hdu])
    pixels = detector.imaging_rows * CHIP_SHAPE[1]
    hot = rng.choice(pixels, size=int(camera.hot_share * pixels), replace=False)
    share = rng.random(len(hot))
    columns = rng.choice(CHIP_SHAPE[1], size=14, replace=False)
    rows = rng.integers(0, detector.imaging_rows, size=8)
    down, across = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-1, 1, 17), indexing="ij")
    tilt = rng.normal(0.0, 0.012, 4)
    flat = 1.0 + tilt[0] * down + tilt[1] * across + tilt[2] * down * across - 0.02 * (across**2 - 0.33)
    flat = flat + rng.normal(0.0, 0.004, flat.shape)
    return Blemishes(
        hot=np.sort(hot),
        hot_dark=single(0.04 / np.maximum(1.0 - share, 1e-3)),
        dead_columns=columns[:6],
        bright_columns=columns[6:],
        bright_from=rows,
        flat=single(flat / flat.mean()),
    )


def amplifiers_of(instrument: str, hdu: int) -> tuple[Amplifier, Amplifier]:
    """Left and right amplifier of a chip."""
    left, right = AMPLIFIERS[hdu]
    return CAMERAS[instrument].amplifiers[left], CAMERAS[instrument].amplifiers[right]
