"""FITS chip -> Frame: one CCD chip of one exposure as stored, with its amplifiers' bias levels.

Reads `raw.fits`, `flt.fits` and `flc.fits` of ACS/WFC and WFC3/UVIS, plain, gzip- or Rice-compressed. Everything that
the headers can decide is decided before pixels are read: a file is refused by name before memory is allocated for it.

Saturated pixels stay as stored (a raw file's converter tops out at 65535) and land in the brightest code. NaN pixels
of calibrated files stay NaN, and the stretch gives them the code of the sky.
"""

from __future__ import annotations

import gzip
import math
import os
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from celestialkeras.errors import (
    BlankFrameError,
    FrameError,
    FrameNotFoundError,
    NoDataError,
    NotFitsError,
    TruncatedFrameError,
    UnsupportedDetectorError,
    UnsupportedFilterError,
    UnsupportedReadoutError,
    WrongHduError,
)
from celestialkeras.lcid.detectors import CHIP_HDUS, CHIP_SHAPE, DETECTORS, Detector

FRAME_SUFFIXES = (".fits", ".fits.gz", ".fits.fz")
"""File name endings that are taken for FITS frames in folders."""

# The largest extension of an HST product is a float32 chip of 34 MB; a header that claims more than this in front of
# the chip is damaged or hostile, and skipping such an extension in a gzip stream could take hours.
_LARGEST_EXTENSION = 256 * 1024 * 1024

# Rows are converted in blocks that stay in the processor's second-level cache.
_BLOCK_ROWS = 32

_CLEAR = ("CLEAR", "CLEAR1L", "CLEAR2L", "CLEAR1S", "CLEAR2S", "N/A", "")
_REFUSED_FILTERS = (
    ("G", "grism"),
    ("PR", "prism"),
    ("FR", "ramp filter"),
    ("FQ", "quad filter"),
    ("POL", "polarizer"),
)

# What the FITS and gzip readers raise on damaged input, beside their own warnings.
_DAMAGE = (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, zlib.error, fits.VerifyError)


@dataclass(frozen=True, eq=False)
class Frame:
    """One chip of one exposure.

    Attributes:
        data: Imaging pixels as stored, `(2048, 4096)`: `uint16` DN for raw files, `float32` electrons for calibrated
            ones. Row 0 is the first row of the file.
        bias: Bias level of the left and of the right amplifier, DN; zero for calibrated files.
        split_column: First column that the right amplifier reads.
        obsid: Rootname of the exposure, lower case.
        hdu: HDU index of the chip, 1 or 4.
        instrument: Manifest name of the instrument, such as `ACS/WFC`.
        filter: Filter name, such as `F814W`.
        exptime: Exposure time, seconds.
        target: Name of the target as the observer gave it.
        ra: Right ascension of the chip's reference pixel, degrees, ICRS.
        dec: Declination of the chip's reference pixel, degrees, ICRS.
        date: Start of the exposure, `YYYY-MM-DDThh:mm:ss`, UTC; empty where the header does not say.
    """

    data: npt.NDArray[np.uint16] | npt.NDArray[np.float32]
    bias: tuple[float, float]
    split_column: int
    obsid: str
    hdu: int
    instrument: str
    filter: str
    exptime: float
    target: str
    ra: float
    dec: float
    date: str

    def halves(self) -> tuple[tuple[slice, float], tuple[slice, float]]:
        """Columns and bias level (DN) of the left and of the right amplifier."""
        return (slice(0, self.split_column), self.bias[0]), (slice(self.split_column, None), self.bias[1])

    def calibrated(self) -> npt.NDArray[np.float32]:
        """Pixels with each amplifier's bias subtracted: `float32 (2048, 4096)`, DN (electrons if calibrated)."""
        pixels = self.data.astype(np.float32)
        for columns, bias in self.halves():
            pixels[:, columns] -= np.float32(bias)
        return pixels


@dataclass(frozen=True)
class _Layout:
    """Where a chip's pixels lie in its extension, as its headers say."""

    kind: Literal["raw", "calibrated"]
    detector: Detector
    shape: tuple[int, int]


