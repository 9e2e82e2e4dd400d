import numpy as np
import pytest

from celestialkeras.lcid.detectors import DETECTORS
from celestialkeras.lcid.simulate.camera import CAMERAS, amplifiers_of
from celestialkeras.lcid.simulate.detector import Readout, raw_counts
from celestialkeras.lcid.simulate.transfer import RELEASE_PIXELS, trail

OCTOBER_2009 = 55110.0


def packets(electrons: float, sky: float = 0.0) -> np.ndarray:
    """A packet in the middle row of every column."""
    charge = np.full((2048, 64), sky, np.float32)
    charge[1024] += electrons
    return charge


def test_no_electron_is_lost() -> None:
    charge = np.random.default_rng(0).exponential(200.0, (500, 300)).astype(np.float32)
    before = charge.sum(dtype=np.float64)

    deferred = trail(charge, loss=2.0, distance=0, overscan_rows=200)

    assert charge.sum(dtype=np.float64) + deferred.sum(dtype=np.float64) == pytest.approx(before, rel=1e-5)
    assert deferred[0].mean() > 10 * deferred[100].mean() > 0.0


def test_chip_without_traps_keeps_its_charge() -> None:
    charge = packets(1000.0)

    deferred = trail(charge, loss=0.0, distance=0, overscan_rows=3)

    np.testing.assert_array_equal(charge, packets(1000.0))
    np.testing.assert_array_equal(deferred, np.zeros((3, 64)))


def test_trail_falls_off_as_the_traps_let_go() -> None:
    charge = packets(1000.0)

    trail(charge, loss=2.0, distance=0)

    tail = charge[1025:, 0]
    assert (charge[:1024] == 0).all()
    assert (np.diff(tail) <= 0).all()
    # Far behind the packet only the slow traps are left.
    assert tail[10] / tail[30] == pytest.approx(np.exp(20.0 / RELEASE_PIXELS[1]), rel=0.1)


@pytest.mark.parametrize("electrons", [100.0, 10_000.0])
def test_small_packets_lose_the_larger_part(electrons: float) -> None:
    charge = packets(electrons)

    trail(charge, loss=2.0, distance=0)

    lost = electrons - charge[1024, 0]
    # Half the chip's 2048 transfers: one electron for each root of the charge.
    assert lost == pytest.approx(electrons**0.5, rel=0.1)


def test_sky_fills_the_traps() -> None:
    dark, lit = packets(100.0), packets(100.0, sky=100.0)

    for charge in (dark, lit):
        trail(charge, loss=2.0, distance=0)

    assert np.abs(lit[1100:, 0] - 100.0).max() < 0.5
    assert lit[1024, 0] - 100.0 > dark[1024, 0] + 4.0


def test_even_sky_stays_even_where_rows_before_the_first_are_not_stored() -> None:
    charge = np.full((300, 8), 50.0, np.float32)

    trail(charge, loss=1.0, distance=2568)

    np.testing.assert_allclose(charge, 50.0, atol=0.2)


@pytest.mark.parametrize(
    ("instrument", "hdu", "trail"),
    [("ACS/WFC", 1, 47.0), ("ACS/WFC", 4, 47.0), ("WFC3/UVIS", 4, 130.0), ("CSST/MSC", 1, 47.0)],
)
def test_raw_frames_show_what_warm_pixels_lose(instrument: str, hdu: int, trail: float) -> None:
    detector = DETECTORS[instrument]
    start = CAMERAS[instrument].launched + 7.6 * 365.25
    rows = np.array([400, 1000, 1600])
    empty = np.zeros((detector.imaging_rows, 4096), np.float32)
    lit = empty.copy()
    lit[rows, 100:800] = 10.0
    setup = Readout(instrument, hdu, 100.0, 1.0, cosmic_rays=0.0, start=start)

    # The same noise in both: only the packets and what follows them is left.
    dark, warm = (raw_counts(rates, setup, np.random.default_rng(5)).astype(np.float32) for rates in (empty, lit))

    first, (left, _) = detector.first_imaging_row(hdu), detector.imaging_columns()[0]
    excess = (warm - dark)[first : first + detector.imaging_rows, left + 100 : left + 800].copy()
    excess *= amplifiers_of(instrument, hdu)[0].gain
    profile = excess.mean(axis=1)
    # Away from the register: up on the lower chip, down on the upper one.
    away = 1 if hdu == 1 else -1
    trails = np.array([sum(profile[row + away * step] for step in range(1, 31)) for row in rows])
    ahead = np.array([sum(profile[row - away * step] for step in range(1, 31)) for row in rows])
    transfers = detector.skipped_rows + (rows if hdu == 1 else detector.imaging_rows - rows)
    assert np.abs(ahead).max() < 5.0
    np.testing.assert_allclose(trails / transfers, (trails / transfers).mean(), rtol=0.25)
    # Anderson and Bedin 2010: some 50 of 1000 electrons at the far end of ACS in October 2009, nine tenths of it in
    # the first 30 pixels of the trail; three times that on UVIS after as many years.
    assert trails.mean() / transfers.mean() * 2048 == pytest.approx(trail, rel=0.25)


def test_traps_grow_from_the_launch_on() -> None:
    acs = CAMERAS["ACS/WFC"]

    assert acs.trap_loss(acs.launched - 100.0) == 0.0
    assert acs.trap_loss(OCTOBER_2009) * 1000**0.5 == pytest.approx(55.0, abs=5.0)
    assert acs.trap_loss(OCTOBER_2009 + 3650) > 2 * acs.trap_loss(OCTOBER_2009)


def test_overscan_rows_hold_what_the_last_row_left_in_the_traps() -> None:
    setup = Readout("ACS/WFC", 1, 100.0, 1.0, cosmic_rays=0.0)

    counts = raw_counts(np.full((2048, 4096), 20.0, np.float32), setup, np.random.default_rng(1)).astype(float)

    overscan = counts[2048:, 200:2000].mean(axis=1) - counts[2048:, 18:24].mean()
    assert 30.0 < overscan[0] < 200.0
    assert overscan[0] > 2 * overscan[10] > 0
