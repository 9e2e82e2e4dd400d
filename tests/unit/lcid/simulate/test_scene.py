from dataclasses import replace

import numpy as np
import pytest

from celestialkeras.lcid.simulate.bands import band_of, sky_rate
from celestialkeras.lcid.simulate.blobs import Blobs, paint
from celestialkeras.lcid.simulate.footprint import Footprint
from celestialkeras.lcid.simulate.plan import CelestialObject, Exposure
from celestialkeras.lcid.simulate.scene import electron_rates, sky_around
from celestialkeras.lcid.simulate.window import MARGIN, Window

TARGET = CelestialObject(
    name="SIM-G0000",
    label="galaxy",
    subtype="elliptical",
    ra=10.0,
    dec=20.0,
    radius=50.0,
    brightness=1.0,
    star_density=30.0,
    seed=12,
)
EXPOSURE = Exposure(
    rootname="jab00000q",
    target=TARGET,
    instrument="ACS/WFC",
    filter="F606W",
    exptime=300.0,
    gain=2.0,
    start=57000.0,
    east=0.0,
    north=0.0,
    roll=0.0,
    sky=1.5,
    jitter=0.005,
    sparse=False,
    hdus=(1, 4),
    split="",
    seed=1,
)


def test_chips_hold_the_sky_and_the_same_star_wherever_they_point() -> None:
    away = replace(EXPOSURE, east=300.0, north=-200.0, roll=30.0)
    rates = {hdu: electron_rates(away, hdu) for hdu in (1, 4)}
    sky = 1.5 * sky_rate(band_of("ACS/WFC", "F606W"), 0.05)

    assert {hdu: chip.shape for hdu, chip in rates.items()} == {1: (2048, 4096), 4: (2048, 4096)}
    assert all(chip.dtype == np.float32 for chip in rates.values())
    # The wings of the galaxy still lie over the field.
    for chip in rates.values():
        assert sky <= np.percentile(chip, 5) < 1.3 * sky
    stars = sky_around(TARGET).stars
    footprint = Footprint("ACS/WFC", 300.0, -200.0, 30.0)
    columns, rows = footprint.to_pixels(stars.x, stars.y)
    inside = (columns > 50) & (columns < 4046) & (rows > 50) & (rows < 1998)
    brightest = np.flatnonzero(inside)[np.argmax(stars.flux[inside])]
    row, column = round(float(rows[brightest])), round(float(columns[brightest]))
    stamp = rates[1][row - 20 : row + 21, column - 20 : column + 21]
    assert abs(np.unravel_index(stamp.argmax(), stamp.shape)[0] - 20) <= 1
    assert abs(np.unravel_index(stamp.argmax(), stamp.shape)[1] - 20) <= 1
    assert (stamp - np.median(stamp)).sum() > 0.8 * stars.rates(band_of("ACS/WFC", "F606W"))[brightest]


def test_one_object_spans_both_chips() -> None:
    rates = {hdu: electron_rates(EXPOSURE, hdu) for hdu in (1, 4)}
    footprint = Footprint("ACS/WFC", 0.0, 0.0, 0.0)
    edge_low, edge_high = rates[1][-40:, 1500:2600].mean(), rates[4][:40, 1500:2600].mean()

    # The nucleus sits in the gap: both chips see the same light along it, far above their outer edges.
    assert footprint.first_row(4) == 2098
    assert edge_low == pytest.approx(edge_high, rel=0.1)
    assert edge_low > 3 * rates[1][:40].mean()


def test_light_from_beyond_the_edge_reaches_the_chip() -> None:
    chip = electron_rates(replace(EXPOSURE, east=0.0, north=60.0), 1)

    # Smooth light runs on to the very edge; without the margin its last row would lose about half of it.
    for side in (chip, chip[::-1], chip.T, chip.T[::-1]):
        assert np.median(side[0]) == pytest.approx(np.median(side[8]), rel=0.05)


def test_a_window_is_a_chip_with_its_margin() -> None:
    footprint = Footprint("WFC3/UVIS", 3.0, -4.0, 70.0)
    window = Window(footprint, 4)
    columns, rows = np.float32([MARGIN, 900.5]), np.float32([MARGIN, 700.25])
    east, north = window.to_sky(columns, rows)

    assert window.shape == (2051 + 2 * MARGIN, 4096 + 2 * MARGIN)
    wanted = footprint.to_sky(columns - MARGIN, rows - MARGIN + footprint.first_row(4))
    np.testing.assert_allclose((east, north), wanted, atol=1e-4)
    np.testing.assert_allclose(window.to_pixels(east, north), (columns, rows), atol=0.02)


def test_painted_blob_has_its_flux() -> None:
    window = Window(Footprint("ACS/WFC", 0.0, 0.0, 25.0), 1)
    band = band_of("ACS/WFC", "F555W")
    plane = np.zeros(window.shape, np.float32)
    one = lambda value: np.float32([value])  # noqa: E731
    blob = Blobs(one(3.0), one(-57.0), one(500.0), one(0.6), one(0.5), one(1.0), one(1.0), np.uint8([2]))

    paint(plane, blob, window, band, 0.5)

    column, row = window.to_pixels(blob.x, blob.y)
    assert plane.sum() == pytest.approx(250.0, rel=0.1)
    peak = np.unravel_index(plane.argmax(), plane.shape)
    assert peak == (round(float(row[0])), round(float(column[0])))