def read_frame(path: str | Path, hdu: int) -> Frame:
    """Reads one chip.

    Besides the returned array at most a block of rows is held for plain and gzip files, and at most two arrays of its
    size for Rice-compressed ones.

    Args:
        path: A `raw`, `flt` or `flc` file: `.fits`, `.fits.gz` or `.fits.fz`.
        hdu: HDU index of the chip: 1 (lower, amplifiers C and D) or 4 (upper, amplifiers A and B).

    Returns:
        The chip with its bias levels and the header cards that the project uses.

    Raises:
        FrameNotFoundError: No such file.
        NotFitsError: Not FITS, or headers beyond reading.
        TruncatedFrameError: The file ends before the chip does.
        WrongHduError: `hdu` is not 1 or 4, is missing in the file, or is no science extension.
        NoDataError: The extension holds no pixels.
        UnsupportedDetectorError: Neither ACS/WFC nor WFC3/UVIS.
        UnsupportedReadoutError: Subarray, binned or partial readout, or a size the detector never gives.
        UnsupportedFilterError: Grism, prism, ramp, quad, polarizer or no filter.
        BlankFrameError: All pixels have one value, or none is finite.
    """
    path = Path(path)
    if hdu not in CHIP_HDUS:
        raise WrongHduError(f"{path}: the HDU of a chip must be 1 (lower) or 4 (upper). Received: hdu={hdu}")
    with _opened(path) as (stream, hdus):
        primary = _header(hdus, 0, path)
        detector = _find_detector(primary, path)
        _check_readout(primary, path)
        filter_name = _find_filter(primary, path)
        header = _header(hdus, hdu, path)
        layout = _find_layout(header, detector, hdu, path)
        if isinstance(hdus[hdu], fits.CompImageHDU):
            rows = _decompressed_rows(hdus[hdu], layout, hdu, path)
        else:
            rows = _stored_rows(stream, hdus[hdu].fileinfo()["datLoc"], layout, hdu, path)
        data, bias = _gather(rows, layout, path)
    return Frame(
        data=data,
        bias=bias,
        split_column=CHIP_SHAPE[1] // 2,
        obsid=_text(primary, "ROOTNAME").lower() or path.name.split("_")[0].split(".")[0].lower(),
        hdu=hdu,
        instrument=detector.instrument,
        filter=filter_name,
        exptime=_number(primary, "EXPTIME"),
        target=_text(primary, "TARGNAME"),
        ra=_number(header, "CRVAL1", _number(primary, "RA_TARG")),
        dec=_number(header, "CRVAL2", _number(primary, "DEC_TARG")),
        date="T".join(filter(None, (_text(primary, "DATE-OBS"), _text(primary, "TIME-OBS")))),
    )


@contextmanager
def _opened(path: Path) -> Iterator[tuple[BufferedIOBase, fits.HDUList]]:
    if not path.exists():
        raise FrameNotFoundError(f"{path}: no such file")
    if not path.is_file():
        raise FrameNotFoundError(f"{path}: not a file")
    try:
        with path.open("rb") as plain:
            magic = plain.read(6)
    except OSError as error:
        raise FrameNotFoundError(f"{path}: cannot be read ({error.strerror})") from error
    zipped = magic[:2] == b"\x1f\x8b"
    if not zipped and magic != b"SIMPLE":
        raise NotFitsError(f"{path}: not a FITS file (it begins with {magic!r})")
    stream: BufferedIOBase = gzip.GzipFile(path, "rb") if zipped else path.open("rb")
    with stream:
        with _reading(path, "its first header"):
            hdus = fits.open(stream, memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True)
        with hdus:
            yield stream, hdus


@contextmanager
def _reading(path: Path, what: str) -> Iterator[None]:
    """Turns what damaged files make the readers raise into the project's errors."""
    try:
        with warnings.catch_warnings():
            # Astropy warns of short files and odd cards; what matters of it is checked here and raised.
            warnings.simplefilter("ignore", AstropyWarning)
            yield
    except FrameError:
        raise
    except EOFError as error:
        raise TruncatedFrameError(f"{path}: ends within {what}") from error
    except _DAMAGE as error:
        raise NotFitsError(f"{path}: {what} cannot be read ({error})") from error


def _header(hdus: fits.HDUList, index: int, path: Path) -> fits.Header:
    for before in range(index):
        claimed = _claimed_bytes(hdus[before].header)
        if claimed > _LARGEST_EXTENSION:
            raise UnsupportedReadoutError(f"{path}: HDU {before} claims {claimed} bytes, more than any HST chip")
    with _reading(path, f"the header of HDU {index}"):
        try:
            return hdus[index].header
        except IndexError:
            found = len(hdus)
    # A file cut inside an extension makes the reader stop at it without a word.
    last = hdus[found - 1]
    if not path.name.endswith(".gz") and _data_end(last) > path.stat().st_size:
        raise TruncatedFrameError(f"{path}: ends within HDU {found - 1}, before HDU {index}")
    raise WrongHduError(f"{path}: has no HDU {index}; it holds {found} (0 to {found - 1})")


def _data_end(hdu: Any) -> int:
    info = hdu.fileinfo()
    return int(info["datLoc"]) + _claimed_bytes(hdu.header)


