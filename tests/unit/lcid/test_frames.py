from __future__ import annotations

import gzip
import pickle
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from celestialkeras.errors import (
    BlankFrameError,
    FrameNotFoundError,
    NoDataError,
    NotFitsError,
    TruncatedFrameError,
    UnsupportedDetectorError,
    UnsupportedFilterError,
    UnsupportedReadoutError,
    WrongHduError,
)
from celestialkeras.lcid.detectors import ACS_WFC, CHIP_HDUS, CHIP_SHAPE, CSST_MSC, WFC3_UVIS, Detector
from celestialkeras.lcid.frames import read_frame
from raw_files import BIASES, SKY, RawFile, raw_counts


def imaging(detector: Detector, hdu: int, counts: np.ndarray) -> np.ndarray:
    """The imaging pixels of a raw chip, cut out by the handbook's own numbers."""
    if detector is CSST_MSC:
        return np.hstack([counts[:, :896], counts[:, 967:2119], counts[:, 2190:3342], counts[:, 3413:4309]])
    if detector is ACS_WFC:
        rows = counts[:2048] if hdu == 1 else counts[20:]
        return rows[:, 24:-24]
    rows = counts[:2051] if hdu == 1 else counts[19:]
    return np.hstack([rows[:2048, 25 : 25 + 2048], rows[:2048, 25 + 2048 + 60 : -25]])


@pytest.mark.parametrize("hdu", CHIP_HDUS)
@pytest.mark.parametrize("detector", [ACS_WFC, WFC3_UVIS, CSST_MSC], ids=lambda d: d.instrume)
def test_raw_chip_gives_stored_counts_and_each_amplifiers_bias(tmp_path: Path, detector: Detector, hdu: int) -> None:
    frame = read_frame(RawFile(detector).write(tmp_path / "x_raw.fits"), hdu)

    expected = imaging(detector, hdu, raw_counts(detector, hdu))
    assert frame.data.dtype == np.uint16
    assert frame.data.shape == CHIP_SHAPE
    np.testing.assert_array_equal(frame.data, expected)
    halves, windows = ((0, 2048), (2048, 4096)), ((0, 896), (896, 2048), (2048, 3200), (3200, 4096))
    assert frame.channel_columns == (windows if detector is CSST_MSC else halves)
    np.testing.assert_allclose(frame.bias, BIASES[hdu][: len(detector.channels)], atol=0.05)


@pytest.mark.parametrize("hdu", CHIP_HDUS)
def test_calibrated_subtracts_each_amplifiers_bias(uvis_raw: Path, hdu: int) -> None:
    frame = read_frame(uvis_raw, hdu)
    signal = frame.calibrated()
    assert signal.dtype == np.float32
    assert signal[:, :2048].mean() == pytest.approx(SKY, abs=0.05)
    assert signal[:, 2048:].mean() == pytest.approx(SKY, abs=0.05)
    assert frame.data.min() > 2000, "the stored counts must not change"


def test_header_cards_come_with_the_frame(uvis_raw: Path) -> None:
    frame = read_frame(uvis_raw, 4)
    assert (frame.obsid, frame.hdu, frame.instrument, frame.filter) == ("iddt11fxq", 4, "WFC3/UVIS", "F625W")
    assert (frame.exptime, frame.target, frame.date) == (350.0, "NGC4298", "2018-03-01T12:34:56")
    assert (frame.ra, frame.dec) == (189.43, 14.58)


@pytest.mark.parametrize("wheels", [("F606W", "CLEAR2L"), ("CLEAR1L", "F606W")])
def test_acs_filter_is_the_one_that_is_not_clear(tmp_path: Path, wheels: tuple[str, str]) -> None:
    cards = dict(zip(("FILTER1", "FILTER2"), wheels, strict=True))
    frame = read_frame(RawFile(ACS_WFC, primary=cards).write(tmp_path / "x_raw.fits"), 1)
    assert frame.filter == "F606W"


def test_gzip_gives_the_same_frame(tmp_path: Path, uvis_raw: Path) -> None:
    packed = tmp_path / "x_raw.fits.gz"
    packed.write_bytes(gzip.compress(uvis_raw.read_bytes(), 1))
    for hdu in CHIP_HDUS:
        plain, unpacked = read_frame(uvis_raw, hdu), read_frame(packed, hdu)
        np.testing.assert_array_equal(unpacked.data, plain.data)
        assert unpacked.bias == plain.bias


