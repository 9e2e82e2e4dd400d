"""The chip that a manifest row lists: its file found in a folder, read, and held against the row.

A row names no file but a rootname, which is looked up among the files that the folder holds: no row leads out of it.
"""

from __future__ import annotations

import os
from array import array
from pathlib import Path

import numpy as np

from celestialkeras.errors import MismatchedFrameError
from celestialkeras.lcid.frames import FRAME_SUFFIXES, Frame, read_frame
from celestialkeras.lcid.manifest import ROOTNAME, Observation

# Where several products of one exposure lie in a folder, the one that the paper uses comes first.
_PRODUCTS = ("raw", "flc", "flt")


def find_frame_files(folder: Path) -> list[Path]:
    """What is named like a FITS file in a folder and its subfolders, sorted."""
    return sorted(path for path in folder.rglob("*") if path.name.endswith(FRAME_SUFFIXES))


class ListedFiles:
    """The FITS file of each rootname in a folder and its subfolders: some twenty bytes a file, for millions of them."""

    def __init__(self, folder: Path) -> None:
        """Looks through the folder once.

        Args:
            folder: The folder; one that is not there holds nothing.
        """
        self._folders: list[str] = []
        endings: dict[str, int] = {}
        rootnames, places, kinds = array("q"), array("I"), array("I")
        for parent, _, names in os.walk(folder):
            self._folders.append(parent)
            for name in names:
                rootname, _, ending = name.partition("_")
                listed = ROOTNAME.fullmatch(rootname) and ending.split(".")[0] in _PRODUCTS
                if listed and name.endswith(FRAME_SUFFIXES):
                    rootnames.append(int(rootname, 36))
                    places.append(len(self._folders) - 1)
                    kinds.append(endings.setdefault(ending, len(endings)))
        self._endings = list(endings)
        unsorted = np.array(rootnames, np.int64)
        order = np.argsort(unsorted, kind="stable")
        self._rootnames = unsorted[order]
        self._places, self._kinds = np.array(places, np.uint32)[order], np.array(kinds, np.uint32)[order]

    def get(self, rootname: str) -> Path | None:
        """The file of an exposure; None where there is none."""
        if not ROOTNAME.fullmatch(rootname):
            return None
        wanted = int(rootname, 36)
        first = np.searchsorted(self._rootnames, wanted)
        found = slice(first, np.searchsorted(self._rootnames, wanted, "right"))
        candidates = []
        for place, kind in zip(self._places[found], self._kinds[found], strict=True):
            ending = self._endings[kind]
            product = _PRODUCTS.index(ending.split(".")[0])
            candidates.append((product, Path(self._folders[place], f"{rootname}_{ending}")))
        return min(candidates)[1] if candidates else None


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
