"""`celestial compare` on models that exist: a run, a `.keras` file and an artifact, on the same frames."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import pytest

from celestial_cli.compare import compare
from celestial_edge.card import CARD_NAME
from celestial_edge.recipes import STATIC_INT8
from celestialkeras.errors import DatasetError, ModelError, RunError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run, create_run
from small_datasets import DatasetFactory
from verbs import invoke


@pytest.fixture
def run(make_dataset: DatasetFactory, small_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run in the working folder, said to have been trained for two epochs."""
    monkeypatch.chdir(tmp_path)
    data = make_dataset()
    made = create_run(TrainOptions(data=data, batch_size=4), open_dataset(data).digest, name="parent")
    small_model.save(made.model)
    outcome = {"epochs": 2, "best_epoch": 1, "best_validation_loss": 0.5, "ended_by": "patience"}
    made.outcome.write_text(json.dumps(outcome))
    header = "epoch,learning_rate,loss,accuracy,validation_loss,validation_accuracy,seconds\n"
    made.history.write_text(header + "1,0.1,0.7,0.5,,,90.0\n2,0.1,0.6,0.5,0.5,0.75,30.0\n")
    return made


@pytest.fixture
def other(run: Run, tmp_path: Path) -> Path:
    """A model that says NSC where the run's says galaxy."""
    model = keras.models.load_model(run.model)
    kernel, bias = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([-kernel, -bias])
    model.save(tmp_path / "other.keras")
    return tmp_path / "other.keras"


def test_models_that_exist_are_judged_as_they_are(run: Run, other: Path, copy_artifact: Callable[[str], Path]) -> None:
    artifact = copy_artifact(STATIC_INT8)
    done = invoke(
        *(compare, "runs/latest", other, artifact, "--name", "all", "--degrade", "psf:1"),
        *("--differing", "--json"),
    )
    held = json.loads(done.stdout)
    assert held == json.loads(Path("comparisons/all/comparison.json").read_text())
    assert held["schema"] == "celestialkeras.compare/1"
    rows = {row["name"]: row for row in held["rows"]}
    names = ["majority", "instrument", "instrument and filter", "runs/latest", str(other), str(artifact)]
    assert list(rows) == names
    first, turned, int8 = (rows[name] for name in names[3:])
    assert [row["kind"] for row in (first, turned, int8)] == ["run", "model", "artifact"]
    assert first["accuracy"]["value"] + turned["accuracy"]["value"] == pytest.approx(1)
    assert first["training"] == {
        "epochs": 2,
        "best_epoch": 1,
        "minutes": 2.0,
        "ended_by": "patience",
        "peak_memory_mb": None,
    }
    assert (first["sha256"], int8["sha256"]) == (sha256_of(run.model), sha256_of(artifact / CARD_NAME))
    assert first["parameters"] == turned["parameters"] == keras.models.load_model(run.model).count_params()
    assert int8["parameters"] is None
    assert all(row["milliseconds"] > 0 for row in (first, turned, int8))
    pair = held["pairs"][0]
    assert (pair["name"], pair["reference"], pair["frames"]) == (str(other), "runs/latest", 6)
    assert len(pair["differing"]) == 6
    assert pair["alone_right"] + pair["reference_alone_right"] == 6
    assert (held["machine"]["cores"] or 0) > 0

    # Nothing is judged anew; the same figures are held against another entry, and printed.
    again = invoke(compare, "--name", "all", "--against", other, "--differing")
    assert "judging" not in again.stderr
    assert "ahead, points" in again.stdout
    assert f"runs/latest and {other} differ" in again.stdout
    assert "jtest0000" in again.stdout
    assert "6 test frames of 4 objects" in again.stderr
    assert "written: comparisons/all/comparison.json, .csv, .md" in again.stderr


def test_one_name_one_plan(run: Run, other: Path) -> None:
    invoke(compare, run.folder, "--name", "same", "--degrade", "none")
    held = json.loads(Path("comparisons/same/comparison.json").read_text())
    assert all(row["blurry"]["value"] is None for row in held["rows"])
    with pytest.raises(RunError, match=r"with another plan; .*sides\.degrade:  then, psf:2 now; entries: "):
        invoke(compare, run.folder, other, "--name", "same", "--degrade", "psf:2")
    assert json.loads(Path("comparisons/same/comparison.json").read_text()) == held

    refused = invoke(compare, "--name", "same", "--minutes", 5)
    assert refused.exit_code == 2
    assert "--name takes everything from that comparison" in refused.stderr
    assert invoke(compare).exit_code == 2
    with pytest.raises(RunError, match=r"comparisons/none: no comparison there"):
        invoke(compare, "--name", "none")


def test_what_cannot_be_judged_ends_with_one(run: Run, other: Path) -> None:
    model = keras.models.load_model(run.model)
    odd = keras.Model(model.inputs, keras.layers.Dense(2, name="another")(model.layers[-3].output))
    odd.save("odd.keras")
    done = invoke(compare, run.folder, "odd.keras", "--name", "part", "--degrade", "none")
    assert done.exit_code == 1
    assert "not done: a model must end in a layer named 'logits'" in done.stderr
    assert "1 not done; `celestial compare --name part` tries again" in done.stderr
    assert "not done" in done.stdout


def test_slips_are_refused_before_anything_is_made(run: Run, other: Path, make_dataset: DatasetFactory) -> None:
    data = ("--data", run.options().data)
    with pytest.raises(ModelError, match=r"did you mean 'celestialnet_edge'\?"):
        invoke(compare, "celestialnet_edg:size=4", *data)
    with pytest.raises(RunError, match=r"no setting `epoch`; did you mean 'epochs'\?"):
        invoke(compare, "celestialnet_edge:epoch=4", *data)
    with pytest.raises(RunError, match=r"no setting `minutes`"):
        invoke(compare, "celestialnet_edge", "--with", "minutes=4", *data)
    with pytest.raises(DatasetError, match=r"a degradation must be"):
        invoke(compare, run.folder, "--degrade", "fog:3")
    with pytest.raises(DatasetError, match=r"a whole binning must divide"):
        invoke(compare, "celestialnet_edge:size=5", *data)
    with pytest.raises(RunError, match=r"`against` must be one of the entries, "):
        invoke(compare, run.folder, "--against", "other")
    no_data = invoke(compare, other)
    assert no_data.exit_code == 2
    assert "no entry is a run, whose data set would be taken; name one with --data" in no_data.stderr
    both = invoke(compare, run.folder, "--degrade", "psf:2", "--blurry-data", run.options().data)
    assert both.exit_code == 2
    assert "made by --degrade or are those of --blurry-data; give one of them" in both.stderr
    seeds = invoke(compare, run.folder, "--seeds", "0,one")
    assert seeds.exit_code == 2
    assert "must be whole numbers such as 0,1,2. Received: '0,one'" in seeds.stderr
    assert not Path("comparisons").exists()


def test_a_run_of_other_frames_is_noted(run: Run, make_dataset: DatasetFactory) -> None:
    elsewhere = make_dataset((96, 160), name="elsewhere")
    done = invoke(compare, run.folder, "--data", elsewhere, "--degrade", "none", "--name", "noted")
    assert "is not the data set that parent was trained on" in done.stderr
    assert done.exit_code == 0
