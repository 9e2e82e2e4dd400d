"""Filters of both instruments, and the spectra that sources shine with: how many electrons a second.

Brightness is carried as a V-band rate: the electrons a second that ACS/WFC would count through F555W. `rate_factor`
turns it into the rate through any other filter of either instrument.

Sources: AB zero points and filter wavelengths from the ACS and WFC3 Instrument Handbooks (ACS 5 and 9; WFC3 6 and 9),
rounded to 0.1 mag; sky levels so that the average rates of their sky tables come out to about 20 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from celestialkeras.errors import SimulationError

V_ZERO_POINT = 25.7
"""AB magnitude that gives 1 electron a second through ACS/WFC F555W."""


class Spectrum(IntEnum):
    """What a source shines with."""

    OLD = 0
    """An old stellar population or a red giant."""
    INTERMEDIATE = 1
    """A population of mixed age, or a star like the Sun."""
    YOUNG = 2
    """Hot stars, and dust that scatters their light."""
    GAS = 3
    """Ionised gas: H-alpha and [O III] lines over a weak continuum."""


@dataclass(frozen=True)
class Band:
    """One filter on one instrument.

    Attributes:
        pivot: Pivot wavelength, nm.
        zero_point: AB magnitude of a source that gives 1 electron a second.
        sky: Average sky, AB magnitudes per square arcsecond.
        oxygen: Throughput at [O III] 500.7 nm relative to the best of ACS/WFC.
        hydrogen: The same at H-alpha 656.3 nm.
    """

    pivot: float
    zero_point: float
    sky: float
    oxygen: float = 0.0
    hydrogen: float = 0.0


BANDS: dict[str, dict[str, Band]] = {
    "ACS/WFC": {
        "F435W": Band(433, 25.7, 23.0),
        "F475W": Band(475, 26.1, 22.6, oxygen=0.9),
        "F555W": Band(536, 25.7, 22.4, oxygen=0.9),
        "F606W": Band(592, 26.5, 22.2, oxygen=0.8, hydrogen=0.95),
        "F625W": Band(631, 25.9, 22.1, hydrogen=1.0),
        "F658N": Band(658, 22.8, 22.0, hydrogen=1.0),
        "F775W": Band(769, 25.7, 21.9),
        "F814W": Band(806, 25.9, 21.9),
    },
    "WFC3/UVIS": {
        "F336W": Band(335, 24.7, 23.8),
        "F438W": Band(433, 24.8, 23.0),
        "F475W": Band(477, 25.7, 22.6, oxygen=0.75),
        "F555W": Band(531, 25.8, 22.4, oxygen=0.75),
        "F606W": Band(589, 26.1, 22.2, oxygen=0.7, hydrogen=0.65),
        "F625W": Band(624, 25.5, 22.1, hydrogen=0.7),
        "F658N": Band(659, 21.0, 22.0, hydrogen=0.6),
        "F775W": Band(765, 24.9, 21.9),
        "F814W": Band(804, 25.1, 21.9),
    },
}
"""Filters that are simulated, by instrument and name."""

_WAVELENGTHS = np.array([300.0, 336.0, 435.0, 475.0, 555.0, 606.0, 658.0, 775.0, 814.0, 900.0])
# Flux density per frequency relative to 555 nm, after the usual AB colours of each kind of population.
_CONTINUUM = {
    Spectrum.OLD: np.array([0.10, 0.18, 0.47, 0.66, 1.00, 1.20, 1.38, 1.75, 1.85, 2.0]),
    Spectrum.INTERMEDIATE: np.array([0.33, 0.45, 0.73, 0.85, 1.00, 1.07, 1.12, 1.20, 1.22, 1.25]),
    Spectrum.YOUNG: np.array([1.60, 1.45, 1.25, 1.15, 1.00, 0.94, 0.89, 0.80, 0.77, 0.72]),
    Spectrum.GAS: np.array([1.30, 1.20, 1.05, 1.02, 1.00, 0.98, 0.95, 0.90, 0.90, 0.88]),
}
_GAS_CONTINUUM = 0.12
_OXYGEN_SHARE = 0.45


def band_of(instrument: str, name: str) -> Band:
    """The band of a filter.

    Raises:
        SimulationError: The instrument or the filter is not simulated.
    """
    if instrument not in BANDS:
        raise SimulationError(f"`instrument` must be one of {', '.join(BANDS)}. Received: instrument={instrument!r}")
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
    if spectrum is not Spectrum.GAS:
        return continuum
    lines = _OXYGEN_SHARE * band.oxygen + (1.0 - _OXYGEN_SHARE) * band.hydrogen
    return _GAS_CONTINUUM * continuum + lines


def sky_rate(band: Band, scale: float) -> float:
    """Average sky in electrons a second a pixel of `scale` arcseconds."""
    return math.pow(10.0, 0.4 * (band.zero_point - band.sky)) * scale**2
