from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from celestialkeras.errors import SimulationError
from celestialkeras.lcid.detectors import DETECTORS
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.simulate.rawfile import RawInfo, write_raw

ACS = RawInfo("jsim01aaq", "ACS/WFC", "F814W", ra=150.0, dec=2.0, exptime=350.0, roll=40.0, east=10.0, north=-20.0)
UVIS = replace(ACS, rootname="isim01aaq", instrument="WFC3/UVIS", filter="F606W", gain=1.5)
MSC = replace(ACS, rootname="csim01aaq", instrument="CSST/MSC", filter="g", gain=1.1)


def chips(instrument: str) -> dict[int, np.ndarray]:
    rng = np.random.default_rng(6)
    return {hdu: rng.integers(0, 65536, DETECTORS[instrument].raw_shape).astype(np.uint16) for hdu in (1, 4)}


@pytest.fixture(params=[ACS, UVIS, MSC], ids=["acs", "uvis", "msc"])
def info(request: pytest.FixtureRequest) -> RawInfo:
    return request.param


def test_file_has_the_archives_structure(info: RawInfo, tmp_path: Path) -> None:
    path = tmp_path / f"{info.rootname}_raw.fits"
    counts = chips(info.instrument)

    write_raw(path, info, counts)

    assert [item.name for item in tmp_path.iterdir()] == [path.name]
    with fits.open(path, do_not_scale_image_data=True) as stored:
        units = [(unit.name, unit.ver) for unit in stored[1:]]
        assert units == [("SCI", 1), ("ERR", 1), ("DQ", 1), ("SCI", 2), ("ERR", 2), ("DQ", 2)]
        assert (stored[1].header["BITPIX"], stored[1].header["BZERO"]) == (16, 32768)
        for index in (2, 3, 5, 6):
            header = stored[index].header
            assert (header["NAXIS"], header["PIXVALUE"]) == (0, 0)
            assert (header["NPIX2"], header["NPIX1"]) == DETECTORS[info.instrument].raw_shape
    with fits.open(path) as stored:
        for hdu in (1, 4):
            np.testing.assert_array_equal(stored[hdu].data, counts[hdu])


def test_primary_header_says_how_it_was_taken(tmp_path: Path) -> None:
    for info in (ACS, UVIS):
        write_raw(tmp_path / f"{info.rootname}_raw.fits", info, chips(info.instrument))

    acs = fits.getheader(tmp_path / "jsim01aaq_raw.fits")
    uvis = fits.getheader(tmp_path / "isim01aaq_raw.fits")

    assert (acs["INSTRUME"], acs["DETECTOR"], acs["FILTER1"], acs["FILTER2"]) == ("ACS", "WFC", "CLEAR1L", "F814W")
    assert (uvis["INSTRUME"], uvis["DETECTOR"], uvis["FILTER"]) == ("WFC3", "UVIS", "F606W")
    assert "FILTER1" not in uvis
    assert (acs["DATE-OBS"], acs["TIME-OBS"], acs["EXPTIME"]) == ("2014-12-09", "00:00:00", 350.0)
    assert acs["EXPEND"] - acs["EXPSTART"] == pytest.approx(350.0 / 86400)
    assert (acs["CCDAMP"], acs["CCDGAIN"], acs["SUBARRAY"], acs["IMAGETYP"]) == ("ABCD", 2.0, False, "EXT")
    assert acs["ATODGNB"] == pytest.approx(1.886)
    assert acs["FILENAME"] == "jsim01aaq_raw.fits"


def test_window_of_csst_says_what_it_shows(tmp_path: Path) -> None:
    path = tmp_path / "csim01aaq_raw.fits"

    write_raw(path, MSC, chips("CSST/MSC"))

    header = fits.getheader(path)
    assert (header["TELESCOP"], header["INSTRUME"], header["DETECTOR"]) == ("CSST", "MSC", "CHIP08")
    assert (header["FILTER"], header["GAIN04"], header["RDNOIS14"]) == ("g", 1.1132, 5.0)
    assert "CCDAMP" not in header
    lower, upper = fits.getheader(path, 1), fits.getheader(path, 4)
    assert (lower["DETSEC"], lower["CHANNELS"]) == ("[2561:6656,2569:4616]", "03,04,05,06")
    assert (upper["DETSEC"], upper["CHANNELS"]) == ("[2561:6656,4617:6664]", "14,13,12,11")


