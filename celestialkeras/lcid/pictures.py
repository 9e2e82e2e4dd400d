"""Labelled pictures -> data set folder: people's own sets, in the shards that frames are trained from."""

from __future__ import annotations

import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from celestialkeras.errors import DatasetError, ManifestError
from celestialkeras.lcid.build import RowEncoder
from celestialkeras.lcid.manifest import LABELS, Observation
from celestialkeras.lcid.picture_exposure import ExposureRule, expose
from celestialkeras.lcid.picture_files import read_picture
from celestialkeras.lcid.shards import EncodedFrame
from celestialkeras.lcid.stretch import Stretch
from celestialkeras.lcid.tables import read_table

PICTURE = "picture"
"""The instrument of pictures, which no manifest may name."""

UNKNOWN_FILTER = "unknown"
"""The filter of pictures."""

COLUMNS = ("file", "label")
"""Columns that a list of pictures must have, beside `group` or `object`."""

_GROUPS = ("group", "object")


@dataclass(frozen=True)
class PictureFolder:
    """Pictures in a folder, as the source of a build.

    Attributes:
        folder: The folder that the list's `file` cells start from.
        rule: How they become codes.
    """

    folder: Path
    rule: ExposureRule

    def __post_init__(self) -> None:
        """Checks the folder.

        Raises:
            DatasetError: There is none.
        """
        if not self.folder.is_dir():
            raise DatasetError(f"{self.folder}: no such folder of pictures")

    def digest(self) -> str:
        """The rule, in words: see `celestialkeras.lcid.build.FrameSource`."""
        return f"pictures: {self.rule}"

    def encoders(self, batches: Sequence[Sequence[Observation]]) -> list[RowEncoder]:
        """One encoder for each batch of rows."""
        return [partial(_encode_picture, self.folder, self.rule) for _ in batches]


def read_picture_list(path: str | Path, folder: str | Path) -> list[Observation]:
    """Reads a list of labelled pictures.

    Args:
        path: CSV file with the columns `file` (path below `folder`, with `/`), `label` (`galaxy` or `NSC`) and
            `group` or `object`: what pictures have in common that must not stand on two sides of a split. Where both
            are given, `group` counts. A column `split` is obeyed; all others are kept.
        folder: Folder of the pictures.

    Returns:
        The rows in file order, as observations of the instrument `picture`.

    Raises:
        ManifestError: The file is not such a list; row and column are named.
    """
    path, folder = Path(path), Path(folder)
    table = read_table(path, "list of pictures", COLUMNS)
    group = next((name for name in _GROUPS if name in table[0][1]), None)
    if group is None:
        raise ManifestError(f"{path}: no column {_GROUPS[0]!r} or {_GROUPS[1]!r}, which pictures are kept together by")
    rows: list[Observation] = []
    first_line: dict[str, int] = {}
    for line, cells in table:
        where = f"{path}: row {line}"
        row = _parse_row(cells, group, where)
        if not (folder / row.obsid).resolve().is_relative_to(folder.resolve()):
            raise ManifestError(f"{where}, column 'file': must lie in {folder}. Received: {row.obsid!r}")
        if row.obsid in first_line:
            raise ManifestError(f"{where} repeats row {first_line[row.obsid]}: {row.obsid} stands twice")
        first_line[row.obsid] = line
        rows.append(row)
    return rows


def _parse_row(cells: dict[str, str], group: str, where: str) -> Observation:
    file, label, name = (cells[column].strip() for column in (*COLUMNS, group))
    if not file or not file.isprintable():
        raise ManifestError(f"{where}, column 'file': must be the path of a picture. Received: {file!r}")
    if label not in LABELS:
        raise ManifestError(f"{where}, column 'label': must be one of {', '.join(LABELS)}. Received: {label!r}")
    if not name or not name.isprintable():
        raise ManifestError(f"{where}, column {group!r}: must be a printable name. Received: {name!r}")
    return Observation(
        object_id=name,
        instrument=PICTURE,
        # One spelling for one file, so that `./a.png` repeats `a.png`.
        obsid=str(PurePosixPath(file)),
        filter=UNKNOWN_FILTER,
        ra=math.nan,
        dec=math.nan,
        hdu=0,
        label=label,
        extra={column: value for column, value in cells.items() if column and column not in (*COLUMNS, group)},
    )


def _encode_picture(folder: Path, rule: ExposureRule, row: Observation, stretch: Stretch) -> EncodedFrame:
    picture = read_picture(folder / row.obsid)
    # The noise follows the file's name, not its place in the list or the order of the work.
    codes, background = expose(picture, rule, stretch, zlib.crc32(row.obsid.encode()))
    height, width = picture.light.shape
    measured = {"sky": background.sky, "noise": background.noise, "height": float(height), "width": float(width)}
    return EncodedFrame(row, codes, measured)
