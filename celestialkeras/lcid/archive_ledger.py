"""What became of each file of a fetch: JSON lines, only ever added to, so that a kill loses at most the last one."""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import datetime, timezone
from pathlib import Path
from typing import IO, Literal

from celestialkeras.errors import ArchiveError

LEDGER_NAME = "fetch.jsonl"
"""Name of the ledger in the folder of the fetched files."""

State = Literal["sized", "partial", "done", "failed"]
"""The archive has told its size; some of it has come; it is whole and checked; it cannot be had."""


@dataclass(frozen=True)
class Entry:
    """What is known of one file; of several entries the last one counts.

    Attributes:
        file: Its name.
        state: How far it is.
        url: Where it comes from; empty for a file that lay there before.
        size: Bytes of the whole file, None where the archive does not say.
        validator: The strong ETag, or else the date of change, that the archive gave with it: what a later request for
            the rest is conditional on. Empty where it gave neither.
        sha256: Of a whole file.
        hdus: HDUs of a whole file.
        summed: How many of them have sums of their own, which agree.
        checked: What was looked for in it: HDU, instrument and filter of each listed chip.
        reason: Short word for a failure.
        message: What failed.
        time: When this was noted, UTC.
    """

    file: str
    state: State
    url: str = ""
    size: int | None = None
    validator: str = ""
    sha256: str = ""
    hdus: int = 0
    summed: int = 0
    checked: tuple[str, ...] = ()
    reason: str = ""
    message: str = ""
    time: str = ""


class Ledger:
    """The ledger of a folder, held by one process at a time."""

    def __init__(self, lines: IO[str], entries: dict[str, Entry]) -> None:
        self._lines = lines
        self._entries = entries
        self._lock = threading.Lock()

    def get(self, file: str) -> Entry | None:
        """The last entry of a file."""
        with self._lock:
            return self._entries.get(file)

    def note(self, entry: Entry) -> None:
        """Adds an entry with the time of now; it is on disk when this returns."""
        entry = Entry(**{**asdict(entry), "time": datetime.now(timezone.utc).isoformat(timespec="seconds")})
        with self._lock:
            self._lines.write(json.dumps(_told(entry)) + "\n")
            self._lines.flush()
            os.fsync(self._lines.fileno())
            self._entries[entry.file] = entry


@contextmanager
def open_ledger(folder: Path) -> Iterator[Ledger]:
    """Opens the ledger of a folder for one fetch, and makes it where there is none.

    Raises:
        ArchiveError: Another fetch works in the folder, or the ledger cannot be read.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / LEDGER_NAME
    with path.open("a+", encoding="utf-8", newline="\n") as lines:
        try:
            # The system lets go of it when the process ends, whatever ends it.
            fcntl.flock(lines, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ArchiveError(f"{folder}: another fetch works in this folder; wait for its end") from error
        entries = read_ledger(folder)
        # A line that was torn by a loss of power must not become one with the next.
        content = path.read_bytes()
        os.truncate(path, content.rfind(b"\n") + 1)
        yield Ledger(lines, entries)


def read_ledger(folder: Path) -> dict[str, Entry]:
    """The last entry of each file in a folder's ledger; empty where there is none.

    A last line without an end was torn, and does not count.

    Raises:
        ArchiveError: A line is no entry.
    """
    path = folder / LEDGER_NAME
    if not path.exists():
        return {}
    entries: dict[str, Entry] = {}
    whole, _, _ = path.read_bytes().rpartition(b"\n")
    names = {field.name for field in fields(Entry)}
    for number, line in enumerate(whole.splitlines(), start=1):
        try:
            told = json.loads(line)
            if not told.keys() <= names:
                raise ValueError(f"unknown entries {', '.join(sorted(told.keys() - names))}")
            entry = Entry(**{**told, "checked": tuple(told.get("checked", ()))})
        except (ValueError, TypeError, AttributeError) as error:
            raise ArchiveError(
                f"{path}: line {number} is no entry of a ledger ({error}); move the ledger away, and whole files are"
                " checked and noted again"
            ) from error
        entries[entry.file] = entry
    return entries


def _told(entry: Entry) -> dict[str, object]:
    """The fields that say something."""
    return {name: value for name, value in asdict(entry).items() if value not in ("", None, 0, ())}
