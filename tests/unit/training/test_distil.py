"""Distillation: the mixed loss, the teacher's logits for every view, and runs that go on without the teacher."""

import shutil
from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import layers
from tiny_runs import SHAPE, rows_without_time, train_until_killed, weights_of

from celestialkeras.errors import ModelError, RunError
from celestialkeras.evaluation.predictor import KerasPredictor
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.models.registry import build_model
from celestialkeras.training.derived import read_derivation
from celestialkeras.training.distil import read_distillation, start_distillation
from celestialkeras.training.feed import Feed
from celestialkeras.training.loop import train
from celestialkeras.training.run import open_run
from celestialkeras.training.step import Steps, Tally
from celestialkeras.training.teacher import Distillation, soft_targets

WEIGHTS = (0.75, 1.5)


class Asked:
    """Counts what a teacher is asked."""

    def __init__(self, monkeypatch):
        self.frames = 0
        original = KerasPredictor.logits

        def logits(predictor, codes):
            self.frames += len(codes)
            return original(predictor, codes)

        monkeypatch.setattr(KerasPredictor, "logits", logits)


@pytest.fixture(scope="module")
def teacher(tiny_model, tmp_path_factory):
    keras.utils.set_random_seed(8)
    path = tmp_path_factory.mktemp("teacher") / "model.keras"
    build_model(tiny_model, (*SHAPE, 1), filters=8).save(path)
    return path


@pytest.fixture
def asked(monkeypatch):
    return Asked(monkeypatch)


@pytest.fixture
def linear():
    """A network that computes the same in training as else."""
    keras.utils.set_random_seed(2)
    inputs = keras.Input((4, 4, 1))
    x = layers.Dense(2, name="logits")(layers.Flatten()(inputs))
    return keras.Model(inputs, layers.Softmax()(x))


@pytest.fixture
def batch():
    rng = np.random.default_rng(2)
    frames = rng.random((5, 4, 4, 1), np.float32)
    return frames, np.array([0, 1, 1, 0, 1], np.int32), rng.normal(0, 3, (5, 2)).astype(np.float32)


def log_softmax(logits):
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_the_loss_is_that_of_hinton(linear, batch):
    frames, labels, taught = batch
    logits = keras.Model(linear.input, linear.get_layer("logits").output).predict(frames, verbose=0)
    hard = -log_softmax(logits)[np.arange(5), labels]
    soft = -(np.exp(log_softmax(taught / 3)) * log_softmax(logits / 3)).sum(axis=1)
    weights = np.array(WEIGHTS)[labels]
    expected = (weights * (0.4 * hard + 0.6 * 3**2 * soft)).sum() / weights.sum()

    steps = Steps(linear, keras.optimizers.SGD(1e-9), WEIGHTS, Distillation("t", "0", temperature=3, soft_weight=0.6))
    tally = Tally()
    tally.add(steps.train(*batch))
    assert tally.mean_loss == pytest.approx(expected, rel=1e-5)
    tally = Tally()
    tally.add(steps.validate(frames, labels))
    assert tally.mean_loss == pytest.approx((weights * hard).sum() / weights.sum(), rel=1e-5)


