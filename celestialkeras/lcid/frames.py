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

_FITS_BLOCK = 2880

# Rows are converted in blocks that stay in the processor's second-level cache.
_BLOCK_ROWS = 16

# The sign bit of a big-endian 16-bit pixel, as the machine sees the stored bytes.
_HIGHEST_STORED_BIT = np.array(0x8000, ">u2").view(np.uint16)

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
    hdu: int
    shape: tuple[int, int]
    compressed: bool

    @property
    def first_row(self) -> int:
        """Row of the extension that becomes row 0 of the frame."""
        return self.detector.first_imaging_row(self.hdu) if self.kind == "raw" else 0


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
    with _opened(path) as stream:
        primary = _next_header(stream, 0, path)
        detector = _find_detector(primary, path)
        _check_readout(primary, path)
        filter_name = _find_filter(primary, path)
        header = _seek_extension(stream, primary, hdu, path)
        layout = _find_layout(header, detector, hdu, path)
        rows = _decompressed_rows if layout.compressed else _stored_rows
        data, bias = _gather(rows(stream, layout, path), layout, path)
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
def _opened(path: Path) -> Iterator[BufferedIOBase]:
    """Opens a plain or gzip file at its first byte."""
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
        yield stream


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


def _next_header(stream: BufferedIOBase, index: int, path: Path) -> fits.Header:
    with _reading(path, f"the header of HDU {index}"):
        return fits.Header.fromfile(stream)


