"""Filters of the instruments, and the spectra that sources shine with: how many electrons a second.

Brightness is carried as a V-band rate: the electrons a second that ACS/WFC would count through F555W. `rate_factor`
turns it into the rate through any other filter of any instrument.

Hubble: AB zero points and pivot wavelengths of ACS from the ACS Instrument Handbook (5 and 9) and Sirianni et al. 2005,
of UVIS from WFC3 ISR 2009-31 and the WFC3 Instrument Handbook (6 and 9). CSST: band limits from Zhan 2021 (Chinese
Science Bulletin 66, 1290) and Gong et al. 2019 (ApJ 883, 203); `_of_csst` says how zero points follow from them.

Sky: zodiacal light and earthshine with the colours of the Sun, about 22.4 AB magnitudes a square arcsecond in V, so
that the average rates of the handbooks' sky tables come out to about 20 %; in F225W and F275W most of it is the
airglow line [O II] 247.1 nm, 1.5e-15 erg/s/cm2/arcsec2 on average (WFC3 Instrument Handbook 9.7).

Lines: the photons of `Spectrum.HYDROGEN` fall 75 % in H-alpha, 19 % and 6 % in [N II] 658.3 and 654.8, with a further
20 % in H-beta and 8 % in H-gamma (case B, Osterbrock and Ferland 2006); those of `Spectrum.OXYGEN` 75 % in 500.7 and
25 % in 495.9. A band's figure is the sum over the lines of share and system throughput, in units of ACS/WFC's best
throughput (0.46, near H-alpha). Throughputs are those of STScI's curves for each filter, at wavelengths in vacuum.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from celestialkeras.errors import SimulationError
from celestialkeras.suggestions import did_you_mean

V_ZERO_POINT = 25.72
"""AB magnitude that gives 1 electron a second through ACS/WFC F555W."""


class Spectrum(IntEnum):
    """What a source shines with."""

    OLD = 0
    """An old stellar population or a red giant."""
    INTERMEDIATE = 1
    """A population of mixed age, or a star like the Sun."""
    YOUNG = 2
    """Hot stars, and dust that scatters their light."""
    HYDROGEN = 3
    """Ionised gas in its Balmer lines and [N II], over a weak continuum."""
    OXYGEN = 4
    """Highly ionised gas in [O III]: the parts of a nebula nearest to its hot stars."""


@dataclass(frozen=True)
class Band:
    """One filter on one instrument.

    Attributes:
        pivot: Pivot wavelength, nm.
        zero_point: AB magnitude of a source that gives 1 electron a second.
        sky: Average sky, AB magnitudes per square arcsecond.
        oxygen: Electrons from the [O III] lines relative to all their photons through ACS/WFC's best throughput.
        hydrogen: The same for the Balmer lines and [N II], relative to the photons of H-alpha and [N II].
        faint: Whether it is narrow or ultraviolet, so that short exposures through it show next to nothing.
    """

    pivot: float
    zero_point: float
    sky: float
    oxygen: float = 0.0
    hydrogen: float = 0.0
    faint: bool = False


_HUBBLE_AREA = math.pi * 120.0**2
_CSST_AREA = math.pi * 100.0**2
_ACS_BEST_THROUGHPUT = 0.46

# 3631 Jy over Planck's constant: photons a second a cm2 from AB magnitude 0 for each unit of d(ln wavelength).
_AB_PHOTONS = 3.631e-20 / 6.62607e-27


def _of_csst(
    limits: tuple[float, float],
    throughput: float,
    sky: float,
    lines: tuple[float, float] = (0.0, 0.0),
    faint: bool = False,
) -> Band:
    """A CSST band as a box: limits in nm, and the mean system throughput (mirrors, filter, detector) between them.

    Pivot and zero point follow from a collecting area of pi m2: zero point = 2.5 log10(area * AB photons * throughput
    * ln(high / low)). With `camera`'s read noise and dark current, an aperture of 0.15 arcseconds and this sky these
    give the depths of point sources in the survey's goals (Gong et al. 2019) to 0.2 mag.

    Args:
        limits: Wavelengths at half the peak.
        throughput: Mean between the limits.
        sky: See `Band`.
        lines: Shares of [O III] and of the Balmer and [N II] photons that fall between the limits.
        faint: See `Band`.
    """
    low, high = limits
    width = math.log(high / low)
    relative = throughput * _CSST_AREA / (_ACS_BEST_THROUGHPUT * _HUBBLE_AREA)
    return Band(
        pivot=round(math.sqrt((high**2 - low**2) / (2.0 * width)), 1),
        zero_point=round(2.5 * math.log10(_CSST_AREA * _AB_PHOTONS * throughput * width), 2),
        sky=sky,
        oxygen=lines[0] * relative,
        hydrogen=lines[1] * relative,
        faint=faint,
    )


BANDS: dict[str, dict[str, Band]] = {
    "ACS/WFC": {
        "F435W": Band(433.0, 25.67, 23.0, hydrogen=0.06),
        "F475W": Band(474.7, 26.05, 22.6, oxygen=0.81, hydrogen=0.22),
        "F502N": Band(502.3, 22.28, 22.6, oxygen=0.47, faint=True),
        "F555W": Band(536.1, 25.72, 22.4, oxygen=0.76, hydrogen=0.13),
        "F606W": Band(592.2, 26.49, 22.2, oxygen=0.81, hydrogen=1.07),
        "F625W": Band(631.2, 25.90, 22.1, hydrogen=0.94),
        # 6584 A and 87 A wide: H-alpha and both lines of [N II].
        "F658N": Band(658.4, 22.76, 22.0, hydrogen=0.93, faint=True),
        "F775W": Band(769.3, 25.66, 21.9),
        "F814W": Band(804.5, 25.94, 21.9),
        "F850LP": Band(903.3, 24.86, 21.9),
    },
    "WFC3/UVIS": {
        "F225W": Band(237.2, 24.06, 24.6, faint=True),
        "F275W": Band(271.0, 24.14, 24.7, faint=True),
        "F336W": Band(335.5, 24.64, 23.8, faint=True),
        "F350LP": Band(587.4, 26.94, 22.3, oxygen=0.62, hydrogen=0.77),
        "F438W": Band(432.6, 24.83, 23.0, hydrogen=0.04),
        "F475W": Band(477.3, 25.69, 22.6, oxygen=0.56, hydrogen=0.15),
        "F502N": Band(501.0, 22.29, 22.6, oxygen=0.38, faint=True),
        "F547M": Band(544.7, 24.76, 22.4),
        # A red tail passes H-alpha at a ninth of the peak.
        "F555W": Band(530.8, 25.78, 22.4, oxygen=0.60, hydrogen=0.19),
        "F606W": Band(588.9, 26.08, 22.2, oxygen=0.62, hydrogen=0.73),
        "F625W": Band(624.3, 25.52, 22.1, hydrogen=0.57),
        # 18 A wide: H-alpha without [N II].
        "F656N": Band(656.1, 20.46, 22.0, hydrogen=0.38, faint=True),
        # 121 A wide: all three lines.
        "F657N": Band(656.7, 22.66, 22.0, hydrogen=0.55, faint=True),
        # 28 A wide about 6585 A: [N II] 6583, and next to nothing of H-alpha.
        "F658N": Band(658.5, 21.05, 22.0, hydrogen=0.11, faint=True),
        "F775W": Band(765.1, 24.86, 21.9),
        "F814W": Band(804.0, 25.09, 21.9),
        "F850LP": Band(916.7, 23.83, 21.9),
    },
    "CSST/MSC": {
        "NUV": _of_csst((255.0, 317.0), 0.16, 25.0, faint=True),
        "u": _of_csst((322.0, 396.0), 0.27, 23.7),
        "g": _of_csst((403.0, 545.0), 0.47, 22.6, lines=(1.0, 0.28)),
        "r": _of_csst((554.0, 684.0), 0.58, 22.1, lines=(0.0, 1.0)),
        "i": _of_csst((695.0, 833.0), 0.57, 21.9),
        "z": _of_csst((846.0, 1000.0), 0.37, 21.9),
        "y": _of_csst((937.0, 1000.0), 0.25, 21.9),
    },
}
"""Filters that are simulated, by instrument and name."""

_WAVELENGTHS = np.array(
    [200.0, 230.0, 270.0, 300.0, 336.0, 435.0, 475.0, 555.0, 606.0, 658.0, 775.0, 814.0, 900.0, 1000.0]
)
# Flux density per frequency relative to 555 nm, after the usual AB colours of each kind of population. In the
# ultraviolet: NUV - r of old populations near 5, a little bluer than galaxies in which no stars have formed of late
# (above 5.5: Kaviraj et al. 2007), and of mixed ones 2.5; hot stars flat below 300 nm where dust takes what their
# temperature gives.
_CONTINUUM = {
    Spectrum.OLD: np.array([0.008, 0.013, 0.03, 0.09, 0.18, 0.47, 0.66, 1.00, 1.20, 1.38, 1.75, 1.85, 2.0, 2.1]),
    Spectrum.INTERMEDIATE: np.array(
        [0.07, 0.10, 0.18, 0.33, 0.45, 0.73, 0.85, 1.00, 1.07, 1.12, 1.20, 1.22, 1.25, 1.26]
    ),
    Spectrum.YOUNG: np.array([1.80, 1.75, 1.75, 1.60, 1.45, 1.25, 1.15, 1.00, 0.94, 0.89, 0.80, 0.77, 0.72, 0.68]),
    Spectrum.HYDROGEN: np.array([1.40, 1.38, 1.34, 1.30, 1.20, 1.05, 1.02, 1.00, 0.98, 0.95, 0.90, 0.90, 0.88, 0.87]),
    Spectrum.OXYGEN: np.array([1.40, 1.38, 1.34, 1.30, 1.20, 1.05, 1.02, 1.00, 0.98, 0.95, 0.90, 0.90, 0.88, 0.87]),
}
_GAS_CONTINUUM = 0.12


def band_of(instrument: str, name: str) -> Band:
    """The band of a filter.

    Raises:
        SimulationError: The instrument or the filter is not simulated.
    """
    if instrument not in BANDS:
        hint = did_you_mean(instrument, BANDS)
        raise SimulationError(
            f"`instrument` must be one of {', '.join(BANDS)}{hint}. Received: instrument={instrument!r}"
        )
    if name not in BANDS[instrument]:
        raise SimulationError(
            f"`filter` must be one of {', '.join(BANDS[instrument])} on {instrument}. Received: filter={name!r}"
        )
    return BANDS[instrument][name]


def rate_factor(spectrum: Spectrum, band: Band) -> float:
    """Electrons a second through `band` for each V-band electron a second of a source with this spectrum.

    A line of gas passes a narrow filter as well as a wide one, while the continuum shrinks with the zero point: so
    narrow filters lift nebulae out of the stars.
    """
    gain = math.pow(10.0, 0.4 * (band.zero_point - V_ZERO_POINT))
    continuum = gain * float(np.interp(band.pivot, _WAVELENGTHS, _CONTINUUM[spectrum]))
    if spectrum is Spectrum.HYDROGEN:
        return _GAS_CONTINUUM * continuum + band.hydrogen
    if spectrum is Spectrum.OXYGEN:
        return _GAS_CONTINUUM * continuum + band.oxygen
    return continuum


def sky_rate(band: Band, scale: float) -> float:
    """Average sky in electrons a second a pixel of `scale` arcseconds."""
    return math.pow(10.0, 0.4 * (band.zero_point - band.sky)) * scale**2
