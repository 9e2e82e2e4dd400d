"""What an observer would measure in simulated raw frames, read by the project's own reader, is what went in."""

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from celestialkeras.lcid.detectors import DETECTORS
from celestialkeras.lcid.frames import Frame, read_frame
from celestialkeras.lcid.simulate.bands import band_of, sky_rate
from celestialkeras.lcid.simulate.camera import CAMERAS, amplifiers_of, blemishes
from celestialkeras.lcid.simulate.detector import READOUT_SECONDS, Readout, raw_counts
from celestialkeras.lcid.simulate.footprint import PIXEL_SCALES
from celestialkeras.lcid.simulate.optics import KERNEL_RADIUS, point_spread
from celestialkeras.lcid.simulate.rawfile import RawInfo, write_raw

GAINS = {"ACS/WFC": 2.0, "WFC3/UVIS": 1.5, "CSST/MSC": 1.1}
FILTERS = {"ACS/WFC": "F625W", "WFC3/UVIS": "F606W", "CSST/MSC": "r"}
EXPTIME = 400.0
HALF_STAMP = 20


@pytest.fixture(scope="module", params=GAINS)
def starry(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Frame:
    """A frame of average sky with isolated stars on every 120th row and column."""
    instrument = request.param
    name, gain = FILTERS[instrument], GAINS[instrument]
    detector, scale = DETECTORS[instrument], PIXEL_SCALES[instrument]
    rates = np.full((detector.imaging_rows, 4096), sky_rate(band_of(instrument, name), scale), np.float32)
    middle = slice(KERNEL_RADIUS - HALF_STAMP, KERNEL_RADIUS + HALF_STAMP + 1)
    stamp = point_spread(instrument, name)[middle, middle]
    for row in range(60, 2000, 120):
        for column in range(60, 4000, 120):
            rates[row - HALF_STAMP : row + HALF_STAMP + 1, column - HALF_STAMP : column + HALF_STAMP + 1] += (
                100.0 * stamp
            )
    # On the day of the launch: traps, measured in tests of their own, smear noise and stars along columns.
    setup = Readout(instrument, 1, EXPTIME, gain, start=CAMERAS[instrument].launched)
    counts = raw_counts(rates, setup, np.random.default_rng(11))
    info = RawInfo("jsim01aaq", instrument, name, exptime=EXPTIME, gain=gain)
    path: Path = tmp_path_factory.mktemp("starry") / "jsim01aaq_raw.fits"
    write_raw(path, info, {1: counts, 4: counts})
    return read_frame(path, 1)


def electrons(frame: Frame) -> np.ndarray:
    """Bias-subtracted electrons by each channel's calibrated gain."""
    pixels = frame.calibrated()
    for (columns, _), amplifier in zip(frame.channels(), amplifiers_of(frame.instrument, frame.hdu), strict=True):
        pixels[:, columns] *= amplifier.gain * GAINS[frame.instrument]
    return pixels


def test_bias_of_each_channel_is_that_of_its_amplifier(starry: Frame) -> None:
    expected = [amplifier.bias for amplifier in amplifiers_of(starry.instrument, 1)]

    assert len(starry.bias) == {"ACS/WFC": 2, "WFC3/UVIS": 2, "CSST/MSC": 4}[starry.instrument]
    np.testing.assert_allclose(starry.bias, expected, atol=12.0)


def test_sky_is_what_the_band_says(starry: Frame) -> None:
    rate = sky_rate(band_of(starry.instrument, starry.filter), PIXEL_SCALES[starry.instrument])
    expected = rate * EXPTIME + CAMERAS[starry.instrument].dark * (EXPTIME + READOUT_SECONDS)

    sky = electrons(starry)[:, 100:4000]
    kept = sky[sky < np.median(sky) + 3 * (np.median(sky) - np.percentile(sky, 15.9))]

    assert kept.mean() == pytest.approx(expected, rel=0.05)


def test_pixels_of_sky_scatter_by_photons_and_read_noise(starry: Frame) -> None:
    for (columns, _), amplifier in zip(starry.channels(), amplifiers_of(starry.instrument, 1), strict=True):
        sky = electrons(starry)[:, columns]
        middle, low = np.percentile(sky, [50.0, 2.3])
        # The lower half alone: stars, hot pixels and cosmic rays are in the other.
        below = sky[(sky > middle - 2 * (middle - low)) & (sky <= middle)] - middle
        rounding = (amplifier.gain * GAINS[starry.instrument]) ** 2 / 12
        expected = np.sqrt(np.median(sky) + amplifier.read_noise**2 + rounding)
        assert np.sqrt((below**2).mean()) == pytest.approx(expected, rel=0.08)


def test_isolated_stars_are_as_wide_as_the_telescope_makes_them(starry: Frame) -> None:
    image = electrons(starry)
    stamps = [
        image[row - 8 : row + 9, column - 8 : column + 9]
        for row in range(60, 2000, 120)
        for column in range(60, 4000, 120)
    ]
    star = np.median(stamps, axis=0)
    star -= np.median(star[[0, 1, -2, -1]])
    width = np.mean([_half_width(star[8]), _half_width(star[:, 8])]) * PIXEL_SCALES[starry.instrument]

    # Arcseconds. UVIS: 1.675 pixels at 600 nm (WFC3 Instrument Handbook table 6.8). ACS: 0.055 of diffraction, 0.049 of
    # charge diffusion (ACS ISR 2003-06) and 0.034 of the pixel in quadrature. CSST: 0.158 of the platform, 0.066, 0.052
    # and 0.050.
    expected = {"ACS/WFC": 0.081, "WFC3/UVIS": 0.067, "CSST/MSC": 0.186}
    assert width == pytest.approx(expected[starry.instrument], rel=0.15)
    assert star.sum() == pytest.approx(100.0 * EXPTIME, rel=0.25)


def _half_width(profile: np.ndarray) -> float:
    fine = np.interp(np.linspace(0, 16, 1601), np.arange(17), profile)
    return float((fine > profile.max() / 2).sum() / 100)


@pytest.mark.parametrize("instrument", GAINS)
def test_cosmic_rays_hit_the_share_of_pixels_and_leave_the_charge_that_were_measured(instrument: str) -> None:
    # Riess 2002 (ACS ISR 2002-07): 1.5 to 3 % of pixels in 1000 s, 1000 electrons a hit in the median.
    detector, gain = DETECTORS[instrument], GAINS[instrument]
    dark = np.zeros((detector.imaging_rows, 4096), np.float32)
    setup = Readout(instrument, 1, 300.0, gain, start=CAMERAS[instrument].launched)

    counts = raw_counts(dark, setup, np.random.default_rng(3)).astype(np.float32)

    (left, right), amplifier = detector.imaging_columns()[0], amplifiers_of(instrument, 1)[0]
    image = counts[:2048, left:right]
    image = (image - np.median(image)) * amplifier.gain * gain
    sound = np.ones((detector.imaging_rows, 4096), bool)
    flaws = blemishes(instrument, 1)
    sound.reshape(-1)[flaws.hot] = False
    sound[:, flaws.bright_columns] = False
    hit = (image > 6 * amplifier.read_noise) & sound[:2048, : right - left]
    labels, number = ndimage.label(hit, np.ones((3, 3)))
    charges = ndimage.sum_labels(image, labels, np.arange(1, number + 1))
    assert 0.015 < hit.mean() * 1000.0 / (300.0 + READOUT_SECONDS) < 0.03
    # Single pixels above the threshold are mostly noise at the edge of what traps and masks leave.
    assert np.median(charges[charges > 200.0]) == pytest.approx(1000.0, rel=0.2)
