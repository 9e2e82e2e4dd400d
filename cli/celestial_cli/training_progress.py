"""How verbs show training: a bar on a terminal, one line an epoch everywhere, and what came of it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from celestial_cli.tables import print_table
from celestial_cli.terminal import print_json, progress_bar, say

if TYPE_CHECKING:
    from celestialkeras.evaluation.temperature import TemperatureFit
    from celestialkeras.training.history import EpochRow
    from celestialkeras.training.observer import Outcome, Plan
    from celestialkeras.training.run import Run
    from celestialkeras.training.step import Tally


# Seconds of steps from which the time that is left is told: several of the slowest.
_SPEED_S = 120.0

_ENDS = {"epochs": "all of them", "patience": "patience ran out", "minutes": "time ran out"}


def epoch_line(row: EpochRow, epochs: int, best: bool) -> str:
    """One epoch in words.

    Args:
        row: The epoch.
        epochs: How many the training is to have.
        best: Whether its weights are the best so far.
    """
    text = f"epoch {row.epoch}/{epochs}: loss {row.loss:.4f}, accuracy {100 * row.accuracy:.1f} %"
    if row.validation_loss is not None and row.validation_accuracy is not None:
        text += f", validation {row.validation_loss:.4f}, {100 * row.validation_accuracy:.1f} %"
    return f"{text}, {row.seconds:.1f} s{', best so far' if best else ''}"


class TrainingProgress:
    """Shows training on stderr, while its `with` block lasts; an `Observer`."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"))
        self._progress = Progress(
            *columns,
            TimeRemainingColumn(),
            console=self._console,
            speed_estimate_period=_SPEED_S,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        self._shown = ExitStack()
        self._teacher: Callable[[int, int], None] | None = None
        self._task: TaskID | None = None
        self._epochs = 0

    def __enter__(self) -> TrainingProgress:
        return self

    def __exit__(self, *exception: object) -> None:
        self._shown.close()

    def teacher(self, done: int, total: int) -> None:
        """Moves the bar of the teacher's frames."""
        if self._teacher is None:
            self._teacher = self._shown.enter_context(progress_bar("teacher"))
        self._teacher(done, total)

    def started(self, plan: Plan) -> None:
        """Says what will be done."""
        # A terminal shows one bar at a time.
        self._shown.close()
        self._shown.enter_context(self._progress)
        self._epochs = plan.options.epochs
        shape = " x ".join(map(str, plan.cost.input_shape[:2]))
        self._say(
            f"{plan.options.model}: {plan.cost.trainable:,} parameters, {plan.cost.gmac:.2f} GMAC at {shape}; "
            f"{plan.train_frames} training and {plan.validation_frames} validation frames; "
            f"class weights {', '.join(f'{weight:.2f}' for weight in plan.class_weights)}; "
            f"{f'{plan.replicas} replicas; ' if plan.replicas > 1 else ''}run {plan.run.folder}"
        )
        if plan.finished_epochs:
            self._say(f"going on after epoch {plan.finished_epochs}")
        self._task = self._progress.add_task("", total=plan.steps)

    def step(self, epoch: int, step: int, tally: Tally) -> None:
        """Moves the bar."""
        assert self._task is not None
        text = f"epoch {epoch}/{self._epochs} loss {tally.mean_loss:.3f}" if self._progress.live.is_started else ""
        if step == 1:
            # A bar that was full once tells no time that is left, however far it is set back.
            self._progress.reset(self._task)
        self._progress.update(self._task, completed=step, description=text)

    def epoch(self, row: EpochRow, best: bool) -> None:
        """Prints the epoch's line."""
        self._say(epoch_line(row, self._epochs, best))

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)


def show_outcome(run: Run, outcome: Outcome, fit: TemperatureFit | None, as_json: bool) -> None:
    """Prints to stdout what came of training.

    Args:
        run: What was trained.
        outcome: How it ended.
        fit: The temperature of its model; None where there are no validation frames.
        as_json: Whether to print JSON.
    """
    if as_json:
        calibration = asdict(fit) if fit else None
        where = {"run": str(run.folder), "model": str(run.model)}
        print_json({"schema": "celestialkeras.training/1", **where, **asdict(outcome), "calibration": calibration})
        return
    loss = outcome.best_validation_loss
    rows = [
        ["run", str(run.folder), "runs/latest points at it"],
        ["model", str(run.model), "keras.models.load_model opens it"],
        ["epochs", str(outcome.epochs), _ENDS[outcome.ended_by]],
        [
            "best epoch",
            str(outcome.best_epoch),
            "no validation frames" if loss is None else f"validation loss {loss:.4f}",
        ],
    ]
    if fit is not None:
        rows.append(["temperature", f"{fit.temperature:.3f}", fitted_note(fit)])
    print_table("Trained", ["what", "value", "note"], rows)
    say("next: celestial evaluate, or celestial quantize --int8")


def fitted_note(fit: TemperatureFit) -> str:
    """What a temperature does to the frames that it was fitted on, or why there is none, in words."""
    if fit.reason:
        return fit.reason
    return f"log loss {fit.before.log_loss:.4f} to {fit.after.log_loss:.4f} on {fit.frames} validation frames"
