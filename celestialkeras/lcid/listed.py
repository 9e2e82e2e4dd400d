"""The chip that a manifest row lists: its file found in a folder, read, and held against the row.

A row names no file but a rootname, which is looked up among the files that the folder holds: no row leads out of it.
"""

from __future__ import annotations

from pathlib import Path

from celestialkeras.errors import MismatchedFrameError
from celestialkeras.lcid.frames import FRAME_SUFFIXES, Frame, read_frame
from celestialkeras.lcid.manifest import Observation

# Where several products of one exposure lie in a folder, the one that the paper uses comes first.
_PRODUCTS = ("raw", "flc", "flt")


def find_frame_files(folder: Path) -> list[Path]:
    """What is named like a FITS file in a folder and its subfolders, sorted."""
    return sorted(path for path in folder.rglob("*") if path.name.endswith(FRAME_SUFFIXES))


def find_listed_files(folder: Path) -> dict[str, Path]:
    """The FITS file of each rootname in a folder and its subfolders."""
    found: dict[str, tuple[int, Path]] = {}
    for path in find_frame_files(folder):
        rootname, _, rest = path.name.partition("_")
        product = rest.split(".")[0]
        if product in _PRODUCTS:
            candidate = (_PRODUCTS.index(product), path)
            found[rootname] = min(found.get(rootname, candidate), candidate)
    return {rootname: path for rootname, (_, path) in found.items()}


def read_listed_frame(path: Path, row: Observation) -> Frame:
    """Reads the chip of a manifest row.

    Args:
        path: The FITS file of its exposure.
        row: The row.

    Raises:
        MismatchedFrameError: The file is of another exposure, instrument or filter than the row says.
        FrameError: The chip cannot be read; see `read_frame`.
    """
    frame = read_frame(path, row.hdu)
    listed = (row.obsid, row.instrument, row.filter.upper())
    # Published lists write some names of filters in lower case.
    found = (frame.obsid, frame.instrument, frame.filter.upper())
    if listed != found:
        raise MismatchedFrameError(f"{path}: the manifest lists {' '.join(listed)}. Received: {' '.join(found)}")
    return frame
