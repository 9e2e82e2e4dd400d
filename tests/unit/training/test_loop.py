import csv
import json
import logging
import math
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_runs import write_dataset

from celestialkeras.errors import DatasetError, ModelError, RunError
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.pipeline import batches
from celestialkeras.training import loop
from celestialkeras.training.loop import start_run, train
from celestialkeras.training.observer import Outcome, Silent
from celestialkeras.training.options import load_options
from celestialkeras.training.run import open_run


class Recorder(Silent):
    def __init__(self):
        self.plan, self.steps, self.rows = None, [], []

    def started(self, plan):
        self.plan = plan

    def step(self, epoch, step, tally):
        self.steps.append((epoch, step, tally.frames))

    def epoch(self, row, best):
        self.rows.append((row, best))


def history(run):
    with run.history.open(newline="") as source:
        return [{name: cell for name, cell in row.items() if name != "seconds"} for row in csv.DictReader(source)]


@pytest.fixture(scope="module")
def finished(options, tmp_path_factory):
    recorder = Recorder()
    run = start_run(options, tmp_path_factory.mktemp("runs"), "finished")
    return run, train(run, recorder), recorder


def test_observer_is_told_the_plan_and_every_step(finished):
    run, _, recorder = finished
    plan = recorder.plan
    assert (plan.run, plan.train_frames, plan.validation_frames, plan.finished_epochs) == (run, 11, 4, 0)
    assert plan.class_weights == (11 / 12, 11 / 10)
    assert plan.cost.input_shape == (32, 64, 1)
    # 11 frames in batches of 5: the eleventh would be alone and is left out.
    assert plan.steps == 2
    assert recorder.steps == [(1, 1, 5), (1, 2, 10), (2, 1, 5), (2, 2, 10)]


def test_history_has_one_row_an_epoch(finished):
    run, _, recorder = finished
    rows = history(run)
    assert [row["epoch"] for row in rows] == ["1", "2"]
    assert [float(row["validation_loss"]) for row in rows] == [row.validation_loss for row, _ in recorder.rows]
    assert all(0 <= float(row["accuracy"]) <= 1 for row in rows)
    assert float(rows[1]["learning_rate"]) == pytest.approx(1e-4)


def test_outcome_names_the_best_epoch(finished):
    run, outcome, recorder = finished
    losses = [row.validation_loss for row, _ in recorder.rows]
    assert outcome == Outcome(2, losses.index(min(losses)) + 1, min(losses), ended_by="epochs")
    assert json.loads(run.outcome.read_text())["best_epoch"] == outcome.best_epoch
    assert [row.epoch for row, best in recorder.rows if best][-1] == outcome.best_epoch


def test_model_gives_the_validation_loss_of_the_best_epoch(finished, dataset_folder):
    run, outcome, _ = finished
    model = keras.models.load_model(run.require_model())
    dataset = open_dataset(dataset_folder)
    (frames, labels), *rest = batches(dataset, "validation", size=1, batch_size=8).as_numpy_iterator()
    assert not rest
    probabilities = model.predict(frames, verbose=0)
    weights = np.array([11 / 12, 11 / 10])[labels]
    loss = (weights * -np.log(probabilities[np.arange(len(labels)), labels])).sum() / weights.sum()
    assert loss == pytest.approx(outcome.best_validation_loss, rel=1e-4)


def test_checkpoints_go_when_training_is_finished(finished):
    assert list(finished[0].checkpoints.iterdir()) == []


def test_scalars_are_logged_for_tensorboard(finished):
    (events,) = finished[0].logs.iterdir()
    tags = {
        value.tag
        for record in tf.data.TFRecordDataset(str(events)).as_numpy_iterator()
        for value in tf.compat.v1.Event.FromString(record).summary.value
    }
    assert tags == {"learning_rate", "loss", "accuracy", "validation_loss", "validation_accuracy", "seconds"}


