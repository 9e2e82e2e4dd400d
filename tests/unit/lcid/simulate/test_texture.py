import numpy as np
import pytest

from celestialkeras.lcid.simulate.texture import Texture, ridges, turbulence


def test_turbulence_is_normalised_and_repeats_with_its_seed() -> None:
    first = turbulence(np.random.default_rng(5), 100.0, 3.0, cells=256)
    second = turbulence(np.random.default_rng(5), 100.0, 3.0, cells=256)

    assert first.values.mean() == pytest.approx(0.0, abs=1e-5)
    assert first.values.std() == pytest.approx(1.0, abs=1e-5)
    np.testing.assert_array_equal(first.values, second.values)


@pytest.mark.parametrize("slope", [2.5, 3.5])
def test_turbulence_has_its_spectrum(slope: float) -> None:
    field = turbulence(np.random.default_rng(1), 100.0, slope, cells=512).values
    power = np.abs(np.fft.rfft2(field)) ** 2
    k = np.hypot(np.fft.fftfreq(512)[:, None], np.fft.rfftfreq(512)[None, :]) * 512
    bins = [power[(k > low) & (k < 1.2 * low)].mean() for low in (8, 100)]

    assert np.log(bins[0] / bins[1]) / np.log(100 / 8) == pytest.approx(slope, abs=0.15)


def test_sampling_is_periodic_and_between_the_cells() -> None:
    values = np.arange(16, dtype=np.float32).reshape(4, 4)
    texture = Texture(values, period=8.0)
    at = lambda x, y: float(texture.at(np.float32([x]), np.float32([y]))[0])  # noqa: E731

    assert at(2.0, 4.0) == 9.0
    assert at(3.0, 4.0) == 9.5
    assert at(2.0 + 8.0, 4.0 - 8.0) == 9.0


def test_ridges_crest_where_the_field_crosses_zero() -> None:
    np.testing.assert_allclose(ridges(np.float32([-1, 0, 1]), 2.0), [np.exp(-2), 1, np.exp(-2)], rtol=1e-6)
