"""FITS files of small chips, whole in every way, and what may become of them on their way here.

A chip of 256 x 256 pixels is read by the same code as one of 2048 x 4096, in a thousandth of the time; the geometry
of the detectors is small for as long as `small_chips` is entered.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from unittest import mock

import numpy as np
from astropy.io import fits

from celestialkeras.lcid import detectors, frames, headers
from celestialkeras.lcid.detectors import ACS_WFC, CHIP_HDUS, WFC3_UVIS, Channel, Detector
from fuzz_mutations import ANY_BYTES, Mutation, mutate, place, rearrange_blocks
from raw_files import RawFile, raw_counts

SHAPE = (256, 256)
"""Rows and columns of a small frame: the fewest that the quality of a frame can be judged by."""

_CHANNELS = (Channel((0, 136), (8, 136), (2, 8)), Channel((136, 272), (136, 264), (264, 270), mirrored=True))
UVIS = replace(WFC3_UVIS, imaging_rows=259, parallel_rows=3, channels=_CHANNELS)
ACS = replace(ACS_WFC, imaging_rows=256, parallel_rows=4, channels=_CHANNELS)

_CARD = 80

# Cards that sizes, types and ways follow from.
_TELLING = (
    b"SIMPLE XTENSION BITPIX NAXIS NAXIS1 NAXIS2 PCOUNT GCOUNT BZERO BSCALE EXTNAME TFIELDS TFORM1 TTYPE1 THEAP ZIMAGE "
    b"ZBITPIX ZNAXIS ZNAXIS1 ZNAXIS2 ZTILE1 ZTILE2 ZCMPTYPE ZNAME1 ZVAL1 ZNAME2 ZVAL2 ZQUANTIZ ZSCALE ZZERO ZBLANK "
    b"INSTRUME DETECTOR CCDAMP SUBARRAY FILTER FILTER1 FILTER2 ROOTNAME EXPTIME TARGNAME RA_TARG DATE-OBS CRVAL1 END"
).split()

_VALUES = (
    *b"0 1 -1 2 3 8 16 -32 -64 999 255 65536 2147483647 2147483648 4294967296 9223372036854775808".split(),
    *b"-9223372036854775808 1E999 -1E999 1E308 NaN INF 1.5 16.0 -0 T F U (1,2) (1E999,0) 0x10 1_000 1e".split(),
    *b"'' 'x '\xff' '\x00' \xe9 'SCI' 'WFC3' 'ACS' 'UVIS' 'G' 'F814W' 'IMAGE' 'TABLE' 'BINTABLE'".split(),
    *b"'RICE_1' 'GZIP_1' 'GZIP_2' 'HCOMPRESS_1' 'PLIO_1' 'NOCOMPRESS'".split(),
    *b"'1PB(0)' '1PE' '1QB(99999999)' '999999999J'".split(),
    *(b"", b"9" * 68, b"'" + b"x" * 67, b"'" * 67, b"= = =", b"'CONTINUED&'"),
)


@contextmanager
def small_chips() -> Iterator[None]:
    """Makes every detector small for as long as the block runs."""
    with (
        mock.patch.object(detectors, "CHIP_SHAPE", SHAPE),
        mock.patch.object(frames, "CHIP_SHAPE", SHAPE),
        mock.patch.object(headers, "DETECTORS", {one.instrument: one for one in (UVIS, ACS)}),
    ):
        yield


def whole_files() -> dict[str, bytes]:
    """A file of each way to store chips, by name: every one of them is read."""
    with small_chips():
        raw = _raw_file(UVIS)
        return {
            "uvis_raw.fits": _written(raw.hdus()),
            "acs_raw.fits": _written(_raw_file(ACS).hdus()),
            "uvis_flt.fits": _written(_raw_file(UVIS, calibrated=True).hdus()),
            "uvis_raw.fits.gz": gzip.compress(_written(raw.hdus()), 1, mtime=0),
            "uvis_raw.fits.fz": _written(_tiled(raw.hdus(), "RICE_1")),
            "uvis_flt.fits.fz": _written(_tiled(_raw_file(UVIS, calibrated=True).hdus(), "GZIP_2")),
        }


def mutate_file(content: bytes, rng: np.random.Generator) -> bytes:
    """A mutated FITS file; of a gzip file what lies in it, or the file itself."""
    if content[:2] == b"\x1f\x8b" and rng.random() < 0.7:
        return gzip.compress(mutate(gzip.decompress(content), MUTATIONS, rng), 1, mtime=0)
    return mutate(content, MUTATIONS, rng)


def set_value(content: bytes, rng: np.random.Generator) -> bytes:
    """Gives a card another value."""
    start = _some_card(content, rng)
    value = b"= " + _VALUES[int(rng.integers(len(_VALUES)))]
    return content[: start + 8] + value.ljust(_CARD - 8)[: _CARD - 8] + content[start + _CARD :]


def move_card(content: bytes, rng: np.random.Generator) -> bytes:
    """Puts a card in the place of another, which is lost or follows it."""
    one, other = _some_card(content, rng), _some_card(content, rng)
    card = content[one : one + _CARD]
    return content[:other] + card + content[other + (_CARD if rng.random() < 0.5 else 0) :]


def drop_card(content: bytes, rng: np.random.Generator) -> bytes:
    """Blanks a card, or closes the gap that it leaves."""
    start = _some_card(content, rng)
    return content[:start] + (b" " * _CARD if rng.random() < 0.5 else b"") + content[start + _CARD :]


def rename_card(content: bytes, rng: np.random.Generator) -> bytes:
    """Gives a card the name of another."""
    start = _some_card(content, rng)
    name = _TELLING[int(rng.integers(len(_TELLING)))] if rng.random() < 0.8 else b"CONTINUE"
    return content[:start] + name.ljust(8) + content[start + 8 :]


MUTATIONS: tuple[Mutation, ...] = (
    *(4 * (set_value,)),
    *(2 * (move_card, drop_card, rename_card)),
    rearrange_blocks(2880),
    *ANY_BYTES,
)
"""What may become of a FITS file: its cards suffer most, since everything follows from them."""


def _some_card(content: bytes, rng: np.random.Generator) -> int:
    """Where a card begins: of a name that tells something, mostly."""
    if rng.random() < 0.8:
        name = _TELLING[int(rng.integers(len(_TELLING)))].ljust(8)
        found = [start for start in _cards(content) if content[start : start + 8] == name]
        if found:
            return found[int(rng.integers(len(found)))]
    return place(content, rng) // _CARD * _CARD


def _cards(content: bytes) -> Iterator[int]:
    """Where cards begin, of all headers; of what is damaged already, of those that are still found."""
    start = 0
    while 0 <= start < len(content):
        end = content.find(b"END".ljust(_CARD), start)
        yield from range(start, end + 1, _CARD)
        start = content.find(b"XTENSION", end) if end >= 0 else -1


def _raw_file(detector: Detector, calibrated: bool = False) -> RawFile:
    counts: Mapping[int, np.ndarray] = {hdu: raw_counts(detector, hdu) for hdu in CHIP_HDUS}
    for chip in counts.values():
        chip[60:140, 60:140] += 300
    if calibrated:
        rows, columns = detector.calibrated_shape
        counts = {hdu: chip[:rows, :columns].astype(np.float32) - 2500 for hdu, chip in counts.items()}
    return RawFile(detector, counts=counts)


def _tiled(hdus: fits.HDUList, kind: str) -> fits.HDUList:
    """The same with compressed pixels."""
    for index in CHIP_HDUS:
        science = hdus[index]
        # Few tiles: unpacking one takes long, however small it is.
        tile = (64, science.data.shape[1])
        hdus[index] = fits.CompImageHDU(
            science.data, science.header, name="SCI", compression_type=kind, tile_shape=tile
        )
    return hdus


def _written(hdus: fits.HDUList) -> bytes:
    buffer = io.BytesIO()
    hdus.writeto(buffer)
    return buffer.getvalue()
