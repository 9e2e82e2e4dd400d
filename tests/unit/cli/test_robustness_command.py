"""`celestial robustness`: a Keras model and its int8 artifact, swept together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from celestial_cli.robustness import robustness
from celestial_edge.recipes import STATIC_INT8
from celestialkeras.errors import ModelError
from celestialkeras.lcid.dataset import open_dataset
from small_datasets import DatasetFactory
from verbs import invoke

KINDS = ("--kind", "psf", "--kind", "exposure")


def test_a_model_and_its_artifact(
    make_dataset: DatasetFactory, small_model: Any, built_artifacts: dict[str, Path], tmp_path: Path
) -> None:
    data = make_dataset((64, 128))
    keras_file = tmp_path / "small.keras"
    small_model.save(keras_file)
    artifact = built_artifacts[STATIC_INT8]
    options = ("--data", data, "--frames", "4", *KINDS, "--blurry", data)
    done = invoke(robustness, keras_file, artifact, *options, "--json")
    assert done.exit_code == 0
    held = json.loads(done.stdout)
    assert [(one["name"], one["kind"]) for one in held["models"]] == [("small", "model"), (artifact.name, "artifact")]
    assert held["data_sha256"] == open_dataset(data).digest
    assert (held["frames"], held["missing"]) == (4, [])
    # These frames have no exposure time.
    assert [curve["kind"] for curve in held["curves"]] == ["psf", "psf"]
    assert "needs the frame's exposure time" in held["left_out"]["exposure"]
    assert [one["frames"] for one in held["blurry"]["models"]] == [4, 4]
    folder = tmp_path / "robustness"
    names = {"points", *(f"robustness{ending}" for ending in (".json", ".csv", ".png", ".svg"))}
    assert {path.name for path in folder.iterdir()} == names
    assert json.loads((folder / "robustness.json").read_text()) == held
    # Clear and five levels, of two models; the blurry list is the same one here, which is not run again.
    kept = {path: path.stat().st_mtime_ns for path in (folder / "points").iterdir()}
    assert len(kept) == 12

    again = invoke(robustness, keras_file, artifact, *options, "--against", artifact)
    assert again.exit_code == 0
    assert {path: path.stat().st_mtime_ns for path in (folder / "points").iterdir()} == kept
    assert "Accuracy by level" in again.stdout
    assert f"On {data}" in again.stdout
    assert json.loads((folder / "robustness.json").read_text())["means"][0]["reference"] == artifact.name

    with pytest.raises(ModelError, match=r"each model is swept once\. Received: "):
        invoke(robustness, keras_file, keras_file, *options)
    refused = CliRunner().invoke(robustness, [str(keras_file), "--data", str(data), "--against", str(artifact)])
    assert refused.exit_code == 2
    assert "must be one of the MODELs. Received: " in refused.output


def test_a_kind_that_is_none_is_a_matter_of_usage() -> None:
    done = CliRunner().invoke(robustness, ["--kind", "fog"])
    assert done.exit_code == 2
    assert "'fog' is not one of 'psf', 'jitter'" in done.output
