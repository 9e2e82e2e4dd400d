"""`celestial quantize`: what it makes, prints and refuses, and the exit code of its gate."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result

from celestial_cli.main import main
from celestial_cli.quantize import quantize
from celestial_edge.card import read_card
from celestial_edge.compress import quantize as quantizing
from celestialkeras.errors import CelestialError
from celestialkeras.evaluation.predictor import load_model
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run, create_run, open_run
from small_datasets import DatasetFactory


def invoke(*arguments: object) -> Result:
    """Runs the verb; the project's errors come out as they are, which `main` would turn into a line."""
    result = CliRunner().invoke(quantize, [*map(str, arguments)])
    if isinstance(result.exception, CelestialError):
        raise result.exception
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exc_info
    return result


def report(result: Result) -> Any:
    """What was printed as JSON; in this process TensorFlow announces its files on the same stream."""
    return json.loads(result.stdout[result.stdout.index("{\n") :])


@pytest.fixture
def run(make_dataset: DatasetFactory, small_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A run in the working folder, its model small."""
    monkeypatch.chdir(tmp_path)
    data = make_dataset()
    made = create_run(TrainOptions(data=data, batch_size=4), open_dataset(data).digest, name="parent")
    small_model.save(made.model)
    return made


def test_a_recipe_is_made_beside_float32_and_reported(run: Run) -> None:
    found = report(invoke("--recipe", "float16", "--json"))
    assert found["artifact"] == "runs/parent/artifacts/float16"
    assert found["gate"]["overruled"] is False
    assert found["gate"]["figures"]["agreement"]["value"] == 1.0
    assert set(found["calibration"]) == {"float32", "float16"}
    assert found["calibration"]["float16"]["reason"] == "6 validation frames are fewer than 30"
    assert {"calibration_error_a", "calibration_error_b", "brier_a", "log_loss_b"} <= set(found["gate"]["figures"])
    assert sorted(path.name for path in (run.folder / "artifacts").iterdir()) == ["float16", "float32"]
    assert read_card(found["artifact"]).recipe == "float16"


def test_the_table_names_every_figure_of_the_gate(run: Run) -> None:
    done = invoke("--int8", "--calibration-frames", "2", "--abstain", "0.8")
    printed = done.stdout
    for words in ("accuracy in static_wi8_ai8", "drop", "agreement", "calibration error", "Brier score", "log loss"):
        assert words in printed
    assert "static_wi8_ai8 stays at temperature 1: 6 validation frames are fewer than 30" in done.stderr
    assert read_card(run.folder / "artifacts" / "static_wi8_ai8").abstain == 0.8
    assert "not judged" in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name a recipe: --int8, or --recipe with one of static_wi8_ai8, static_wi8_ai16, dynamic_wi8_afp32"),
        (["--int8", "--recipe", "float16"], "--int8 is recipe static_wi8_ai8; leave out --recipe float16"),
        (["--qat", "--recipe", "static_wi8_ai16"], "--qat is recipe static_wi8_ai8; leave out"),
        (["--int8", "--epochs", "3"], "are of --qat; without it nothing is trained"),
        (["--qat", "--data", "elsewhere"], "--qat trains on the data set of its run; leave out --data"),
        (["--recipe", "int4"], "'int4' is not one of 'static_wi8_ai8'"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_what_does_not_go_together_is_a_usage_error(arguments: list[str], message: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code == 2
    assert message in " ".join(result.stderr.split())


def test_a_failed_gate_ends_with_code_3_unless_it_is_overruled(
    run: Run, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    records = open_dataset(run.options().data).records("validation")
    right = np.eye(2, dtype=np.float32)[[record.observation.label_code for record in records]]
    judge = quantizing.judge
    monkeypatch.setattr(quantizing, "judge", lambda comparison, limit: judge(comparison, limit, minimum_frames=1))
    monkeypatch.setattr(quantizing.KerasPredictor, "logits", lambda self, codes: right)
    monkeypatch.setattr(quantizing.Classifier, "logits", lambda self, codes: 1 - right[: len(codes)])
    command = ["celestial", "quantize", "--int8", "--calibration-frames", "2"]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 3
    assert "lies wholly above the 1 points allowed; no artifact was left" in capsys.readouterr().err
    assert list((run.folder / "artifacts").iterdir()) == []

    monkeypatch.setattr(sys, "argv", [*command, "--allow-drop"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert not ended.value.code
    assert "the gate failed and was overruled by --allow-drop" in capsys.readouterr().err
    assert read_card(run.folder / "artifacts" / "static_wi8_ai8").accuracy["gate"]["overruled"] is True


def test_qat_makes_a_run_of_its_own_that_is_judged_against_its_parent(run: Run) -> None:
    before = sha256_of(run.model)
    arguments = ("--qat", "--epochs", 1, "--learning-rate", 0.01, "--name", "aware", "--calibration-frames", 2)
    found = report(invoke(*arguments, "--json"))
    aware = open_run()
    assert aware.folder.name == "aware"
    assert found["artifact"] == "runs/aware/artifacts/static_wi8_ai8"
    held = json.loads(aware.derivation.read_text())
    assert (held["verb"], held["parent_sha256"]) == ("qat", before)
    assert held["options"]["epochs"] == 1
    assert held["options"]["calibration_frames"] == 2
    provenance = read_card(found["artifact"]).provenance
    assert provenance["original_sha256"] == before == sha256_of(run.model)
    assert provenance["model_sha256"] == sha256_of(aware.model)
    # Where no epoch is nearer to the parent than the parent itself in int8, its own weights are kept.
    ours, theirs = load_model(aware.model), load_model(run.model)
    assert [layer.name for layer in ours.layers] == [layer.name for layer in theirs.layers]
