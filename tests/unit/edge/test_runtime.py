from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import CARD_NAME, Card, InputContract, hash_files, read_card, read_golden, write_card
from celestial_edge.compress.export import export_tflite
from celestial_edge.device.runtime import Classifier, Verdict, combine
from celestialkeras.errors import ArtifactError, WrongHduError
from celestialkeras.evaluation.predictor import KerasPredictor
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.stretch import Stretch, bin_codes, encode
from small_artifacts import some_codes


def test_float_artifact_gives_the_keras_models_logits(built_artifacts: dict[str, Path], small_model: Any) -> None:
    codes = some_codes(5, seed=2)
    expected = KerasPredictor(small_model).logits(codes)
    found = Classifier(built_artifacts["float32"]).logits(codes)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_int8_artifact_stays_within_two_steps_of_its_output_scale(
    built_artifacts: dict[str, Path], small_model: Any
) -> None:
    codes = some_codes(5, seed=2)
    expected = KerasPredictor(small_model).logits(codes)
    found = Classifier(built_artifacts["static_wi8_ai8"]).logits(codes)
    assert np.ptp(expected) > 0.02, "frames must differ for this test to mean something"
    step = np.diff(np.unique(found)).min()
    assert np.abs(found - expected).max() <= 2 * step


def test_golden_frames_give_their_logits(built_artifacts: dict[str, Path]) -> None:
    for folder in built_artifacts.values():
        golden = read_golden(folder)
        np.testing.assert_array_equal(Classifier(folder, threads=2).logits(golden.codes), golden.logits)


@pytest.mark.parametrize("recipe", ["float32", "static_wi8_ai8"])
def test_classify_sees_what_logits_sees(built_artifacts: dict[str, Path], uvis_raw: Path, recipe: str) -> None:
    classifier = Classifier(built_artifacts[recipe])
    codes = bin_codes(encode(read_frame(uvis_raw, 4), Stretch()), 32)
    verdict = classifier.classify(uvis_raw, 4)
    np.testing.assert_array_equal(np.float32(verdict.logits), classifier.logits(codes[None])[0])


def test_classify_takes_a_frame_and_times_each_stage(built_artifacts: dict[str, Path], uvis_raw: Path) -> None:
    classifier = Classifier(built_artifacts["static_wi8_ai8"])
    from_frame = classifier.classify(read_frame(uvis_raw, 1))
    from_file = classifier.classify(uvis_raw, 1)
    assert from_frame.logits == from_file.logits
    times = from_file.milliseconds
    assert times["read"] > 0
    assert times["total"] == pytest.approx(times["read"] + times["stretch"] + times["invoke"])


def test_full_resolution_int8_is_looked_up_into_the_input_tensor(tmp_path: Path, uvis_raw: Path) -> None:
    import keras
    from keras import layers

    frame = keras.Input((2048, 4096, 1), name="frame")
    x = layers.AveragePooling2D(64)(layers.Conv2D(2, 8, 8)(frame))
    logits = layers.Dense(2, name="logits")(layers.Flatten()(x))
    model = keras.Model(frame, layers.Softmax()(logits), name="whole_frames")
    codes = encode(read_frame(uvis_raw, 1), Stretch())
    (tmp_path / "model.tflite").write_bytes(export_tflite(model, "static_wi8_ai8", [codes]))
    contract = InputContract((2048, 4096), 1, "int8", Stretch())
    write_card(tmp_path, Card("whole_frames", "static_wi8_ai8", contract, 1.0, hash_files(tmp_path), {}, {}))
    classifier = Classifier(tmp_path)
    verdict = classifier.classify(uvis_raw, 1)
    np.testing.assert_array_equal(np.float32(verdict.logits), classifier.logits(codes[None])[0])


def test_temperature_divides_the_logits(copy_artifact: Any, uvis_raw: Path) -> None:
    folder = copy_artifact()
    plain = Classifier(folder).classify(uvis_raw, 1)
    write_card(folder, replace(read_card(folder), temperature=4.0))
    cooled = Classifier(folder).classify(uvis_raw, 1)
    np.testing.assert_allclose(cooled.logits, np.array(plain.logits) / 4)
    assert cooled.label == plain.label
    assert 0.5 <= cooled.probability <= plain.probability


def test_frames_of_another_size_are_refused(built_artifacts: dict[str, Path]) -> None:
    with pytest.raises(ArtifactError, match=r"frames must be uint8 \(n, 64, 128\). Received: uint8 \(1, 10, 10\)"):
        Classifier(built_artifacts["float32"]).logits(np.zeros((1, 10, 10), np.uint8))


def test_errors_of_frames_pass_through(built_artifacts: dict[str, Path], uvis_raw: Path) -> None:
    with pytest.raises(WrongHduError):
        Classifier(built_artifacts["static_wi8_ai8"]).classify(uvis_raw, 2)


@pytest.mark.parametrize(
    ("field", "value", "why"),
    [
        ("dtype", "float32", r"promises an input float32 \(1, 64, 128, 1\). Received: int8"),
        ("binning", 16, r"takes \(64, 128, 1\), which the card's chain does not give. Received: \(128, 256, 1\)"),
    ],
)
def test_card_that_does_not_fit_its_model_is_refused(copy_artifact: Any, field: str, value: Any, why: str) -> None:
    folder = copy_artifact()
    data = json.loads((folder / CARD_NAME).read_text())
    data["input"][field] = value
    (folder / CARD_NAME).write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match=why):
        Classifier(folder)


def test_bytes_that_are_no_model_are_refused_by_name(copy_artifact: Any) -> None:
    folder = copy_artifact()
    (folder / "model.tflite").write_bytes(b"no model at all")
    data = json.loads((folder / CARD_NAME).read_text())
    (folder / CARD_NAME).write_text(json.dumps({**data, "files": hash_files(folder)}))
    with pytest.raises(ArtifactError, match=r"model.tflite: LiteRT cannot load it"):
        Classifier(folder)


@pytest.mark.parametrize(
    ("logits", "label", "probability"),
    [
        ((0.0, 2.0), "NSC", 1 / (1 + math.exp(-2))),
        ((2.0, 0.0), "galaxy", 1 / (1 + math.exp(-2))),
        ((1.5, 1.5), "galaxy", 0.5),
        ((900.0, -900.0), "galaxy", 1.0),
        ((-900.0, 900.0), "NSC", 1.0),
    ],
)
def test_verdict_is_the_softmax(logits: tuple[float, float], label: str, probability: float) -> None:
    verdict = Verdict.from_logits(logits, {"read": 1.0, "stretch": 2.0, "invoke": 3.0})
    assert verdict.label == label
    assert verdict.probability == pytest.approx(probability)
    assert verdict.milliseconds["total"] == 6.0


def test_an_exposure_averages_the_logits_of_its_chips() -> None:
    times = {"read": 1.0, "stretch": 1.0, "invoke": 1.0}
    chips = [Verdict.from_logits((1.0, 0.0), times), Verdict.from_logits((0.0, 4.0), times)]
    exposure = combine(chips)
    assert exposure.logits == (0.5, 2.0)
    assert exposure.label == "NSC"
    assert exposure.milliseconds == {"read": 2.0, "stretch": 2.0, "invoke": 2.0, "total": 6.0}


def test_the_device_path_imports_no_tensorflow() -> None:
    code = (
        "import sys; import celestial_edge.device.runtime, celestial_edge.device.bench, celestial_cli.main;"
        "from ai_edge_litert.interpreter import Interpreter;"
        "heavy = {'tensorflow', 'keras', 'scipy', 'matplotlib', 'sklearn'} & set(sys.modules); print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
