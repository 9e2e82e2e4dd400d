"""The results file: JSON Lines, one a decision, written from the journal.

The journal knows where each line starts and ends in the file, so the file's own size tells how far it is. What a kill
or a full disk left torn is cut off and written again: no line is lost and none is there twice.
"""

from __future__ import annotations

import os
from pathlib import Path

from celestial_edge.device.watch.journal import Journal

RESULTS_NAME = "results.jsonl"


class ResultsFile:
    """The results file of a watch. Only ever added to, but for what was torn."""

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path = path
        self._journal = journal
        self._size = -1
        self._number = 0

    def catch_up(self) -> None:
        """Adds the lines that the journal has more; they are on disk when this returns.

        A file that is not as it was left, or was never seen, is looked at first: from its end backwards to the last
        line that is the journal's, and everything after that is written anew. A file that went is written whole.

        Raises:
            OSError: It cannot be written, as on a full disk.
        """
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            size = os.fstat(descriptor).st_size
            if size != self._size:
                self._cut_back(descriptor, size)
            os.lseek(descriptor, self._size, os.SEEK_SET)
            for line in self._journal.lines_after(self._number):
                _write(descriptor, line)
                self._number += 1
                self._size += len(line)
            os.fsync(descriptor)
        except OSError:
            # How much of a line went out is not known: the next time looks.
            self._size = -1
            raise
        finally:
            os.close(descriptor)

    def _cut_back(self, descriptor: int, size: int) -> None:
        self._number = self._size = 0
        line = self._journal.last_line_within(size)
        while line is not None:
            if os.pread(descriptor, len(line.line), line.start) == line.line:
                self._number, self._size = line.number, line.start + len(line.line)
                break
            line = self._journal.last_line_within(line.start)
        os.ftruncate(descriptor, self._size)


def _write(descriptor: int, line: bytes) -> None:
    """Writes all of a line; one call may write a part of it, as on a disk that is nearly full."""
    rest = memoryview(line)
    while rest:
        rest = rest[os.write(descriptor, rest) :]
