from __future__ import annotations

import math

import pytest

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.frame_noise import FrameNoise, frame_noise


def test_the_parts_of_a_raw_uvis_frame() -> None:
    # 1.0635 * 1.5 = 1.595 electrons a DN; 3.125 electrons of read noise; 40 DN of sky are 63.8 electrons.
    measured = {"sky": 40.0, "noise": 6.0, "bias_left": 2516.0, "bias_right": 2505.0}
    noise = frame_noise("WFC3/UVIS", 1, measured)
    assert noise.electrons == pytest.approx(6.0 * 1.595, rel=0.001)
    assert noise.read == pytest.approx((3.125 / noise.electrons) ** 2, rel=0.001)
    assert noise.sky == pytest.approx(63.8 / noise.electrons**2, rel=0.001)


def test_calibrated_frames_are_in_electrons() -> None:
    noise = frame_noise("ACS/WFC", 4, {"sky": 50.0, "noise": 9.0, "bias_left": 0.0, "bias_right": 0.0})
    assert noise.electrons == 9.0
    assert noise.sky == pytest.approx(50 / 81)


@pytest.mark.parametrize(
    ("sky", "noise", "read", "photons"),
    [
        (1e4, 6.0, (3.125 / 9.57) ** 2, 1 - (3.125 / 9.57) ** 2),
        (5.0, 0.3, 1.0, 0.0),
        (-3.0, 6.0, (3.125 / 9.57) ** 2, 0),
    ],
    ids=["more sky than noise", "less noise than readout", "sky below the bias"],
)
def test_the_parts_never_exceed_what_was_measured(sky: float, noise: float, read: float, photons: float) -> None:
    found = frame_noise("WFC3/UVIS", 1, {"sky": sky, "noise": noise, "bias_left": 2516.0, "bias_right": 2505.0})
    assert (found.read, found.sky) == pytest.approx((read, photons), abs=0.001)


def test_pictures_have_no_electrons() -> None:
    assert frame_noise("picture", 0, {"sky": 100.0, "noise": 3.0}) == FrameNoise(math.inf, 0.0, 1.0)


def test_what_was_not_measured_is_named() -> None:
    with pytest.raises(DatasetError, match="a frame has no measured 'noise'; build the data set again"):
        frame_noise("ACS/WFC", 1, {"sky": 3.0})