def rice(hdus: fits.HDUList) -> fits.HDUList:
    return fits.HDUList(
        [
            hdu if hdu.data is None else fits.CompImageHDU(hdu.data, hdu.header, compression_type="RICE_1")
            for hdu in hdus
        ]
    )


def test_rice_gives_the_same_frame(tmp_path: Path, uvis_raw: Path) -> None:
    packed = tmp_path / "x_raw.fits.fz"
    with fits.open(uvis_raw) as hdus:
        rice(hdus).writeto(packed)
    assert packed.stat().st_size < uvis_raw.stat().st_size / 1.5
    for hdu in CHIP_HDUS:
        plain, unpacked = read_frame(uvis_raw, hdu), read_frame(packed, hdu)
        np.testing.assert_array_equal(unpacked.data, plain.data)
        assert unpacked.bias == plain.bias


@pytest.mark.parametrize("detector", [ACS_WFC, WFC3_UVIS], ids=lambda d: d.instrume)
def test_calibrated_file_keeps_its_electrons_and_its_nans(tmp_path: Path, detector: Detector) -> None:
    electrons = np.random.default_rng(0).normal(30, 5, detector.calibrated_shape).astype(np.float32)
    electrons[5, 7] = np.nan
    path = RawFile(detector, counts={1: electrons, 4: electrons}).write(tmp_path / "x_flc.fits")
    frame = read_frame(path, 4)
    assert frame.data.dtype == np.float32
    np.testing.assert_array_equal(frame.data, electrons[:2048])
    assert frame.bias == (0.0, 0.0)
    np.testing.assert_array_equal(frame.calibrated(), electrons[:2048])


def test_calibrated_file_of_whole_electrons_becomes_float(tmp_path: Path) -> None:
    electrons = np.random.default_rng(0).normal(30, 5, ACS_WFC.calibrated_shape).astype(np.int16)
    frame = read_frame(RawFile(ACS_WFC, counts={1: electrons}).write(tmp_path / "x_flt.fits"), 1)
    assert frame.data.dtype == np.float32
    np.testing.assert_array_equal(frame.data, electrons)


def test_acs_bias_comes_from_the_settled_prescan_columns(tmp_path: Path) -> None:
    counts = raw_counts(ACS_WFC, 1)
    counts[:, :18] += 500
    counts[:, -18:] += 500
    frame = read_frame(RawFile(ACS_WFC, counts={1: counts}).write(tmp_path / "x_raw.fits"), 1)
    np.testing.assert_allclose(frame.bias, BIASES[1][:2], atol=0.1)


def test_uvis_bias_comes_from_the_virtual_columns(tmp_path: Path) -> None:
    counts = raw_counts(WFC3_UVIS, 1)
    counts[:, :25] += 300
    counts[:, -25:] += 300
    frame = read_frame(RawFile(counts={1: counts}).write(tmp_path / "x_raw.fits"), 1)
    np.testing.assert_allclose(frame.bias, BIASES[1][:2], atol=0.1)


def test_uvis_bias_falls_back_on_the_physical_columns_where_the_virtual_are_stuck(tmp_path: Path) -> None:
    counts = raw_counts(WFC3_UVIS, 1)
    counts[:, 2073:2133] = 0
    frame = read_frame(RawFile(counts={1: counts}).write(tmp_path / "x_raw.fits"), 1)
    np.testing.assert_allclose(frame.bias, BIASES[1][:2], atol=0.1)


def test_bias_ignores_cosmic_rays_in_the_overscan(tmp_path: Path) -> None:
    counts = raw_counts(ACS_WFC, 1)
    counts[100:140, 18:24] = 60000
    frame = read_frame(RawFile(ACS_WFC, counts={1: counts}).write(tmp_path / "x_raw.fits"), 1)
    np.testing.assert_allclose(frame.bias, BIASES[1][:2], atol=0.1)


def test_overscan_without_a_level_is_refused(tmp_path: Path) -> None:
    counts = raw_counts(ACS_WFC, 1)
    counts[:, :24] = 65535
    path = RawFile(ACS_WFC, counts={1: counts}).write(tmp_path / "x_raw.fits")
    with pytest.raises(UnsupportedReadoutError, match="overscan of amplifier C has no level"):
        read_frame(path, 1)


