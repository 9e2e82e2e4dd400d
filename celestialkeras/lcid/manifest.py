"""Observation lists: the published CSV schema, checked cell by cell."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from celestialkeras.errors import ManifestError
from celestialkeras.files import write_text
from celestialkeras.lcid.detectors import CHIP_HDUS, DETECTORS
from celestialkeras.lcid.tables import walk_table

LABELS = ("galaxy", "NSC")
"""Class names in the order of their codes: 0 = galaxy, 1 = nebula / star cluster (NSC)."""

SPLITS = ("train", "validation", "test")
"""Names of the sides a data set is divided into."""

COLUMNS = ("ID", "Instrument", "OBSID", "Filter", "RA", "DEC", "HDU Index", "Label")
"""Columns of the published lists, after an unnamed index column."""

ROOTNAME = re.compile(r"[a-z0-9]{9}")
"""What the rootname of an exposure is."""

_FILTER = re.compile(r"[A-Za-z0-9]+")
# Stricter than `float`, which takes `1_0`, `nan` and digits of every script.
_NUMBER = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


@dataclass(frozen=True)
class Observation:
    """One chip of one exposure, as one row of a manifest.

    Imported pictures (`celestialkeras.lcid.pictures`) are held as observations too, never read from a manifest: their
    instrument is `picture`, their filter `unknown`, their `obsid` the file's path, their HDU 0 and their coordinates
    NaN. False values in the published columns would pass for knowledge; these pass for nothing else.

    Attributes:
        object_id: Name of the target object, such as `NGC4298`; frames of one object stay on one side of a split.
        instrument: `ACS/WFC`, `WFC3/UVIS` or `CSST/MSC`.
        obsid: Rootname of the exposure: nine lower-case letters and digits, such as `iddt11fxq`.
        filter: Filter name, such as `F625W`.
        ra: Right ascension of the chip, degrees, ICRS, in [0, 360].
        dec: Declination of the chip, degrees, ICRS, in [-90, 90].
        hdu: HDU index of the chip in its FITS file, 1 or 4.
        label: `galaxy` or `NSC`; empty where nobody says.
        extra: Columns beyond the published ones, by name, as text.
    """

    object_id: str
    instrument: str
    obsid: str
    filter: str
    ra: float
    dec: float
    hdu: int
    label: str
    extra: Mapping[str, str] = field(default_factory=dict)

    @property
    def label_code(self) -> int:
        """0 for a galaxy, 1 for an NSC; a row without a label has none, which is a `ValueError`."""
        return LABELS.index(self.label)

    @property
    def key(self) -> tuple[str, int]:
        """What no two rows of a manifest share: rootname and HDU."""
        return self.obsid, self.hdu


def read_manifest(path: str | Path, *, unlabelled: bool = False) -> list[Observation]:
    """Reads an observation list and checks every cell.

    Spaces around the cells of the published columns do not count; cells of extra columns are kept as they are.

    Args:
        path: CSV file, UTF-8 with or without a byte-order mark, in the schema of the published lists.
        unlabelled: Whether `Label` may be empty: for chips to fetch, look at or classify, from which nothing is learnt.

    Returns:
        The rows in file order.

    Raises:
        ManifestError: The file is missing, empty, not UTF-8 or not CSV, a column is missing or doubled, a cell
            is not allowed (row and column are named), or two rows are the same chip.
    """
    rows: list[Observation] = []
    first_line: dict[tuple[str, int], int] = {}
    for line, row in walk_manifest(path, unlabelled=unlabelled):
        if row.key in first_line:
            raise ManifestError(
                f"{path}: row {line} repeats row {first_line[row.key]}: {row.obsid} HDU {row.hdu} stands twice"
            )
        first_line[row.key] = line
        rows.append(row)
    return rows


def walk_manifest(path: str | Path, *, unlabelled: bool = False) -> Iterator[tuple[int, Observation]]:
    """Reads an observation list row by row, for lists that memory does not hold.

    Args:
        path: See `read_manifest`.
        unlabelled: See `read_manifest`.

    Yields:
        Each row's line, counted from 1 for the header, and the row. Whether two are the same chip is not looked at.

    Raises:
        ManifestError: See `read_manifest`.
    """
    path = Path(path)
    for line, cells in walk_table(path, "manifest", COLUMNS):
        yield line, _parse_row(cells, f"{path}: row {line}", unlabelled)


def write_manifest(rows: Sequence[Observation], path: str | Path) -> None:
    """Writes rows in the published schema, extra columns after the published ones, whole or not at all.

    Args:
        rows: What to write, in this order; the unnamed index column counts from 0.
        path: The CSV file to write or replace.
    """
    extra = list(dict.fromkeys(name for row in rows for name in row.extra))
    lines = [["", *COLUMNS, *extra]]
    for index, row in enumerate(rows):
        published = [row.object_id, row.instrument, row.obsid, row.filter, _degrees(row.ra), _degrees(row.dec)]
        cells = [str(index), *published, str(row.hdu), row.label]
        lines.append(cells + [row.extra.get(name, "") for name in extra])
    write_text(Path(path), "".join(",".join(map(_csv_cell, line)) + "\n" for line in lines))


def manifest_digest(rows: Iterable[Observation]) -> str:
    """SHA-256 over the rows' published columns in order: what a run records of its data."""
    digest = hashlib.sha256()
    for row in rows:
        cells = (row.object_id, row.instrument, row.obsid, row.filter, _degrees(row.ra), _degrees(row.dec))
        digest.update("\x1f".join((*cells, str(row.hdu), row.label, "\n")).encode())
    return digest.hexdigest()


