import numpy as np
import pytest

from celestialkeras.lcid.simulate.footprint import Footprint, offset_position


@pytest.mark.parametrize("instrument", ["ACS/WFC", "WFC3/UVIS", "CSST/MSC"])
def test_sky_and_pixels_are_inverse(instrument: str) -> None:
    footprint = Footprint(instrument, east=31.0, north=-12.0, roll=73.0)
    columns, rows = np.float32([0, 1000, 4095]), np.float32([10, 2000, 4000])

    back_columns, back_rows = footprint.to_pixels(*footprint.to_sky(columns, rows))

    np.testing.assert_allclose(back_columns, columns, atol=0.01)
    np.testing.assert_allclose(back_rows, rows, atol=0.01)


def test_north_is_up_and_east_left_at_roll_zero() -> None:
    footprint = Footprint("ACS/WFC", east=0.0, north=0.0, roll=0.0)
    height, width = footprint.shape

    columns, rows = footprint.to_pixels(np.float32([10.0, 0.0]), np.float32([0.0, 10.0]))

    np.testing.assert_allclose(columns, [(width - 1) / 2 - 200, (width - 1) / 2], atol=0.01)
    np.testing.assert_allclose(rows, [(height - 1) / 2, (height - 1) / 2 + 200], atol=0.01)


def test_y_axis_points_to_the_roll_angle_east_of_north() -> None:
    footprint = Footprint("WFC3/UVIS", east=0.0, north=0.0, roll=90.0)

    east, north = footprint.to_sky(np.float32([2047.5, 2047.5]), np.float32([0.0, 1000.0]))

    assert east[1] - east[0] == pytest.approx(40.0, abs=0.01)
    assert north[1] - north[0] == pytest.approx(0.0, abs=0.01)


def test_chips_stand_apart_by_the_gap() -> None:
    footprint = Footprint("ACS/WFC", east=5.0, north=6.0, roll=0.0)

    lower, upper = footprint.chip_centre(1), footprint.chip_centre(4)

    assert upper[0] - lower[0] == pytest.approx(0.0, abs=1e-3)
    assert upper[1] - lower[1] == pytest.approx((2048 + 50) * 0.05, abs=1e-3)
    assert (lower[1] + upper[1]) / 2 == pytest.approx(6.0, abs=1e-3)


def test_windows_of_csst_meet_at_the_middle_of_their_chip() -> None:
    footprint = Footprint("CSST/MSC", east=0.0, north=0.0, roll=0.0)

    lower, upper = footprint.chip_centre(1), footprint.chip_centre(4)

    assert footprint.shape == (4096, 4096)
    assert upper[1] - lower[1] == pytest.approx(2048 * 0.074, abs=1e-3)


def test_offsets_on_the_sky() -> None:
    assert offset_position(150.0, 0.0, 3600.0, 0.0) == pytest.approx((151.0, 0.0), abs=2e-4)
    assert offset_position(150.0, 60.0, 36.0, 36.0) == pytest.approx((150.02, 60.01), abs=1e-5)
    assert offset_position(0.0, 0.0, -36.0, 0.0)[0] == pytest.approx(359.99, abs=1e-6)


def test_share_of_a_disc_on_a_chip() -> None:
    plane = Footprint("WFC3/UVIS", 0.0, 0.0, 30.0)
    # The object lies in the gap: each chip has half of it, less half of the gap of 31 pixels.
    assert plane.share_in_chip(1, 20.0) == pytest.approx(0.5 - 15.5 * 0.04 * 40.0 / (np.pi * 20.0**2), abs=0.01)
    assert plane.share_in_chip(1, 20.0) == pytest.approx(plane.share_in_chip(4, 20.0), abs=0.01)

    centred = Footprint("WFC3/UVIS", *(-offset for offset in plane.chip_centre(4)), 30.0)
    shares = {hdu: centred.share_in_chip(hdu, 400.0) for hdu in (1, 4)}
    # So large a disc holds the whole chip.
    assert max(shares.values()) == pytest.approx(2048 * 4096 * 0.04**2 / (np.pi * 400.0**2), abs=0.004)
    assert max(centred.share_in_chip(hdu, 5.0) for hdu in (1, 4)) == 1.0
    assert min(centred.share_in_chip(hdu, 5.0) for hdu in (1, 4)) == 0.0