@pytest.mark.parametrize("info", [ACS, UVIS], ids=["acs", "uvis"])
def test_chips_of_hubble_are_numbered_from_the_top(info: RawInfo, tmp_path: Path) -> None:
    path = tmp_path / f"{info.rootname}_raw.fits"

    write_raw(path, info, chips(info.instrument))

    assert [fits.getval(path, "CCDCHIP", hdu) for hdu in (1, 4)] == [2, 1]
    assert [fits.getval(path, "CCDAMP", hdu) for hdu in (1, 4)] == ["CD", "AB"]
    assert fits.getval(path, "TELESCOP") == "HST"


def test_wide_filter_on_the_first_wheel_is_named_there(tmp_path: Path) -> None:
    path = tmp_path / "jsim01aaq_raw.fits"

    write_raw(path, replace(ACS, filter="F606W"), chips("ACS/WFC"))

    header = fits.getheader(path)
    assert (header["FILTER1"], header["FILTER2"]) == ("F606W", "CLEAR2L")


@pytest.mark.parametrize(("info", "overscan"), [(ACS, 24), (MSC, 71)], ids=["acs", "msc"])
def test_wcs_puts_the_target_where_it_was_pointed(info: RawInfo, overscan: int, tmp_path: Path) -> None:
    path = tmp_path / f"{info.rootname}_raw.fits"
    write_raw(path, info, chips(info.instrument))
    column, row = (float(value[0]) for value in info.footprint.to_pixels(np.float32([0.0]), np.float32([0.0])))

    header = fits.getheader(path, 1)

    x, y = column + overscan + 1 - header["CRPIX1"], row + 1 - header["CRPIX2"]
    xi, eta = header["CD1_1"] * x + header["CD1_2"] * y, header["CD2_1"] * x + header["CD2_2"] * y
    assert header["CRVAL1"] + xi / np.cos(np.radians(2.0)) == pytest.approx(150.0, abs=2e-5)
    assert header["CRVAL2"] + eta == pytest.approx(2.0, abs=2e-5)
    assert (header["CTYPE1"], header["CTYPE2"], header["ORIENTAT"]) == ("RA---TAN", "DEC--TAN", 40.0)


def test_the_reader_takes_it(info: RawInfo, tmp_path: Path) -> None:
    path = tmp_path / f"{info.rootname}_raw.fits"
    detector = DETECTORS[info.instrument]
    counts = {hdu: np.full(detector.raw_shape, 2500, np.uint16) for hdu in (1, 4)}
    first = detector.first_imaging_row(4)
    (left, _), *_, (right, _) = detector.imaging_columns()
    rng = np.random.default_rng(0)
    for chip in counts.values():
        chip += rng.integers(0, 5, chip.shape).astype(np.uint16)
    counts[4][first, left] = 11111
    counts[4][first, right] = 22222

    write_raw(path, info, counts)
    frame = read_frame(path, 4)

    assert frame.data.shape == (2048, 4096)
    assert (frame.data[0, 0], frame.data[0, detector.frame_columns()[-1][0]]) == (11111, 22222)
    assert frame.instrument == info.instrument
    assert frame.filter == info.filter


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    counts = chips("ACS/WFC")

    for name in ("a", "b"):
        write_raw(tmp_path / f"{name}.fits", ACS, counts)

    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()


def test_what_is_no_pair_of_raw_chips_is_refused(tmp_path: Path) -> None:
    path, good = tmp_path / "jsim01aaq_raw.fits", chips("ACS/WFC")

    with pytest.raises(SimulationError, match=r"`chips` must hold the HDUs 1 and 4. Received: chips of HDU \[1\]"):
        write_raw(path, ACS, {1: good[1]})
    with pytest.raises(SimulationError, match=r"`chips\[4\]` must be uint16 \(2068, 4144\).*uint16 \(5, 5\)"):
        write_raw(path, ACS, {**good, 4: np.zeros((5, 5), np.uint16)})
    with pytest.raises(SimulationError, match=r"`chips\[1\]` must be uint16.*Received: int32"):
        write_raw(path, ACS, {**good, 1: good[1].astype(np.int32)})
    with pytest.raises(SimulationError, match=r"`instrument` must be one of ACS/WFC, WFC3/UVIS, CSST/MSC.*'WFPC2'"):
        write_raw(path, replace(ACS, instrument="WFPC2"), good)
    with pytest.raises(SimulationError, match=r"`filter` must be one of F435W.*on ACS/WFC. Received: filter='F656N'"):
        write_raw(path, replace(ACS, filter="F656N"), good)
    assert not path.exists()
