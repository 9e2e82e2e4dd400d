"""`celestial prune` and `celestial factorize`: the run that they make, what they print, and what they refuse."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from celestial_cli.factorize import factorize
from celestial_cli.prune import prune
from celestialkeras.errors import ModelError, RunError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run, create_run, open_run
from small_datasets import DatasetFactory
from verbs import invoke

SHAPE = (64, 128)


@pytest.fixture
def parent(make_dataset: DatasetFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run in the working folder, its model small."""
    monkeypatch.chdir(tmp_path)
    data = make_dataset(SHAPE)
    options = TrainOptions(data=data, epochs=7, batch_size=4)
    run = create_run(options, open_dataset(data).digest, name="parent")
    keras.utils.set_random_seed(5)
    frame = keras.Input((*SHAPE, 1), name="frame")
    x = layers.Conv2D(8, 5, 4, use_bias=False, name="conv")(frame)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(momentum=0.9, name="bn")(x))
    x = layers.GlobalMaxPooling2D(name="peak")(x)
    x = layers.Dense(40, activation="relu", name="fc")(x)
    logits = layers.Dense(2, name="logits")(x)
    keras.Model(frame, layers.Softmax(name="probabilities")(logits), name="small").save(run.model)
    return run


def derivation_of(run: Run) -> dict[str, Any]:
    held: dict[str, Any] = json.loads(run.derivation.read_text())
    return held


def test_prune_channels_makes_a_fine_tuned_run_of_a_smaller_network(parent: Run) -> None:
    result = invoke(prune, "--channels", 0.5, "--epochs", 1, "--learning-rate", 0.002, "--name", "half", "--json")
    # Keras' exporter speaks to the replaced stdout of this test; to a real one it does not.
    printed = json.loads(result.stdout[result.stdout.index("{\n") :])
    run = open_run()
    assert run.name == "half"
    assert printed["model"] == str(run.model)
    model = keras.models.load_model(run.model, safe_mode=True)
    assert model.get_layer("conv").filters == 4
    assert model.get_layer("fc").kernel.shape == (4, 40)
    assert json.loads(run.outcome.read_text())["epochs"] == 1
    assert not np.array_equal(keras.models.load_model(run.start).get_layer("fc").kernel, model.get_layer("fc").kernel)
    options = run.options()
    assert (options.epochs, options.learning_rate, options.batch_size) == (1, 0.002, 4)

    positions = 15 * 31
    for side, filters in (("before", 8), ("after", 4)):
        figures = printed[side]
        assert figures["macs"] == positions * 25 * filters + filters * 40 + 40 * 2
        assert figures["parameters"] == 25 * filters + 4 * filters + (filters + 1) * 40 + 41 * 2
        assert 0 < figures["minimum_ms"] <= figures["p50_ms"] <= figures["p90_ms"]
        assert figures["peak_memory_mb"] > 10
        assert 0 < figures["gzip_mb"] < figures["file_mb"]
    assert printed["layers"] == [{"name": "conv", "before": 8, "after": 4}]
    assert printed["criterion"].startswith("first-order change of the loss")
    assert printed["validation"]["n"] == 6
    held = derivation_of(run)
    assert held["verb"] == "prune"
    assert held["parent"] == str(parent.model.resolve())
    assert held["parent_sha256"] == sha256_of(parent.model)
    assert held["options"] == {"channels": 0.5, "epochs": 1, "learning_rate": 0.002, "minutes": 0.0}
    assert held["figures"]["after"] == printed["after"]


def test_prune_sparsity_says_that_time_does_not_change(parent: Run) -> None:
    result = invoke(prune, parent.folder, "--sparsity", 0.5, "--epochs", 1, "--name", "sparse")
    assert result.exit_code == 0
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert any(line.startswith("int8 file by gzip, MB ") for line in lines)
    assert "as long" in result.stderr
    run = open_run(Path("runs") / "sparse")
    model = keras.models.load_model(run.model, safe_mode=True)
    for name in ("conv", "fc"):
        assert np.mean(np.asarray(model.get_layer(name).kernel) == 0) == pytest.approx(0.5, abs=0.02)
    assert run.start.read_bytes() == run.model.read_bytes()
    held = derivation_of(run)
    assert held["options"]["sparsity"] == 0.5
    assert held["figures"]["sparsity"] == pytest.approx(0.5, abs=0.02)
    assert held["figures"]["before"]["macs"] == held["figures"]["after"]["macs"]


def test_factorize_keeps_the_network_as_it_is_unless_told_to_train(parent: Run) -> None:
    result = invoke(factorize, parent.model, "--rank", 2, "--name", "thin")
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert any(line.startswith("fc 8 x 40 2 ") and line.endswith(" replaced") for line in lines)
    parameters = 25 * 8 + 4 * 8 + 9 * 40 + 41 * 2
    assert f"parameters {parameters} {parameters - 8 * 40 + 2 * 48}" in lines
    run = open_run(Path("runs") / "thin")
    assert json.loads(run.outcome.read_text())["epochs"] == 0
    model = keras.models.load_model(run.model, safe_mode=True)
    assert model.get_layer("fc_factor").kernel.shape == (8, 2)
    assert run.options().epochs == 7
    held = derivation_of(run)
    assert (held["verb"], held["options"]) == ("factorize", {"rank": 2, "epochs": 0})
    assert [layer["rank"] for layer in held["figures"]["layers"]] == [2]


def test_what_is_refused_is_refused_before_any_work(parent: Run, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is such a run"):
        invoke(prune, "--channels", 0.5, "--name", "parent")
    stray = tmp_path / "stray.keras"
    stray.write_bytes(parent.model.read_bytes())
    with pytest.raises(RunError, match=r"stray\.keras: belongs to no run"):
        invoke(factorize, stray, "--rank", 2)
    with pytest.raises(ModelError, match="no filter to spare at this share"):
        invoke(prune, "--channels", 0.01, "--name", "none")
    with pytest.raises(ModelError, match="no dense layer"):
        invoke(factorize, "--energy", 1)
    assert [path.name for path in Path("runs").iterdir() if path.is_dir() and not path.is_symlink()] == ["parent"]
