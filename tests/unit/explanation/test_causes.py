"""What is measured on made frames, and which cause follows."""

from __future__ import annotations

import numpy as np
import pytest

from celestialkeras.explanation.causes import (
    FEWEST_FRAMES,
    RULES,
    Cause,
    Measured,
    applying,
    likely_cause,
    thresholds_of,
)
from celestialkeras.explanation.proxies import Proxies, measure_frame
from celestialkeras.lcid.stretch import Stretch

SHAPE = (512, 1024)


def noise(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(SHAPE)


def codes_of(signal: np.ndarray) -> np.ndarray:
    return np.searchsorted(Stretch().thresholds(), signal, side="right").astype(np.uint8)


def with_stars(signal: np.ndarray, count: int, height: float = 80.0) -> np.ndarray:
    """Round points 2 pixels wide, at places of their own, anywhere within a pixel."""
    rng = np.random.default_rng(3)
    row, column = np.mgrid[-6:7, -6:7]
    for number in range(count):
        down, right = rng.uniform(-0.5, 0.5, 2)
        star = height * np.exp(-0.5 * ((row - down) ** 2 + (column - right) ** 2) / 0.85**2)
        top, left = 20 + 24 * (number // 40), 20 + 24 * (number % 40)
        signal[top : top + 13, left : left + 13] += star
    return signal


def with_blob(signal: np.ndarray, row: int, column: int, height: float = 4.0, width: float = 20.0) -> np.ndarray:
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return signal + height * np.exp(-0.5 * ((rows - row) ** 2 + (columns - column) ** 2) / width**2)


def test_noise_alone_has_neither_light_nor_structures_nor_sources() -> None:
    found = measure_frame(codes_of(noise()), Stretch())
    assert found.structures == 0
    assert found.sources == 0
    assert found.signal_to_noise < 0.5


def test_stars_are_counted_and_cosmic_rays_are_not() -> None:
    rays = noise()
    rng = np.random.default_rng(5)
    rays[rng.integers(10, 500, 300), rng.integers(10, 1000, 300)] += 200
    for start in range(10, 500, 30):
        np.fill_diagonal(rays[start:, start : start + 9], 300.0)
        rays[start, 600 : 600 + start // 20] += 150
    assert measure_frame(codes_of(rays), Stretch()).sources <= 3
    found = measure_frame(codes_of(with_stars(rays, 200)), Stretch())
    assert found.sources == pytest.approx(200, abs=8)


def test_light_around_stars_does_not_hide_them_nor_count_as_stars() -> None:
    glow = with_blob(noise(), 256, 512, height=60.0, width=120.0)
    assert measure_frame(codes_of(glow), Stretch()).sources == 0
    assert measure_frame(codes_of(with_stars(glow, 120, 300.0)), Stretch()).sources == pytest.approx(120, abs=6)


def test_structures_are_counted_where_they_stand_apart() -> None:
    frame = noise()
    for row, column in ((100, 150), (120, 700), (400, 420)):
        frame = with_blob(frame, row, column)
    found = measure_frame(codes_of(frame), Stretch())
    assert found.structures == 3
    assert found.sources == 0
    # One smooth light over the whole chip is none.
    smooth = with_blob(noise(), 256, 512, height=8.0, width=400.0)
    assert measure_frame(codes_of(smooth), Stretch()).structures == 0
    assert measure_frame(codes_of(smooth), Stretch()).signal_to_noise > 3


def rightly(count: int = 100) -> list[Measured]:
    """Margins 1 to `count`, signals a tenth of them, and counts that rise with them."""
    return [Measured(float(n), Proxies(n / 10, n, 10 * n)) for n in range(1, count + 1)]


def test_thresholds_are_percentiles_of_the_frames_told_rightly() -> None:
    thresholds = thresholds_of(rightly())
    assert thresholds is not None
    assert thresholds.margin == pytest.approx(10.9)
    assert thresholds.signal_to_noise == pytest.approx(1.09)
    assert thresholds.structures == pytest.approx(25.75)
    assert thresholds.sources == pytest.approx(257.5)
    assert thresholds.frames == 100
    assert thresholds_of(rightly(FEWEST_FRAMES - 1)) is None


@pytest.mark.parametrize(
    ("margin", "proxies", "causes"),
    [
        (2.0, Proxies(1.0, 3, 5), (Cause.NOISE, Cause.FEW_FEATURES, Cause.ALIKE)),
        (2.0, Proxies(5.0, 3, 5), (Cause.FEW_FEATURES, Cause.ALIKE)),
        (50.0, Proxies(5.0, 3, 5), (Cause.FEW_FEATURES,)),
        (2.0, Proxies(5.0, 3, 900), (Cause.ALIKE,)),
        (50.0, Proxies(5.0, 90, 5), ()),
    ],
)
def test_what_a_frame_lacks_comes_before_what_the_network_made_of_it(
    margin: float, proxies: Proxies, causes: tuple[Cause, ...]
) -> None:
    thresholds = thresholds_of(rightly())
    assert thresholds is not None
    measured = Measured(margin, proxies)
    assert applying(measured, thresholds) == causes
    assert likely_cause(measured, thresholds) is (causes[0] if causes else Cause.NONE)


def test_without_thresholds_no_cause_is_named() -> None:
    assert likely_cause(Measured(0.0, Proxies(0.0, 0, 0)), None) is Cause.UNKNOWN


def test_every_cause_says_what_it_means() -> None:
    assert set(RULES) == set(Cause)
    assert "10th percentile of the frames told rightly" in RULES[Cause.NOISE]
    assert "25th percentile" in RULES[Cause.FEW_FEATURES]
