from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import CARD_NAME, Card, InputContract, hash_files, read_card, write_card
from celestial_edge.compress.export import export_tflite
from celestial_edge.device import Classifier
from celestial_edge.device.read_ahead import Chip
from celestial_edge.golden import read_golden
from celestialkeras.errors import ArtifactError, FrameNotFoundError, WrongHduError
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
    assert np.argmax(cooled.logits) == np.argmax(plain.logits)
    assert 0.5 <= cooled.probability <= plain.probability


def test_a_chip_without_light_is_undecided(built_artifacts: dict[str, Path], uvis_raw: Path) -> None:
    verdict = Classifier(built_artifacts["static_wi8_ai8"]).classify(uvis_raw, 1)
    assert (verdict.label, verdict.reason) == ("undecided", "empty: nothing stands out of the noise")
    assert verdict.quality.empty


def test_the_threshold_is_the_cards_unless_one_is_asked_for(copy_artifact: Any, exposed_raw: Path) -> None:
    folder = copy_artifact()
    plain = Classifier(folder).classify(exposed_raw, 1)
    assert plain.label in ("galaxy", "NSC")
    above = (1 + plain.probability) / 2
    write_card(folder, replace(read_card(folder), abstain=above))
    assert Classifier(folder).abstain == above
    doubtful = Classifier(folder).classify(exposed_raw, 1)
    assert (doubtful.label, doubtful.logits) == ("undecided", plain.logits)
    assert "is below" in doubtful.reason
    assert Classifier(folder, abstain=0.5).classify(exposed_raw, 1).label == plain.label


@pytest.mark.parametrize("recipe", ["float32", "static_wi8_ai8"])
def test_many_chips_get_what_each_would_get(
    built_artifacts: dict[str, Path], uvis_raw: Path, exposed_raw: Path, tmp_path: Path, recipe: str
) -> None:
    classifier = Classifier(built_artifacts[recipe])
    chips = [Chip(uvis_raw, 4), Chip(tmp_path / "none.fits"), Chip(exposed_raw, 4), Chip(exposed_raw, 1)]
    results = list(classifier.classify_many([*chips, str(exposed_raw)]))
    assert [result.chip for result in results] == [*chips, Chip(exposed_raw, 1)]
    for result in results:
        if result.error is None:
            assert result.verdict.logits == classifier.classify(result.chip.path, result.chip.hdu).logits
            assert result.verdict.milliseconds["read"] > 0
    (error,) = [result.error for result in results if result.verdict is None]
    assert isinstance(error, FrameNotFoundError)


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


def test_the_device_path_imports_no_tensorflow() -> None:
    code = (
        "import sys; import celestial_edge.device.runtime, celestial_edge.device.bench, celestial_cli.main;"
        "from ai_edge_litert.interpreter import Interpreter;"
        "heavy = {'tensorflow', 'keras', 'scipy', 'matplotlib', 'sklearn'} & set(sys.modules); print(sorted(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
