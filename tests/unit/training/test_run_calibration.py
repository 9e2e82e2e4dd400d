"""The temperature of a run's model: fitted on its validation side, kept beside it, and used."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

from celestial_cli.evaluate import evaluate
from celestial_cli.keras_classifier import KerasClassifier
from celestial_edge.device.read_ahead import Chip
from celestialkeras.errors import RunError
from celestialkeras.evaluation import predictor
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.calibration import calibrate_run, read_calibration, read_temperature
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run, create_run
from small_datasets import DatasetFactory, SmallSplit

FRAMES = 32
# Three of four frames are told rightly at a margin of 4.
TEMPERATURE = 4 / math.log(3)


@pytest.fixture
def run(make_dataset: DatasetFactory, small_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.chdir(tmp_path)
    data = make_dataset(sizes=(SmallSplit(2, 2), SmallSplit(FRAMES // 2, FRAMES // 2), SmallSplit(2, 2)))
    made = create_run(TrainOptions(data=data), open_dataset(data).digest, name="sure")
    small_model.save(made.model)
    return made


@pytest.fixture
def too_sure(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Has every model tell three of four validation frames rightly, and be just as sure of all of them."""
    labels = np.array([row.observation.label_code for row in open_dataset(run.options().data).records("validation")])
    said = np.where(np.arange(FRAMES) % 4 == 0, 1 - labels, labels)
    logits = 4 * np.eye(2, dtype=np.float32)[said]
    monkeypatch.setattr(predictor.KerasPredictor, "logits", lambda self, codes: logits[: len(codes)])


@pytest.mark.usefixtures("too_sure")
def test_the_temperature_is_kept_in_the_run_and_used_by_evaluate(run: Run) -> None:
    fit = calibrate_run(run)
    assert fit is not None
    assert fit.temperature == pytest.approx(TEMPERATURE)
    held = json.loads(run.calibration.read_text())
    assert held["schema"] == "celestialkeras.calibration/1"
    assert held["model_sha256"] == sha256_of(run.model)
    assert held["data_sha256"] == open_dataset(run.options().data).digest
    assert (held["split"], held["frames"], held["objects"]) == ("validation", 32, 16)
    assert held["after"]["expected_error"] == pytest.approx(0, abs=1e-6)
    assert held["before"]["expected_error"] > 0.2
    assert held["interval"]["low"] > 1
    assert read_temperature(run.model) == pytest.approx(TEMPERATURE)

    done = CliRunner().invoke(evaluate, [str(run.folder), "--split", "validation", "--abstain", "0.8", "--json"])
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout[done.stdout.index("{\n") :])
    assert report["calibration"]["temperature"] == pytest.approx(TEMPERATURE)
    assert report["calibration"]["source"] == "fitted on 32 validation frames"
    assert report["calibration"]["after"] == pytest.approx(held["after"])
    # At that temperature every frame is 3/4 probable.
    assert report["abstain"]["decided"] == 0
    assert {path.name for path in run.folder.glob("evaluation-validation*")} == {
        f"evaluation-validation{name}"
        for name in (".json", ".csv", ".png", "-curves.png", "-curves.svg", "-slices.png", "-slices.svg")
    }


def test_a_model_without_a_temperature_of_its_own_is_used_at_1(run: Run) -> None:
    assert read_calibration(run.model) is None
    found = calibrate_run(run)
    assert found is not None
    kept = read_calibration(run.model)
    assert kept is not None
    assert (kept.frames, kept.reason) == (32, found.reason)
    run.model.write_bytes(run.model.read_bytes() + b"trained on")
    assert read_temperature(run.model) is None, "it is another model's"


def test_without_validation_frames_none_is_kept(run: Run, make_dataset: DatasetFactory) -> None:
    run.calibration.write_text("{}")
    nothing = make_dataset(sizes=(SmallSplit(2, 2), SmallSplit(0, 0), SmallSplit(0, 0)), name="bare")
    assert calibrate_run(run, open_dataset(nothing)) is None
    assert not run.calibration.exists()


@pytest.mark.parametrize(
    "content", ["no JSON", "[]", '{"schema": "other/1"}', '{"schema": "celestialkeras.calibration/1"}']
)
def test_a_calibration_that_cannot_be_read_is_refused(run: Run, content: str) -> None:
    run.calibration.write_text(content)
    with pytest.raises(RunError, match=r"not a calibration that can be read .*`celestial evaluate --calibrate`"):
        read_calibration(run.model)


def test_a_temperature_that_is_none_is_refused(run: Run) -> None:
    held = {"schema": "celestialkeras.calibration/1", "model_sha256": "", "frames": 1, "reason": "", "temperature": 0}
    run.calibration.write_text(json.dumps(held))
    with pytest.raises(RunError, match=r"temperature=0\.0"):
        read_calibration(run.model)


def test_calibrating_while_evaluating_is_for_runs_on_their_own_data(run: Run) -> None:
    done = CliRunner().invoke(evaluate, [str(run.folder), "--calibrate", "--data", str(run.options().data)])
    assert done.exit_code == 2
    assert "--calibrate is for the model of a run and its own data" in done.stderr


def test_predicting_with_a_keras_model_has_its_temperature(run: Run, exposed_raw: Path) -> None:
    chips = [Chip(exposed_raw, 1)]
    (plain,) = KerasClassifier(run.model).classify_many(chips)
    held = {"schema": "celestialkeras.calibration/1", "model_sha256": sha256_of(run.model)}
    run.calibration.write_text(json.dumps({**held, "frames": 32, "reason": "", "temperature": 4.0}))
    (soft,) = KerasClassifier(run.model, abstain=0.99).classify_many(chips)
    assert plain.verdict is not None
    assert soft.verdict is not None
    assert soft.verdict.logits == pytest.approx([logit / 4 for logit in plain.verdict.logits], rel=1e-5)
    # What decides is the probability after the temperature.
    assert soft.verdict.label == "undecided"
