from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from archive_server import chip_file, chip_row, small_file
from celestialkeras.errors import (
    DamagedFrameError,
    FrameError,
    MismatchedFrameError,
    NotFitsError,
    TruncatedFrameError,
    WrongHduError,
)
from celestialkeras.lcid.archive_plan import Product
from celestialkeras.lcid.archive_verify import Integrity, check_integrity, check_listed_chips

WHOLE = small_file("j8bt05akq")
PRODUCT = Product("j8bt05akq", "raw", (chip_row("j8bt05akq"),))


def written(folder: Path, content: bytes) -> Path:
    path = folder / "j8bt05akq_raw.fits.part"
    path.write_bytes(content)
    return path


def without_sums(content: bytes) -> bytes:
    out = io.BytesIO()
    with fits.open(io.BytesIO(content)) as hdus:
        for hdu in hdus:
            del hdu.header["CHECKSUM"], hdu.header["DATASUM"]
        hdus.writeto(out)
    return out.getvalue()


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


def test_a_whole_file_is_counted(tmp_path: Path) -> None:
    assert check_integrity(written(tmp_path, WHOLE), PRODUCT) == Integrity(hdus=2, summed=2)
    assert check_integrity(written(tmp_path, without_sums(WHOLE)), PRODUCT) == Integrity(hdus=2, summed=0)


def test_sums_of_compressed_chips_are_of_the_stored_bytes(tmp_path: Path) -> None:
    out = io.BytesIO()
    primary = fits.PrimaryHDU()
    primary.header["ROOTNAME"] = "J8BT05AKQ"
    pixels = np.arange(10_000, dtype=np.int16).reshape(100, 100)
    fits.HDUList([primary, fits.CompImageHDU(pixels)]).writeto(out, checksum=True)
    assert check_integrity(written(tmp_path, out.getvalue()), PRODUCT) == Integrity(hdus=2, summed=2)


@pytest.mark.parametrize(
    ("content", "kind", "message"),
    [
        (WHOLE[:-1], TruncatedFrameError, "ends 1 bytes before HDU 1 does"),
        (WHOLE[:-2880], TruncatedFrameError, "ends 2880 bytes before HDU 1 does"),
        (WHOLE[: len(WHOLE) // 2], TruncatedFrameError, "before HDU 1 does"),
        (WHOLE + b"\0" * 2880, NotFitsError, "holds 2880 bytes behind HDU 1 that are no HDU"),
        (WHOLE + b"x", NotFitsError, "holds 1 bytes behind HDU 1 that are no HDU"),
        (flipped(WHOLE, len(WHOLE) - 5000), DamagedFrameError, "DATASUM of HDU 1 disagrees with its bytes"),
        (flipped(WHOLE, WHOLE.index(b"number of array")), DamagedFrameError, "CHECKSUM of HDU 0 disagrees"),
        (small_file("j8bt05anq"), MismatchedFrameError, "must be j8bt05akq, as asked for. Received: j8bt05anq"),
        (b"", NotFitsError, "cannot be read"),
        (b"SIMPLE  =                    T" + b" " * 5000, NotFitsError, "cannot be read"),
        (b"<html>" + b" " * 5000, NotFitsError, "cannot be read"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, content: bytes, kind: type[FrameError], message: str) -> None:
    with pytest.raises(kind, match=message):
        check_integrity(written(tmp_path, content), PRODUCT)


def test_listed_chips_are_read(tmp_path: Path) -> None:
    path = written(tmp_path, chip_file("j8bt05akq"))
    check_listed_chips(path, PRODUCT)
    for row, kind, kind_of_error, message in [
        (chip_row("j8bt05akq", filter="F606W"), "raw", MismatchedFrameError, "lists j8bt05akq ACS/WFC F606W"),
        (chip_row("j8bt05akq", hdu=4), "raw", WrongHduError, "has no HDU 4"),
        (chip_row("j8bt05akq"), "flc", MismatchedFrameError, "HDU 1 must be of the kind flc. Received: raw counts"),
    ]:
        with pytest.raises(kind_of_error, match=message):
            check_listed_chips(path, Product("j8bt05akq", kind, (row,)))
