"""Training a registered model on a data set folder, epoch by epoch, resumable after any of them.

The loop is our own because a resumed run must end as an unbroken one: all that an epoch depends on - weights,
optimizer, early stopping, order of frames - is a function of (seed, epoch) or lies in the last checkpoint.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from celestialkeras.errors import DatasetError, RunError
from celestialkeras.files import discard_partials, replacing, write_text
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.lcid.pipeline import batches
from celestialkeras.models.cost import registered_cost
from celestialkeras.models.registry import build_model
from celestialkeras.training.checkpoint import TrainingState, checkpoints, restore_checkpoint, save_checkpoint
from celestialkeras.training.history import EpochRow, write_history
from celestialkeras.training.observer import Observer, Outcome, Plan, Silent
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import RUNS, Run, create_run
from celestialkeras.training.schedule import class_weights, learning_rate_schedule, steps_an_epoch
from celestialkeras.training.step import Steps, Tally

_LOG = logging.getLogger(__name__)


def start_run(options: TrainOptions, runs: Path = RUNS, name: str | None = None) -> Run:
    """Checks that the options fit the data set, and makes the run folder.

    Args:
        options: What to do.
        runs: Folder of runs.
        name: Name of the run; by default the model's name and the time.

    Returns:
        A run to give to `train`.

    Raises:
        DatasetError: There is no such data set.
        ModelError: The model does not take frames of the chosen size, or an option of its factory is refused.
        RunError: The frames cannot be binned so, a class has no training frames, or the name is taken.
    """
    dataset = open_dataset(options.data)
    class_weights(dataset)
    registered_cost(options.model, _input_shape(options, dataset), **options.model_options)
    return create_run(options, dataset.digest, runs, name)


def train(run: Run, observer: Observer | None = None) -> Outcome:
    """Trains the model of a run from where it stands: from the start, or after the last finished epoch.

    Killed at any moment and called again, it gives the same history and the same weights as an unbroken run on the
    same machine with the same versions. For that, TensorFlow is told to use deterministic operations, which holds for
    the whole process. A run that is finished is left as it is.

    Args:
        run: From `start_run` or `open_run`.
        observer: Is told how it goes.

    Returns:
        How it ended.

    Raises:
        RunError: The data set is no longer the one that the run was made for, the training or the
            validation loss is no longer a number, or the checkpoint does not fit.
        DatasetError: The data set is missing or altered.
    """
    observer = observer or Silent()
    if run.outcome.is_file():
        return Outcome(**json.loads(run.outcome.read_text(encoding="utf-8")))
    options = run.options()
    dataset = open_dataset(options.data)
    _check_same_data(run, dataset)
    # What a killed attempt was writing; for a large network a half-written checkpoint is a gigabyte.
    for folder in (run.folder, run.checkpoints):
        discard_partials(folder)
    trainer = _Trainer(run, options, dataset)
    observer.started(trainer.plan())
    while not trainer.finished:
        trainer.run_epoch(observer)
    outcome = trainer.outcome()
    write_text(run.outcome, json.dumps(asdict(outcome), indent=1) + "\n")
    for checkpoint in checkpoints(run.checkpoints):
        checkpoint.unlink()
    return outcome


class _Trainer:
    def __init__(self, run: Run, options: TrainOptions, dataset: LcidDataset) -> None:
        keras.utils.set_random_seed(options.seed)
        tf.config.experimental.enable_op_determinism()
        self._run = run
        self._options = options
        self._dataset = dataset
        self._input_shape = _input_shape(options, dataset)
        self._weights = class_weights(dataset)
        self._train_frames = len(dataset.records("train"))
        self._validation_frames = len(dataset.records("validation"))
        self._steps = steps_an_epoch(self._train_frames, options.batch_size)

        with _precision(options.precision):
            self._model = self._build()
        schedule = learning_rate_schedule(options.learning_rate, options.epochs, self._steps)
        self._optimizer = keras.optimizers.Adam(schedule)
        if options.precision == "mixed_float16":
            # Gradients of half precision underflow unless the loss is scaled up.
            self._optimizer = keras.optimizers.LossScaleOptimizer(self._optimizer)
        self._compiled = Steps(self._model, self._optimizer, self._weights)
        # A saved model computes in float32 whatever it was trained in: exporting and evaluating start from there.
        self._saved_model = self._model if options.precision == "float32" else self._build()
        self._state = restore_checkpoint(run.checkpoints, self._variables())
        self._scalars = tf.summary.create_file_writer(str(run.logs))
        # After a kill the file may lack the epoch that the checkpoint has, or the checkpoint the epoch of the file.
        write_history(self._state.rows, run.history)

    @property
    def finished(self) -> bool:
        return bool(self._ended_by())

    def plan(self) -> Plan:
        if not self._validation_frames:
            _LOG.warning(
                "%s has no validation frames: model.keras will hold the last epoch, and nothing ends the run early",
                self._dataset.folder,
            )
        return Plan(
            run=self._run,
            options=self._options,
            cost=registered_cost(self._options.model, self._input_shape, **self._options.model_options),
            train_frames=self._train_frames,
            validation_frames=self._validation_frames,
            steps=self._steps,
            class_weights=self._weights,
            finished_epochs=self._state.epoch,
        )

    def outcome(self) -> Outcome:
        return Outcome(
            epochs=self._state.epoch,
            best_epoch=self._state.best_epoch,
            best_validation_loss=self._state.best_loss,
            ended_by=self._ended_by(),
        )

    def run_epoch(self, observer: Observer) -> None:
        """Trains, validates, and writes what came of it; killed anywhere, the epoch is done again alike."""
        began = time.perf_counter()
        epoch = self._state.epoch + 1
        trained, validated = self._train(epoch, observer), self._validate()
        self._check_finite("loss", trained, epoch)
        if validated:
            self._check_finite("validation loss", validated, epoch)
        row = EpochRow(
            epoch=epoch,
            learning_rate=float(self._optimizer.learning_rate),
            loss=trained.mean_loss,
            accuracy=trained.accuracy,
            validation_loss=validated.mean_loss if validated else None,
            validation_accuracy=validated.accuracy if validated else None,
            seconds=round(time.perf_counter() - began, 3),
        )
        best = self._is_best(row)
        # The model goes first: should the checkpoint then fail, this epoch is done again and writes the same model.
        if best:
            self._save_model()
        self._state = TrainingState(
            rows=(*self._state.rows, row),
            best_epoch=epoch if best else self._state.best_epoch,
            best_loss=row.validation_loss if best else self._state.best_loss,
        )
        save_checkpoint(self._run.checkpoints, self._state, self._variables())
        write_history(self._state.rows, self._run.history)
        self._write_scalars(row)
        observer.epoch(row, best)

    def _train(self, epoch: int, observer: Observer) -> Tally:
        order = {"shuffle_seed": (self._options.seed, epoch), "augment": self._options.augment}
        tally = Tally()
        for step, batch in enumerate(islice(self._batches("train", **order), self._steps), start=1):
            tally.add(self._compiled.train(*batch))
            observer.step(epoch, step, tally)
        return tally

    def _validate(self) -> Tally | None:
        if not self._validation_frames:
            return None
        tally = Tally()
        for batch in self._batches("validation"):
            tally.add(self._compiled.validate(*batch))
        return tally

    def _check_finite(self, name: str, tally: Tally, epoch: int) -> None:
        # As the lowest validation loss so far, a NaN would stay the lowest: nothing compares below it.
        if not math.isfinite(tally.mean_loss):
            raise RunError(
                f"{self._run.folder}: the {name} is {tally.mean_loss} in epoch {epoch}; train anew with a lower"
                f" `learning_rate`. Received: learning_rate={self._options.learning_rate},"
                f" precision={self._options.precision!r}"
            )

    def _batches(self, split: str, **order: Any) -> Iterator[Any]:
        options = self._options
        try:
            yield from batches(self._dataset, split, binning=options.binning, batch_size=options.batch_size, **order)
        except tf.errors.UnknownError as error:
            # What the reader raises in TensorFlow's threads comes out as text, a traceback after its first line.
            _, found, message = error.message.partition(f"{DatasetError.__name__}: ")
            if not found:
                raise
            raise DatasetError(message.partition("\n")[0]) from error

    def _build(self) -> keras.Model:
        return build_model(self._options.model, self._input_shape, **self._options.model_options)

    def _variables(self) -> list[keras.Variable]:
        # `variables` and not `weights`: the states of dropout's seed generators are among the former only.
        return [*self._model.variables, *self._optimizer.variables]

    def _is_best(self, row: EpochRow) -> bool:
        loss, best = row.validation_loss, self._state.best_loss
        return loss is None or best is None or loss < best

    def _ended_by(self) -> str:
        if self._state.epoch >= self._options.epochs:
            return "epochs"
        if self._out_of_patience():
            return "patience"
        return "minutes" if self._out_of_time() else ""

    def _out_of_patience(self) -> bool:
        patience = self._options.patience
        waited = self._state.epoch - self._state.best_epoch
        return bool(patience and self._validation_frames and waited >= patience)

    def _out_of_time(self) -> bool:
        # Counted from the history, so that a run that was stopped and resumed has the budget of an unbroken one.
        taken = [row.seconds for row in self._state.rows]
        return bool(self._options.minutes and taken and sum(taken) + taken[-1] > 60 * self._options.minutes)

    def _save_model(self) -> None:
        if self._saved_model is not self._model:
            self._saved_model.set_weights(self._model.get_weights())
        with replacing(self._run.model) as partial:
            self._saved_model.save(partial)

    def _write_scalars(self, row: EpochRow) -> None:
        with self._scalars.as_default(step=row.epoch):
            for name, value in asdict(row).items():
                if name != "epoch" and value is not None:
                    tf.summary.scalar(name, value)
        self._scalars.flush()


def _input_shape(options: TrainOptions, dataset: LcidDataset) -> tuple[int, int, int]:
    height, width = dataset.shape
    if height % options.binning or width % options.binning:
        raise RunError(
            f"`size` must divide both sides of the frames, {height} x {width} pixels. Received: size={options.size}"
        )
    return height // options.binning, width // options.binning, 1


def _check_same_data(run: Run, dataset: LcidDataset) -> None:
    made_for = run.provenance()["data_sha256"]
    if made_for != dataset.digest:
        raise RunError(
            f"{run.folder}: was made for another data set than the one now in {dataset.folder}; start a new run."
            f" Received: digest {dataset.digest}, expected {made_for}"
        )


@contextmanager
def _precision(policy: str) -> Iterator[None]:
    before: Any = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)
