"""What training tells whoever watches it: its plan, each step, each epoch and how it ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from celestialkeras.models.cost import Cost
from celestialkeras.training.history import EpochRow
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run
from celestialkeras.training.step import Tally


@dataclass(frozen=True)
class Plan:
    """What a training run will do, known before its first step.

    Attributes:
        run: The run.
        options: Its options.
        cost: Size and work of the model.
        train_frames: Frames of the training split.
        validation_frames: Frames of the validation split; may be 0.
        steps: Steps an epoch.
        replicas: Copies of the network that share each batch.
        class_weights: Weight of the loss of each class, in label order; their mean over the training frames is 1.
        finished_epochs: Epochs that an earlier, killed attempt has finished.
    """

    run: Run
    options: TrainOptions
    cost: Cost
    train_frames: int
    validation_frames: int
    steps: int
    replicas: int
    class_weights: tuple[float, ...]
    finished_epochs: int


@dataclass(frozen=True)
class Outcome:
    """How a training run ended.

    Attributes:
        epochs: Finished epochs.
        best_epoch: The epoch whose weights `model.keras` holds: the one with the lowest validation loss, or the last
            one where there are no validation frames or the run was asked to keep it.
        best_validation_loss: Its validation loss; None without validation frames.
        ended_by: What ended the run: `epochs` (all were done), `patience` or `minutes`.
    """

    epochs: int
    best_epoch: int
    best_validation_loss: float | None
    ended_by: str


class Observer(Protocol):
    """Is told how training goes."""

    def teacher(self, done: int, total: int) -> None:
        """Before all else, in a run with a teacher: training frames whose logits the teacher has given."""

    def started(self, plan: Plan) -> None:
        """Before the first step."""

    def step(self, epoch: int, step: int, tally: Tally) -> None:
        """After each step: epoch and step counted from 1, and the sums over this worker's epoch so far."""

    def epoch(self, row: EpochRow, best: bool) -> None:
        """After each epoch, its checkpoint written; `best` when its validation loss is the lowest so far."""


class Silent:
    """An observer that shows nothing."""

    def teacher(self, done: int, total: int) -> None:
        """Shows nothing."""

    def started(self, plan: Plan) -> None:
        """Shows nothing."""

    def step(self, epoch: int, step: int, tally: Tally) -> None:
        """Shows nothing."""

    def epoch(self, row: EpochRow, best: bool) -> None:
        """Shows nothing."""