def _parse_row(row: Mapping[str, str], where: str, unlabelled: bool) -> Observation:
    cells = {name: row[name].strip() for name in COLUMNS}

    def refuse(column: str, rule: str) -> ManifestError:
        return ManifestError(f"{where}, column {column!r}: {rule}. Received: {cells[column]!r}")

    def number(column: str, low: float, high: float, rule: str) -> float:
        if not _NUMBER.fullmatch(cells[column]) or not low <= (value := float(cells[column])) <= high:
            raise refuse(column, rule)
        return value

    if not cells["ID"] or not cells["ID"].isprintable():
        raise refuse("ID", "must be the printable name of an object")
    if cells["Instrument"] not in DETECTORS:
        raise refuse("Instrument", f"must be one of {', '.join(DETECTORS)}")
    if not ROOTNAME.fullmatch(cells["OBSID"]):
        raise refuse("OBSID", "must be a rootname of nine lower-case letters and digits, such as iddt11fxq")
    if not _FILTER.fullmatch(cells["Filter"]):
        raise refuse("Filter", "must be a filter name such as F814W")
    ra = number("RA", 0.0, 360.0, "must be degrees from 0 to 360")
    dec = number("DEC", -90.0, 90.0, "must be degrees from -90 to 90")
    if cells["HDU Index"] not in {str(hdu) for hdu in CHIP_HDUS}:
        raise refuse("HDU Index", "must be 1 (lower chip) or 4 (upper chip)")
    if cells["Label"] not in LABELS and (cells["Label"] or not unlabelled):
        remark = "" if cells["Label"] else "; only what is fetched, looked at or classified may go without"
        raise refuse("Label", f"must be one of {', '.join(LABELS)}{remark}")
    return Observation(
        object_id=cells["ID"],
        instrument=cells["Instrument"],
        obsid=cells["OBSID"],
        filter=cells["Filter"],
        ra=ra,
        dec=dec,
        hdu=int(cells["HDU Index"]),
        label=cells["Label"],
        extra={name: value for name, value in row.items() if name and name not in COLUMNS},
    )


def _degrees(angle: float) -> str:
    # The shortest text of six decimals, as in the published lists: they come back byte for byte.
    return repr(round(float(angle), 6))


def _csv_cell(text: str) -> str:
    return '"' + text.replace('"', '""') + '"' if any(mark in text for mark in ',"\r\n') else text
