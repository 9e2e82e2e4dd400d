"""`celestial distil` and `celestial lineage`: students with fresh weights and of a run, and the chain that they end."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from celestial_cli.bench import bench, bench_record
from celestial_cli.distil import distil
from celestial_cli.evaluate import evaluate
from celestial_cli.lineage import lineage
from celestial_cli.quantize import quantize
from celestial_cli.train import train
from celestialkeras.errors import ModelError, RunError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.derived import Derivation, derive_run, finish_without_training, read_derivation
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run, create_run, open_run
from small_datasets import DatasetFactory
from verbs import invoke

SHAPE = (64, 128)


def network(filters: int, binning: int = 1) -> keras.Model:
    keras.utils.set_random_seed(filters)
    frame = keras.Input((SHAPE[0] // binning, SHAPE[1] // binning, 1), name="frame")
    x = layers.Conv2D(filters, 5, 4, activation="relu", name="conv")(frame)
    x = layers.GlobalMaxPooling2D(name="peak")(x)
    logits = layers.Dense(2, name="logits")(x)
    return keras.Model(frame, layers.Softmax(name="probabilities")(logits), name="small")


@pytest.fixture
def teacher(make_dataset: DatasetFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run in the working folder."""
    monkeypatch.chdir(tmp_path)
    data = make_dataset(SHAPE)
    run = create_run(TrainOptions(data, epochs=3, batch_size=4), open_dataset(data).digest, name="teacher")
    network(8).save(run.model)
    return run


@pytest.fixture
def pruned(teacher: Run) -> Run:
    derivation = Derivation(
        "prune",
        {"channels": 0.5},
        str(teacher.model.resolve()),
        sha256_of(teacher.model),
        {"after": {"p50_ms": 0.25, "p90_ms": 0.5}},
    )
    run = derive_run(teacher.model, teacher.options(), derivation, network(4), "pruned")
    finish_without_training(run)
    return run


def test_a_student_with_fresh_weights(teacher: Run, tmp_path: Path) -> None:
    half = tmp_path / "half.keras"
    network(3, binning=2).save(half)
    data = teacher.options().data
    asked = ("--width", 0.25, "--epochs", 1, "--size", "full", "--temperature", 2, "--name", "student")
    done = invoke(distil, "--teacher", half, "--data", data, *asked, "--json")
    run = open_run()
    assert json.loads(done.stdout)["model"] == str(run.model)
    options = run.options()
    assert (options.model, options.model_options, options.epochs) == ("celestialnet_edge", {"width": 0.25}, 1)
    held = read_derivation(run)
    assert held is not None
    assert (held.verb, held.parent, held.options["temperature"]) == ("distil", str(half), 2.0)
    assert "teacher: 12 of 12 frames" in done.stderr
    assert "epoch 1/1: loss" in done.stderr
    assert keras.models.load_model(run.model, safe_mode=True).input_shape == (None, *SHAPE, 1)

    again = invoke(train, "--resume", run.folder, "--json")
    assert json.loads(again.stdout) == json.loads(done.stdout)


def test_a_student_that_is_a_run_keeps_its_options(teacher: Run, pruned: Run) -> None:
    done = invoke(distil, "--teacher", teacher.folder, "--student", pruned.folder, "--epochs", 1, "--name", "taught")
    run = open_run()
    assert run.name == "taught"
    assert run.options() == replace(pruned.options(), epochs=1)
    assert np.array_equal(
        keras.models.load_model(run.start).get_layer("conv").kernel,
        keras.models.load_model(pruned.model).get_layer("conv").kernel,
    )
    assert "note:" not in done.stderr


def test_slips_are_refused_before_anything_is_made(teacher: Run, pruned: Run, tmp_path: Path) -> None:
    before = sorted(Path("runs").iterdir())
    done = invoke(distil, "--teacher", teacher.folder, "--student", pruned.folder, "--width", 0.5)
    assert done.exit_code == 2
    assert f"are those of {pruned.folder}; give none of them with it" in done.stderr
    with pytest.raises(ModelError, match="no model is called 'celestialnet_edg'; did you mean"):
        invoke(distil, "--teacher", teacher.folder, "--student", "celestialnet_edg")
    with pytest.raises(ModelError, match=r"none\.keras: no such model"):
        invoke(distil, "--teacher", "none.keras")
    with pytest.raises(RunError, match="`temperature` must be"):
        invoke(distil, "--teacher", teacher.folder, "--size", "full", "--temperature", -1)
    with pytest.raises(RunError, match="there is such a run"):
        invoke(distil, "--teacher", teacher.folder, "--name", "pruned")
    assert sorted(Path("runs").iterdir()) == before


