"""Pictures for the page: made small, and kept in it as `data:` addresses."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.picture_files import import_pillow
from celestialkeras.report.blocks import Picture

WIDEST = 512
"""Pixels across of the pictures in the page; wider ones are made smaller."""

_QUALITY = 78
# A picture of a frame has some million pixels; more than this is no picture of one.
_MOST_PIXELS = 1 << 26


def picture_of_file(path: Path, described: str, caption: str = "") -> Picture | None:
    """A picture from a file.

    Args:
        path: PNG or JPEG.
        described: What it shows, for those who do not see it.
        caption: The line below it.

    Returns:
        The picture; None where the file is missing or is none.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    image_module = import_pillow("putting pictures into the report")
    try:
        with image_module.open(path, formats=("PNG", "JPEG")) as opened:
            if opened.width * opened.height > _MOST_PIXELS:
                return None
            return _kept(opened.convert("RGB"), described, caption)
    except (OSError, ValueError, SyntaxError, image_module.DecompressionBombError):
        # Pillow raises SyntaxError for PNG files that are broken.
        return None


def picture_of_shades(shades: npt.NDArray[np.uint8], described: str, caption: str, label: str) -> Picture:
    """A picture of grey shades.

    Args:
        shades: `uint8 (rows, columns)`, row 0 on top.
        described: What it shows, for those who do not see it.
        caption: The line below it.
        label: Class named with it; empty for none.

    Raises:
        DatasetError: `shades` is no picture.
        MissingExtraError: Pillow is not installed.
    """
    if shades.ndim != 2 or not shades.size:
        raise DatasetError(f"a picture must have rows and columns. Received: shape {shades.shape}")
    image = import_pillow("putting pictures into the report").fromarray(np.ascontiguousarray(shades))
    return _kept(image, described, caption, label)


def _kept(image: Any, described: str, caption: str, label: str = "") -> Picture:
    if image.width > WIDEST:
        image = image.resize((WIDEST, max(1, round(image.height * WIDEST / image.width))))
    encoded = io.BytesIO()
    image.save(encoded, format="JPEG", quality=_QUALITY, optimize=True)
    data = "data:image/jpeg;base64," + base64.b64encode(encoded.getvalue()).decode("ascii")
    return Picture(data, image.width, image.height, described, caption, label)
