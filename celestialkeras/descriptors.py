"""Native libraries that talk: what they write to standard output and error is held back, and shown if they fail."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager


@contextmanager
def held_back() -> Iterator[None]:
    """Sends descriptors 1 and 2 to a file while the block runs; if it raises, their contents go to standard error.

    Libraries in C++ write to the descriptors themselves, past `sys.stderr`, and some print to standard output, where
    results belong. The whole process is affected: keep the block short.
    """
    _flush()
    with ExitStack() as stack:
        file = stack.enter_context(tempfile.TemporaryFile())
        saved = {descriptor: os.dup(descriptor) for descriptor in (1, 2) if _is_open(descriptor)}

        def restore() -> None:
            _flush()
            for descriptor, copy in saved.items():
                os.dup2(copy, descriptor)
                os.close(copy)

        for descriptor in saved:
            os.dup2(file.fileno(), descriptor)
        try:
            yield
        except BaseException as error:
            restore()
            if not isinstance(error, ModuleNotFoundError):
                file.seek(0)
                print(file.read().decode(errors="replace"), file=sys.stderr)  # noqa: T201 - what the library said
            raise
        restore()


def _flush() -> None:
    # Either is None in a process that was started with the descriptor closed.
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
