"""What a run does of the settings that studies vary: the loss, and which epoch's weights are kept."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np
import pytest

from celestialkeras.files import sha256_of
from celestialkeras.training import loop
from celestialkeras.training.history import read_history
from celestialkeras.training.loop import start_run, train
from celestialkeras.training.loss import LabelLoss
from celestialkeras.training.observer import Silent
from celestialkeras.training.step import Steps, Tally


class Models(Silent):
    """Notes the model's file after each epoch."""

    def __init__(self, run):
        self._run, self.hashes = run, []

    def epoch(self, row, best):
        self.hashes.append(sha256_of(self._run.model))


@pytest.fixture
def only_the_first_is_best(monkeypatch):
    monkeypatch.setattr(loop._Trainer, "_is_best", lambda self, row: row.epoch == 1)


@pytest.mark.parametrize("keep_last", [False, True])
def test_the_weights_of_the_last_epoch_are_kept_if_asked_for(options, tmp_path, only_the_first_is_best, keep_last):
    run = start_run(replace(options, keep_last=keep_last, focal_gamma=2.0), tmp_path, "kept")
    assert run.options().label_loss == LabelLoss(focal_gamma=2.0)
    models = Models(run)
    outcome = train(run, models)
    rows = read_history(run.history)
    assert len(set(models.hashes)) == (2 if keep_last else 1)
    kept = rows[-1] if keep_last else rows[0]
    assert (outcome.best_epoch, outcome.best_validation_loss) == (kept.epoch, kept.validation_loss)


def test_training_asks_for_the_loss_and_validation_for_cross_entropy():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((4, 4, 1))
    x = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(inputs))
    model = keras.Model(inputs, keras.layers.Softmax()(x))
    rng = np.random.default_rng(2)
    frames, labels = rng.random((5, 4, 4, 1), np.float32), np.array([0, 1, 1, 0, 1], np.int32)
    probabilities = model.predict(frames, verbose=0)[np.arange(5), labels]
    steps = Steps(model, keras.optimizers.SGD(1e-9), (1.0, 1.0), label_loss=LabelLoss(focal_gamma=2.0))
    validated, trained = Tally(), Tally()
    validated.add(steps.validate(frames, labels))
    trained.add(steps.train(frames, labels))
    assert validated.mean_loss == pytest.approx(-np.log(probabilities).mean(), rel=1e-5)
    assert trained.mean_loss == pytest.approx((-np.log(probabilities) * (1 - probabilities) ** 2).mean(), rel=1e-5)