def test_prune_distil_quantize_and_what_each_step_gave(teacher: Run, pruned: Run) -> None:
    invoke(distil, "--teacher", teacher.folder, "--student", pruned.folder, "--epochs", 1, "--name", "taught")
    run = open_run()
    evaluated = json.loads(invoke(evaluate, run.folder, "--json").stdout)
    invoke(quantize, "--int8", "--json")
    invoke(bench, run.folder, "--frames", 2, "--warmup", 1, "--threads", 1, "--json")

    first, second, third = (steps := json.loads(invoke(lineage, "--json").stdout)["steps"])
    assert [(step["verb"], Path(step["run"]).name) for step in steps] == [
        ("train", "teacher"),
        ("prune", "pruned"),
        ("distil", "taught"),
    ]
    assert [step["state"] for step in steps] == ["whole"] * 3
    assert [step["parameters"] for step in steps] == [8 * 26 + 9 * 2, 4 * 26 + 5 * 2, 4 * 26 + 5 * 2]
    assert [step["macs"] for step in steps] == [15 * 31 * 25 * n + 2 * n for n in (8, 4, 4)]
    assert [step["file_bytes"] for step in steps] == [one.model.stat().st_size for one in (teacher, pruned, run)]
    assert second["options"] == {"channels": 0.5}
    assert second["latency_ms"] == {"p50": 0.25, "p90": 0.5}
    assert first["accuracy"] == {"validation": None, "test": None}
    assert third["accuracy"]["test"] == {
        "value": evaluated["figures"]["accuracy"]["value"],
        "source": "evaluation-test.json",
    }
    assert third["accuracy"]["validation"]["source"] == "history.csv"
    assert third["latency_ms"] is None

    assert [artifact["recipe"] for artifact in third["artifacts"]] == ["float32", "static_wi8_ai8"]
    int8 = run.folder / "artifacts" / "static_wi8_ai8"
    record = json.loads(bench_record(int8).read_text())
    held = third["artifacts"][1]
    assert held["latency_ms"] == {name: record["invoke"][name] for name in ("p50", "p90")}
    assert held["file_bytes"] == (int8 / "model.tflite").stat().st_size
    assert held["accuracy"]["validation"]["source"] == "card.json"
    assert held["note"] == ""
    assert record["options"]["frames"] == 2
    assert record["machine"]["cores"] >= 1


def test_the_table_says_what_was_not_measured_and_what_is_gone(teacher: Run, pruned: Run) -> None:
    title, *table = invoke(lineage, pruned.folder).stdout.splitlines()
    assert title == "Lineage of runs/pruned"
    first, second = (line.split() for line in table if line.strip().startswith(("teacher", "pruned")))
    megabytes = [f"{one.model.stat().st_size / 1e6:.3f}" for one in (teacher, pruned)]
    assert first == f"teacher train, model - - {megabytes[0]} 226 0.000 - -".split()
    times = "0.2 0.5 times in int8, measured by"
    assert second == f"pruned prune, channels 0.5 - - {megabytes[1]} 114 0.000 {times}".split()
    teacher.model.unlink()
    assert "missing:" in invoke(lineage, pruned.folder).stdout
    network(7).save(teacher.model)
    assert "no longer the file" in invoke(lineage, pruned.folder).stdout


def test_artifacts_of_an_earlier_model_are_told_apart(pruned: Run) -> None:
    invoke(quantize, "--int8", "--json")
    network(5).save(pruned.model)
    (step,) = json.loads(invoke(lineage, "--json").stdout)["steps"][-1:]
    assert {artifact["note"] for artifact in step["artifacts"]} == {"of an earlier model of the run"}
    assert {artifact["latency_ms"] for artifact in step["artifacts"]} == {None}


def test_lineage_without_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RunError, match="no run there; `celestial train` makes one"):
        invoke(lineage)
