from __future__ import annotations

import sys
import zipfile
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from celestialkeras.errors import MissingExtraError, ModelError
from celestialkeras.evaluation.predictor import KerasPredictor, load_model

SIZE = (6, 10)

# Keras itself reads its variables in the way that NumPy 2 is giving up.


def mean_model(size: tuple[int | None, int | None] = SIZE) -> Any:
    """Logits (mean, -2 mean + 1) of the frame in [0, 1]."""
    frame = keras.Input((*size, 1))
    mean = keras.layers.GlobalAveragePooling2D()(frame)
    logits = keras.layers.Dense(2, name="logits")(mean)
    model = keras.Model(frame, keras.layers.Softmax()(logits), name="mean")
    model.get_layer("logits").set_weights([np.array([[1, -2]], np.float32), np.array([0, 1], np.float32)])
    return model


@pytest.fixture(scope="module")
def model() -> Any:
    return mean_model()


@pytest.fixture
def codes() -> Any:
    return np.random.default_rng(0).integers(0, 256, (3, *SIZE), dtype=np.uint8)


def test_logits_come_before_the_softmax_from_codes_in_0_to_1(model: Any, codes: Any) -> None:
    logits = KerasPredictor(model).logits(codes)
    mean = codes.mean(axis=(1, 2)) / 255
    assert logits.dtype == np.float32
    np.testing.assert_allclose(logits, np.stack([mean, 1 - 2 * mean], axis=1), atol=1e-6)


def test_a_saved_model_gives_the_same_logits(model: Any, codes: Any, tmp_path: Path) -> None:
    path = tmp_path / "model.keras"
    model.save(path)
    loaded = KerasPredictor(path)
    assert loaded.input_shape == SIZE
    np.testing.assert_array_equal(loaded.logits(codes), KerasPredictor(model).logits(codes))
    assert load_model(path).output_shape == (None, 2)
    np.testing.assert_array_equal(KerasPredictor(str(path)).logits(codes[:1]), loaded.logits(codes)[:1])


def test_frames_of_another_size_are_refused_with_both_sizes(model: Any) -> None:
    with pytest.raises(ModelError, match=r"'mean' takes frames of 6 x 10 pixels; .* Received: frames of 6 x 12$"):
        KerasPredictor(model).logits(np.zeros((1, 6, 12), np.uint8))


def test_a_model_of_any_size_takes_any_frame(codes: Any) -> None:
    predictor = KerasPredictor(mean_model((None, None)))
    assert predictor.input_shape == (None, None)
    assert predictor.logits(codes).shape == (3, 2)


def test_frames_that_are_no_codes_are_refused(model: Any) -> None:
    with pytest.raises(ModelError, match=r"Received: float32 \(1, 6, 10\)"):
        KerasPredictor(model).logits(np.zeros((1, *SIZE), np.float32))
    with pytest.raises(ModelError, match=r"Received: uint8 \(1, 6, 10, 1\)"):
        KerasPredictor(model).logits(np.zeros((1, *SIZE, 1), np.uint8))


def test_models_of_another_form_are_refused() -> None:
    frame = keras.Input((*SIZE, 1))
    flat = keras.layers.Flatten()(frame)
    with pytest.raises(ModelError, match=r"layer named 'logits' .* with the layers .*flatten.*, verdict at its end"):
        KerasPredictor(keras.Model(frame, keras.layers.Dense(2, name="verdict")(flat)))
    with pytest.raises(ModelError, match=r"must give \(None, 2\): .* with \(None, 3\)$"):
        KerasPredictor(keras.Model(frame, keras.layers.Dense(3, name="logits")(flat), name="three"))
    colour = keras.Input((*SIZE, 3))
    logits = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(colour))
    with pytest.raises(ModelError, match=r"one input \(frames, rows, columns, 1\)\. .* \(None, 6, 10, 3\)$"):
        KerasPredictor(keras.Model(colour, logits))


def test_files_that_are_no_keras_models_are_refused(model: Any, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"no such model; .* Received: .*absent\.keras"):
        KerasPredictor(tmp_path / "absent.keras")
    with pytest.raises(ModelError, match=r"must be a \.keras file; .* Received: .*model\.h5"):
        KerasPredictor(tmp_path / "model.h5")
    text = tmp_path / "text.keras"
    text.write_text("not a model")
    with pytest.raises(ModelError, match=r"not a \.keras file but something else"):
        KerasPredictor(text)
    archive = tmp_path / "archive.keras"
    with zipfile.ZipFile(archive, "w") as made:
        made.writestr("readme.txt", "nothing here")
    with pytest.raises(ModelError, match=r"cannot be loaded in safe mode .*archive\.keras"):
        KerasPredictor(archive)


def test_a_model_that_carries_code_is_not_loaded(tmp_path: Path) -> None:
    frame = keras.Input((*SIZE, 1))
    dark = keras.layers.Lambda(lambda pixels: 1 - pixels)(frame)
    logits = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(dark))
    path = tmp_path / "lambda.keras"
    keras.Model(frame, logits).save(path)
    with pytest.raises(
        ModelError, match=r"cannot be loaded in safe mode \(.*`Lambda` layer .*\); .*lambda\.keras"
    ) as told:
        KerasPredictor(path)
    assert "safe_mode=False" not in str(told.value)


def test_without_tensorflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(MissingExtraError, match=r"Evaluating a Keras model needs the extra `train`"):
        KerasPredictor(tmp_path / "model.keras")
    with pytest.raises(MissingExtraError, match=r"Loading a Keras model needs the extra `train`"):
        load_model(tmp_path / "model.keras")
