"""The parent's end of a training in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

from celestialkeras.comparison.train_worker import read_peak_memory
from celestialkeras.errors import RunError
from celestialkeras.training.history import EpochRow, read_history
from celestialkeras.training.observer import Outcome
from celestialkeras.training.run import Run
from celestialkeras.workers import CLEAN_PATH

LOG_NAME = "training.log"
"""File of a run that holds what its training processes wrote to standard error."""

OnEpoch = Callable[[EpochRow, bool], None]
"""Is told of each epoch, and whether it is the best so far."""

Trainer = Callable[[Run, OnEpoch], None]
"""Trains a run from where it stands to its end."""

_START = CLEAN_PATH + "from celestialkeras.comparison.train_worker import main; main(sys.argv[1])"


@dataclass(frozen=True)
class Training:
    """What the training of a run took.

    Attributes:
        epochs: Finished epochs.
        best_epoch: The epoch whose weights were kept.
        minutes: Wall-clock time of the finished epochs, over all processes that trained the run; an epoch that was cut
            off and done again counts once.
        ended_by: What ended it: `epochs`, `patience` or `minutes`.
        peak_memory_mb: Most memory that a process which trained it had resident, MB (1e6 bytes), Python, TensorFlow and
            frames kept for the next epoch included; None where it was not measured.
    """

    epochs: int
    best_epoch: int
    minutes: float
    ended_by: str
    peak_memory_mb: float | None


def train_apart(run: Run, on_epoch: OnEpoch) -> None:
    """Trains a run in a fresh process, which ends with this one.

    Args:
        run: From `start_run`; killed at any moment and called again, it goes on after its last finished epoch.
        on_epoch: Is told of each epoch.

    Raises:
        RunError: Training failed, or its process died.
    """
    log = run.folder / LOG_NAME
    with (
        log.open("a", encoding="utf-8") as errors,
        subprocess.Popen(
            [sys.executable, "-c", _START, str(run.folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            encoding="utf-8",
        ) as process,
    ):
        try:
            _follow(process, run, on_epoch)
        finally:
            process.kill()


def _follow(process: subprocess.Popen[str], run: Run, on_epoch: OnEpoch) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        message = json.loads(line)
        if "done" in message:
            process.wait()
            return
        if "error" in message:
            raise RunError(message["error"])
        on_epoch(EpochRow(**message["epoch"]), message["best"])
    code = process.wait()
    killed = "; the system kills what takes too much memory" if code == -9 else ""
    raise RunError(
        f"{run.folder}: its training process ended with code {code}{killed}; {LOG_NAME} there has what it said, and"
        " the same command again goes on after the last finished epoch"
    )


def read_training(run: Run) -> Training | None:
    """What the training of a run took; None of one that is not finished.

    Raises:
        RunError: The run's history or outcome cannot be read.
    """
    if not run.outcome.is_file():
        return None
    try:
        outcome = Outcome(**json.loads(run.outcome.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise RunError(f"{run.outcome}: cannot be read ({error}); train anew, or restore the file") from error
    # A run that was made from another model without training has no history.
    rows = read_history(run.history) if outcome.epochs else ()
    return Training(
        epochs=outcome.epochs,
        best_epoch=outcome.best_epoch,
        minutes=sum(row.seconds for row in rows) / 60,
        ended_by=outcome.ended_by,
        peak_memory_mb=read_peak_memory(run),
    )
