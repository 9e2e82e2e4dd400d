"""Work on many files at once: past those that fail, and an end to it when the archive is down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Generic, TypeVar

from celestialkeras.errors import ArchiveBusyError, ArchiveError, FrameError, TransferError
from celestialkeras.lcid.archive_pace import Pacer, StoppedError
from celestialkeras.lcid.archive_plan import Product

# Files in a row that the archive does not give for a passing reason: each of a thousand more would wait out its tries
# in vain.
_FAILURES_IN_A_ROW = 8

Result = TypeVar("Result")


@dataclass(frozen=True)
class Failure:
    """A file that could not be had.

    Attributes:
        file: Its name.
        reason: A stable short word.
        message: What happened.
    """

    file: str
    reason: str
    message: str


@dataclass(frozen=True)
class Outcome(Generic[Result]):
    """What became of many files.

    Attributes:
        results: What the work gave, by name of the file.
        failures: The others.
    """

    results: dict[str, Result]
    failures: list[Failure]


def work_through(
    work: Callable[[Product], Result], products: Sequence[Product], jobs: int, pacer: Pacer
) -> Outcome[Result]:
    """Does work on every product, in threads: what takes time is the line.

    Args:
        work: What to do; it asks `pacer` now and then whether to go on.
        products: On what.
        jobs: How many at once.
        pacer: Stopped when the archive is down or this thread is interrupted, so that no thread is left at work.

    Raises:
        OSError: The disk failed.
    """
    outcome: Outcome[Result] = Outcome({}, [])
    in_a_row = 0
    with ThreadPoolExecutor(jobs) as crew:
        # Begun within the block: an interrupt while files are handed out must stop those that are at work already.
        try:
            futures = {crew.submit(work, product): product for product in products}
            for future in as_completed(futures):
                name = futures[future].name
                try:
                    outcome.results[name] = future.result()
                    in_a_row = 0
                except (ArchiveError, FrameError) as error:
                    outcome.failures.append(Failure(name, error.reason, str(error)))
                    in_a_row = in_a_row + 1 if isinstance(error, (ArchiveBusyError, TransferError)) else 0
                except (StoppedError, CancelledError):
                    outcome.failures.append(
                        Failure(name, "not-tried", "the fetch was stopped before this file came; fetch again to go on")
                    )
                if in_a_row == _FAILURES_IN_A_ROW:
                    pacer.stop()
                    for waiting in futures:
                        waiting.cancel()
        except BaseException:
            pacer.stop()
            crew.shutdown(wait=False, cancel_futures=True)
            raise
    return outcome
