"""Notices of changes in a folder, from the system by way of watchfiles, and the call that wakes the loop."""

from __future__ import annotations

import os
import select
import socket
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path

_LARGEST_HEARD = 1024


class Wakeup:
    """Wakes a loop that waits, from another thread or from a signal handler, where locks could block for ever."""

    def __init__(self) -> None:
        self._near, self._far = socket.socketpair()
        self._near.setblocking(False)
        self._far.setblocking(False)

    def wake(self) -> None:
        """Ends the wait that is on, or else the next."""
        try:
            self._far.send(b"!")
        except OSError:
            # Closed, since the loop has ended; or full of calls that were not heard yet, of which one is enough.
            return

    def wait(self, seconds: float) -> None:
        """Waits until woken, at most for some seconds of a clock that no one can set."""
        if select.select([self._near], [], [], max(seconds, 0.0))[0]:
            self._near.recv(4096)

    def close(self) -> None:
        """Closes both ends."""
        self._near.close()
        self._far.close()


class Notices:
    """A thread that listens to a folder and its subfolders, and remembers the names of what changed.

    Attributes:
        failure: Why there will be no more notices; None while there are.
    """

    def __init__(self, folder: Path, wake: Callable[[], None]) -> None:
        """Prepares the thread.

        Args:
            folder: The folder, an absolute path without links.
            wake: Called in the thread when there is something to take, or no more to come.
        """
        self._folder = folder
        self._wake = wake
        # What is dropped here, while a chip is decided, is found by the next full look.
        self._heard: deque[str] = deque(maxlen=_LARGEST_HEARD)
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._listen, name="notices", daemon=True)
        self.failure: str | None = None

    def __enter__(self) -> Notices:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._end.set()
        # The thread looks at its end four times a second; a daemon, it does not outlive the process anyway.
        self._thread.join(1.0)

    def take(self) -> list[str]:
        """Paths within the folder of what changed since the last call."""
        return [self._heard.popleft() for _ in range(len(self._heard))]

    def _listen(self) -> None:
        try:
            from watchfiles import watch

            for changes in watch(
                self._folder,
                watch_filter=None,
                debounce=200,
                step=50,
                stop_event=self._end,
                rust_timeout=250,
                raise_interrupt=False,
                force_polling=False,
            ):
                self._heard.extend(os.path.relpath(path, self._folder) for _, path in changes)
                self._wake()
        # Too many watches, a file system that has none, a subfolder that may not be read: whatever it is, looking at
        # the folder from time to time does without.
        except Exception as error:
            self.failure = str(error) or type(error).__name__
            self._wake()
