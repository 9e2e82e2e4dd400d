"""The lock on a results folder: one watch writes there at a time.

The kernel keeps it, and lets go of it when the process ends, whatever ends it.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from celestialkeras.errors import WatchError

LOCK_NAME = "lock"

# `is_held` takes the lock for a moment, in which a watch that starts must not give up.
_TRIES = 10
_TRY_S = 0.05


@contextmanager
def held(results: Path) -> Iterator[None]:
    """Holds a results folder.

    Raises:
        WatchError: Another watch holds it.
    """
    with (results / LOCK_NAME).open("a+", encoding="utf-8") as lock:
        if not any(_take(lock, attempt) for attempt in range(_TRIES)):
            lock.seek(0)
            raise WatchError(
                f"{results}: another watch writes these results, process {lock.read().strip() or 'unknown'}; "
                "stop it, or give this one a folder of its own"
            )
        lock.truncate(0)
        lock.write(f"{os.getpid()}\n")
        lock.flush()
        yield


def is_held(results: Path) -> bool:
    """Whether a watch holds a results folder now."""
    try:
        with (results / LOCK_NAME).open(encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _take(lock: TextIO, attempt: int) -> bool:
    time.sleep(_TRY_S if attempt else 0)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
