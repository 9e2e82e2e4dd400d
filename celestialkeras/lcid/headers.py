"""What the headers of a FITS file say of a chip, and whether it can be read: decided before a pixel is.

The file is walked header by header. Each one's claimed size is checked before the stream moves past its data, so that a
damaged or hostile header costs neither memory nor time.
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
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from celestialkeras.errors import (
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
from celestialkeras.lcid.detectors import DETECTORS, Detector

# The largest extension of an HST product is a float32 chip of 34 MB; a header that claims more than this in front of
# the chip is damaged or hostile, and skipping such an extension in a gzip stream could take hours.
_LARGEST_EXTENSION = 256 * 1024 * 1024

_FITS_BLOCK = 2880
_CARD = 80
_END = b"END".ljust(_CARD)

# Blocks; headers of HST products take some ten. One without its END card would otherwise be read to the file's end.
_LARGEST_HEADER = 500

_CLEAR = ("CLEAR", "CLEAR1L", "CLEAR2L", "CLEAR1S", "CLEAR2S", "N/A", "")
# By telescope, since `g` is a filter of CSST.
_REFUSED_FILTERS = {
    "HST": (("G", "grism"), ("PR", "prism"), ("FR", "ramp filter"), ("FQ", "quad filter"), ("POL", "polarizer")),
    "CSST": (("GU", "grating"), ("GV", "grating"), ("GI", "grating")),
}

# Of any table (FITS Standard 4.0, 7.3.1).
_MOST_COLUMNS = 999

# What the FITS and gzip readers raise on damaged input, beside their own warnings.
_DAMAGE = (OSError, EOFError, ValueError, KeyError, IndexError, TypeError, OverflowError, zlib.error, fits.VerifyError)


@dataclass(frozen=True)
class ChipLayout:
    """Where a chip's pixels lie in its extension, as its headers say.

    Attributes:
        kind: Whether counts with overscan, or electrons without.
        detector: The detector.
        hdu: HDU index of the extension.
        shape: Rows and columns of the extension.
        dtype: How a pixel is stored, big-endian.
        compressed: Whether it is tile-compressed.
    """

    kind: Literal["raw", "calibrated"]
    detector: Detector
    hdu: int
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    compressed: bool

    @property
    def first_row(self) -> int:
        """Row of the extension that becomes row 0 of the frame."""
        return self.detector.first_imaging_row(self.hdu) if self.kind == "raw" else 0


@contextmanager
def open_stream(path: Path) -> Iterator[BufferedIOBase]:
    """Opens a plain or gzip file at its first byte.

    Raises:
        FrameNotFoundError: No such file, or none that can be read.
        NotFitsError: It begins like neither FITS nor gzip.
    """
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
def reading(path: Path, what: str) -> Iterator[None]:
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


def read_header(stream: BufferedIOBase, index: int, path: Path) -> fits.Header:
    """Reads the header that the stream stands at, of HDU `index`; leaves it at the first data byte.

    Raises:
        NotFitsError: It cannot be read.
    """
    with reading(path, f"the header of HDU {index}"):
        blocks: list[bytes] = []
        while len(blocks) < _LARGEST_HEADER:
            block = stream.read(_FITS_BLOCK)
            if len(block) < _FITS_BLOCK:
                raise ValueError("the file ends before its END card")
            blocks.append(block)
            if any(block[start : start + _CARD] == _END for start in range(0, _FITS_BLOCK, _CARD)):
                return fits.Header.fromstring(b"".join(blocks))
        raise ValueError(f"no END card in its first {len(blocks)} blocks")


def seek_extension(stream: BufferedIOBase, primary: fits.Header, hdu: int, path: Path) -> fits.Header:
    """Walks to an extension without reading what lies before it; leaves the stream at its first data byte.

    Args:
        stream: The file, just behind its primary header.
        primary: That header.
        hdu: Index of the extension.
        path: Its name, for messages.

    Returns:
        The extension's header.

    Raises:
        WrongHduError: The file has fewer HDUs.
        TruncatedFrameError: It ends before the extension.
        UnsupportedReadoutError: An HDU on the way claims more bytes than any chip has.
        NotFitsError: A header on the way cannot be read.
    """
    header = primary
    for index in range(1, hdu + 1):
        claimed = _claimed_bytes(header, index - 1, path)
        if claimed > _LARGEST_EXTENSION:
            raise UnsupportedReadoutError(f"{path}: HDU {index - 1} claims {claimed} bytes, more than any chip")
        with reading(path, f"HDU {index - 1}"):
            stream.seek(-(-claimed // _FITS_BLOCK) * _FITS_BLOCK, os.SEEK_CUR)
            ended = not stream.peek(1)  # type: ignore[attr-defined]
            overshot = ended and file_size(stream) is not None and stream.tell() > (file_size(stream) or 0)
        if overshot:
            raise TruncatedFrameError(f"{path}: ends within HDU {index - 1}, before HDU {hdu}")
        if ended:
            raise WrongHduError(f"{path}: has no HDU {hdu}; it holds {index} (0 to {index - 1})")
        header = read_header(stream, index, path)
    return header


def file_size(stream: BufferedIOBase) -> int | None:
    """Bytes of a plain file; None for a gzip stream, whose length is known at its end."""
    return None if isinstance(stream, gzip.GzipFile) else os.fstat(stream.fileno()).st_size


def _claimed_bytes(header: fits.Header, index: int, path: Path) -> int:
    """Bytes of data that a header claims, without padding (FITS standard 4.0, equation 2)."""
    with reading(path, f"the header of HDU {index}"):
        axes = [int(header[f"NAXIS{axis}"]) for axis in range(1, int(header["NAXIS"]) + 1)]
        if not axes:
            return 0
        size = abs(int(header["BITPIX"])) // 8 * (math.prod(axes) + int(header.get("PCOUNT", 0)))
        claimed = size * int(header.get("GCOUNT", 1))
        if claimed < 0 or min(axes) < 0:
            raise ValueError(f"negative sizes, NAXISn = {axes}")
        return claimed


def find_detector(primary: fits.Header, path: Path) -> Detector:
    """The detector that a primary header names.

    Raises:
        UnsupportedDetectorError: It is none whose geometry is known.
    """
    received = text_card(primary, "INSTRUME"), text_card(primary, "DETECTOR")
    for detector in DETECTORS.values():
        if received[0] == detector.instrume and received[1] in detector.detectors:
            return detector
    named = "/".join(filter(None, received)) or "no INSTRUME card"
    raise UnsupportedDetectorError(f"{path}: detector must be one of {', '.join(DETECTORS)}. Received: {named}")


def check_readout(primary: fits.Header, path: Path) -> None:
    """Refuses what the primary header tells of partial readouts.

    Raises:
        UnsupportedReadoutError: A subarray, or fewer than all amplifiers.
    """
    if primary.get("SUBARRAY") is True:
        raise UnsupportedReadoutError(f"{path}: a subarray readout; only full chips are read. Received: SUBARRAY=T")
    amplifiers = text_card(primary, "CCDAMP") or "ABCD"
    if amplifiers != "ABCD":
        raise UnsupportedReadoutError(f"{path}: read by amplifier(s) {amplifiers}; only ABCD readouts are read")


def find_filter(primary: fits.Header, detector: Detector, path: Path) -> str:
    """The one filter that a primary header names; on ACS whichever of its two wheels is not clear.

    Names of Hubble's filters come in upper case; CSST's are kept as they are.

    Raises:
        UnsupportedFilterError: Not exactly one filter, or no plain one.
    """
    cards = ("FILTER",) if "FILTER" in primary else ("FILTER1", "FILTER2")
    written = [text_card(primary, card) for card in cards]
    if detector.telescope == "HST":
        written = [name.upper() for name in written]
    names = [name for name in written if name not in _CLEAR]
    for name in names:
        for prefix, kind in _REFUSED_FILTERS[detector.telescope]:
            if name.startswith(prefix):
                raise UnsupportedFilterError(f"{path}: taken through a {kind}. Received: {name}")
    if len(names) != 1:
        found = " + ".join(names) or "none"
        raise UnsupportedFilterError(f"{path}: must be taken through exactly one filter. Received: {found}")
    return names[0]


def find_layout(stream: BufferedIOBase, header: fits.Header, detector: Detector, hdu: int, path: Path) -> ChipLayout:
    """Where and how the pixels of a chip lie in its extension, compressed or not.

    Raises:
        WrongHduError: No science extension.
        NoDataError: No pixels.
        UnsupportedReadoutError: Binned, or of a size or type that a full chip never has.
        TruncatedFrameError: The file ends before the compressed pixels do.
        NotFitsError: Cards that every image has are missing.
    """
    extension = text_card(header, "EXTNAME")
    compressed = header.get("ZIMAGE") is True
    prefix = "Z" if compressed else ""
    if extension != "SCI":
        raise WrongHduError(f"{path}: HDU {hdu} is not a science extension. Received: EXTNAME={extension!r}")
    with reading(path, f"the header of HDU {hdu}"):
        axes = int(header[f"{prefix}NAXIS"])
        # Numpy's order: the last FITS axis first.
        shape = tuple(int(header[f"{prefix}NAXIS{axis}"]) for axis in range(axes, 0, -1))
        stored = int(header[f"{prefix}BITPIX"]), header.get("BZERO", 0), header.get("BSCALE", 1)
        tiles = [int(header.get(f"ZTILE{axis}", 1)) for axis in range(axes, 0, -1)]
    if compressed and (end := file_size(stream)) is not None:
        missing = stream.tell() + _claimed_bytes(header, hdu, path) - end
        if missing > 0:
            raise TruncatedFrameError(f"{path}: ends {missing} bytes before the compressed pixels of HDU {hdu} do")
    if axes == 0:
        raise NoDataError(f"{path}: HDU {hdu} holds no pixels (NAXIS = 0)")
    binning = header.get("BINAXIS1", 1), header.get("BINAXIS2", 1)
    if binning != (1, 1):
        raise UnsupportedReadoutError(f"{path}: HDU {hdu} is binned {binning[0]} x {binning[1]}; only 1 x 1 is read")
    if compressed and not 0 < header.get("TFIELDS", 0) <= _MOST_COLUMNS:
        # Astropy goes through as many as the card says.
        raise NotFitsError(
            f"{path}: a table has 1 to {_MOST_COLUMNS} columns. Received: TFIELDS={header.get('TFIELDS')}"
        )
    if compressed and any(not 0 < tile <= side for tile, side in zip(tiles, shape, strict=True)):
        raise UnsupportedReadoutError(f"{path}: HDU {hdu} is compressed in tiles larger than itself. Received: {tiles}")
    if shape == detector.raw_shape and stored == (16, 32768, 1):
        return ChipLayout("raw", detector, hdu, detector.raw_shape, np.dtype(">u2"), compressed)
    # Calibrated pixels are float32; cut-down files also hold whole electrons as plain int16.
    if detector.calibrated and shape == detector.calibrated_shape and stored in ((-32, 0, 1), (16, 0, 1)):
        dtype = np.dtype(">f4" if stored[0] == -32 else ">i2")
        return ChipLayout("calibrated", detector, hdu, detector.calibrated_shape, dtype, compressed)
    size, raw, calibrated = (" x ".join(map(str, s)) for s in (shape, detector.raw_shape, detector.calibrated_shape))
    wanted = f"HDU {hdu} of a {detector.instrument} window is {raw} unsigned 16-bit (raw)"
    if detector.calibrated:
        wanted = (
            f"HDU {hdu} of a full {detector.instrument} chip is {raw} unsigned 16-bit (raw) or {calibrated} "
            "float32 (flt, flc)"
        )
    raise UnsupportedReadoutError(f"{path}: {wanted}. Received: {size}, BITPIX={stored[0]}, BZERO={stored[1]}")


def text_card(header: fits.Header, card: str) -> str:
    """A card's text; empty where it is missing or no text."""
    value = header.get(card, "")
    return value.strip() if isinstance(value, str) else ""


def number_card(header: fits.Header, card: str, default: float = math.nan) -> float:
    """A card's number; `default` where it is missing or no number."""
    value = header.get(card, default)
    return float(value) if isinstance(value, (int, float)) else default