def test_saturated_pixels_stay_as_stored(tmp_path: Path) -> None:
    counts = raw_counts(WFC3_UVIS, 1)
    counts[50, 30] = 65535
    frame = read_frame(RawFile(counts={1: counts}).write(tmp_path / "x_raw.fits"), 1)
    assert frame.data[50, 5] == 65535


def test_missing_file_and_folder(tmp_path: Path) -> None:
    with pytest.raises(FrameNotFoundError, match="no such file"):
        read_frame(tmp_path / "none.fits", 1)
    with pytest.raises(FrameNotFoundError, match="not a file"):
        read_frame(tmp_path, 1)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (b"", "begins with b''"),
        (b"<!DOCTYPE html><html>", "not a FITS file"),
        (b"SIMPLE  =                    T" + b" " * 50, "header of HDU 0"),
        (b"\x1f\x8b\x08\x00 no gzip stream at all", "header of HDU 0"),
    ],
    ids=["empty", "html", "cut header", "bad gzip"],
)
def test_not_fits(tmp_path: Path, content: bytes, why: str) -> None:
    path = tmp_path / "x_raw.fits"
    path.write_bytes(content)
    with pytest.raises(NotFitsError, match=why):
        read_frame(path, 1)


@pytest.mark.parametrize("hdu", [0, 2, 3, 5, -1])
def test_wrong_hdu_index(uvis_raw: Path, hdu: int) -> None:
    with pytest.raises(WrongHduError, match=r"must be 1 \(lower\) or 4 \(upper\). Received: hdu="):
        read_frame(uvis_raw, hdu)


def test_missing_hdu(tmp_path: Path) -> None:
    path = tmp_path / "x_raw.fits"
    RawFile().hdus()[:4].writeto(path)
    assert read_frame(path, 1).hdu == 1
    with pytest.raises(WrongHduError, match=r"has no HDU 4; it holds 4 \(0 to 3\)"):
        read_frame(path, 4)


def test_hdu_that_is_no_science_extension(tmp_path: Path) -> None:
    path = RawFile(extension={"EXTNAME": "DQ"}).write(tmp_path / "x_raw.fits")
    with pytest.raises(WrongHduError, match=r"not a science extension. Received: EXTNAME='DQ'"):
        read_frame(path, 1)


def test_dataless_science_extension(tmp_path: Path) -> None:
    path = RawFile(counts={1: None}).write(tmp_path / "x_raw.fits")
    with pytest.raises(NoDataError, match="HDU 1 holds no pixels"):
        read_frame(path, 1)


def test_window_of_csst_comes_with_its_channels_and_its_band(tmp_path: Path) -> None:
    frame = read_frame(RawFile(CSST_MSC).write(tmp_path / "x_raw.fits"), 4)
    assert (frame.instrument, frame.filter, frame.hdu) == ("CSST/MSC", "g", 4)
    signal = frame.calibrated()
    for columns, _ in frame.channels():
        assert signal[:, columns].mean() == pytest.approx(SKY, abs=0.1)


@pytest.mark.parametrize(
    ("file", "error", "why"),
    [
        (
            RawFile(CSST_MSC, counts={1: np.ones((2048, 4096), np.float32)}),
            UnsupportedReadoutError,
            r"HDU 1 of a CSST/MSC window is 2048 x 4380 unsigned 16-bit \(raw\). Received: 2048 x 4096, BITPIX=-32",
        ),
        (
            RawFile(CSST_MSC, counts={1: np.ones((9232, 9216), np.uint16)}),
            UnsupportedReadoutError,
            "Received: 9232 x 9216",
        ),
        (RawFile(CSST_MSC, primary={"DETECTOR": "CHIP01"}), UnsupportedDetectorError, "CSST/MSC. Received: MSC/CHIP01"),
        (
            RawFile(CSST_MSC, primary={"FILTER": "GV2"}),
            UnsupportedFilterError,
            "taken through a grating. Received: GV2",
        ),
    ],
    ids=["calibrated", "whole chip", "spectroscopic chip", "grating"],
)
def test_other_layouts_of_csst(tmp_path: Path, file: RawFile, error: type[Exception], why: str) -> None:
    path = file.write(tmp_path / "x_raw.fits")
    with pytest.raises(error, match=why):
        read_frame(path, 1)


