"""Runs that are made from another model: what they start from, what they keep of their parent."""

import json
from dataclasses import replace

import keras
import numpy as np
import pytest
from tiny_runs import rows_without_time, train_until_killed, weights_of

from celestialkeras.errors import ModelError, RunError
from celestialkeras.files import sha256_of
from celestialkeras.models.registry import build_model
from celestialkeras.training.derived import Derivation, derive_run, finish_without_training, read_derivation
from celestialkeras.training.loop import start_run, train
from celestialkeras.training.observer import Outcome, Silent
from celestialkeras.training.run import open_run


@pytest.fixture(scope="module")
def parent(options, tmp_path_factory):
    run = start_run(replace(options, epochs=1), tmp_path_factory.mktemp("runs"), "parent")
    train(run)
    return run


@pytest.fixture
def derivation(parent):
    return Derivation(
        verb="prune",
        options={"channels": 0.5},
        parent=str(parent.model.resolve()),
        parent_sha256=sha256_of(parent.model),
        figures={"macs": {"before": 2, "after": 1}},
    )


@pytest.fixture
def narrow():
    """Another network than the options of the run would build."""
    keras.utils.set_random_seed(4)
    return build_model("tiny", (32, 64, 1), filters=3)


def test_derived_run_holds_its_start_and_what_was_done(parent, derivation, narrow, options, tmp_path):
    run = derive_run(parent.model, options, derivation, narrow, "child", tmp_path)
    assert sorted(path.name for path in run.folder.iterdir()) == [
        "config.toml",
        "derivation.json",
        "start.keras",
        "versions.json",
    ]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["child", "latest"]
    assert open_run(runs=tmp_path) == run
    assert read_derivation(run) == derivation
    assert read_derivation(parent) is None
    assert run.provenance()["data_sha256"] == parent.provenance()["data_sha256"]
    assert run.options() == options


def test_without_training_the_start_is_the_model(parent, derivation, narrow, options, tmp_path):
    run = derive_run(parent.model, options, derivation, narrow, "child", tmp_path)
    finish_without_training(run)
    assert all(np.array_equal(a, b.value.numpy()) for a, b in zip(weights_of(run.model), narrow.weights, strict=True))
    assert train(run) == Outcome(epochs=0, best_epoch=0, best_validation_loss=None, ended_by="epochs")
    assert run.require_model().read_bytes() == run.start.read_bytes()


def test_without_a_start_there_is_nothing_to_keep(parent, derivation, options, tmp_path):
    run = derive_run(parent.model, options, derivation, None, "child", tmp_path)
    assert not run.start.exists()
    with pytest.raises(RunError, match=r"child: nothing to keep without training, it has no start\.keras"):
        finish_without_training(run)


def test_training_goes_on_from_the_start(parent, derivation, narrow, options, tmp_path):
    # So low a rate leaves the weights where they were.
    options = replace(options, epochs=1, learning_rate=1e-12)
    run = derive_run(parent.model, options, derivation, narrow, "child", tmp_path)

    class Recorder(Silent):
        def started(self, plan):
            self.cost = plan.cost

    recorder = Recorder()
    train(run, recorder)
    assert recorder.cost.total == narrow.count_params()
    trained = keras.models.load_model(run.model)
    assert trained.layers[1].filters == 3
    for now, before in zip(trained.trainable_weights, narrow.trainable_weights, strict=True):
        assert np.allclose(now.value.numpy(), before.value.numpy(), atol=1e-9)


def test_a_saved_network_is_trained_in_float32(parent, derivation, narrow, options, tmp_path):
    options = replace(options, precision="mixed_bfloat16")
    assert derive_run(parent.model, options, derivation, narrow, "a", tmp_path).options().precision == "float32"
    assert derive_run(parent.model, options, derivation, None, "b", tmp_path).options().precision == "mixed_bfloat16"


def test_a_parent_that_changed_meanwhile_is_refused(parent, derivation, narrow, options, tmp_path):
    stale = replace(derivation, parent_sha256="0" * 64)
    with pytest.raises(RunError, match=r"model\.keras: has changed since it was read; .*expected 0{64}"):
        derive_run(parent.model, options, stale, narrow, "child", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_model_for_frames_of_another_size_is_refused(parent, derivation, narrow, options, tmp_path):
    with pytest.raises(RunError, match=r"not built for frames of 16 x 32 pixels; .*takes \(32, 64, 1\)"):
        derive_run(parent.model, replace(options, size=2), derivation, narrow, "child", tmp_path)
    with pytest.raises(ModelError, match="sides of at least 8 pixels"):
        derive_run(parent.model, replace(options, size=8), derivation, None, "child", tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_what_no_verb_wrote_is_refused(parent, derivation, narrow, options, tmp_path):
    run = derive_run(parent.model, options, derivation, narrow, "child", tmp_path)
    run.derivation.write_text(json.dumps({"verb": "prune"}))
    with pytest.raises(RunError, match=r"derivation\.json: not what a verb wrote"):
        read_derivation(run)


def test_killed_fine_tuning_goes_on_as_if_unbroken(parent, derivation, narrow, options, tmp_path):
    options = replace(options, batch_size=4, epochs=3, seed=5)
    broken, unbroken = (
        derive_run(parent.model, options, derivation, narrow, name, tmp_path) for name in ("broken", "unbroken")
    )
    train_until_killed(broken, epoch=2)
    assert [path.name for path in broken.checkpoints.iterdir()] == ["epoch-0001.npz"]
    train(open_run(broken.folder))
    train(unbroken)
    assert rows_without_time(broken.history) == rows_without_time(unbroken.history)
    assert len(rows_without_time(broken.history)) == 4
    assert all(np.array_equal(*pair) for pair in zip(weights_of(broken.model), weights_of(unbroken.model), strict=True))
