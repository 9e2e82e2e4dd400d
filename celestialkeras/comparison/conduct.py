"""Does what a comparison's plan says, trial by trial; called again, it goes on with what is not finished."""

from __future__ import annotations

import fcntl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol, TypeAlias

from celestialkeras.comparison.entries import Existing, Network
from celestialkeras.comparison.folder import ComparisonFolder
from celestialkeras.comparison.plan import Plan, Trial, open_sides
from celestialkeras.comparison.results import Result, Subject, judge_subject, read_result, write_result
from celestialkeras.comparison.training import Trainer, train_apart
from celestialkeras.errors import CelestialError, RunError
from celestialkeras.files import discard_partials
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.training.history import EpochRow
from celestialkeras.training.loop import start_run
from celestialkeras.training.run import Run

OpenSubject: TypeAlias = Callable[[Path, LcidDataset], Subject]
"""Opens a run, `.keras` file or artifact for the frames of a data set."""

Results: TypeAlias = Mapping[str, Result]
"""What was found of each trial that is done, by its key."""


class Observer(Protocol):
    """Is told how a comparison goes."""

    def training(self, trial: Trial, run: Run) -> None:
        """Before a training begins or goes on."""

    def epoch(self, row: EpochRow, best: bool) -> None:
        """After each epoch."""

    def judging(self, trial: Trial) -> None:
        """Before a model is run over the test side."""

    def judged(self, trial: Trial, result: Result) -> None:
        """After that, its result written."""

    def failed(self, trial: Trial, error: CelestialError) -> None:
        """When a trial cannot be done; the others are."""


def conduct(
    plan: Plan, folder: ComparisonFolder, open_subject: OpenSubject, observer: Observer, train: Trainer = train_apart
) -> dict[str, str]:
    """Trains what is not trained, and judges what is not judged.

    Args:
        plan: The plan.
        folder: Its folder, from `begin_comparison`.
        open_subject: Opens a model.
        observer: Is told how it goes.
        train: Trains a run; in a process of its own, so that its memory can be told.

    Returns:
        Why trials could not be done, by their keys; empty where all are. The same call tries them again.

    Raises:
        RunError: Another comparison is working in this folder.
        DatasetError: The data set is no longer the one of the plan.
    """
    failures: dict[str, str] = {}
    with _only_one(folder):
        clear, blurry = open_sides(plan)
        discard_partials(folder.runs)
        for trial in plan.trials():
            if folder.result(trial).is_file():
                continue
            try:
                model = _trained(trial, folder, observer, train)
                observer.judging(trial)
                subject = open_subject(model, clear)
                _check_unchanged(trial, subject)
                found = judge_subject(subject, clear, blurry, isinstance(trial.entry, Network))
            except CelestialError as error:
                failures[trial.key] = str(error)
                observer.failed(trial, error)
                continue
            write_result(found, folder.result(trial))
            observer.judged(trial, found)
    return failures


def read_results(plan: Plan, folder: ComparisonFolder) -> dict[str, Result]:
    """What was found so far, by the keys of the trials.

    Raises:
        RunError: A result cannot be read.
        DatasetError: The data set is no longer the one of the plan.
    """
    clear, blurry = open_sides(plan)
    done = [trial for trial in plan.trials() if folder.result(trial).is_file()]
    return {trial.key: read_result(folder.result(trial), clear, blurry) for trial in done}


def _trained(trial: Trial, folder: ComparisonFolder, observer: Observer, train: Trainer) -> Path:
    """The run or file to judge, its training finished."""
    entry = trial.entry
    if not isinstance(entry, Network):
        return entry.path
    run = folder.run(trial)
    if not run.folder.exists():
        start_run(trial.options(), folder.runs, trial.key)
    if not run.outcome.is_file():
        observer.training(trial, run)
        train(run, observer.epoch)
    return run.folder


def _check_unchanged(trial: Trial, subject: Subject) -> None:
    entry = trial.entry
    if isinstance(entry, Existing) and subject.sha256 != entry.sha256:
        raise RunError(
            f"{entry.path}: has changed since the comparison was begun; begin another one under another name."
            f" Received: SHA-256 {subject.sha256}, expected {entry.sha256}"
        )


@contextmanager
def _only_one(folder: ComparisonFolder) -> Iterator[None]:
    with (folder.folder / ".lock").open("w") as lock:
        try:
            # The system lets go of it when the process ends, whatever ends it.
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise RunError(f"{folder.folder}: another process works at this comparison; wait for its end") from error
        yield
