from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import read_card, read_golden
from celestial_edge.compress import quantize
from celestial_edge.compress.quantize import QuantizeOptions, balanced_frames, quantize_int8
from celestial_edge.device.runtime import Classifier
from celestialkeras.errors import ExportError, ModelError, QualityGateError
from celestialkeras.evaluation.gate import Outcome
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from small_datasets import SmallSplit


@pytest.fixture
def saved(small_model: Any, tmp_path: Path) -> Path:
    path = tmp_path / "model.keras"
    small_model.save(path)
    return path


def test_quantize_writes_both_artifacts_with_what_was_measured(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset())
    result = quantize_int8(saved, dataset, tmp_path / "artifacts", QuantizeOptions(calibration_frames=4))

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
    assert result.int8_evaluation.accuracy == np.mean(result.int8_evaluation.predictions.correct)

    golden = read_golden(result.artifact)
    assert golden.labels.tolist() == [0, 1]
    np.testing.assert_array_equal(Classifier(result.artifact).logits(golden.codes), golden.logits)
    assert sorted(path.name for path in (tmp_path / "artifacts").iterdir()) == ["float32", "static_wi8_ai8"]


def test_layouts_are_named_on_the_card_and_agree_to_the_bit(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset())
    results = {}
    for layout in ("plain", "whole", "strips"):
        options = QuantizeOptions(calibration_frames=2, layout=layout)
        results[layout] = quantize_int8(saved, dataset, tmp_path / layout, options).artifact
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
        quantize_int8(saved, open_dataset(make_dataset()), tmp_path / "artifacts")
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_a_second_run_replaces_the_first(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset())
    for frames in (2, 3):
        quantize_int8(saved, dataset, tmp_path / "artifacts", QuantizeOptions(calibration_frames=frames))
    assert read_card(tmp_path / "artifacts" / "static_wi8_ai8").provenance["calibration_frames"] == 3
    assert sorted(path.name for path in (tmp_path / "artifacts").iterdir()) == ["float32", "static_wi8_ai8"]


def test_failing_the_gate_leaves_no_artifact(
    saved: Path, make_dataset: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(make_dataset())
    quantize_int8(saved, dataset, tmp_path / "artifacts", QuantizeOptions(calibration_frames=2))
    judge = quantize.judge

    def wrong(classifier: Classifier, codes: np.ndarray) -> np.ndarray:
        labels = np.array([record.observation.label_code for record in dataset.records("validation")])
        return np.eye(2, dtype=np.float32)[1 - labels[: len(codes)]]

    monkeypatch.setattr(quantize, "judge", lambda comparison, max_drop: judge(comparison, max_drop, minimum_frames=1))
    # The float model is replaced by a perfect one, and the artifact by one that is always wrong.
    right = np.array([record.observation.label_code for record in dataset.records("validation")])
    monkeypatch.setattr(quantize.KerasPredictor, "logits", lambda self, codes: np.eye(2, dtype=np.float32)[right])
    monkeypatch.setattr(quantize.Classifier, "logits", wrong)
    with pytest.raises(QualityGateError, match=r"lies wholly above the 1 points allowed; no artifact was left"):
        quantize_int8(saved, dataset, tmp_path / "artifacts", QuantizeOptions(calibration_frames=2))
    assert list((tmp_path / "artifacts").iterdir()) == []


def test_data_without_validation_frames_is_refused(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    nothing = SmallSplit(0, 0)
    dataset = open_dataset(make_dataset(sizes=(SmallSplit(2, 2), nothing, nothing)))
    with pytest.raises(ExportError, match="has no validation frames"):
        quantize_int8(saved, dataset, tmp_path / "artifacts")


def test_model_of_another_size_is_refused(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset(shape=(96, 128)))
    with pytest.raises(ModelError, match="takes 64 x 128 pixels, which no whole binning of 96 x 128 frames gives"):
        quantize_int8(saved, dataset, tmp_path / "artifacts")


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
    result = quantize_int8(saved, open_dataset(make_dataset()), tmp_path / "artifacts")
    text = (result.artifact / "card.json").read_text()
    assert json.loads(text)["recipe"] == "static_wi8_ai8"
    assert "NaN" not in text
