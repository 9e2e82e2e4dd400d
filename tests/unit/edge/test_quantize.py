from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import read_card
from celestial_edge.compress import quantize
from celestial_edge.compress.quantize import QuantizeOptions, balanced_frames, make_artifacts
from celestial_edge.device import trial
from celestial_edge.device.runtime import Classifier
from celestial_edge.golden import read_golden
from celestial_edge.recipes import RECIPES
from celestialkeras.errors import ExportError, ModelError, QualityGateError
from celestialkeras.evaluation.gate import Outcome
from celestialkeras.evaluation.predictor import KerasPredictor
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from small_datasets import SmallSplit


@pytest.fixture
def saved(small_model: Any, tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    small_model.save(path)
    return path


def test_quantize_writes_both_artifacts_with_what_was_measured(
    saved: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(make_dataset())
    result = make_artifacts(saved, dataset, tmp_path / "artifacts", QuantizeOptions(calibration_frames=4))

    assert result.artifact == tmp_path / "artifacts" / "static_wi8_ai8"
    assert result.judgement.outcome is Outcome.NOT_JUDGED
    assert "not judged" in result.judgement.reason
    card = read_card(result.artifact)
    assert card.model == "small"
    assert card.input.binning == 1
    assert card.input.dtype == "int8"
    assert card.provenance["model_sha256"] == sha256_of(saved)
    assert card.provenance["data_sha256"] == dataset.digest
    assert card.provenance["calibration_frames"] == 4
    assert card.accuracy["gate"]["frames"] == len(dataset.records("validation"))
    assert read_card(result.float_artifact).input.dtype == "float32"
    assert result.after.accuracy == np.mean(result.after.predictions.correct)

    golden = read_golden(result.artifact)
    assert golden.labels.tolist() == [0, 1]
    # It ran here when it was made: a later process takes it without a trial.
    monkeypatch.setattr(trial, "_survivors", set())
    monkeypatch.setattr(trial, "run_worker", lambda *_: pytest.fail("tried"))
    np.testing.assert_array_equal(Classifier(result.artifact).logits(golden.codes), golden.logits)
    assert sorted(path.name for path in (tmp_path / "artifacts").iterdir()) == ["float32", "static_wi8_ai8"]


def test_layouts_are_named_on_the_card_and_agree_to_the_bit(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset())
    results = {}
    for layout in ("plain", "whole", "strips"):
        options = QuantizeOptions(calibration_frames=2, layout=layout)
        results[layout] = make_artifacts(saved, dataset, tmp_path / layout, options).artifact
        assert read_card(results[layout]).layout == layout
    golden = {layout: read_golden(folder).logits for layout, folder in results.items()}
    np.testing.assert_array_equal(golden["whole"], golden["plain"])
    np.testing.assert_array_equal(golden["strips"], golden["plain"])
    with pytest.raises(ValueError, match=r"`layout` must be one of plain, whole, strips\. Received: layout='tiles'"):
        QuantizeOptions(layout="tiles")


def test_operators_that_xnnpack_leaves_are_refused(
    saved: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(quantize.Classifier, "undelegated", lambda self: ["model.tflite: CONV_2D"])
    with pytest.raises(ExportError, match=r"XNNPACK does not take all .* Received: model.tflite: CONV_2D"):
        make_artifacts(saved, open_dataset(make_dataset()), tmp_path / "artifacts")
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_a_second_run_replaces_the_first(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset())
    for frames in (2, 3):
        make_artifacts(saved, dataset, tmp_path / "artifacts", QuantizeOptions(calibration_frames=frames))
    assert read_card(tmp_path / "artifacts" / "static_wi8_ai8").provenance["calibration_frames"] == 3
    assert sorted(path.name for path in (tmp_path / "artifacts").iterdir()) == ["float32", "static_wi8_ai8"]


@pytest.fixture
def always_wrong(monkeypatch: pytest.MonkeyPatch) -> Callable[[LcidDataset], None]:
    """Replaces the float model by one that is always right and artifacts by ones that are always wrong."""

    def arrange(dataset: LcidDataset) -> None:
        judge = quantize.judge
        right = np.eye(2, dtype=np.float32)[[row.observation.label_code for row in dataset.records("validation")]]
        monkeypatch.setattr(quantize, "judge", lambda comparison, limit: judge(comparison, limit, minimum_frames=1))
        monkeypatch.setattr(quantize.KerasPredictor, "logits", lambda self, codes: right)
        monkeypatch.setattr(quantize.Classifier, "logits", lambda self, codes: 1 - right[: len(codes)])

    return arrange


def test_failing_the_gate_leaves_no_artifact(
    saved: Path, make_dataset: Any, tmp_path: Path, always_wrong: Callable[[LcidDataset], None]
) -> None:
    dataset = open_dataset(make_dataset())
    make_artifacts(saved, dataset, tmp_path / "artifacts", QuantizeOptions(calibration_frames=2))
    always_wrong(dataset)
    with pytest.raises(
        QualityGateError, match=r"lies wholly above the 1 points allowed; no artifact was left .*keeps it"
    ):
        make_artifacts(saved, dataset, tmp_path / "artifacts", QuantizeOptions(calibration_frames=2))
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_an_allowed_drop_keeps_the_artifact_and_its_card_says_so(
    saved: Path, make_dataset: Any, tmp_path: Path, always_wrong: Callable[[LcidDataset], None]
) -> None:
    dataset = open_dataset(make_dataset())
    always_wrong(dataset)
    options = QuantizeOptions(calibration_frames=2, allow_drop=True)
    result = make_artifacts(saved, dataset, tmp_path / "artifacts", options)
    assert result.judgement.outcome is Outcome.FAIL
    gate = read_card(result.artifact).accuracy["gate"]
    assert (gate["outcome"], gate["overruled"]) == ("fail", True)
    assert gate["figures"]["drop"]["value"] == 1.0
    assert gate["figures"]["agreement"]["value"] == 0.0
    right, wrong = 1 / (1 + math.exp(-1)), 1 - 1 / (1 + math.exp(-1))
    figures = {key: gate["figures"][key]["value"] for key in ("calibration_error_a", "calibration_error_b", "brier_b")}
    assert figures == pytest.approx(
        {"calibration_error_a": 1 - right, "calibration_error_b": right, "brier_b": (1 - wrong) ** 2}, rel=1e-6
    )


def test_a_loss_is_judged_against_the_model_that_it_came_from(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    import keras

    dataset = open_dataset(make_dataset())
    tuned = keras.models.load_model(saved)
    head = tuned.get_layer("logits")
    # Another model altogether: it says galaxy of every frame.
    head.set_weights([np.zeros_like(head.kernel), np.array([9, 0], np.float32)])
    tuned.save(tmp_path / "tuned.keras")
    options = QuantizeOptions(calibration_frames=2)
    result = make_artifacts(tmp_path / "tuned.keras", dataset, tmp_path / "artifacts", options, original=saved)
    assert result.before.accuracy == evaluate_float(saved, dataset)
    assert set(result.after.predictions.predicted.tolist()) == {0}
    provenance = read_card(result.artifact).provenance
    assert provenance["model_sha256"] == sha256_of(tmp_path / "tuned.keras")
    assert provenance["original_sha256"] == sha256_of(saved)


def evaluate_float(model: Path, dataset: LcidDataset) -> float:
    records = dataset.records("validation")
    codes = np.stack([dataset.codes(record, 1) for record in records])
    said = KerasPredictor(model).logits(codes).argmax(axis=1)
    return float(np.mean(said == [record.observation.label_code for record in records]))


@pytest.mark.parametrize("recipe", ["float16", "dynamic_wi8_afp32", "static_wi8_ai16"])
def test_every_recipe_gets_a_folder_of_its_name_beside_float32(
    saved: Path, make_dataset: Any, tmp_path: Path, recipe: str
) -> None:
    dataset = open_dataset(make_dataset())
    options = QuantizeOptions(recipe=recipe, calibration_frames=2)
    result = make_artifacts(saved, dataset, tmp_path / "artifacts", options)
    assert sorted(path.name for path in (tmp_path / "artifacts").iterdir()) == sorted(["float32", recipe])
    card = read_card(result.artifact)
    assert (card.recipe, card.input.dtype) == (recipe, RECIPES[recipe].activations)
    assert card.accuracy["gate"]["overruled"] is False
    golden = read_golden(result.artifact)
    np.testing.assert_array_equal(Classifier(result.artifact).logits(golden.codes), golden.logits)
    assert result.judgement.comparison.agreement == 1.0


def test_float32_alone_is_one_artifact_that_loses_nothing(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset())
    options = QuantizeOptions(recipe="float32", calibration_frames=2, layout="strips")
    result = make_artifacts(saved, dataset, tmp_path / "artifacts", options)
    assert result.artifact == result.float_artifact == tmp_path / "artifacts" / "float32"
    assert [path.name for path in (tmp_path / "artifacts").iterdir()] == ["float32"]
    assert result.judgement.comparison.drop == 0
    assert read_card(result.artifact).accuracy["gate"]["outcome"] == "not judged"


def test_what_a_recipe_cannot_do_is_refused_before_any_work(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    options = QuantizeOptions(recipe="static_wi8_ai16", layout="strips")
    with pytest.raises(ExportError, match="has one layout, plain"):
        make_artifacts(saved, open_dataset(make_dataset()), tmp_path / "artifacts", options)
    assert not (tmp_path / "artifacts").exists()
    with pytest.raises(ValueError, match=r"`recipe` must be one of static_wi8_ai8, .*\. Received: recipe='int4'"):
        QuantizeOptions(recipe="int4")


def test_data_without_validation_frames_is_refused(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    nothing = SmallSplit(0, 0)
    dataset = open_dataset(make_dataset(sizes=(SmallSplit(2, 2), nothing, nothing)))
    with pytest.raises(ExportError, match="has no validation frames"):
        make_artifacts(saved, dataset, tmp_path / "artifacts")


def test_model_of_another_size_is_refused(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset(shape=(96, 128)))
    with pytest.raises(ModelError, match="takes 64 x 128 pixels, which no whole binning of 96 x 128 frames gives"):
        make_artifacts(saved, dataset, tmp_path / "artifacts")


def test_calibration_frames_are_balanced_over_classes_and_instruments(make_dataset: Any) -> None:
    records = open_dataset(make_dataset()).records("train")
    drawn = balanced_frames(records, 8, seed=0)
    groups = Counter((record.observation.label, record.observation.instrument) for record in drawn)
    assert set(groups.values()) == {2}
    assert len(groups) == 4
    assert len({record.offset for record in drawn}) == 8
    assert balanced_frames(records, 8, seed=0) == drawn
    assert balanced_frames(records, 8, seed=1) != drawn
    assert len(balanced_frames(records, 1000, seed=0)) == len(records)


def test_card_is_plain_json(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    result = make_artifacts(saved, open_dataset(make_dataset()), tmp_path / "artifacts")
    text = (result.artifact / "card.json").read_text()
    assert json.loads(text)["recipe"] == "static_wi8_ai8"
    assert "NaN" not in text


def test_each_artifact_has_the_temperature_of_its_own_logits(
    saved: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(make_dataset(sizes=(SmallSplit(2, 2), SmallSplit(16, 16), SmallSplit(0, 0))))
    labels = np.array([row.observation.label_code for row in dataset.records("validation")])
    # Three of four are told rightly; the float model is twice as sure as the artifact.
    said = np.eye(2, dtype=np.float32)[np.where(np.arange(32) % 4 == 0, 1 - labels, labels)]
    monkeypatch.setattr(quantize.KerasPredictor, "logits", lambda self, codes: 6 * said[: len(codes)])
    monkeypatch.setattr(quantize.Classifier, "logits", lambda self, codes: 3 * said[: len(codes)])
    options = QuantizeOptions(calibration_frames=2, abstain=0.7)
    result = make_artifacts(saved, dataset, tmp_path / "artifacts", options)
    in_float, card = read_card(result.float_artifact), read_card(result.artifact)
    assert in_float.temperature == result.float_fit.temperature == pytest.approx(6 / math.log(3), rel=1e-6)
    assert card.temperature == result.fit.temperature == pytest.approx(3 / math.log(3), rel=1e-6)
    assert (card.abstain, in_float.abstain) == (0.7, 0.7)
    for held, margin in ((in_float.accuracy["calibration"], 6), (card.accuracy["calibration"], 3)):
        assert (held["frames"], held["reason"]) == (32, "")
        assert held["before"]["expected_error"] == pytest.approx(1 / (1 + math.exp(-margin)) - 0.75, rel=1e-5)
        assert held["after"]["expected_error"] == pytest.approx(0, abs=1e-6)
    # Golden logits are those before the temperature.
    np.testing.assert_array_equal(read_golden(result.artifact).logits, 3 * said[:2])
    with pytest.raises(ValueError, match=r"`abstain` must be a probability from 0\.5 to 1\. Received: abstain=0\.3"):
        QuantizeOptions(abstain=0.3)
