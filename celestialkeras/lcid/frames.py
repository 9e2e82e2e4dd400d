"""FITS chip -> Frame: one CCD chip of one exposure as stored, with its amplifiers' bias levels.

Reads `raw.fits`, `flt.fits` and `flc.fits` of ACS/WFC and WFC3/UVIS and raw windows of CSST/MSC (see `detectors`),
plain, gzip- or Rice-compressed. Everything that the headers can decide is decided before pixels are read: a file is
refused by name before memory is allocated for it.

Saturated pixels stay as stored (a raw file's converter tops out at 65535) and land in the brightest code. NaN pixels
of calibrated files stay NaN, and the stretch gives them the code of the sky.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from io import BufferedIOBase
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from celestialkeras.errors import (
    BlankFrameError,
    FrameError,
    NotFitsError,
    TruncatedFrameError,
    UnsupportedReadoutError,
    WrongHduError,
)
from celestialkeras.lcid.detectors import CHIP_HDUS, CHIP_SHAPE, Detector
from celestialkeras.lcid.headers import (
    ChipLayout,
    check_readout,
    file_size,
    find_detector,
    find_filter,
    find_layout,
    number_card,
    open_stream,
    read_header,
    reading,
    seek_extension,
    text_card,
)

FRAME_SUFFIXES = (".fits", ".fits.gz", ".fits.fz")
"""File name endings that are taken for FITS frames in folders."""

# Rows are converted in blocks that stay in the processor's second-level cache.
_BLOCK_ROWS = 16

# The sign bit of a big-endian 16-bit pixel, as the machine sees the stored bytes.
_HIGHEST_STORED_BIT = np.array(0x8000, ">u2").view(np.uint16)


@dataclass(frozen=True, eq=False)
class Frame:
    """One chip of one exposure.

    Attributes:
        data: Imaging pixels as stored, `(2048, 4096)`: `uint16` DN for raw files, `float32` electrons for calibrated
            ones. Row 0 is the first row of the file.
        bias: Bias level of each amplifier's channel from left to right, DN; zero for calibrated files.
        channel_columns: Columns `(start, stop)` that each of them reads; together they tile the frame.
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
    bias: tuple[float, ...]
    channel_columns: tuple[tuple[int, int], ...]
    obsid: str
    hdu: int
    instrument: str
    filter: str
    exptime: float
    target: str
    ra: float
    dec: float
    date: str

    def channels(self) -> tuple[tuple[slice, float], ...]:
        """Columns and bias level (DN) of each amplifier's channel, from left to right."""
        return tuple((slice(*columns), bias) for columns, bias in zip(self.channel_columns, self.bias, strict=True))

    def calibrated(self) -> npt.NDArray[np.float32]:
        """Pixels with each amplifier's bias subtracted: `float32 (2048, 4096)`, DN (electrons if calibrated)."""
        pixels = self.data.astype(np.float32)
        for columns, bias in self.channels():
            pixels[:, columns] -= np.float32(bias)
        return pixels


def read_frame(path: str | Path, hdu: int) -> Frame:
    """Reads one chip.

    Besides the returned array at most a block of rows is held for plain and gzip files, and at most two arrays of its
    size for Rice-compressed ones.

    Args:
        path: A `raw`, `flt` or `flc` file: `.fits`, `.fits.gz` or `.fits.fz`.
        hdu: HDU index of the chip: 1 (lower, on Hubble amplifiers C and D) or 4 (upper, A and B).

    Returns:
        The chip with its bias levels and the header cards that the project uses.

    Raises:
        FrameNotFoundError: No such file.
        NotFitsError: Not FITS, or headers beyond reading.
        TruncatedFrameError: The file ends before the chip does.
        WrongHduError: `hdu` is not 1 or 4, is missing in the file, or is no science extension.
        NoDataError: The extension holds no pixels.
        UnsupportedDetectorError: Neither ACS/WFC nor WFC3/UVIS nor an imaging chip of CSST/MSC.
        UnsupportedReadoutError: Subarray, binned or partial readout, or a size the detector never gives.
        UnsupportedFilterError: Grism, prism, ramp, quad, polarizer or no filter.
        BlankFrameError: All pixels have one value, or none is finite.
    """
    path = Path(path)
    if hdu not in CHIP_HDUS:
        raise WrongHduError(f"{path}: the HDU of a chip must be 1 (lower) or 4 (upper). Received: hdu={hdu}")
    with open_stream(path) as stream:
        # A card is parsed when it is asked for.
        with reading(path, "the headers"):
            primary = read_header(stream, 0, path)
            detector = find_detector(primary, path)
            check_readout(primary, path)
            filter_name = find_filter(primary, detector, path)
            header = seek_extension(stream, primary, hdu, path)
            layout = find_layout(stream, header, detector, hdu, path)
            described = _describe(primary, header, path)
        rows = _decompressed_rows if layout.compressed else _stored_rows
        data, bias = _gather(rows(stream, layout, path), layout, path)
    return Frame(
        data=data,
        bias=bias,
        channel_columns=detector.frame_columns(),
        hdu=hdu,
        instrument=detector.instrument,
        filter=filter_name,
        **described,
    )


def _describe(primary: fits.Header, header: fits.Header, path: Path) -> dict[str, Any]:
    """The fields of a frame that tell what was observed."""
    return {
        "obsid": text_card(primary, "ROOTNAME").lower() or path.name.split("_")[0].split(".")[0].lower(),
        "exptime": number_card(primary, "EXPTIME"),
        "target": text_card(primary, "TARGNAME"),
        "ra": number_card(header, "CRVAL1", number_card(primary, "RA_TARG")),
        "dec": number_card(header, "CRVAL2", number_card(primary, "DEC_TARG")),
        "date": "T".join(filter(None, (text_card(primary, "DATE-OBS"), text_card(primary, "TIME-OBS")))),
    }


