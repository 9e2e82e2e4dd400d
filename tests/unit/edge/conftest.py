"""A small artifact, made once: a network of two convolutions for frames binned by 32."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import MODEL_NAME, Card, GoldenFrames, InputContract, hash_files, write_card, write_golden
from celestial_edge.compress.export import export_tflite
from celestial_edge.device.runtime import Classifier
from celestial_edge.recipes import FLOAT32, STATIC_INT8
from celestialkeras.lcid.stretch import Stretch
from small_artifacts import BINNING, SHAPE, some_codes


@pytest.fixture(scope="session")
def small_model() -> Any:
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    frame = keras.Input((*SHAPE, 1), name="frame")
    x = layers.Conv2D(8, 3, 2, activation="relu")(frame)
    x = layers.Conv2D(8, 3, 2, activation="relu")(x)
    x = layers.GlobalAveragePooling2D()(x)
    logits = layers.Dense(2, name="logits")(x)
    return keras.Model(frame, layers.Softmax()(logits), name="small")


@pytest.fixture(scope="session")
def built_artifacts(small_model: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folders = {}
    for recipe, dtype in ((FLOAT32, "float32"), (STATIC_INT8, "int8")):
        folder = tmp_path_factory.mktemp("artifacts") / recipe
        folder.mkdir()
        (folder / MODEL_NAME).write_bytes(export_tflite(small_model, recipe, some_codes(8)))
        contract = InputContract((2048, 4096), BINNING, dtype, Stretch())
        card = Card("small", recipe, contract, 1.0, {}, {"versions": {}}, {})
        write_card(folder, replace(card, files=hash_files(folder)))
        codes = some_codes(2, seed=1)
        write_golden(folder, GoldenFrames(codes, Classifier(folder).logits(codes), np.array([0, 1])))
        write_card(folder, replace(card, files=hash_files(folder)))
        folders[recipe] = folder
    return folders


CopyArtifact = Callable[[str], Path]


@pytest.fixture
def copy_artifact(built_artifacts: dict[str, Path], tmp_path: Path) -> CopyArtifact:
    """Gives an artifact that the test may damage."""

    def copy(recipe: str = STATIC_INT8) -> Path:
        return Path(shutil.copytree(built_artifacts[recipe], tmp_path / recipe))

    return copy
