"""The journal of a watch: what arrived and what was decided, in SQLite. It is the truth; result files follow from it.

An arrival is a content under a name: the same bytes delivered again under their name are not decided again, other bytes
are. Each chip of an arrival has at most one decision, by a constraint of the database.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celestialkeras.errors import WatchError
from celestialkeras.lcid.detectors import CHIP_HDUS

JOURNAL_NAME = "journal.sqlite"

SCHEMA = 1
"""Version of the tables; other versions are refused."""

# Only so is a decision on disk, and not merely on its way there, before its line can be read in the results.
_DURABLE = "PRAGMA synchronous = FULL"

# Pages that were used before, in KiB: a decision touches a dozen of 4 KiB. SQLite's own 2 MiB would go on filling for a
# thousand chips, as a leak would.
_CACHE_KIB = 512

# Names are bytes, since a file may be called by some that are no text. A decision's line is as it stands in the results
# file, and `ends` is where it ends there.
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE arrivals (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name BLOB NOT NULL,
    content TEXT NOT NULL,
    signature TEXT NOT NULL,
    chips_left INTEGER NOT NULL,
    aside TEXT NOT NULL DEFAULT 'no',
    UNIQUE (name, content)
);
CREATE INDEX arrivals_aside ON arrivals (id) WHERE aside = 'due';
CREATE TABLE decisions (
    number INTEGER PRIMARY KEY,
    arrival INTEGER NOT NULL REFERENCES arrivals (id),
    hdu INTEGER NOT NULL,
    outcome TEXT NOT NULL,
    answer TEXT NOT NULL,
    line BLOB NOT NULL,
    ends INTEGER NOT NULL UNIQUE,
    UNIQUE (arrival, hdu)
);
CREATE INDEX decisions_answer ON decisions (outcome, answer);
"""


@dataclass(frozen=True)
class Arrival:
    """A content under a name.

    Attributes:
        id: Its number in the journal.
        name: Path within the watched folder.
        content: SHA-256 of its bytes; `unread` and the signature for what could not be read.
        signature: What the file looked like when it was last seen with this content.
        undecided: HDUs of the chips that have no decision yet, in order.
    """

    id: int
    name: str
    content: str
    signature: str
    undecided: tuple[int, ...]


@dataclass(frozen=True)
class Decision:
    """What was decided of a chip, before it has a number.

    Attributes:
        hdu: HDU of the chip.
        outcome: `verdict` or `refused`.
        answer: The label of a verdict, the reason of a refusal.
        compose: Makes the line of the results file, with its line end, from the decision's number.
    """

    hdu: int
    outcome: str
    answer: str
    compose: Callable[[int], bytes]


@dataclass(frozen=True)
class Line:
    """A decision as it stands in the results file: number, where its line starts there, and the line."""

    number: int
    start: int
    line: bytes


