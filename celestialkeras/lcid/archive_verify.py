"""Whether a file is whole, is the one that was asked for, and holds what the manifest lists."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from astropy.io import fits

from celestialkeras.errors import DamagedFrameError, MismatchedFrameError, NotFitsError, TruncatedFrameError
from celestialkeras.lcid.archive_plan import Product
from celestialkeras.lcid.headers import reading, text_card
from celestialkeras.lcid.listed import read_listed_frame


@dataclass(frozen=True)
class Integrity:
    """What was found of a whole file.

    Attributes:
        hdus: HDUs in it.
        summed: How many of them carry a DATASUM or CHECKSUM, all of which agree with the bytes.
    """

    hdus: int
    summed: int


def check_integrity(path: Path, product: Product) -> Integrity:
    """Checks that a file is whole and of the right exposure.

    Its HDUs must tile the file to the last byte, sums must agree where the file has them (FITS standard 4.0, 4.4.2.7),
    and ROOTNAME must be the product's.

    Args:
        path: The file, not compressed.
        product: What it should be.

    Raises:
        NotFitsError: It is not FITS, or something that is not FITS follows after its HDUs.
        TruncatedFrameError: It ends before its last HDU does.
        DamagedFrameError: A sum disagrees.
        MismatchedFrameError: It is another exposure.
    """
    # Tiles of compressed images stay as they are stored: the sums are of the stored bytes.
    how = {"memmap": False, "lazy_load_hdus": False, "disable_image_compression": True}
    with reading(path, "its HDUs"), fits.open(path, **how) as hdus:
        last = hdus[-1].fileinfo()
        end, size = last["datLoc"] + last["datSpan"], path.stat().st_size
        if end > size:
            raise TruncatedFrameError(f"{path}: ends {end - size} bytes before HDU {len(hdus) - 1} does")
        if end < size:
            raise NotFitsError(f"{path}: holds {size - end} bytes behind HDU {len(hdus) - 1} that are no HDU")
        rootname = text_card(hdus[0].header, "ROOTNAME").lower()
        if rootname != product.rootname:
            raise MismatchedFrameError(
                f"{path}: ROOTNAME must be {product.rootname}, as asked for. Received: {rootname or 'no ROOTNAME'}"
            )
        summed = 0
        for index, hdu in enumerate(hdus):
            # 0 disagrees, 1 agrees, 2 is not there.
            sums = {"DATASUM": hdu.verify_datasum(), "CHECKSUM": hdu.verify_checksum()}
            for card, outcome in sums.items():
                if outcome == 0:
                    raise DamagedFrameError(f"{path}: {card} of HDU {index} disagrees with its bytes")
            summed += 1 in sums.values()
        return Integrity(len(hdus), summed)


def check_listed_chips(path: Path, product: Product) -> None:
    """Checks that every chip that the manifest lists can be read from a file, and is what the manifest says.

    Args:
        path: The file.
        product: What it should be, with the rows.

    Raises:
        MismatchedFrameError: Another instrument or filter than listed, or calibrated where raw was asked for.
        FrameError: A chip cannot be read; see `celestialkeras.lcid.frames.read_frame`.
    """
    for row in product.rows:
        raw = read_listed_frame(path, row).data.dtype == np.uint16
        if raw != (product.kind == "raw"):
            raise MismatchedFrameError(
                f"{path}: HDU {row.hdu} must be of the kind {product.kind}. Received:"
                f" {'raw counts' if raw else 'calibrated pixels'}"
            )
