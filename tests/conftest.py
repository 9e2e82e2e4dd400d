"""Files, data sets and artifacts that tests make on the spot."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_cli import terminal
from celestial_edge.card import MODEL_NAME, Card, InputContract, hash_files, write_card
from celestial_edge.compress.export import export_tflite
from celestial_edge.device.runtime import Classifier
from celestial_edge.device.trial import CACHE_VARIABLE
from celestial_edge.golden import GoldenFrames, write_golden
from celestial_edge.recipes import FLOAT32, STATIC_INT8
from celestialkeras.lcid.detectors import CHIP_HDUS, WFC3_UVIS
from celestialkeras.lcid.manifest import SPLITS, Observation
from celestialkeras.lcid.shards import EncodedFrame, write_shard, write_summary
from celestialkeras.lcid.stretch import Stretch
from distributions import Distributions, build_distributions
from json_page import problems
from raw_files import RawFile, raw_counts
from small_artifacts import BINNING, SHAPE, some_codes
from small_datasets import DatasetFactory, SmallSplit


@pytest.fixture(scope="session", autouse=True)
def own_notes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What came through a trial is not noted in the user's folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE_VARIABLE, str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True)
def documented_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a verb prints as JSON in a test is what docs/json.md says of it."""
    encode = terminal.encode_document

    def encode_documented(document: Mapping[str, Any], indent: int | None = None) -> str:
        text = encode(document, indent)
        assert not (found := problems(json.loads(text))), found
        return text

    monkeypatch.setattr(terminal, "encode_document", encode_documented)


@pytest.fixture(scope="session")
def distributions(tmp_path_factory: pytest.TempPathFactory) -> Distributions:
    """Source distribution and wheel, built once."""
    return build_distributions(tmp_path_factory.mktemp("distributions"))


@pytest.fixture(scope="session")
def uvis_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return RawFile().write(tmp_path_factory.mktemp("uvis") / "iddt11fxq_raw.fits")


@pytest.fixture(scope="session")
def exposed_raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw file with light on it: a bright patch on each chip."""
    counts = {hdu: raw_counts(WFC3_UVIS, hdu) for hdu in CHIP_HDUS}
    for chip in counts.values():
        chip[600:1400, 1000:1900] += 30
    return RawFile(counts=counts).write(tmp_path_factory.mktemp("exposed") / "iddt11fyq_raw.fits")


@pytest.fixture
def make_dataset(tmp_path: Path) -> DatasetFactory:
    """Writes a small data set: galaxies are smooth, NSCs grainy, so that a small network can tell them apart."""

    def make(
        shape: tuple[int, int] = (64, 128),
        sizes: tuple[SmallSplit, SmallSplit, SmallSplit] = (SmallSplit(6, 6), SmallSplit(3, 3), SmallSplit(3, 3)),
        name: str = "shards",
    ) -> Path:
        folder = tmp_path / name
        rng = np.random.default_rng(7)
        names = []
        for split, size in zip(SPLITS, sizes, strict=True):
            frames = []
            for index in range(size.galaxies + size.nscs):
                label = "galaxy" if index < size.galaxies else "NSC"
                row = Observation(
                    object_id=f"{split}-{label}-{index // 2}",
                    instrument=("ACS/WFC", "WFC3/UVIS")[index % 2],
                    obsid=f"j{split[:4]}{index:04d}",
                    filter="F814W",
                    ra=10.0,
                    dec=-5.0,
                    hdu=CHIP_HDUS[index % 2],
                    label=label,
                    extra={"split": split},
                )
                codes = rng.integers(40, 60, shape).astype(np.uint8)
                if label == "NSC":
                    codes[rng.random(shape) < 0.02] = 250
                else:
                    codes[shape[0] // 4 : -shape[0] // 4, shape[1] // 4 : -shape[1] // 4] += 80
                frames.append(EncodedFrame(row, codes, {"sky": 10.0, "noise": 3.0}))
            if frames:
                names.append(f"{split}-00000.tfrecord")
                write_shard(folder, names[-1], frames)
        write_summary(folder, names, Stretch())
        return folder

    return make


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
