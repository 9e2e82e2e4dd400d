"""CSV files with a header, refused by row where their shape is wrong."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

from celestialkeras.errors import ManifestError


def read_table(path: Path, what: str, columns: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """Reads a CSV file whole; see `walk_table`."""
    return list(walk_table(path, what, columns))


def walk_table(path: Path, what: str, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Reads a CSV file row by row and checks its shape; what the cells hold is for the caller to judge.

    Args:
        path: UTF-8 with or without a byte-order mark. Empty rows do not count.
        what: What the file is, for messages, such as `manifest`.
        columns: Columns that it must have.

    Yields:
        Each row's line, counted from 1 for the header, and its cells by column.

    Raises:
        ManifestError: The file is missing, empty, not UTF-8 or not CSV, a column is missing or doubled, a row has
            more or fewer cells than the header, or there are no rows.
    """
    try:
        # `newline=""` leaves line breaks within quoted cells to the CSV reader.
        with path.open(encoding="utf-8-sig", newline="") as source:
            yield from _rows(csv.reader(source, strict=True), path, columns)
    except FileNotFoundError as error:
        raise ManifestError(f"{path}: no such {what}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise ManifestError(f"{path}: cannot be read as UTF-8 text ({error})") from error
    except csv.Error as error:
        raise ManifestError(f"{path}: not valid CSV ({error})") from error


def _rows(table: Iterator[list[str]], path: Path, columns: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    first = next(table, None)
    if first is None:
        raise ManifestError(f"{path}: empty; expected the columns {', '.join(columns)}")
    header = [name.strip() for name in first]
    doubled = [name for name, count in Counter(header).items() if count > 1]
    if doubled:
        raise ManifestError(f"{path}: column {doubled[0]!r} stands twice in the header")
    missing = [name for name in columns if name not in header]
    if missing:
        raise ManifestError(f"{path}: no column {missing[0]!r}; found {', '.join(filter(None, header))}")
    found = False
    for line, cells in enumerate(table, start=2):
        if not any(cells):
            continue
        if len(cells) != len(header):
            raise ManifestError(f"{path}: row {line} has {len(cells)} cells, the header {len(header)}")
        found = True
        yield line, dict(zip(header, cells, strict=True))
    if not found:
        raise ManifestError(f"{path}: a header but no rows")
