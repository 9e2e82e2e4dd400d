"""Contact sheets: frames side by side in one PNG, each below its class and what is known of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError
from celestialkeras.files import replacing
from celestialkeras.lcid.picture_files import import_pillow
from celestialkeras.lcid.preview import DrawnTile

MAX_SHEET_PIXELS = 1 << 28
"""A sheet of more pixels, 0.8 GB in memory, is refused."""

# Codes from the dark side of the sky's noise to bright nebulae; stars burn out, as they do on a screen.
_BLACK, _WHITE = 20, 200

# Titles are legible from this width on; smaller tiles are enlarged by whole factors.
_LEAST_WIDTH = 240

_MARGIN = 6
_LINE = 15
_TITLE = 2 * _LINE + 4
_FONT_SIZE = 12

_PAPER = (24, 24, 28)
_INK = (190, 190, 190)
_LABEL_INK = {"galaxy": (255, 196, 87), "NSC": (110, 200, 255), "": (230, 230, 230)}


def write_contact_sheet(drawn: Sequence[DrawnTile], path: str | Path, columns: int = 4) -> None:
    """Draws frames as their codes, a pixel a code, row 0 at the bottom as astronomers have it.

    Args:
        drawn: The frames, all of one size, in reading order.
        path: The PNG to write or replace.
        columns: Frames in a row of the sheet.

    Raises:
        DatasetError: The frames differ in size, or the sheet would have more than `MAX_SHEET_PIXELS` pixels.
        MissingExtraError: Pillow is not installed.
    """
    image_module = import_pillow("drawing a contact sheet")
    from PIL import ImageDraw, ImageFont

    shapes = {one.tile.codes.shape for one in drawn}
    if len(shapes) > 1:
        raise DatasetError(f"frames on one sheet must have one size. Received: {sorted(shapes)}")
    height, width = shapes.pop()
    factor = -(-_LEAST_WIDTH // width) if width < _LEAST_WIDTH else 1
    columns = min(columns, len(drawn))
    cell = (width * factor + _MARGIN, height * factor + _TITLE + _MARGIN)
    size = (columns * cell[0] + _MARGIN, -(-len(drawn) // columns) * cell[1] + _MARGIN)
    if size[0] * size[1] > MAX_SHEET_PIXELS:
        raise DatasetError(
            f"a sheet of {size[1]} x {size[0]} pixels is too large; ask for fewer frames or a larger binning"
        )
    sheet = image_module.new("RGB", size, _PAPER)
    canvas = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(_FONT_SIZE)
    for number, one in enumerate(drawn):
        left = _MARGIN + number % columns * cell[0]
        top = _MARGIN + number // columns * cell[1]
        lines = [(one.item.label or "unlabelled", _LABEL_INK[one.item.label]), (", ".join(one.tile.facts), _INK)]
        for line, (text, ink) in enumerate(lines):
            fitting = _cut(text, lambda part: font.getlength(part) <= width * factor)
            canvas.text((left, top + line * _LINE), fitting, fill=ink, font=font)
        grey = image_module.fromarray(shades_of(one.tile.codes))
        sheet.paste(
            grey.resize((width * factor, height * factor), image_module.Resampling.NEAREST), (left, top + _TITLE)
        )
    with replacing(Path(path)) as partial:
        sheet.save(partial, format="PNG")


def shades_of(codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
    """Codes as they are shown: from the dark side of the sky's noise to bright nebulae, upright.

    Args:
        codes: `uint8 (rows, columns)`, row 0 at the bottom, as astronomers have it.

    Returns:
        Grey shades, `uint8 (rows, columns)`, row 0 on top, as pictures have it.
    """
    shades = ((np.arange(256) - _BLACK) * (255 / (_WHITE - _BLACK))).clip(0, 255).astype(np.uint8)
    return np.ascontiguousarray(shades[codes][::-1])


def _cut(text: str, fits: Callable[[str], bool]) -> str:
    """The longest beginning of a text that fits, with an ellipsis where something is missing."""
    if fits(text):
        return text
    while text and not fits(text + "\u2026"):
        text = text[:-1]
    return text + "\u2026"
