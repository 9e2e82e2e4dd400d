"""Files with a refused chip, put aside: a copy of the bytes that were decided, and the reason beside it.

The watched folder itself is never written to. A sender may still have a file open that was refused as cut short; moved
away, its rest would go astray, while left in place it makes a new arrival.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from celestial_edge.device.watch.arrivals import sight
from celestial_edge.device.watch.journal import Arrival, Journal
from celestialkeras.files import discard_partials, replacing, write_text

REFUSED_NAME = "refused"
REASON_NAME = "reason.json"

_PIECE = 1 << 20


class RefusedFolder:
    """`refused/` in a results folder: a folder a file, by the number of its arrival."""

    def __init__(self, folder: Path, incoming: Path, room: int) -> None:
        """Prepares the folder.

        Args:
            folder: The folder; made when it is needed.
            incoming: The watched folder.
            room: Bytes that all copies together may take; of files beyond that only the reason is kept.
        """
        self._folder = folder
        self._incoming = incoming
        self._room = room - sum(path.stat().st_size for path in folder.glob("*/*") if path.is_file())

    def catch_up(self, journal: Journal) -> None:
        """Puts aside what the journal says is due. One that a kill cut short is done again.

        Raises:
            OSError: The folder cannot be written, as on a full disk.
        """
        for arrival in journal.to_put_aside():
            place = self._folder / f"{arrival.id:08d}"
            place.mkdir(parents=True, exist_ok=True)
            discard_partials(place)
            copied = self._copy(arrival, place / PurePosixPath(arrival.name).name)
            chips = [json.loads(line) for line in journal.lines_of(arrival)]
            reason = {"file": arrival.name, "copied": copied, "chips": chips}
            write_text(place / REASON_NAME, json.dumps(reason, indent=1) + "\n")
            journal.note_aside(arrival, "copied" if copied else "noted")

    def _copy(self, arrival: Arrival, target: Path) -> bool:
        """Copies a file if it still is what was decided; True if it is there now."""
        if target.is_file():
            return True
        sighting = sight(self._incoming, arrival.name)
        if sighting is None or sighting.refusal is not None or sighting.signature != arrival.signature:
            return False
        if sighting.size > self._room:
            return False
        try:
            with replacing(target) as partial, partial.open("wb") as copy:
                if _copied(sighting.path, copy) != arrival.content:
                    raise _ChangedError
        except _ChangedError:
            return False
        self._room -= sighting.size
        return True


class _ChangedError(Exception):
    """The file is no longer what was decided."""


def _copied(source: Path, copy: BinaryIO) -> str:
    """Copies a file's bytes and gives their SHA-256."""
    digest = hashlib.sha256()
    try:
        opened = source.open("rb")
    except OSError as error:
        raise _ChangedError from error
    with opened:
        while True:
            try:
                piece = opened.read(_PIECE)
            except OSError as error:
                raise _ChangedError from error
            if not piece:
                return digest.hexdigest()
            digest.update(piece)
            copy.write(piece)
