"""What the noise of a stored frame is made of: readout, photons of the sky, photons of the source.

Shards keep a frame's sky and noise in DN, or in electrons for calibrated files, but not its gain. Gain and read noise
are therefore those of the instrument's amplifiers (`simulate/camera.py` has the sources), over the gain commanded by
default: 2 electrons a DN on ACS since 2006 (ACS Data Handbook 4.1), 1.5 on UVIS (WFC3 Data Handbook 5.1), 1.1 on CSST.
Exposures of ACS taken at gain 1 are so told to have twice their electrons.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from statistics import fmean

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.simulate.camera import CAMERAS, amplifiers_of

_COMMANDED_GAIN = {"ACS/WFC": 2.0, "WFC3/UVIS": 1.5, "CSST/MSC": 1.1}


@dataclass(frozen=True)
class FrameNoise:
    """The noise of one frame, in units of what was measured about its sky.

    Attributes:
        electrons: Electrons in one unit; infinite where the detector is unknown.
        read: Variance of the readout, squared units.
        sky: Variance of the photons of sky and dark current, squared units.
    """

    electrons: float
    read: float
    sky: float

    @property
    def sky_level(self) -> float:
        """Light of sky and dark current, units; infinite where the detector is unknown."""
        return self.sky * self.electrons


def frame_noise(instrument: str, hdu: int, measured: Mapping[str, float]) -> FrameNoise:
    """The noise of a frame of a data set.

    Stars and structure raise the measured noise above that of the detector, so readout and sky together may stay below
    one squared unit; they are never let above it.

    Args:
        instrument: Its manifest name.
        hdu: HDU of the chip.
        measured: What was measured when it was built: `sky`, `noise`, `bias_left`, `bias_right` (DN).

    Returns:
        What it is made of. For pictures and unknown instruments all of it is taken for noise of the sky, and that of
        the source is left out.

    Raises:
        DatasetError: Sky or noise was not measured.
    """
    try:
        sky, noise = float(measured["sky"]), float(measured["noise"])
    except KeyError as error:
        raise DatasetError(f"a frame has no measured {error}; build the data set again") from error
    if instrument not in CAMERAS:
        return FrameNoise(math.inf, 0.0, 1.0)
    amplifiers = amplifiers_of(instrument, hdu)
    # The bias of calibrated files is zero to the bit, and their pixels are electrons already.
    calibrated = measured.get("bias_left") == measured.get("bias_right") == 0.0
    relative = fmean(amplifier.gain for amplifier in amplifiers)
    electrons = noise * (1.0 if calibrated else relative * _COMMANDED_GAIN[instrument])
    read = min(fmean(amplifier.read_noise**2 for amplifier in amplifiers) / electrons**2, 1.0)
    photons = max(sky, 0.0) / (noise * electrons)
    return FrameNoise(electrons, read, min(photons, 1.0 - read))