def _seek_extension(stream: BufferedIOBase, primary: fits.Header, hdu: int, path: Path) -> fits.Header:
    """Walks to an extension without reading what lies before it; leaves the stream at its first data byte."""
    header = primary
    for index in range(1, hdu + 1):
        claimed = _claimed_bytes(header, index - 1, path)
        if claimed > _LARGEST_EXTENSION:
            raise UnsupportedReadoutError(f"{path}: HDU {index - 1} claims {claimed} bytes, more than any HST chip")
        with _reading(path, f"HDU {index - 1}"):
            stream.seek(-(-claimed // _FITS_BLOCK) * _FITS_BLOCK, os.SEEK_CUR)
            ended = not stream.peek(1)  # type: ignore[attr-defined]
            overshot = ended and _size(stream) is not None and stream.tell() > (_size(stream) or 0)
        if overshot:
            raise TruncatedFrameError(f"{path}: ends within HDU {index - 1}, before HDU {hdu}")
        if ended:
            raise WrongHduError(f"{path}: has no HDU {hdu}; it holds {index} (0 to {index - 1})")
        header = _next_header(stream, index, path)
    return header


def _size(stream: BufferedIOBase) -> int | None:
    """Bytes of a plain file; None for a gzip stream, whose length is known at its end."""
    return None if isinstance(stream, gzip.GzipFile) else os.fstat(stream.fileno()).st_size


def _claimed_bytes(header: fits.Header, index: int, path: Path) -> int:
    """Bytes of data that a header claims, without padding (FITS standard 4.0, equation 2)."""
    with _reading(path, f"the header of HDU {index}"):
        axes = [int(header[f"NAXIS{axis}"]) for axis in range(1, int(header["NAXIS"]) + 1)]
        if not axes:
            return 0
        size = abs(int(header["BITPIX"])) // 8 * (math.prod(axes) + int(header.get("PCOUNT", 0)))
        claimed = size * int(header.get("GCOUNT", 1))
        if claimed < 0 or min(axes) < 0:
            raise ValueError(f"negative sizes, NAXISn = {axes}")
        return claimed


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
    compressed = header.get("ZIMAGE") is True
    prefix = "Z" if compressed else ""
    if extension != "SCI":
        raise WrongHduError(f"{path}: HDU {hdu} is not a science extension. Received: EXTNAME={extension!r}")
    with _reading(path, f"the header of HDU {hdu}"):
        axes = int(header[f"{prefix}NAXIS"])
        # Numpy's order: the last FITS axis first.
        shape = tuple(int(header[f"{prefix}NAXIS{axis}"]) for axis in range(axes, 0, -1))
        stored = int(header[f"{prefix}BITPIX"]), header.get("BZERO", 0), header.get("BSCALE", 1)
        tiles = [int(header.get(f"ZTILE{axis}", 1)) for axis in range(axes, 0, -1)]
    if axes == 0:
        raise NoDataError(f"{path}: HDU {hdu} holds no pixels (NAXIS = 0)")
    binning = header.get("BINAXIS1", 1), header.get("BINAXIS2", 1)
    if binning != (1, 1):
        raise UnsupportedReadoutError(f"{path}: HDU {hdu} is binned {binning[0]} x {binning[1]}; only 1 x 1 is read")
    if compressed and any(not 0 < tile <= side for tile, side in zip(tiles, shape, strict=True)):
        raise UnsupportedReadoutError(f"{path}: HDU {hdu} is compressed in tiles larger than itself. Received: {tiles}")
    if shape == detector.raw_shape and stored == (16, 32768, 1):
        return _Layout("raw", detector, hdu, detector.raw_shape, compressed)
    if shape == detector.calibrated_shape and stored == (-32, 0, 1):
        return _Layout("calibrated", detector, hdu, detector.calibrated_shape, compressed)
    size = " x ".join(map(str, shape))
    raw, calibrated = (" x ".join(map(str, s)) for s in (detector.raw_shape, detector.calibrated_shape))
    raise UnsupportedReadoutError(
        f"{path}: HDU {hdu} of a full {detector.instrument} chip is {raw} unsigned 16-bit (raw) or {calibrated} "
        f"float32 (flt, flc). Received: {size}, BITPIX={stored[0]}, BZERO={stored[1]}"
    )


def _stored_rows(stream: BufferedIOBase, layout: _Layout, path: Path) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yields blocks of the chip's imaging rows with the frame row that each begins at.

    Blocks hold all columns, overscan included, in either byte order: `uint16` counts of raw chips, `float32` electrons
    of calibrated ones. A block is overwritten by the next one.
    """
    dtype = np.dtype(">u2" if layout.kind == "raw" else ">f4")
    rows, columns = layout.shape
    offset, size = stream.tell(), _size(stream)
    missing = offset + rows * columns * dtype.itemsize - size if size is not None else 0
    if missing > 0:
        raise TruncatedFrameError(f"{path}: ends {missing} bytes before the last pixel of HDU {layout.hdu}")
    block = np.empty((_BLOCK_ROWS, columns), dtype)
    bits = block.view(np.uint16)
    with _reading(path, f"the pixels of HDU {layout.hdu}"):
        stream.seek(offset + layout.first_row * columns * dtype.itemsize)
        for row in range(0, CHIP_SHAPE[0], _BLOCK_ROWS):
            view = memoryview(block.view(np.uint8).data).cast("B")
            while view:
                count = stream.readinto(view)
                if not count:
                    raise TruncatedFrameError(f"{path}: ends within the pixels of HDU {layout.hdu}")
                view = view[count:]
            if layout.kind == "raw":
                # BZERO = 32768 on two's complement: unsigned counts are the stored bits with the highest one turned
                # over, which needs no swap; the swap then happens where the block is copied from.
                np.bitwise_xor(bits, _HIGHEST_STORED_BIT, out=bits)
            yield row, block


def _decompressed_rows(stream: BufferedIOBase, layout: _Layout, path: Path) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yields the same blocks from a tile-compressed extension."""
    with _reading(path, f"the compressed pixels of HDU {layout.hdu}"):
        stream.seek(0)
        with fits.open(stream, memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True) as hdus:
            pixels = np.asarray(hdus[layout.hdu].data)
        if pixels.shape != layout.shape:
            raise TruncatedFrameError(f"{path}: HDU {layout.hdu} decompresses to {pixels.shape}, not {layout.shape}")
    for row in range(0, CHIP_SHAPE[0], _BLOCK_ROWS):
        first = layout.first_row + row
        block = pixels[first : first + _BLOCK_ROWS]
        yield row, block.astype(np.int16).view(np.uint16) ^ np.uint16(0x8000) if layout.kind == "raw" else block


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
        rows = slice(row, row + len(block))
        for (start, stop), columns in zip(detector.imaging_columns(), (slice(0, half), slice(half, None)), strict=True):
            pixels[rows, columns] = block[:, start:stop]
        for (start, stop), region in zip(regions, overscan, strict=True):
            region[rows] = block[:, start:stop]
    _refuse_constant(pixels, path)
    bias = []
    for side, name in enumerate(("left", "right")):
        level = next((level for region in overscan[side::2] if (level := _bias_level(region)) is not None), None)
        if level is None:
            raise UnsupportedReadoutError(f"{path}: the overscan of the {name} amplifier has no level")
        bias.append(level)
    return pixels, (bias[0], bias[1])


def _bias_level(overscan: npt.NDArray[np.uint16]) -> float | None:
    """Mean of the overscan within three robust standard deviations of its median, DN; None if it is stuck.

    Cosmic rays and hot columns bleed into overscan columns, so the plain mean will not do; the median alone would
    round to whole DN.
    """
    # Every 8th row settles the median and the spread of whole counts; the mean is what needs them all.
    sample = overscan[::8]
    middle = float(np.median(sample))
    if not 0 < middle < 65535:
        return None
    # The floor lets a level that sits between two whole DN keep both.
    reach = max(3 * 1.4826 * float(np.median(np.abs(sample - middle))), 1.0)
    return float(overscan[np.abs(overscan - np.float32(middle)) <= reach].mean(dtype=np.float64))


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