@pytest.mark.parametrize(
    ("instrume", "detector"), [("ACS", "HRC"), ("ACS", "SBC"), ("WFC3", "IR"), ("WFPC2", "2"), ("STIS", "CCD")]
)
def test_other_detectors(tmp_path: Path, instrume: str, detector: str) -> None:
    cards = {"INSTRUME": instrume, "DETECTOR": detector}
    path = RawFile(primary=cards, counts={1: None, 4: None}).write(tmp_path / "x_raw.fits")
    with pytest.raises(
        UnsupportedDetectorError, match=f"ACS/WFC, WFC3/UVIS, CSST/MSC. Received: {instrume}/{detector}"
    ):
        read_frame(path, 1)


@pytest.mark.parametrize(
    ("name", "why"),
    [("G280", "grism"), ("FQ575N", "quad filter"), ("CLEAR", "exactly one filter. Received: none")],
)
def test_uvis_filters_that_are_no_plain_filter(tmp_path: Path, name: str, why: str) -> None:
    path = RawFile(primary={"FILTER": name}, counts={1: None, 4: None}).write(tmp_path / "x_raw.fits")
    with pytest.raises(UnsupportedFilterError, match=why):
        read_frame(path, 1)


@pytest.mark.parametrize(
    ("wheels", "why"),
    [
        (("G800L", "CLEAR2L"), "grism"),
        (("CLEAR1L", "FR656N"), "ramp filter"),
        (("F606W", "POL0V"), "polarizer"),
        (("F606W", "F814W"), r"exactly one filter. Received: F606W \+ F814W"),
    ],
)
def test_acs_filters_that_are_no_plain_filter(tmp_path: Path, wheels: tuple[str, str], why: str) -> None:
    cards = dict(zip(("FILTER1", "FILTER2"), wheels, strict=True))
    path = RawFile(ACS_WFC, primary=cards, counts={1: None, 4: None}).write(tmp_path / "x_raw.fits")
    with pytest.raises(UnsupportedFilterError, match=why):
        read_frame(path, 1)


@pytest.mark.parametrize(
    ("file", "why"),
    [
        (RawFile(primary={"SUBARRAY": True}, counts={1: None, 4: None}), "a subarray readout"),
        (RawFile(primary={"CCDAMP": "C"}, counts={1: None, 4: None}), "read by amplifier"),
        (RawFile(extension={"BINAXIS1": 2, "BINAXIS2": 2}), "binned 2 x 2"),
        (RawFile(counts={1: np.ones((10, 10), np.float32)}), "Received: 10 x 10"),
        (RawFile(counts={1: np.ones((512, 513), np.uint16)}), "Received: 512 x 513, BITPIX=16, BZERO=32768"),
        (RawFile(counts={1: np.zeros(WFC3_UVIS.raw_shape, np.int16)}), "BITPIX=16, BZERO=0"),
        (RawFile(counts={1: np.zeros((2, 10, 10), np.uint16)}), "Received: 2 x 10 x 10"),
    ],
    ids=["subarray", "one amplifier", "binned", "cut out", "small", "signed", "cube"],
)
def test_other_readouts(tmp_path: Path, file: RawFile, why: str) -> None:
    path = file.write(tmp_path / "x_raw.fits")
    with pytest.raises(UnsupportedReadoutError, match=why):
        read_frame(path, 1)


def test_constant_pixels(tmp_path: Path) -> None:
    counts = raw_counts(WFC3_UVIS, 1)
    counts[:2051] = 2500
    path = RawFile(counts={1: counts}).write(tmp_path / "x_raw.fits")
    with pytest.raises(BlankFrameError, match=r"one value. Received: 2500"):
        read_frame(path, 1)


def test_pixels_that_are_all_nan(tmp_path: Path) -> None:
    path = RawFile(counts={1: np.full(WFC3_UVIS.calibrated_shape, np.nan, np.float32)}).write(tmp_path / "x_flt.fits")
    with pytest.raises(BlankFrameError, match="no pixel is finite"):
        read_frame(path, 1)


@pytest.mark.parametrize("size", [3000, 1_000_000, 17_000_000, 18_000_000, 30_000_000])
def test_truncated_file(tmp_path: Path, uvis_raw: Path, size: int) -> None:
    path = tmp_path / "x_raw.fits"
    path.write_bytes(uvis_raw.read_bytes()[:size])
    with pytest.raises((TruncatedFrameError, NotFitsError)) as caught:
        read_frame(path, 4)
    assert caught.value.reason in ("truncated", "not-fits")


