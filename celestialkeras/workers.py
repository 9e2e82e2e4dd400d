"""Work spread over processes that end with their parent, whatever ends it."""

from __future__ import annotations

import multiprocessing
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from celestialkeras.errors import ClusterError

Item = TypeVar("Item")
Result = TypeVar("Result")

CLEAN_PATH = "import sys; sys.path[:] = [entry for entry in sys.path if entry]; "
"""What `python -c` must do first: the working folder comes first on its path, and a file there could shadow a package.
With `-m` it would be the same."""

_THREAD_COUNTS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


class Spreading(Protocol):
    """Work spread over processes, wherever they are; see `spread`."""

    def __call__(self, work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
        """Does work on every item and yields each with its result as it is done, in any order."""
        ...


class WorkLostError(ClusterError, Generic[Item]):
    """Items were given up after all others were done. `lost` has each with the reason."""

    def __init__(self, lost: Sequence[tuple[Item, str]]) -> None:
        super().__init__(lost)
        self.lost = lost

    def __str__(self) -> str:
        return "; ".join(f"{item}: {reason}" for item, reason in self.lost)


def spread(work: Callable[[Item], Result], items: Sequence[Item], workers: int) -> Iterator[tuple[Item, Result]]:
    """Does work on every item and yields each with its result as it is done, in any order.

    Args:
        work: A function of a module, since it travels to other processes by name.
        items: What to work on.
        workers: Processes at once; 1 works in this one, in order.

    Yields:
        Items and results.

    Raises:
        BrokenProcessPool: A worker died.
        Exception: Whatever `work` raises; items not yet begun are dropped.
    """
    if workers <= 1 or len(items) < 2:
        for item in items:
            yield item, work(item)
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(min(workers, len(items)), mp_context=context, initializer=_end_with_parent)
    with _single_threaded(), pool:
        futures = {pool.submit(work, item): item for item in items}
        try:
            for future in as_completed(futures):
                yield futures[future], future.result()
        finally:
            pool.shutdown(cancel_futures=True)


def _end_with_parent() -> None:
    """Lets a worker end when its parent is killed; it would otherwise finish its queue and then wait for ever."""
    parent = multiprocessing.parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def end_with_input() -> None:
    """Lets this process end, with code 1, when its standard input does: the end of a pipe that its parent holds."""
    threading.Thread(target=_read_to_the_end, daemon=True).start()


def _read_to_the_end() -> None:
    # Past Python's own reader, whose lock a waiting thread would hold when the interpreter shuts down.
    while os.read(0, 1):
        pass
    os._exit(1)


@contextmanager
def _single_threaded() -> Iterator[None]:
    # Children read these when they import NumPy; one thread each, or workers would crowd one another out.
    before = {name: os.environ.get(name) for name in _THREAD_COUNTS}
    os.environ.update(dict.fromkeys(_THREAD_COUNTS, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
