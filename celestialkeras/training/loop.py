"""Training a model on a data set folder, epoch by epoch, resumable after any of them.

The model is a registered one with fresh weights, or the network that a derived run starts from; a run that was made by
distilling has a teacher's logits beside the labels.

The loop is our own because a resumed run must end as an unbroken one: all that an epoch depends on - weights,
optimizer, early stopping, order of frames - is a function of (seed, epoch) or lies in the last checkpoint.
"""

from __future__ import annotations

import json
import logging
import math
import time
from dataclasses import asdict, astuple
from pathlib import Path

import keras
import tensorflow as tf

from celestialkeras.errors import RunError
from celestialkeras.evaluation.predictor import load_model
from celestialkeras.files import discard_partials, replacing, write_text
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.models.cost import model_cost, registered_cost
from celestialkeras.models.registry import build_model
from celestialkeras.training.checkpoint import TrainingState, checkpoints, restore_checkpoint, save_checkpoint
from celestialkeras.training.distil import read_distillation
from celestialkeras.training.distribution import Distribution
from celestialkeras.training.feed import Feed
from celestialkeras.training.history import EpochRow, write_history
from celestialkeras.training.observer import Observer, Outcome, Plan, Silent
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.precision import computing_in, optimizer_for
from celestialkeras.training.run import RUNS, Run, create_run
from celestialkeras.training.schedule import class_weights, learning_rate_schedule
from celestialkeras.training.step import Steps, Tally
from celestialkeras.training.strip_stem import check_stem
from celestialkeras.training.teacher import SoftTargets, soft_targets

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
        DatasetError: There is no such data set, or its frames cannot be brought to the chosen size.
        ModelError: The model does not take frames of the chosen size or cannot be trained in strips, or an option of
            its factory is refused.
        RunError: A class has no training frames, or the name is taken.
    """
    dataset = open_dataset(options.data)
    class_weights(dataset)
    registered_cost(options.model, options.input_shape(dataset.shape), **options.model_options)
    check_stem(options, dataset.shape)
    return create_run(options, dataset.digest, runs, name)


def train(run: Run | None, observer: Observer | None = None, distribution: Distribution | None = None) -> Outcome:
    """Trains the model of a run from where it stands: from the start, or after the last finished epoch.

    Killed at any moment and called again, it gives the same history and the same weights as an unbroken run on the
    same machine with the same versions. For that, TensorFlow is told to use deterministic operations, which holds for
    the whole process. A run that is finished is left as it is.

    Args:
        run: From `start_run` or `open_run`; None in workers that are not the chief.
        observer: Is told how it goes.
        distribution: From `join`, where it is trained on several GPUs or machines; None for this process alone. A run
            may be resumed under another one: only the rounding differs.

    Returns:
        How it ended.

    Raises:
        RunError: The data set is no longer the one that the run was made for, the training or the
            validation loss is no longer a number, the checkpoint does not fit, or so many replicas cannot train it.
        WorkerLostError: Another worker has ended; all are to be started again.
        DatasetError: The data set is missing or altered.
    """
    observer, distribution = observer or Silent(), distribution or Distribution()
    with distribution.missing_workers(), distribution.workplace(run) as place:
        return _train(place, observer, distribution)


def _train(run: Run, observer: Observer, distribution: Distribution) -> Outcome:
    if run.outcome.is_file():
        return Outcome(**json.loads(run.outcome.read_text(encoding="utf-8")))
    options = run.options()
    dataset = open_dataset(options.data)
    _check_same_data(run, dataset)
    # What a killed attempt was writing; for a large network a half-written checkpoint is a gigabyte.
    for folder in (run.folder, run.checkpoints, run.soft_targets):
        discard_partials(folder)
    tf.config.experimental.enable_op_determinism()
    # Of equal runs, one may find the teacher's logits and the other ask for them: the seed is set after that.
    distillation = read_distillation(run)
    taught = soft_targets(run, dataset, distillation, observer.teacher) if distillation else None
    distribution.check(options, len(dataset.records("train")), taught is not None)
    trainer = _Trainer(run, options, dataset, taught, distribution)
    observer.started(trainer.plan())
    while not trainer.finished:
        trainer.run_epoch(observer)
    outcome = trainer.outcome()
    if not distribution.is_chief:
        return outcome
    write_text(run.outcome, json.dumps(asdict(outcome), indent=1) + "\n")
    for checkpoint in checkpoints(run.checkpoints):
        checkpoint.unlink()
    return outcome


class _Trainer:
    def __init__(
        self,
        run: Run,
        options: TrainOptions,
        dataset: LcidDataset,
        taught: SoftTargets | None,
        distribution: Distribution,
    ) -> None:
        keras.utils.set_random_seed(options.seed)
        self._run = run
        self._options = options
        self._dataset = dataset
        self._distribution = distribution
        self._feed = Feed(dataset, options, taught, distribution.share, distribution.replicas)
        self._weights = class_weights(dataset)

        with distribution.scope():
            with computing_in(options.precision):
                self._model = self._build()
            schedule = learning_rate_schedule(options.learning_rate, options.epochs, self._feed.steps)
            self._optimizer = optimizer_for(options.precision, schedule)
            distillation = taught.distillation if taught else None
            self._compiled = Steps(
                self._model,
                self._optimizer,
                self._weights,
                distillation,
                options.stem_strips,
                options.label_loss,
                distribution,
            )
        # A saved model computes in float32 whatever it was trained in, and alone: exporting and evaluating start there.
        as_trained = options.precision == "float32" and not distribution.changes_layers
        self._saved_model = self._model if as_trained else self._build()
        self._state = restore_checkpoint(run.checkpoints, self._variables())
        distribution.prepare(self._model)
        self._scalars = tf.summary.create_file_writer(str(run.logs))
        # After a kill the file may lack the epoch that the checkpoint has, or the checkpoint the epoch of the file.
        write_history(self._state.rows, run.history)

    @property
    def finished(self) -> bool:
        return bool(self._ended_by())

    def plan(self) -> Plan:
        if not self._feed.validation_frames:
            _LOG.warning(
                "%s has no validation frames: model.keras will hold the last epoch, and nothing ends the run early",
                self._dataset.folder,
            )
        return Plan(
            run=self._run,
            options=self._options,
            cost=model_cost(self._model),
            train_frames=self._feed.train_frames,
            validation_frames=self._feed.validation_frames,
            steps=self._feed.steps,
            replicas=self._distribution.replicas,
            class_weights=self._weights,
            finished_epochs=self._state.epoch,
        )

    def outcome(self) -> Outcome:
        last = self._options.keep_last
        return Outcome(
            epochs=self._state.epoch,
            best_epoch=self._state.epoch if last else self._state.best_epoch,
            best_validation_loss=self._state.rows[-1].validation_loss if last else self._state.best_loss,
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
            seconds=self._distribution.of_chief(round(time.perf_counter() - began, 3)),
        )
        best = self._is_best(row)
        # The model goes first: should the checkpoint then fail, this epoch is done again and writes the same model.
        if self._distribution.is_chief and (best or self._options.keep_last):
            self._save_model()
        self._state = TrainingState(
            rows=(*self._state.rows, row),
            best_epoch=epoch if best else self._state.best_epoch,
            best_loss=row.validation_loss if best else self._state.best_loss,
        )
        if self._distribution.is_chief:
            save_checkpoint(self._run.checkpoints, self._state, self._variables())
            write_history(self._state.rows, self._run.history)
            self._write_scalars(row)
        observer.epoch(row, best)

    def _train(self, epoch: int, observer: Observer) -> Tally:
        tally = Tally()
        for step, batch in enumerate(self._feed.training(epoch), start=1):
            tally.add(self._compiled.train(*batch))
            observer.step(epoch, step, tally)
        return self._of_all(tally)

    def _validate(self) -> Tally | None:
        if not self._feed.validation_frames:
            return None
        tally = Tally()
        for batch in self._feed.validation():
            tally.add(self._compiled.validate(*batch))
        return self._of_all(tally)

    def _of_all(self, tally: Tally) -> Tally:
        loss, weight, right, frames = self._distribution.add_up(astuple(tally))
        return Tally(loss, weight, int(right), int(frames))

    def _check_finite(self, name: str, tally: Tally, epoch: int) -> None:
        # As the lowest validation loss so far, a NaN would stay the lowest: nothing compares below it.
        if not math.isfinite(tally.mean_loss):
            raise RunError(
                f"{self._run.folder}: the {name} is {tally.mean_loss} in epoch {epoch}; train anew with a lower"
                f" `learning_rate`. Received: learning_rate={self._options.learning_rate},"
                f" precision={self._options.precision!r}"
            )

    def _build(self) -> keras.Model:
        if self._run.start.is_file():
            return load_model(self._run.start)
        return build_model(
            self._options.model, self._options.input_shape(self._dataset.shape), **self._options.model_options
        )

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
        return bool(patience and self._feed.validation_frames and waited >= patience)

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


def _check_same_data(run: Run, dataset: LcidDataset) -> None:
    made_for = run.provenance()["data_sha256"]
    if made_for != dataset.digest:
        raise RunError(
            f"{run.folder}: was made for another data set than the one now in {dataset.folder}; start a new run."
            f" Received: digest {dataset.digest}, expected {made_for}"
        )