def trim_overscan(
    counts: npt.NDArray[np.uint16], detector: Detector, hdu: int, path: Path
) -> tuple[npt.NDArray[np.uint16], tuple[float, ...]]:
    """Pixels and bias levels of a raw chip that is in memory: what `read_frame` would give of it in a file.

    Args:
        counts: `uint16` of the detector's `raw_shape`, DN.
        detector: The detector.
        hdu: 1 or 4: which chip.
        path: What to call it in errors.

    Returns:
        `uint16 (2048, 4096)`, DN, and the bias of each amplifier, DN.

    Raises:
        UnsupportedReadoutError: An amplifier's overscan has no level.
        BlankFrameError: All pixels have one value.
    """
    first = detector.first_imaging_row(hdu)
    return _trimmed([(0, counts[first : first + CHIP_SHAPE[0]])], detector, hdu, path)


def _stored_rows(stream: BufferedIOBase, layout: ChipLayout, path: Path) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yields blocks of the chip's imaging rows with the frame row that each begins at.

    Blocks hold all columns, overscan included, in either byte order: `uint16` counts of raw chips, electrons of
    calibrated ones. A block is overwritten by the next one.
    """
    dtype = layout.dtype
    rows, columns = layout.shape
    offset, size = stream.tell(), file_size(stream)
    missing = offset + rows * columns * dtype.itemsize - size if size is not None else 0
    if missing > 0:
        raise TruncatedFrameError(f"{path}: ends {missing} bytes before the last pixel of HDU {layout.hdu}")
    block = np.empty((_BLOCK_ROWS, columns), dtype)
    with reading(path, f"the pixels of HDU {layout.hdu}"):
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
                bits = block.view(np.uint16)
                np.bitwise_xor(bits, _HIGHEST_STORED_BIT, out=bits)
            yield row, block


def _decompressed_rows(
    stream: BufferedIOBase, layout: ChipLayout, path: Path
) -> Iterator[tuple[int, npt.NDArray[Any]]]:
    """Yields the same blocks from a tile-compressed extension."""
    damage = ""
    try:
        with reading(path, f"the compressed pixels of HDU {layout.hdu}"):
            stream.seek(0)
            with fits.open(stream, memmap=False, lazy_load_hdus=True, do_not_scale_image_data=True) as hdus:
                pixels = np.asarray(hdus[layout.hdu].data)
            if pixels.shape != layout.shape:
                raise ValueError(f"they decompress to {pixels.shape}, not {layout.shape}")
    except FrameError:
        raise
    except Exception as error:
        damage = str(error).strip() or type(error).__name__
    # The decompressor in C has error kinds of its own, any of which means damage. They cross no process border, and
    # Dask takes along what an error was raised in the course of: so this one is raised after it.
    if damage:
        raise NotFitsError(f"{path}: the compressed pixels of HDU {layout.hdu} cannot be read ({damage})")
    for row in range(0, CHIP_SHAPE[0], _BLOCK_ROWS):
        first = layout.first_row + row
        block = pixels[first : first + _BLOCK_ROWS]
        yield row, block.astype(np.int16).view(np.uint16) ^ np.uint16(0x8000) if layout.kind == "raw" else block


def _gather(
    blocks: Iterator[tuple[int, npt.NDArray[Any]]], layout: ChipLayout, path: Path
) -> tuple[npt.NDArray[Any], tuple[float, ...]]:
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
        return pixels, (0.0,) * len(detector.channels)
    return _trimmed(blocks, detector, layout.hdu, path)


def _trimmed(
    blocks: Iterable[tuple[int, npt.NDArray[Any]]], detector: Detector, hdu: int, path: Path
) -> tuple[npt.NDArray[np.uint16], tuple[float, ...]]:
    """Cuts the overscan off blocks of raw rows, and measures the bias of each amplifier in it."""
    overscan = {
        region: np.empty((CHIP_SHAPE[0], region[1] - region[0]), np.uint16)
        for channel in detector.channels
        for region in (channel.bias, channel.fallback_bias)
        if region is not None
    }
    pixels = np.empty(CHIP_SHAPE, np.uint16)
    moves = [
        (slice(*columns), slice(*imaging))
        for columns, imaging in zip(detector.frame_columns(), detector.imaging_columns(), strict=True)
    ]
    for row, block in blocks:
        rows = slice(row, row + len(block))
        for columns, imaging in moves:
            pixels[rows, columns] = block[:, imaging]
        for (start, stop), region in overscan.items():
            region[rows] = block[:, start:stop]
    _refuse_constant(pixels, path)
    bias = []
    for channel, amplifier in zip(detector.channels, detector.amplifiers(hdu), strict=True):
        level = _bias_level(overscan[channel.bias])
        if level is None and channel.fallback_bias is not None:
            level = _bias_level(overscan[channel.fallback_bias])
        if level is None:
            raise UnsupportedReadoutError(f"{path}: the overscan of amplifier {amplifier} has no level")
        bias.append(level)
    return pixels, tuple(bias)


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
    value = pixels[np.isfinite(pixels)][0] if np.isnan(pixels[0, 0]) else pixels[0, 0]
    for row in pixels:
        # A NaN differs from every value and must not pass for a second one.
        if np.any((row != value) & (row == row)):
            return
    raise BlankFrameError(f"{path}: all pixels have one value. Received: {value}")
