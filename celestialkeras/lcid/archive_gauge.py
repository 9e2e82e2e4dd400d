"""How many bytes of a fetch are there, and how many there will be: counted from all its threads."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping


class Gauge:
    """Counts the bytes of a fetch.

    Attributes:
        received: Bytes that came over the line, also those that were thrown away.
    """

    def __init__(
        self, sizes: Mapping[str, int | None], there: Mapping[str, int], report: Callable[[int, int], None]
    ) -> None:
        """Begins a count.

        Args:
            sizes: Bytes of each file, None where nobody knows: such a file counts with what has come of it.
            there: Bytes that are there of each.
            report: Called with bytes there and bytes in all, one call at a time.
        """
        self.received = 0
        self._sizes = {name: size or 0 for name, size in sizes.items()}
        self._there = dict(there)
        self._done = sum(there.values())
        self._total = sum(self._counted(name) for name in sizes)
        self._report = report
        self._lock = threading.Lock()

    def begin(self, name: str) -> None:
        """A file comes from its first byte on, whatever was there of it."""
        with self._lock:
            self._set(name, 0)

    def add(self, name: str, count: int) -> None:
        """So many more bytes of a file came."""
        with self._lock:
            self.received += count
            self._set(name, self._there[name] + count)
            self._report(self._done, self._total)

    def _set(self, name: str, there: int) -> None:
        # By differences: a sum over a thousand files for every piece would take longer than the piece.
        self._total -= self._counted(name)
        self._done += there - self._there[name]
        self._there[name] = there
        self._total += self._counted(name)

    def _counted(self, name: str) -> int:
        return max(self._sizes[name], self._there[name])
