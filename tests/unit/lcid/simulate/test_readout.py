from functools import lru_cache

import numpy as np
import pytest

from celestialkeras.lcid.detectors import CHIP_HDUS, DETECTORS
from celestialkeras.lcid.simulate.camera import CAMERAS, amplifiers_of, blemishes
from celestialkeras.lcid.simulate.cosmic_rays import add_cosmic_rays
from celestialkeras.lcid.simulate.detector import Readout, expected_charge, raw_counts


@pytest.fixture(params=[("ACS/WFC", 2.0), ("WFC3/UVIS", 1.5), ("CSST/MSC", 1.1)], ids=["acs", "uvis", "msc"])
def camera(request: pytest.FixtureRequest) -> tuple[str, float]:
    return request.param


def readout(camera: tuple[str, float], hdu: int, exptime: float = 100.0) -> Readout:
    return Readout(camera[0], hdu, exptime, camera[1], cosmic_rays=0.0)


def flat_rates(instrument: str, rate: float) -> np.ndarray:
    return np.full((DETECTORS[instrument].imaging_rows, 4096), rate, np.float32)


@lru_cache(maxsize=6)
def lit_chip(camera: tuple[str, float], hdu: int) -> np.ndarray:
    """2000 electrons everywhere."""
    return raw_counts(flat_rates(camera[0], 20.0), readout(camera, hdu), np.random.default_rng(4))


@pytest.mark.parametrize("hdu", CHIP_HDUS)
def test_bias_and_read_noise_come_back_from_the_overscan(camera: tuple[str, float], hdu: int) -> None:
    instrument, gain = camera
    detector = DETECTORS[instrument]

    counts = lit_chip(camera, hdu)

    assert counts.dtype == np.uint16
    assert counts.shape == detector.raw_shape
    first = detector.first_imaging_row(hdu)
    rows = slice(first, first + detector.imaging_rows)
    for channel, amplifier in zip(detector.channels, amplifiers_of(instrument, hdu), strict=True):
        start, stop = channel.bias
        overscan = counts[rows, start:stop].astype(float)
        # Row by row, since ACS stripes are common to a row.
        within = (overscan - overscan.mean(axis=1, keepdims=True)).std() * np.sqrt((stop - start) / (stop - start - 1))
        step = 12**-0.5
        expected = np.hypot(amplifier.read_noise / (amplifier.gain * gain), step)
        assert overscan.mean() == pytest.approx(amplifier.bias, abs=14.0)
        assert within == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("hdu", CHIP_HDUS)
def test_light_falls_on_imaging_pixels_only(camera: tuple[str, float], hdu: int) -> None:
    instrument, _ = camera
    detector = DETECTORS[instrument]
    lit = np.zeros(detector.raw_shape, bool)
    first = detector.first_imaging_row(hdu)
    for start, stop in detector.imaging_columns():
        lit[first : first + detector.imaging_rows, start:stop] = True

    counts = lit_chip(camera, hdu)

    highest_bias = max(amplifier.bias for amplifier in amplifiers_of(instrument, hdu))
    assert np.median(counts[lit]) > highest_bias + 800
    # The first parallel overscan rows hold what traps held back: an eighth of the light on UVIS.
    assert counts[~lit].max() < highest_bias + 200


def test_gain_comes_back_from_photon_transfer(camera: tuple[str, float]) -> None:
    instrument, gain = camera
    detector = DETECTORS[instrument]
    rates = flat_rates(instrument, 60.0)

    first, second = (
        raw_counts(rates, readout(camera, 1), np.random.default_rng(seed)).astype(float) for seed in (1, 2)
    )

    for (start, stop), amplifier in zip(detector.imaging_columns(), amplifiers_of(instrument, 1), strict=True):
        window = (slice(500, 1500), slice(start + 200, stop - 200))
        signal = np.median(first[window]) - amplifier.bias
        difference = first[window] - second[window]
        # Hot pixels and bad columns lie in the tails.
        low, high = np.percentile(difference, [15.866, 84.134])
        variance = ((high - low) / 2) ** 2 / 2
        read_variance = (amplifier.read_noise / (amplifier.gain * gain)) ** 2
        assert signal / (variance - read_variance) == pytest.approx(amplifier.gain * gain, rel=0.03)


def test_noise_has_the_moments_of_poisson_and_read_noise() -> None:
    instrument, light = "WFC3/UVIS", 4.0
    # At launch, when no trap smears the noise.
    setup = Readout(instrument, 1, 1.0, 0.1, cosmic_rays=0.0, start=CAMERAS[instrument].launched)
    mean = expected_charge(flat_rates(instrument, light), setup)

    counts = raw_counts(flat_rates(instrument, light), setup, np.random.default_rng(9)).astype(float)

    amplifier = amplifiers_of(instrument, 1)[0]
    (start, _), _ = DETECTORS[instrument].imaging_columns()
    electrons = counts[:2051, start : start + 2048] * amplifier.gain * 0.1
    window = (slice(0, 2000), slice(200, 1800))
    normal = np.ones((2051, 2048), bool)
    normal.reshape(-1)[: 2051 * 2048] = mean[:, :2048].reshape(-1) < 8.0
    pixels = (electrons - mean[:, :2048])[window][normal[window]]
    pixels = pixels - pixels.mean()
    # Three moments: variance is signal plus read noise, the third central moment is the signal.
    assert pixels.var() == pytest.approx(np.median(mean) + amplifier.read_noise**2, rel=0.02)
    assert (pixels**3).mean() == pytest.approx(np.median(mean), rel=0.15)


