import numpy as np
import pytest

from celestialkeras.lcid.simulate.bands import Spectrum, band_of, rate_factor
from celestialkeras.lcid.simulate.sources import PointSources, deposit, power_law


def test_deposit_keeps_flux_and_centroid_between_pixels() -> None:
    plane = np.zeros((8, 8), np.float32)

    deposit(plane, np.float32([3.25]), np.float32([4.5]), np.float32([10.0]))

    rows, columns = np.indices(plane.shape)
    assert plane.sum() == pytest.approx(10.0)
    assert (plane * columns).sum() / 10 == pytest.approx(3.25)
    assert (plane * rows).sum() / 10 == pytest.approx(4.5)


def test_deposit_adds_up_on_one_pixel_and_drops_what_falls_outside() -> None:
    plane = np.zeros((4, 4), np.float32)

    deposit(plane, np.float32([1, 1, -2, 9]), np.float32([2, 2, 2, 2]), np.float32([1, 2, 50, 50]))

    assert plane[2, 1] == 3.0
    assert plane.sum() == 3.0


def test_power_law_has_its_index() -> None:
    drawn = power_law(np.random.default_rng(0), 200_000, 2.0, 1.0, 1000.0)

    # For an index of 2 the share above F falls as 1/F.
    assert drawn.min() >= 1.0
    assert drawn.max() <= 1000.0
    assert np.mean(drawn > 10) == pytest.approx((1 / 10 - 1 / 1000) / (1 - 1 / 1000), rel=0.03)


def test_sources_shine_by_their_spectrum() -> None:
    old = PointSources.of(np.zeros(1), np.zeros(1), np.ones(1), Spectrum.OLD)
    young = PointSources.of(np.zeros(1), np.zeros(1), np.ones(1), Spectrum.YOUNG)
    band = band_of("ACS/WFC", "F814W")

    rates = PointSources.joined(old, young.scaled(3.0)).rates(band)

    assert rates[0] == pytest.approx(rate_factor(Spectrum.OLD, band))
    assert rates[1] == pytest.approx(3.0 * rate_factor(Spectrum.YOUNG, band))
    assert len(PointSources.joined().flux) == 0
