import sys

import numpy as np
import pytest

from celestialkeras.errors import MissingExtraError
from celestialkeras.lcid.simulate import optics
from celestialkeras.lcid.simulate.footprint import PIXEL_SCALES
from celestialkeras.lcid.simulate.optics import KERNEL_RADIUS, blurred, padded_shape, point_spread


def half_width(kernel: np.ndarray) -> float:
    """Full width at half maximum of the middle row, pixels."""
    row = kernel[kernel.shape[0] // 2, kernel.shape[1] // 2 - 8 : kernel.shape[1] // 2 + 9]
    fine = np.interp(np.linspace(0, 16, 1601), np.arange(17), row)
    return float((fine > row.max() / 2).sum() / 100)


def encircled(kernel: np.ndarray, radius: float) -> float:
    y, x = np.indices(kernel.shape) - KERNEL_RADIUS
    return float(kernel[np.hypot(x, y) <= radius].sum())


def test_point_spread_is_normalised_and_centred() -> None:
    kernel = point_spread("ACS/WFC", "F606W")

    assert kernel.shape == (2 * KERNEL_RADIUS + 1,) * 2
    assert kernel.sum() == pytest.approx(1.0, abs=1e-4)
    assert np.unravel_index(kernel.argmax(), kernel.shape) == (KERNEL_RADIUS, KERNEL_RADIUS)


def test_point_spread_of_uvis_is_as_wide_as_the_handbook_says() -> None:
    # WFC3 Instrument Handbook table 6.8: 1.675 pixels at 600 nm, 1.859 at 800 nm.
    assert half_width(point_spread("WFC3/UVIS", "F606W")) == pytest.approx(1.675, abs=0.2)
    assert half_width(point_spread("WFC3/UVIS", "F814W")) == pytest.approx(1.859, abs=0.2)


def test_csst_holds_four_fifths_of_the_light_within_its_stated_radius() -> None:
    # Zhan 2021: 0.15 arcseconds; charge diffusion and the pixel widen what the detector records.
    kernel = point_spread("CSST/MSC", "r")

    y, x = np.indices(kernel.shape) - KERNEL_RADIUS
    distance = np.hypot(x, y).ravel() * PIXEL_SCALES["CSST/MSC"]
    order = np.argsort(distance)
    radius = np.interp(0.8, np.cumsum(kernel.ravel()[order]), distance[order])
    assert radius == pytest.approx(0.16, abs=0.015)


def test_csst_is_wider_on_the_sky_and_has_no_spikes() -> None:
    csst, acs = point_spread("CSST/MSC", "r"), point_spread("ACS/WFC", "F625W")

    assert half_width(csst) * 0.074 > 1.4 * half_width(acs) * 0.05
    assert spikes(acs) > 2.0
    assert spikes(csst) < 1.2


def spikes(kernel: np.ndarray) -> float:
    """Light along the diagonals over that between them, 40 to 150 pixels out."""
    y, x = np.indices(kernel.shape) - KERNEL_RADIUS
    radius = np.hypot(x, y)
    angle = np.degrees(np.arctan2(y, x)) % 90.0
    ring = (radius > 40) & (radius < 150)
    on, off = (np.abs(angle - 45.0) < 4.0) & ring, (np.abs(angle - 22.5) < 4.0) & ring
    return float(kernel[on].mean() / kernel[off].mean())


@pytest.mark.parametrize("instrument", ["ACS/WFC", "WFC3/UVIS"])
def test_four_fifths_of_the_light_fall_within_a_quarter_arcsecond(instrument: str) -> None:
    kernel = point_spread(instrument, "F606W")

    assert 0.8 < encircled(kernel, 0.25 / PIXEL_SCALES[instrument]) < 0.95


def test_red_light_is_spread_wider() -> None:
    assert encircled(point_spread("ACS/WFC", "F435W"), 2.0) > encircled(point_spread("ACS/WFC", "F814W"), 2.0) + 0.1


def test_blurring_puts_the_kernel_at_each_star_and_keeps_the_flux() -> None:
    kernel = point_spread("ACS/WFC", "F606W")
    scene = np.zeros(padded_shape((900, 900)), np.float32)
    scene[450, 430] = 1000.0

    image = blurred(scene, kernel, jitter=0.0)

    assert image.sum() == pytest.approx(1000.0, rel=1e-3)
    np.testing.assert_allclose(image[440:461, 420:441], 1000 * kernel[374:395, 374:395], atol=0.01)


def test_jitter_widens_the_image() -> None:
    kernel = point_spread("ACS/WFC", "F606W")
    scene = np.zeros((1024, 1024), np.float32)
    scene[500, 500] = 1.0

    still, shaken = (blurred(scene.copy(), kernel, jitter) for jitter in (0.0, 0.6))

    assert shaken.max() < 0.85 * still.max()
    assert shaken.sum() == pytest.approx(still.sum(), rel=1e-4)


def test_padding_takes_what_wraps_around() -> None:
    rows, columns = padded_shape((900, 800))

    assert rows >= 900 + KERNEL_RADIUS
    assert columns >= 800 + KERNEL_RADIUS


def test_missing_galsim_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    optics.point_spread.cache_clear()
    monkeypatch.setitem(sys.modules, "galsim", None)

    with pytest.raises(MissingExtraError, match=r"the simulator needs the extra `simulate`: pip install"):
        point_spread("ACS/WFC", "F606W")