def test_a_finished_run_is_left_as_it_is(finished):
    run, outcome, _ = finished
    before = {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")}
    recorder = Recorder()
    assert train(run, recorder) == outcome
    assert recorder.plan is None
    assert {path: path.stat().st_mtime_ns for path in run.folder.rglob("*")} == before


def test_config_of_a_run_reproduces_it(finished, tmp_path):
    run, outcome, _ = finished
    again = start_run(load_options(run.config), tmp_path, "again")
    assert train(again) == outcome
    assert history(again) == history(run)


def test_a_run_in_strips_is_the_run_with_whole_maps(finished, options, tmp_path):
    run = start_run(replace(options, stem_strips=3), tmp_path, "strips")
    train(run)
    assert run.options().stem_strips == 3
    for row, whole in zip(history(run), history(finished[0]), strict=True):
        assert float(row["loss"]) == pytest.approx(float(whole["loss"]), rel=1e-3)


def test_strips_of_a_network_without_a_pooled_stem_are_refused_before_there_is_a_run(options, tmp_path):
    with pytest.raises(ModelError, match="model 'celestialnet_edge' cannot be trained in strips"):
        start_run(replace(options, model="celestialnet_edge", stem_strips=3), tmp_path, "refused")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("fails", ["save_checkpoint", "write_history"])
def test_an_epoch_that_fails_while_it_is_written_is_done_again_alike(finished, options, tmp_path, monkeypatch, fails):
    run = start_run(options, tmp_path, "broken")
    original, calls = getattr(loop, fails), []

    def fail_once(*args):
        calls.append(args)
        # write_history is called once when training begins.
        if len(calls) == (3 if fails == "write_history" else 2):
            raise OSError("no space left on device")
        return original(*args)

    monkeypatch.setattr(loop, fails, fail_once)
    try:
        train(run)
    except OSError:
        assert not run.outcome.exists()
        monkeypatch.undo()
        train(run)
    assert history(run) == history(finished[0])
    assert run.outcome.read_text() == finished[0].outcome.read_text()


def test_another_seed_gives_another_history(finished, options, tmp_path):
    run = start_run(replace(options, seed=1, epochs=1), tmp_path)
    train(run)
    assert history(run)[0]["loss"] != history(finished[0])[0]["loss"]


def test_patience_ends_a_run_that_no_longer_gets_better(options, tmp_path, monkeypatch):
    validated = iter([0.5, 0.4, 0.45, 0.4, 0.3])
    monkeypatch.setattr(loop._Trainer, "_validate", lambda _self: loop.Tally(next(validated), 1.0, 1, 2))
    run = start_run(replace(options, epochs=5, patience=2), tmp_path)
    assert train(run) == Outcome(epochs=4, best_epoch=2, best_validation_loss=0.4, ended_by="patience")
    assert [row["validation_loss"] for row in history(run)] == ["0.5", "0.4", "0.45", "0.4"]


def test_no_epoch_begins_that_would_end_beyond_the_minutes(options, tmp_path, monkeypatch):
    seconds = iter([0.0, 50.0, 100.0, 160.0, 200.0, 250.0])
    monkeypatch.setattr(loop.time, "perf_counter", lambda: next(seconds))
    run = start_run(replace(options, epochs=5, minutes=2.0), tmp_path)
    # 50 s and 60 s are done; a third epoch of 60 s would end after 170 s.
    assert train(run).ended_by == "minutes"
    assert [line.rpartition(",")[2] for line in run.history.read_text().splitlines()] == ["seconds", "50.0", "60.0"]


def test_without_validation_frames_the_last_epoch_is_kept_and_it_is_said(options, tmp_path, caplog):
    data = write_dataset(tmp_path / "data", {"train": (3, 3)})
    run = start_run(replace(options, data=data, patience=1), tmp_path / "runs")
    with caplog.at_level(logging.WARNING):
        assert train(run) == Outcome(epochs=2, best_epoch=2, best_validation_loss=None, ended_by="epochs")
    assert "no validation frames: model.keras will hold the last epoch" in caplog.text
    assert [row["validation_loss"] for row in history(run)] == ["", ""]
    assert run.model.is_file()


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_trains_and_saves_a_float32_model(options, tmp_path, precision):
    run = start_run(replace(options, epochs=1, precision=precision), tmp_path)
    outcome = train(run)
    assert np.isfinite(outcome.best_validation_loss)
    model = keras.models.load_model(run.model)
    assert {layer.compute_dtype for layer in model.layers} == {"float32"}
    assert keras.mixed_precision.dtype_policy().name == "float32"


def test_a_loss_that_is_no_number_ends_the_run(options, tmp_path):
    run = start_run(replace(options, learning_rate=1e38), tmp_path)
    with pytest.raises(RunError, match=r"the loss is (nan|inf) in epoch .* lower `learning_rate`"):
        train(run)


@pytest.mark.parametrize("loss", [math.nan, math.inf])
def test_a_validation_loss_that_is_no_number_ends_the_run(options, tmp_path, monkeypatch, loss):
    monkeypatch.setattr(loop._Trainer, "_validate", lambda _self: loop.Tally(loss, 1.0, 1, 2))
    run = start_run(options, tmp_path)
    with pytest.raises(RunError, match=rf"the validation loss is {loss} in epoch 1; .* lower `learning_rate`"):
        train(run)
    assert not run.model.exists(), "such an epoch must not count as the best"
    assert not run.outcome.exists()


def test_what_does_not_fit_is_refused_before_a_run_is_made(options, tmp_path):
    runs = tmp_path / "runs"
    with pytest.raises(DatasetError, match="celestial data build"):
        start_run(replace(options, data=tmp_path / "none"), runs)
    with pytest.raises(DatasetError, match=r"must divide frames of 32 x 64; .* size=3$"):
        start_run(replace(options, size=3), runs)
    with pytest.raises(ModelError, match="at least 8 pixels: this is a test"):
        start_run(replace(options, size=8), runs)
    with pytest.raises(ModelError, match="`filters` must be at least 1"):
        start_run(replace(options, model_options={"filters": 0}), runs)
    assert not runs.exists()


def test_a_changed_data_set_is_refused(options, tmp_path):
    data = write_dataset(tmp_path / "data", {"train": (3, 3)})
    start_run(replace(options, data=data), tmp_path / "runs")
    write_dataset(data, {"train": (4, 3)})
    with pytest.raises(RunError, match="was made for another data set than the one now in"):
        train(open_run(runs=tmp_path / "runs"))


def test_an_altered_shard_is_named(options, tmp_path):
    data = write_dataset(tmp_path / "data", {"train": (3, 3)})
    (shard,) = (data / "shards").glob("*.tfrecord")
    payload = bytearray(shard.read_bytes())
    payload[len(payload) // 2] ^= 1
    shard.write_bytes(payload)
    run = start_run(replace(options, data=data), tmp_path / "runs")
    with pytest.raises(DatasetError, match=r"part-00000\.tfrecord: the frame at byte \d+ was altered; .*again$"):
        train(run)
    assert not run.model.exists()
