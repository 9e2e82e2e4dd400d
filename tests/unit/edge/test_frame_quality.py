"""What the sparse sample of a chip tells of it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from celestial_edge.device.quality import FrameQuality, judge_frame
from celestialkeras.lcid.detectors import CHIP_SHAPE, DETECTORS
from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.stretch import estimate_background

BIAS = 2500.0


def chip(signal: np.ndarray, instrument: str = "WFC3/UVIS", exptime: float = 350.0) -> Frame:
    """A raw chip of this signal above the bias, DN; a calibrated one when the signal is float32."""
    detector = DETECTORS[instrument]
    raw = signal.dtype != np.float32
    data = (signal + BIAS).clip(0, 65535).astype(np.uint16) if raw else signal
    bias = (BIAS if raw else 0.0,) * len(detector.channels)
    return Frame(data, bias, detector.frame_columns(), "x", 1, instrument, "F", exptime, "t", 0.0, 0.0, "")


def judge(frame: Frame) -> FrameQuality:
    return judge_frame(frame, estimate_background(frame))


@pytest.fixture(scope="module")
def sky() -> np.ndarray:
    """A sky of 40 DN with noise of 4: what a shutter that opened on nothing leaves, less cosmic rays and hot pixels."""
    return np.random.default_rng(1).normal(40.0, 4.0, CHIP_SHAPE)


@pytest.fixture(scope="module")
def exposed(sky: np.ndarray) -> np.ndarray:
    """The same with cosmic rays on one pixel in a hundred."""
    return sky + 400 * (np.random.default_rng(2).random(CHIP_SHAPE) < 0.01)


def test_bare_sky_is_empty(sky: np.ndarray) -> None:
    quality = judge(chip(sky))
    assert (quality.empty, quality.low_signal, quality.saturated_fraction) == (True, True, 0.0)
    assert quality.light < 0.4
    assert quality.unusable == "empty: nothing stands out of the noise"


def test_points_alone_are_low_signal_and_usable(exposed: np.ndarray) -> None:
    quality = judge(chip(exposed))
    assert (quality.empty, quality.low_signal, quality.unusable) == (False, True, "")


@pytest.mark.parametrize("raw", [True, False])
def test_a_faint_extended_target_is_signal(sky: np.ndarray, raw: bool) -> None:
    signal = sky.copy()
    signal[700:1300, 1500:2300] += 6.0
    quality = judge(chip(signal if raw else signal.astype(np.float32)))
    assert (quality.empty, quality.low_signal) == (False, False)
    assert quality.light == pytest.approx(1.4, abs=0.2), "1.5 noises, less what the clip takes"


def test_without_exposure_time_there_is_nothing(exposed: np.ndarray) -> None:
    assert judge(chip(exposed, exptime=0.0)).empty
    assert not judge(chip(exposed, exptime=float("nan"))).empty


@pytest.mark.parametrize(
    ("instrument", "full", "not_full"),
    [("ACS/WFC", 38_300, 37_000), ("WFC3/UVIS", 39_300, 38_000), ("CSST/MSC", 65_535, 60_000)],
)
def test_pixels_at_full_well_are_counted(exposed: np.ndarray, instrument: str, full: int, not_full: int) -> None:
    signal = exposed.copy()
    signal[:, 1024:1536] = full
    signal[:, 2048:3072] = not_full
    assert judge(chip(signal, instrument)).saturated_fraction == pytest.approx(512 / 4096)


def test_calibrated_pixels_are_judged_in_electrons(exposed: np.ndarray) -> None:
    signal = exposed.astype(np.float32)
    signal[:, :1024] = 62_500.0
    signal[:, 1024:2048] = 61_000.0
    assert judge(chip(signal)).saturated_fraction == pytest.approx(0.25)


def test_a_saturated_sky_is_unusable(sky: np.ndarray) -> None:
    signal = sky.copy()
    signal[:, 1800:] = 42_000
    quality = judge(chip(signal))
    assert quality.unusable == "saturated: 56% of the pixels are at full well"
    assert replace(quality, saturated_fraction=0.4, empty=False).unusable == ""


def test_pixels_that_are_missing_or_beyond_numbers_count_as_sky_and_saturated(exposed: np.ndarray) -> None:
    signal = exposed.astype(np.float32)
    signal[:, :2048] = np.nan
    signal[:1024, 2048:] = np.inf
    quality = judge(chip(signal))
    assert quality.saturated_fraction == pytest.approx(0.25)
    assert np.isfinite(quality.light)


def test_an_exposure_has_the_flags_of_all_its_chips() -> None:
    together = FrameQuality.together([FrameQuality(0.2, 0.1, True, True), FrameQuality(0.0, 3.0, False, True)])
    assert together == FrameQuality(0.1, 3.0, False, True)
