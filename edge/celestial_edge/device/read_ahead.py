"""Chips read in a thread of their own, so that the next one is there when the one before it is decided."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from celestial_edge.device.verdict import Verdict
from celestialkeras.errors import FrameError
from celestialkeras.lcid.detectors import LOWER_CHIP_HDU
from celestialkeras.lcid.frames import Frame, read_frame
from celestialkeras.lcid.listed import read_listed_frame
from celestialkeras.lcid.manifest import Observation

_WAITING = 1
"""Chips that wait for their turn. With the one being read and the one being decided three are in memory, 50 MB."""


@dataclass(frozen=True)
class Chip:
    """A chip to decide on.

    Attributes:
        path: The FITS file.
        hdu: HDU of the chip, 1 or 4.
        listed: The manifest row that the file must agree with; None for no check.
    """

    path: Path
    hdu: int = LOWER_CHIP_HDU
    listed: Observation | None = None

    def read(self) -> Frame:
        """Reads it.

        Raises:
            FrameError: It cannot be used; see `read_frame` and `read_listed_frame`.
        """
        return read_frame(self.path, self.hdu) if self.listed is None else read_listed_frame(self.path, self.listed)


@dataclass(frozen=True)
class ChipResult:
    """What came of a chip: a verdict, or the error that stood in its way.

    Attributes:
        chip: The chip.
        verdict: What was decided; None where it could not be read.
        error: Why it could not be read; None where it could.
    """

    chip: Chip
    verdict: Verdict | None
    error: FrameError | None = None


@dataclass(frozen=True)
class _Read:
    chip: Chip
    frame: Frame | FrameError
    milliseconds: float


def decide_many(chips: Iterable[Chip], decide: Callable[[Frame], Verdict]) -> Iterator[ChipResult]:
    """Decides on chips in their order, reading the next one meanwhile.

    Args:
        chips: The chips; what gives them is asked in the reading thread, one or two chips ahead.
        decide: Gives the verdict on a frame; called in the caller's thread.

    Yields:
        One result a chip, as soon as there is one. Bad frames are results and stop nothing. The times of a verdict
        overlap with those of the one before it.
    """
    for read in _read_ahead(chips):
        if isinstance(read.frame, FrameError):
            yield ChipResult(read.chip, None, read.frame)
        else:
            yield ChipResult(read.chip, decide(read.frame).with_reading(read.milliseconds))


def _read_ahead(chips: Iterable[Chip]) -> Iterator[_Read]:
    waiting: queue.Queue[_Read | BaseException | None] = queue.Queue(_WAITING)
    stopped = threading.Event()

    def work() -> None:
        try:
            for chip in chips:
                read = _timed_read(chip)
                if stopped.is_set():
                    return
                waiting.put(read)
            waiting.put(None)
        # Whatever the thread dies of is raised where its results are awaited.
        except BaseException as error:
            waiting.put(error)

    reader = threading.Thread(target=work, name="read-ahead", daemon=True)
    reader.start()
    try:
        while (read := waiting.get()) is not None:
            if isinstance(read, BaseException):
                raise read
            yield read
    finally:
        stopped.set()
        # Whoever waits for room finds it, then finds that nothing more is wanted.
        while reader.is_alive():
            with suppress(queue.Empty):
                waiting.get_nowait()
            reader.join(0.01)


def _timed_read(chip: Chip) -> _Read:
    begin = time.perf_counter()
    try:
        frame: Frame | FrameError = chip.read()
    except FrameError as error:
        frame = error
    return _Read(chip, frame, 1e3 * (time.perf_counter() - begin))