def test_saturated_star_bleeds_along_its_column_and_keeps_its_charge() -> None:
    instrument = "ACS/WFC"
    rates = flat_rates(instrument, 0.0)
    rates[1000, 700] = 5000.0
    setup = Readout(instrument, 1, 100.0, 2.0, cosmic_rays=0.0, start=CAMERAS[instrument].launched)
    full_well = CAMERAS[instrument].full_well

    dark, star = (raw_counts(image, setup, np.random.default_rng(5)).astype(float) for image in (0 * rates, rates))

    amplifier = amplifiers_of(instrument, 1)[0]
    excess = (star - dark)[:2048, 24:2072] * amplifier.gain * 2.0
    column = excess[:, 700]
    assert (column > 0.97 * full_well).sum() == pytest.approx(500_000 / full_well, abs=2)
    assert column.sum() == pytest.approx(500_000 * blemish_flat(instrument, 1000, 700), rel=0.01)
    assert np.abs(excess[:, 702]).max() < 10
    assert star.max() < amplifier.bias + full_well / (2.0 * amplifier.gain) + 60


def blemish_flat(instrument: str, row: int, column: int) -> float:
    rates = flat_rates(instrument, 1.0)
    return float(expected_charge(rates, Readout(instrument, 1, 1000.0, 2.0))[row, column] / 1007.0)


def test_converter_tops_out_at_its_largest_number() -> None:
    counts = raw_counts(
        flat_rates("ACS/WFC", 9e4), Readout("ACS/WFC", 4, 1.0, 1.0, cosmic_rays=0.0), np.random.default_rng(1)
    )

    # All but the dead columns.
    assert counts.max() == 65535
    assert (counts[100:2000, 100:2000] == 65535).mean() > 0.99


def test_cosmic_rays_hit_as_many_pixels_as_acs_isr_2002_07_says() -> None:
    charge = np.zeros((1024, 1024), np.float32)

    tracks = add_cosmic_rays(charge, 1000.0, 1.0, np.random.default_rng(8))

    assert tracks == pytest.approx(4090, rel=0.1)
    assert 0.015 < (charge > 20.0).mean() < 0.03


def test_median_cosmic_ray_leaves_about_a_thousand_electrons() -> None:
    charges = []
    for seed in range(150):
        charge = np.zeros((100, 100), np.float32)
        if add_cosmic_rays(charge, 25.0, 1.0, np.random.default_rng(seed)) == 1 and charge.sum() > 100:
            charges.append(charge.sum())

    assert len(charges) > 30
    assert np.median(charges) == pytest.approx(1000.0, rel=0.2)


def test_hot_pixels_and_bad_columns_stay_in_their_places() -> None:
    flaws = blemishes("ACS/WFC", 1)
    charge = expected_charge(flat_rates("ACS/WFC", 1.0), Readout("ACS/WFC", 1, 500.0, 2.0))

    assert len(flaws.hot) == int(0.008 * 2048 * 4096)
    assert np.median(charge.reshape(-1)[flaws.hot]) > np.median(charge) + 0.04 * 550
    assert np.median(charge[:, flaws.dead_columns]) < 0.1 * np.median(charge)
    assert blemishes("ACS/WFC", 4).hot.tolist() != flaws.hot.tolist()


def test_acs_prescan_decays_towards_the_imaging_pixels() -> None:
    counts = raw_counts(flat_rates("ACS/WFC", 0.1), readout(("ACS/WFC", 2.0), 1), np.random.default_rng(2)).astype(
        float
    )
    levels = counts[:2048].mean(axis=0)

    assert levels[0] - levels[18:24].mean() == pytest.approx(4.0, abs=0.6)
    assert levels[4143] - levels[4120:4126].mean() == pytest.approx(4.0, abs=0.6)


def test_bias_has_a_pattern_that_stays_from_exposure_to_exposure(camera: tuple[str, float]) -> None:
    instrument, _ = camera
    start, stop = DETECTORS[instrument].channels[0].imaging
    levels = []
    for seed in (1, 2):
        counts = raw_counts(flat_rates(instrument, 0.0), readout(camera, 1, exptime=0.1), np.random.default_rng(seed))
        pixels = counts[:2048, start:stop].astype(float)
        # Hot pixels would pass for a pattern.
        columns = pixels.mean(axis=0, where=np.abs(pixels - np.median(pixels)) < 12)
        levels.append(columns - columns.mean())
    first, second = (level[50:] - np.median(level) for level in levels)
    # Without columns that glow or are dead.
    good = (np.abs(first) < 1.5) & (np.abs(second) < 1.5)

    assert 0.1 < first[good].std() < 1.0
    assert np.corrcoef(first[good], second[good])[0, 1] > 0.5
