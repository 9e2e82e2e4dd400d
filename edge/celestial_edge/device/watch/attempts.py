"""How often a chip ended the process that was about to decide it.

A frame that kills the process, by a fault in a native library or for want of memory, would be the first again after
every restart, and no other would ever be decided. After `LARGEST_ATTEMPTS` it is refused.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ATTEMPTS_NAME = "attempt"

LARGEST_ATTEMPTS = 5
"""Attempts at one chip that end with the process, in a row, before the chip is refused."""

_RECORD = 64


class Attempts:
    """The file that says which chip is being classified. Overwritten in place: it needs no room on a full disk."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._last = _parse(os.pread(descriptor, _RECORD, 0))

    def begin(self, arrival: int, hdu: int) -> int:
        """Notes that a chip is about to be read.

        Returns:
            Earlier attempts at it that were not ended by `end`, in a row.
        """
        before = self._last[2] if self._last[:2] == (arrival, hdu) else 0
        self._write((arrival, hdu, before + 1))
        return before

    def end(self) -> None:
        """Notes that the process outlived it."""
        self._write((0, 0, 0))

    def _write(self, record: tuple[int, int, int]) -> None:
        os.pwrite(self._descriptor, " ".join(map(str, record)).ljust(_RECORD - 1).encode() + b"\n", 0)
        self._last = record


@contextmanager
def open_attempts(folder: Path) -> Iterator[Attempts]:
    """Opens the file in a results folder, and makes it where there is none."""
    descriptor = os.open(folder / ATTEMPTS_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    try:
        yield Attempts(descriptor)
    finally:
        os.close(descriptor)


def _parse(record: bytes) -> tuple[int, int, int]:
    """Arrival, HDU and attempts; zeros where a loss of power left anything else."""
    try:
        arrival, hdu, attempts = map(int, record.split())
    except ValueError:
        return 0, 0, 0
    return arrival, hdu, attempts