def test_truncated_pixels_name_what_is_missing(tmp_path: Path, uvis_raw: Path) -> None:
    path = tmp_path / "x_raw.fits"
    path.write_bytes(uvis_raw.read_bytes()[:-200_000])
    assert read_frame(path, 1).hdu == 1
    with pytest.raises(TruncatedFrameError, match=r"ends \d+ bytes before the last pixel of HDU 4"):
        read_frame(path, 4)


def test_truncated_gzip(tmp_path: Path, uvis_raw: Path) -> None:
    path = tmp_path / "x_raw.fits.gz"
    path.write_bytes(gzip.compress(uvis_raw.read_bytes(), 1)[:2_000_000])
    with pytest.raises(TruncatedFrameError, match="ends within"):
        read_frame(path, 1)


def test_truncated_rice(tmp_path: Path, uvis_raw: Path) -> None:
    whole, path = tmp_path / "whole.fits.fz", tmp_path / "x_raw.fits.fz"
    with fits.open(uvis_raw) as hdus:
        rice(hdus[:2]).writeto(whole)
    path.write_bytes(whole.read_bytes()[:3_000_000])
    with pytest.raises(TruncatedFrameError, match=r"ends \d+ bytes before the compressed pixels of HDU 1 do"):
        read_frame(path, 1)


def test_damaged_rice_tiles_are_named_and_cross_process_borders(tmp_path: Path, uvis_raw: Path) -> None:
    path = tmp_path / "x_raw.fits.fz"
    with fits.open(uvis_raw) as hdus:
        rice(hdus[:2]).writeto(path)
    content = bytearray(path.read_bytes())
    content[3_000_000:3_004_000] = bytes(range(250)) * 16
    path.write_bytes(content)
    with pytest.raises(NotFitsError, match="the compressed pixels of HDU 1 cannot be read") as caught:
        read_frame(path, 1)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    # Dask pickles that as well, and the decompressor's own errors cannot be.
    assert caught.value.__context__ is None


@pytest.mark.parametrize("suffix", [".fits", ".fits.gz"])
def test_a_header_without_end_is_not_read_to_the_end_of_the_file(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"x_raw{suffix}"
    content = b"SIMPLE  =                    T".ljust(80) + b" " * 50_000_000
    path.write_bytes(gzip.compress(content, 1) if suffix.endswith("gz") else content)
    tracemalloc.start()
    with pytest.raises(NotFitsError, match="no END card in its first 500 blocks"):
        read_frame(path, 1)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8_000_000


def test_constant_pixels_with_a_nan_among_them(tmp_path: Path) -> None:
    electrons = np.full(ACS_WFC.calibrated_shape, 3.0, np.float32)
    electrons[0, 0] = electrons[700, 900] = np.nan
    path = RawFile(ACS_WFC, counts={1: electrons}).write(tmp_path / "x_flt.fits")
    with pytest.raises(BlankFrameError, match=r"one value. Received: 3.0"):
        read_frame(path, 1)


@pytest.mark.parametrize("hdu", CHIP_HDUS)
def test_absurd_sizes_are_refused_before_memory_is_taken(tmp_path: Path, hdu: int) -> None:
    path = RawFile(counts={1: np.ones((10, 10), np.uint16)}).write(tmp_path / "x_raw.fits")
    content = path.read_bytes()
    for axis in (1, 2):
        content = content.replace(
            f"NAXIS{axis}  =                   10".encode(), f"NAXIS{axis}  =            900000000".encode(), 1
        )
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(UnsupportedReadoutError, match=r"900000000|claims"):
        read_frame(path, hdu)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


@pytest.mark.parametrize("packing", ["plain", "gzip", "rice"])
def test_memory_beyond_the_frame_is_at_most_two_arrays_of_its_size(
    tmp_path: Path, uvis_raw: Path, packing: str
) -> None:
    path = uvis_raw
    if packing == "gzip":
        path = tmp_path / "x_raw.fits.gz"
        path.write_bytes(gzip.compress(uvis_raw.read_bytes(), 1))
    elif packing == "rice":
        path = tmp_path / "x_raw.fits.fz"
        with fits.open(uvis_raw) as hdus:
            rice(hdus).writeto(path)
    read_frame(path, 1)
    tracemalloc.start()
    frame = read_frame(path, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak <= 3 * frame.data.nbytes