def test_a_student_that_says_what_the_teacher_says_learns_nothing_more(linear, batch):
    frames, labels, _ = batch
    logits = keras.Model(linear.input, linear.get_layer("logits").output).predict(frames, verbose=0)
    before = linear.get_weights()
    Steps(linear, keras.optimizers.SGD(1.0), WEIGHTS, Distillation("t", "0", 2.0, 1.0)).train(frames, labels, logits)
    assert all(np.allclose(a, b, atol=1e-6) for a, b in zip(before, linear.get_weights(), strict=True))


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"temperature": 0}, "`temperature` must be a finite number above 0. Received: temperature=0"),
        ({"temperature": float("inf")}, "Received: temperature=inf"),
        ({"soft_weight": 0}, "without a teacher, `celestial train` does. Received: soft_weight=0"),
        ({"soft_weight": 1.5}, "must be above 0 and at most 1"),
    ],
)
def test_numbers_outside_their_range_are_refused(teacher, options, tmp_path, numbers, message):
    with pytest.raises(RunError, match=message):
        start_distillation(teacher, options, **numbers, runs=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("augment", [True, False])
def test_the_teacher_is_asked_about_the_views_that_the_student_sees(teacher, options, tmp_path, asked, augment):
    options = replace(options, augment=augment, batch_size=3)
    run = start_distillation(teacher, options, runs=tmp_path)
    dataset = open_dataset(options.data)
    reported = []
    taught = soft_targets(run, dataset, read_distillation(run), lambda *done: reported.append(done))
    assert reported == [(11, 11)]
    assert asked.frames == (44 if augment else 11)
    assert taught.logits.shape == (11, 4 if augment else 1, 2)

    predictor = KerasPredictor(teacher)
    for epoch in (1, 2):
        seen = 0
        for frames, _, logits in Feed(dataset, options, taught).training(epoch):
            codes = np.rint(255 * np.asarray(frames)[..., 0]).astype(np.uint8)
            assert np.allclose(predictor.logits(codes), logits, atol=1e-5)
            seen += len(logits)
        assert seen == 11
    if augment:
        assert np.ptp(taught.logits, axis=1).max() > 1e-3, "the views of this teacher's frames must differ"


def test_the_teacher_may_take_frames_of_another_size(tiny_model, options, tmp_path):
    path = tmp_path / "half.keras"
    half = build_model(tiny_model, (16, 32, 1))
    half.save(path)
    run = start_distillation(path, replace(options, augment=False), runs=tmp_path / "runs")
    dataset = open_dataset(options.data)
    codes = np.stack([dataset.codes(record, 2) for record in dataset.records("train")])
    taught = soft_targets(run, dataset, read_distillation(run), lambda *_: None)
    assert np.allclose(taught.logits[:, 0], KerasPredictor(half).logits(codes), atol=1e-5)

    third = tmp_path / "third.keras"
    build_model(tiny_model, (10, 20, 1)).save(third)
    with pytest.raises(ModelError, match="takes 10 x 20 pixels, which no whole binning of 32 x 64 frames gives"):
        start_distillation(third, options, runs=tmp_path / "runs")


def test_the_teacher_is_asked_once(teacher, options, tmp_path, asked):
    own = tmp_path / "own.keras"
    shutil.copyfile(teacher, own)
    first = start_distillation(own, replace(options, epochs=1), name="first", runs=tmp_path / "runs")
    train(first)
    assert asked.frames == 44
    (kept,) = first.soft_targets.iterdir()

    other = start_distillation(own, replace(options, seed=3), name="other", temperature=2, runs=tmp_path / "runs")
    own.unlink()
    train(other)
    assert asked.frames == 44
    assert (other.soft_targets / kept.name).read_bytes() == kept.read_bytes()


def test_damaged_logits_are_asked_for_again(teacher, options, tmp_path, asked, caplog):
    run = start_distillation(teacher, options, runs=tmp_path)
    dataset, distillation = open_dataset(options.data), read_distillation(run)
    first = soft_targets(run, dataset, distillation, lambda *_: None)
    (kept,) = run.soft_targets.iterdir()
    whole = kept.read_bytes()
    kept.write_bytes(whole[:100])
    again = soft_targets(run, dataset, distillation, lambda *_: None)
    assert asked.frames == 88
    assert np.array_equal(first.logits, again.logits)
    assert "cannot be read" in caplog.text
    assert kept.read_bytes() == whole


def test_a_teacher_that_is_gone_or_altered_is_named(teacher, options, tmp_path):
    own = tmp_path / "own.keras"
    shutil.copyfile(teacher, own)
    run = start_distillation(own, options, runs=tmp_path / "runs")
    own.unlink()
    with pytest.raises(RunError, match=r"own\.keras: not the teacher that this run was made with; .* no such file"):
        train(run)
    own.write_bytes(b"other")
    with pytest.raises(RunError, match=r"own\.keras: not the teacher .* Received: [0-9a-f]{64}, expected SHA-256"):
        train(run)
    assert not run.soft_targets.exists()


def test_the_parent_is_the_model_that_the_weights_come_from(teacher, tiny_model, options, tmp_path):
    fresh = start_distillation(teacher, options, runs=tmp_path / "runs")
    held = read_derivation(fresh)
    assert (held.verb, held.parent, held.parent_sha256) == ("distil", str(teacher), sha256_of(teacher))
    assert held.options == {
        "teacher": str(teacher),
        "teacher_sha256": sha256_of(teacher),
        "temperature": 4.0,
        "soft_weight": 0.7,
    }
    assert not fresh.start.exists()

    pruned = tmp_path / "pruned.keras"
    keras.utils.set_random_seed(9)
    build_model(tiny_model, (*SHAPE, 1), filters=2).save(pruned)
    # So low a rate leaves the weights where they were.
    run = start_distillation(teacher, replace(options, learning_rate=1e-12), student=pruned, runs=tmp_path / "runs")
    held = read_derivation(run)
    assert (held.parent, held.options["teacher"]) == (str(pruned), str(teacher))
    train(run)
    now, before = keras.models.load_model(run.model), keras.models.load_model(pruned)
    for one, other in zip(now.trainable_weights, before.trainable_weights, strict=True):
        assert np.allclose(one.value.numpy(), other.value.numpy(), atol=1e-9)


@pytest.mark.parametrize("epoch", [1, 2])
def test_killed_and_resumed_is_unbroken(teacher, options, tmp_path, epoch):
    options = replace(options, batch_size=4, epochs=3, seed=5)
    broken = start_distillation(teacher, options, name="broken", runs=tmp_path / "a")
    # In a folder of its own this run asks the teacher itself.
    unbroken = start_distillation(teacher, options, name="unbroken", runs=tmp_path / "b")
    train_until_killed(broken, epoch)
    assert len(list(broken.checkpoints.glob("*.npz"))) == (epoch > 1)
    train(open_run(broken.folder))
    train(unbroken)
    assert rows_without_time(broken.history) == rows_without_time(unbroken.history)
    assert len(rows_without_time(broken.history)) == 4
    assert all(np.array_equal(*pair) for pair in zip(weights_of(broken.model), weights_of(unbroken.model), strict=True))