class Journal:
    """An open journal. One process writes; others may read at the same time."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._sql = connection

    def is_known(self, name: str, signature: str) -> bool:
        """Whether all chips of a file that looks like this were decided."""
        known = "SELECT 1 FROM arrivals WHERE name = ? AND signature = ? AND chips_left = 0"
        return self._one(known, os.fsencode(name), signature) != ()

    def arrive(self, name: str, content: str, signature: str) -> Arrival:
        """Notes an arrival; one that is known already only gets its new signature.

        A loss of power may take it back: the file is then found again.
        """
        with _named(self._path):
            self._sql.execute("PRAGMA synchronous = NORMAL")
            with _transaction(self._sql):
                self._sql.execute(
                    "INSERT INTO arrivals (name, content, signature, chips_left) VALUES (?, ?, ?, ?)"
                    " ON CONFLICT (name, content) DO UPDATE SET signature = excluded.signature",
                    (os.fsencode(name), content, signature, len(CHIP_HDUS)),
                )
            self._sql.execute(_DURABLE)
        query = "SELECT id FROM arrivals WHERE name = ? AND content = ?"
        (number,) = self._one(query, os.fsencode(name), content)
        decided = {hdu for (hdu,) in self._rows("SELECT hdu FROM decisions WHERE arrival = ?", number)}
        return Arrival(number, name, content, signature, tuple(hdu for hdu in CHIP_HDUS if hdu not in decided))

    def decide(self, arrival: Arrival, decision: Decision) -> None:
        """Notes a decision; it is on disk when this returns.

        Raises:
            WatchError: It cannot be written, or the chip has a decision already.
        """
        with self._transaction():
            last = self._one("SELECT number, ends FROM decisions ORDER BY number DESC LIMIT 1")
            number, start = last or (0, 0)
            line = decision.compose(number + 1)
            self._sql.execute(
                "INSERT INTO decisions VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number + 1, arrival.id, decision.hdu, decision.outcome, decision.answer, line, start + len(line)),
            )
            self._sql.execute("UPDATE arrivals SET chips_left = chips_left - 1 WHERE id = ?", (arrival.id,))
            if decision.outcome == "refused":
                self._sql.execute("UPDATE arrivals SET aside = 'due' WHERE id = ?", (arrival.id,))

    def to_put_aside(self) -> list[Arrival]:
        """Arrivals with a refused chip, all of them decided, that were not put aside yet."""
        due = "SELECT id, name, content, signature FROM arrivals WHERE aside = 'due' AND chips_left = 0 ORDER BY id"
        return [Arrival(row[0], os.fsdecode(row[1]), row[2], row[3], ()) for row in self._rows(due)]

    def note_aside(self, arrival: Arrival, how: str) -> None:
        """Notes that an arrival was put aside: `copied`, or `noted` where only the reason is kept."""
        with self._transaction():
            self._sql.execute("UPDATE arrivals SET aside = ? WHERE id = ?", (how, arrival.id))

    def lines_of(self, arrival: Arrival) -> list[bytes]:
        """The lines of an arrival's decisions."""
        return [line for (line,) in self._rows("SELECT line FROM decisions WHERE arrival = ?", arrival.id)]

    def last_line_within(self, size: int) -> Line | None:
        """The last decision whose line ends within the first `size` bytes of the results file."""
        found = self._one("SELECT number, ends, line FROM decisions WHERE ends <= ? ORDER BY ends DESC LIMIT 1", size)
        return Line(found[0], found[1] - len(found[2]), found[2]) if found else None

    def lines_after(self, number: int) -> Iterator[bytes]:
        """The lines of the decisions after one, in order."""
        for (line,) in self._rows("SELECT line FROM decisions WHERE number > ? ORDER BY number", number):
            yield line

    def totals(self) -> dict[str, dict[str, int]]:
        """How many chips were given each label, under `verdict`, and refused for each reason, under `refused`."""
        found: dict[str, dict[str, int]] = {"verdict": {}, "refused": {}}
        for outcome, answer, count in self._rows("SELECT outcome, answer, COUNT(*) FROM decisions GROUP BY 1, 2"):
            found[outcome][answer] = count
        return found

    def unfinished(self) -> int:
        """Arrivals with a chip that has no decision: they changed or went while they were read, or are next."""
        (count,) = self._one("SELECT COUNT(*) FROM arrivals WHERE chips_left > 0")
        return int(count)

    def _one(self, query: str, *values: object) -> tuple[Any, ...]:
        """The first row; an empty one where there is none."""
        with _named(self._path), closing(self._sql.execute(query, values)) as rows:
            return tuple(rows.fetchone() or ())

    def _rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        with _named(self._path), closing(self._sql.execute(query, values)) as rows:
            yield from rows

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with _named(self._path), _transaction(self._sql):
            yield


@contextmanager
def open_journal(folder: Path, incoming: Path) -> Iterator[Journal]:
    """Opens the journal of a results folder for writing, and makes it where there is none.

    Args:
        folder: The results folder; the caller holds its lock.
        incoming: The watched folder: names in the journal are paths within it.

    Raises:
        WatchError: It cannot be opened, is of another schema, or belongs to another watched folder.
    """
    path = folder / JOURNAL_NAME
    with _named(path), closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(_DURABLE)
        connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        with _transaction(connection):
            if not connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()[0]:
                for statement in _TABLES.split(";"):
                    connection.execute(statement)
                values = [("schema", SCHEMA), ("incoming", os.fsencode(incoming))]
                connection.executemany("INSERT INTO meta VALUES (?, ?)", values)
        _check(connection, path, incoming)
        yield Journal(path, connection)


@contextmanager
def read_journal(folder: Path) -> Iterator[Journal]:
    """Opens the journal of a results folder for reading, beside a watch that writes it.

    Raises:
        WatchError: There is none, or it cannot be read.
    """
    path = folder / JOURNAL_NAME
    if not path.is_file():
        raise WatchError(f"{folder}: no results of a watch, there is no {JOURNAL_NAME}")
    uri = f"{path.absolute().as_uri()}?mode=ro"
    with _named(path), closing(sqlite3.connect(uri, uri=True, isolation_level=None)) as connection:
        _check(connection, path, None)
        yield Journal(path, connection)


def _check(connection: sqlite3.Connection, path: Path, incoming: Path | None) -> None:
    meta = dict(connection.execute("SELECT key, value FROM meta"))
    if meta.get("schema") != SCHEMA:
        raise WatchError(f"{path}: schema must be {SCHEMA}. Received: {meta.get('schema')!r}")
    watched = Path(os.fsdecode(meta["incoming"]))
    if incoming is not None and watched != incoming:
        raise WatchError(
            f"{path}: holds what was decided of {watched}; give each watched folder results of its own. "
            f"Received: {incoming}"
        )


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # SQLite has rolled back by itself when the disk was full.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def _named(path: Path) -> Iterator[None]:
    """Turns what SQLite raises into the project's error."""
    try:
        yield
    except sqlite3.Error as error:
        raise WatchError(
            f"{path}: cannot be read or written ({error}). With room on its disk, and the right to write, start again: "
            "what was decided stays so, and nothing else was"
        ) from error
