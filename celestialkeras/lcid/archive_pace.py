"""How a fetch treats the archive and its own patience: when to ask again, when to wait, when to give up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from celestialkeras.errors import (
    ArchiveBusyError,
    DamagedFrameError,
    MismatchedFrameError,
    NotFitsError,
    NotProductError,
    TransferError,
    TruncatedFrameError,
)

Result = TypeVar("Result")

PASSING_ERRORS = (
    ArchiveBusyError,
    TransferError,
    NotProductError,
    NotFitsError,
    TruncatedFrameError,
    DamagedFrameError,
    MismatchedFrameError,
)
"""What another try may mend: the way there, or what was delivered."""


@dataclass(frozen=True)
class Patience:
    """How long a fetch waits for what.

    Attributes:
        tries: Requests in a row for one file that bring nothing new, after which it counts as failed.
        connect_s: Seconds for a connection to come about.
        stall_s: Seconds without a byte after which a connection counts as dead.
        backoff_s: Seconds before the second try; each further one waits twice as long.
        longest_backoff_s: But no longer than this.
        longest_wait_s: The longest `Retry-After` that is waited for; the file fails when the archive asks for more.
    """

    tries: int = 6
    connect_s: float = 20.0
    stall_s: float = 60.0
    backoff_s: float = 1.0
    longest_backoff_s: float = 60.0
    longest_wait_s: float = 900.0

    def backoff(self, fruitless: int) -> float:
        """Seconds to wait after so many fruitless tries in a row."""
        return min(self.backoff_s * 2.0 ** (fruitless - 1), self.longest_backoff_s)


class StoppedError(Exception):
    """The fetch was stopped while this file waited or came."""


class Pacer:
    """Holds all requests of a fetch back while the archive asks for it, and ends them all when the fetch is stopped."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._not_before = -float("inf")
        self._stopped = threading.Event()
        self._cuts: set[Callable[[], None]] = set()

    def hold(self, seconds: float) -> None:
        """Lets no request begin for so many seconds: the archive is busy for all files, not only for one."""
        with self._lock:
            self._not_before = max(self._not_before, self._clock() + seconds)

    def await_turn(self) -> None:
        """Returns when requests may begin.

        Raises:
            StoppedError: The fetch was stopped.
        """
        while (left := self._not_before - self._clock()) > 0:
            self.pause(left)
        self.check()

    def pause(self, seconds: float) -> None:
        """Waits.

        Raises:
            StoppedError: The fetch was stopped.
        """
        self._stopped.wait(seconds)
        self.check()

    def check(self) -> None:
        """Goes on unless the fetch was stopped.

        Raises:
            StoppedError: It was.
        """
        if self._stopped.is_set():
            raise StoppedError

    @contextmanager
    def cutting(self, cut: Callable[[], None]) -> Iterator[None]:
        """Has `cut` called when the fetch is stopped while the block runs: what it waits for need not come."""
        with self._lock:
            self._cuts.add(cut)
        try:
            self.check()
            yield
        finally:
            with self._lock:
                self._cuts.discard(cut)

    def stop(self) -> None:
        """Ends the fetch."""
        self._stopped.set()
        with self._lock:
            for cut in self._cuts:
                cut()


def persist(work: Callable[[], Result], patience: Patience, pacer: Pacer, reached: Callable[[], int]) -> Result:
    """Does work until it succeeds or is tried in vain too often.

    Args:
        work: One try.
        patience: How often, and how long to wait in between.
        pacer: Of the fetch.
        reached: How far the work has come, in any unit; a try that came further than all before it was not in vain.

    Raises:
        CelestialError: What the last try raised: at once where no further try can mend it.
        StoppedError: The fetch was stopped.
    """
    fruitless = 0
    furthest = reached()
    while True:
        pacer.await_turn()
        try:
            return work()
        except PASSING_ERRORS as error:
            pacer.check()
            now = reached()
            fruitless = 1 if now > furthest else fruitless + 1
            furthest = max(furthest, now)
            wait_s = error.wait_s if isinstance(error, ArchiveBusyError) else None
            if fruitless >= patience.tries or (wait_s or 0) > patience.longest_wait_s:
                raise
            backoff_s = patience.backoff(fruitless)
            if wait_s is None:
                pacer.pause(backoff_s)
            else:
                pacer.hold(max(wait_s, backoff_s))