def _claimed_bytes(header: fits.Header) -> int:
    """Bytes of data that a header claims, without padding (FITS standard 4.0, equation 2)."""
    axes = [header.get(f"NAXIS{axis}", 0) for axis in range(1, int(header.get("NAXIS", 0)) + 1)]
    if not axes:
        return 0
    size = abs(int(header.get("BITPIX", 8))) // 8 * (math.prod(axes) + int(header.get("PCOUNT", 0)))
    return int(size * int(header.get("GCOUNT", 1)))


def _find_detector(primary: fits.Header, path: Path) -> Detector:
    received = _text(primary, "INSTRUME"), _text(primary, "DETECTOR")
    for detector in DETECTORS.values():
        if received == (detector.instrume, detector.detector):
            return detector
    named = "/".join(filter(None, received)) or "no INSTRUME card"
    raise UnsupportedDetectorError(f"{path}: detector must be one of {', '.join(DETECTORS)}. Received: {named}")


def _check_readout(primary: fits.Header, path: Path) -> None:
    if primary.get("SUBARRAY") is True:
        raise UnsupportedReadoutError(f"{path}: a subarray readout; only full chips are read. Received: SUBARRAY=T")
    amplifiers = _text(primary, "CCDAMP") or "ABCD"
    if amplifiers != "ABCD":
        raise UnsupportedReadoutError(f"{path}: read by amplifier(s) {amplifiers}; only ABCD readouts are read")


def _find_filter(primary: fits.Header, path: Path) -> str:
    cards = ("FILTER",) if "FILTER" in primary else ("FILTER1", "FILTER2")
    names = [name for card in cards if (name := _text(primary, card).upper()) not in _CLEAR]
    for name in names:
        for prefix, kind in _REFUSED_FILTERS:
            if name.startswith(prefix):
                raise UnsupportedFilterError(f"{path}: taken through a {kind}. Received: {name}")
    if len(names) != 1:
        found = " + ".join(names) or "none"
        raise UnsupportedFilterError(f"{path}: must be taken through exactly one filter. Received: {found}")
    return names[0]


def _find_layout(header: fits.Header, detector: Detector, hdu: int, path: Path) -> _Layout:
    extension = _text(header, "EXTNAME")
    if extension != "SCI":
        raise WrongHduError(f"{path}: HDU {hdu} is not a science extension. Received: EXTNAME={extension!r}")
    if int(header.get("NAXIS", 0)) == 0:
        raise NoDataError(f"{path}: HDU {hdu} holds no pixels (NAXIS = 0)")
    binning = header.get("BINAXIS1", 1), header.get("BINAXIS2", 1)
    if binning != (1, 1):
        raise UnsupportedReadoutError(f"{path}: HDU {hdu} is binned {binning[0]} x {binning[1]}; only 1 x 1 is read")
    shape = tuple(int(header.get(f"NAXIS{axis}", 0)) for axis in range(int(header["NAXIS"]), 0, -1))
    stored = int(header.get("BITPIX", 0)), header.get("BZERO", 0), header.get("BSCALE", 1)
    if shape == detector.raw_shape and stored == (16, 32768, 1):
        return _Layout("raw", detector, detector.raw_shape)
    if shape == detector.calibrated_shape and stored == (-32, 0, 1):
        return _Layout("calibrated", detector, detector.calibrated_shape)
    size = " x ".join(map(str, shape))
    raw, calibrated = (" x ".join(map(str, s)) for s in (detector.raw_shape, detector.calibrated_shape))
    raise UnsupportedReadoutError(
        f"{path}: HDU {hdu} of a full {detector.instrument} chip is {raw} unsigned 16-bit (raw) or {calibrated} float32"
        f" (flt, flc). Received: {size}, BITPIX={stored[0]}, BZERO={stored[1]}"
    )


