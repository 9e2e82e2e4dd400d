"""What the cameras' electronics and silicon are like: the figures behind the detector model.

ACS: ACS Data Handbook 4.1 (gain and read noise since 2009, rounded), ACS Instrument Handbook 4.3.1 (saturation near
77,400 electrons); the dark current lies between that at launch (6.8 electrons an hour, Data Handbook 4.3.1) and that of
2025 (58, Instrument Handbook table 3.1). WFC3: WFC3 Data Handbook 5.1 (gains 1.58 to 1.60, read noise), WFC3 Instrument
Handbook table 5.1 (dark current, full well 63,000 to 72,000 electrons). Bias levels are of the observed order; the
archive's drift by tens of DN over the years. CSST, not yet flown: what its simulations take (Zhan 2021; Gong et al.
2019, ApJ 883, 203; Wei et al. 2025, arXiv:2511.06970): gain 1.1 electrons a DN, read noise 5 electrons, dark current
0.02 electrons a second, full well of the order of 90,000 electrons, bias near 500 DN; the spread between channels of
some per cent, and the blemishes, are assumed.

Charge transfer: Anderson and Bedin 2010 (PASP 122, 1035) and Massey 2010 (MNRAS 409, L109) for ACS in 2009 and 2010,
the growth since the launch in 2002 linear (ACS ISR 2005-03); WFC3 Instrument Handbook 6.9 for UVIS; nothing has been
measured for CSST, which is given a third of the growth of UVIS from 2027 on. UVIS's is set so that a star of 1000
electrons on a sky of 2 loses 0.05 mag a year at the far end, as in orbit (Kuhn, arXiv:2602.07133).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.detectors import CHIP_SHAPE, DETECTORS
from celestialkeras.lcid.simulate.arrays import FloatArray, single


@dataclass(frozen=True)
class Amplifier:
    """One readout amplifier.

    Attributes:
        gain: Electrons a DN over the commanded gain.
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
        amplifiers: By name.
        dark: Dark current, electrons a second a pixel.
        full_well: Charge that a pixel holds before it bleeds along its column, electrons.
        hot_share: Share of pixels with a dark current far above the rest.
        stripes: Noise common to a row, electrons rms.
        prescan_decay: DN by which the first column read of a row stands above the bias, decaying over the next ones.
        trap_growth: By how much `trap_loss` grows in a year.
        launched: Modified Julian date from which its traps grow.
    """

    amplifiers: dict[str, Amplifier]
    dark: float
    full_well: float
    hot_share: float
    stripes: float
    prescan_decay: float
    trap_growth: float
    launched: float

    def trap_loss(self, date: float) -> float:
        """Electrons that traps take of a large packet over 2048 transfers, over the square root of its electrons.

        Args:
            date: Modified Julian date.
        """
        return self.trap_growth * max(date - self.launched, 0.0) / 365.25


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
        # Stripes since the repair of 2009: a Gaussian of 0.75 electrons with a tail (Grogin et al., ACS ISR 2011-05).
        stripes=0.9,
        prescan_decay=4.0,
        # A warm pixel of 1000 electrons loses 50 at the far end of the chip in October 2009.
        trap_growth=0.23,
        launched=52334.0,
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
        trap_growth=0.63,
        launched=54962.0,
    ),
    "CSST/MSC": Camera(
        amplifiers={
            "03": Amplifier(0.995, 4.9, 502.0),
            "04": Amplifier(1.012, 5.1, 517.0),
            "05": Amplifier(0.988, 5.0, 489.0),
            "06": Amplifier(1.004, 5.2, 508.0),
            "11": Amplifier(1.009, 4.8, 495.0),
            "12": Amplifier(0.992, 5.0, 511.0),
            "13": Amplifier(1.001, 5.1, 484.0),
            "14": Amplifier(0.997, 5.0, 520.0),
        },
        dark=0.02,
        full_well=90000.0,
        hot_share=0.003,
        stripes=0.0,
        prescan_decay=0.5,
        trap_growth=0.21,
        launched=61400.0,
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

    Hot pixels have dark currents with dN/dD ~ D^-2 beyond 0.04 electrons a second: of the new ones on ACS, 616 a day
    are above that, 328 above 0.1 and 16 above 1 (ACS Instrument Handbook, chapter 4). Raw frames are not flattened,
    and differ by some per cent across a chip.
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


def amplifiers_of(instrument: str, hdu: int) -> tuple[Amplifier, ...]:
    """The amplifiers of a chip, from left to right."""
    camera = CAMERAS[instrument]
    return tuple(camera.amplifiers[name] for name in DETECTORS[instrument].amplifiers(hdu))
