"""One training in a process of its own, so that its peak memory is its own.

Speaks JSON lines on standard output: one an epoch, and at the end how training ended or why it could not. Ends when its
standard input does, as that of a process whose parent was killed. Started by `celestialkeras.comparison.training`.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TextIO

from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import CelestialError
from celestialkeras.files import write_text
from celestialkeras.process_memory import peak_memory_mb
from celestialkeras.training.history import EpochRow
from celestialkeras.training.run import Run, open_run
from celestialkeras.workers import end_with_input

if TYPE_CHECKING:
    from celestialkeras.training.observer import Plan
    from celestialkeras.training.step import Tally

MEMORY_NAME = "training-memory.json"
"""File of a run that holds the highest peak of the processes that trained it."""


def main(folder: str) -> None:
    """Trains a run from where it stands.

    Args:
        folder: The run's folder.
    """
    # Whatever libraries print goes to the log: the protocol has standard output to itself.
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as output:
        os.dup2(2, 1)
        end_with_input()
        try:
            run = open_run(folder)
            import_tensorflow("training")
            from celestialkeras.training.loop import train

            train(run, _Reporter(run, output))
        except CelestialError as error:
            _say(output, {"error": str(error)})
            raise SystemExit(1) from error
        _say(output, {"done": True})


def read_peak_memory(run: Run) -> float | None:
    """The most memory that a process has had resident while it trained a run, MB; None where none was measured."""
    try:
        held: dict[str, float] = json.loads((run.folder / MEMORY_NAME).read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return held["peak_mb"]


class _Reporter:
    """An `Observer`; it is none by inheritance, since that module imports TensorFlow, which may print."""

    def __init__(self, run: Run, output: TextIO) -> None:
        self._run = run
        self._output = output

    def teacher(self, done: int, total: int) -> None:
        pass

    def started(self, plan: Plan) -> None:
        pass

    def step(self, epoch: int, step: int, tally: Tally) -> None:
        pass

    def epoch(self, row: EpochRow, best: bool) -> None:
        # A training that is killed and taken up again has several processes; its memory is that of the largest.
        peak = max(peak_memory_mb(), read_peak_memory(self._run) or 0.0)
        write_text(self._run.folder / MEMORY_NAME, json.dumps({"peak_mb": round(peak, 1)}) + "\n")
        _say(self._output, {"epoch": asdict(row), "best": best})


def _say(output: TextIO, message: dict[str, Any]) -> None:
    output.write(json.dumps(message) + "\n")
    output.flush()