def _stored_rows(
    stream: BufferedIOBase, offset: int, layout: _Layout, hdu: int, path: Path
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yields blocks of the chip's imaging rows as stored (big-endian, all columns), with their first frame row."""
    dtype = np.dtype(np.uint16 if layout.kind == "raw" else ">f4")
    rows, columns = layout.shape
    if not isinstance(stream, gzip.GzipFile):
        missing = offset + rows * columns * dtype.itemsize - os.fstat(stream.fileno()).st_size
        if missing > 0:
            raise TruncatedFrameError(f"{path}: ends {missing} bytes before the last pixel of HDU {hdu}")
    first = layout.detector.first_imaging_row(hdu) if layout.kind == "raw" else 0
    block = np.empty((_BLOCK_ROWS, columns), dtype)
    with _reading(path, f"the pixels of HDU {hdu}"):
        stream.seek(offset + first * columns * dtype.itemsize)
        for row in range(0, CHIP_SHAPE[0], _BLOCK_ROWS):
            view = memoryview(block.data).cast("B")
            while view:
                count = stream.readinto(view)
                if not count:
                    raise TruncatedFrameError(f"{path}: ends within the pixels of HDU {hdu}")
                view = view[count:]
            yield row, block


def _decompressed_rows(
    hdu: fits.CompImageHDU, layout: _Layout, index: int, path: Path
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yields the same blocks from a tile-compressed extension."""
    first = layout.detector.first_imaging_row(index) if layout.kind == "raw" else 0
    with _reading(path, f"the compressed pixels of HDU {index}"):
        pixels = np.asarray(hdu.data)
        if pixels.shape != layout.shape:
            raise TruncatedFrameError(f"{path}: HDU {index} decompresses to {pixels.shape}, not {layout.shape}")
        stored = pixels.view(np.uint16).byteswap() if layout.kind == "raw" and pixels.dtype.isnative else pixels
        if layout.kind == "raw":
            stored = stored.view(np.uint16)
    for row in range(0, CHIP_SHAPE[0], _BLOCK_ROWS):
        yield row, stored[first + row : first + row + _BLOCK_ROWS]


def _gather(
    blocks: Iterator[tuple[int, npt.NDArray[Any]]], layout: _Layout, path: Path
) -> tuple[npt.NDArray[Any], tuple[float, float]]:
    """Puts blocks of stored rows together as a frame's pixels, and measures the bias of each amplifier."""
    detector = layout.detector
    if layout.kind == "calibrated":
        pixels: npt.NDArray[Any] = np.empty(CHIP_SHAPE, np.float32)
        for row, block in blocks:
            pixels[row : row + len(block)] = block
        finite = np.isfinite(pixels[::8, ::8])
        if not finite.any() and not np.isfinite(pixels).any():
            raise BlankFrameError(f"{path}: no pixel is finite")
        _refuse_constant(pixels, path)
        return pixels, (0.0, 0.0)
    regions = detector.bias_columns + (detector.fallback_bias_columns or ())
    overscan = [np.empty((CHIP_SHAPE[0], stop - start), np.uint16) for start, stop in regions]
    pixels = np.empty(CHIP_SHAPE, np.uint16)
    half = CHIP_SHAPE[1] // 2
    for row, block in blocks:
        # BZERO = 32768 on two's complement: unsigned counts are the stored bits with the highest one turned over.
        counts = block.byteswap()
        counts ^= np.uint16(0x8000)
        rows = slice(row, row + len(block))
        for (start, stop), columns in zip(detector.imaging_columns(), (slice(0, half), slice(half, None)), strict=True):
            pixels[rows, columns] = counts[:, start:stop]
        for (start, stop), region in zip(regions, overscan, strict=True):
            region[rows] = counts[:, start:stop]
    _refuse_constant(pixels, path)
    levels = [_bias_level(region) for region in overscan]
    bias = []
    for side in range(2):
        usable = [level for level in levels[side::2] if level is not None]
        if not usable:
            raise UnsupportedReadoutError(
                f"{path}: the overscan of the {('left', 'right')[side]} amplifier has no level"
            )
        bias.append(usable[0])
    return pixels, (bias[0], bias[1])


def _bias_level(overscan: npt.NDArray[np.uint16]) -> float | None:
    """Mean of the overscan within three robust standard deviations of its median, DN; None if it is stuck.

    Cosmic rays and hot columns bleed into overscan columns, so the plain mean will not do; the median alone would
    round to whole DN.
    """
    middle = float(np.median(overscan))
    if not 0 < middle < 65535:
        return None
    deviation = np.abs(overscan.astype(np.float32) - np.float32(middle))
    # The floor lets a level that sits between two whole DN keep both.
    reach = max(3 * 1.4826 * float(np.median(deviation)), 1.0)
    return float(overscan[deviation <= reach].mean(dtype=np.float64))


def _refuse_constant(pixels: npt.NDArray[Any], path: Path) -> None:
    value = pixels[0, 0]
    for row in pixels:
        if np.any(row != value):
            return
    raise BlankFrameError(f"{path}: all pixels have one value. Received: {value}")


def _text(header: fits.Header, card: str) -> str:
    value = header.get(card, "")
    return value.strip() if isinstance(value, str) else ""


def _number(header: fits.Header, card: str, default: float = math.nan) -> float:
    value = header.get(card, default)
    return float(value) if isinstance(value, (int, float)) else default
