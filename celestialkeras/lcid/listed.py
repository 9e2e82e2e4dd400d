"""The chip that a manifest row lists, read from its file and held against the row."""

from __future__ import annotations

from pathlib import Path

from celestialkeras.errors import MismatchedFrameError
from celestialkeras.lcid.frames import Frame, read_frame
from celestialkeras.lcid.manifest import Observation


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
