from __future__ import annotations

import json
import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import CARD_NAME, Segment, hash_files, read_card
from celestial_edge.golden import read_golden, write_golden
from celestialkeras.errors import ArtifactError


def edit(folder: Path, **changes: Any) -> None:
    path = folder / CARD_NAME
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def test_card_comes_back_as_written(copy_artifact: Any) -> None:
    folder = copy_artifact()
    card = read_card(folder)
    assert (card.model, card.recipe, card.temperature) == ("small", "static_wi8_ai8", 1.0)
    assert card.input.model_shape == (64, 128)
    assert card.input.stretch.black == -4.0
    assert (card.layout, card.segments) == ("plain", (Segment("model.tflite", 1),))
    assert set(card.files) == {"model.tflite", "golden.npz"}
    assert json.loads(json.dumps(card.to_json())) == json.loads((folder / CARD_NAME).read_text())


def test_card_names_labels_in_their_order_and_logits_as_output(copy_artifact: Any) -> None:
    data = json.loads((copy_artifact() / CARD_NAME).read_text())
    assert data["labels"] == ["galaxy", "NSC"]
    assert data["output"] == "logits"


@pytest.mark.parametrize("name", ["model.tflite", "golden.npz"])
def test_one_altered_byte_is_found(copy_artifact: Any, name: str) -> None:
    folder = copy_artifact()
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=rf"{name} was truncated or altered .*copy the artifact again"):
        read_card(folder)


def test_truncated_model_is_found(copy_artifact: Any) -> None:
    folder = copy_artifact()
    model = folder / "model.tflite"
    model.write_bytes(model.read_bytes()[:-1])
    with pytest.raises(ArtifactError, match="truncated or altered"):
        read_card(folder)


def test_missing_file_is_named(copy_artifact: Any) -> None:
    folder = copy_artifact()
    (folder / "golden.npz").unlink()
    with pytest.raises(ArtifactError, match=r"golden.npz is missing"):
        read_card(folder)


def test_no_artifact_there(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="`celestial quantize --int8` makes one"):
        read_card(tmp_path / "none")
    with pytest.raises(ArtifactError, match=r"no artifact, it has no card.json"):
        read_card(tmp_path)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"schema": 99}, r"schema must be 2. Received: 99"),
        ({"labels": ["NSC", "galaxy"]}, r"a foreign artifact.*Received: \['NSC', 'galaxy'\]"),
        ({"output": "probabilities"}, "a foreign artifact"),
        ({"input": {}}, "not a card that can be read"),
        ({"input": None}, "not a card that can be read"),
        ({"files": {}}, r"names no model.tflite"),
        ({"files": {"../model.tflite": "0", "model.tflite": "0"}}, "may not leave the folder"),
        ({"segments": []}, "not a card that can be read"),
        ({"segments": [{"file": "model.tflite", "stride": 0}]}, "not a card that can be read"),
        ({"segments": [{"file": "stem.tflite", "stride": 4}]}, r"names no stem.tflite"),
        ({"temperature": 0.0}, "not a card that can be read"),
        ({"temperature": "hot"}, "not a card that can be read"),
        ({"abstain": 0.3}, "not a card that can be read"),
        ({"abstain": "often"}, "not a card that can be read"),
        ({"files": {"card.json": "0", "model.tflite": "0"}}, "may not leave the folder"),
        ({"files": {"..": "0", "model.tflite": "0"}}, "may not leave the folder"),
        ({"files": {f"{number}.bin": "0" for number in range(65)}}, "65 files, more than 64"),
        ({"input": {"frame_shape": [10**9, 4096], "binning": 1, "dtype": "int8", "stretch": {}}}, "frame_shape="),
        ({"input": {"frame_shape": [64, 128], "binning": 65, "dtype": "int8", "stretch": {}}}, "binning=65"),
    ],
)
def test_foreign_cards_are_refused(copy_artifact: Any, changes: dict[str, Any], why: str) -> None:
    folder = copy_artifact()
    edit(folder, **changes)
    with pytest.raises(ArtifactError, match=why):
        read_card(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00\xff", "[" * 100_000])
def test_damaged_card_is_refused(copy_artifact: Any, text: str) -> None:
    folder = copy_artifact()
    (folder / CARD_NAME).write_text(text, encoding="latin-1")
    with pytest.raises(ArtifactError, match=r"card.json: (cannot be read|schema must be 2)"):
        read_card(folder)


def test_golden_frames_come_back(copy_artifact: Any) -> None:
    golden = read_golden(copy_artifact())
    assert golden.codes.shape == (2, 64, 128)
    assert golden.codes.dtype == np.uint8
    assert golden.logits.shape == (2, 2)
    assert golden.labels.tolist() == [0, 1]


def test_golden_frames_are_those_that_the_card_names(copy_artifact: Any) -> None:
    folder = copy_artifact()
    card = read_card(folder)
    write_golden(folder, replace(read_golden(folder), labels=np.array([1, 0])))
    with pytest.raises(ArtifactError, match=r"golden\.npz was truncated or altered"):
        read_golden(folder, card)
    with pytest.raises(ArtifactError, match=r"golden\.npz was truncated or altered"):
        read_golden(folder)
    with pytest.raises(ArtifactError, match=r"its card names no golden\.npz"):
        read_golden(folder, replace(card, files={}))


GOLDEN = {
    "codes": np.zeros((2, 64, 128), np.uint8),
    "logits": np.zeros((2, 2), np.float32),
    "labels": np.array([0, 1]),
}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"codes": np.array([{}], dtype=object)}, "Object arrays cannot be loaded"),
        ({"codes": np.zeros((2, 64, 64), np.uint8)}, r"codes must be uint8 \(2, 64, 128\)"),
        ({"codes": np.zeros((2, 64, 128), np.int16)}, r"codes must be uint8 .* not int16"),
        ({"logits": np.zeros((2, 3), np.float32)}, r"logits must be float32 \(2, 2\)"),
        ({"labels": np.array([0, 7])}, "labels must be codes of"),
        ({"codes": np.zeros((70, 1024, 1024), np.uint8)}, "more than the 67108864 that are read"),
    ],
)
def test_golden_frames_that_are_none_are_refused(copy_artifact: Any, changes: dict[str, Any], why: str) -> None:
    folder = copy_artifact()
    np.savez_compressed(folder / "golden.npz", **{**GOLDEN, **changes})
    edit(folder, files=hash_files(folder))
    with pytest.raises(ArtifactError, match=rf"golden\.npz: cannot be read \(.*{why}"):
        read_golden(folder)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 no archive", b"PK\x05\x06" + bytes(18)])
def test_golden_frames_that_are_no_archive_are_refused(copy_artifact: Any, content: bytes) -> None:
    folder = copy_artifact()
    (folder / "golden.npz").write_bytes(content)
    edit(folder, files=hash_files(folder))
    with pytest.raises(ArtifactError, match=r"golden\.npz: cannot be read .*export the artifact again"):
        read_golden(folder)


def test_a_card_says_from_which_probability_on_it_decides(copy_artifact: Any) -> None:
    folder = copy_artifact()
    data = json.loads((folder / CARD_NAME).read_text())
    assert data.pop("abstain") is None
    (folder / CARD_NAME).write_text(json.dumps(data))
    assert read_card(folder).abstain is None, "cards of before say nothing of it"
    edit(folder, abstain=0.8)
    assert read_card(folder).abstain == 0.8


def test_a_card_beyond_its_bound_is_not_read(copy_artifact: Any) -> None:
    folder = copy_artifact()
    edit(folder, provenance={"story": "x" * (1 << 20)})
    with pytest.raises(ArtifactError, match=r"card\.json: larger than the 1048576 bytes"):
        read_card(folder)


def test_a_card_that_is_no_file_is_refused_without_waiting(copy_artifact: Any) -> None:
    folder = copy_artifact()
    (folder / CARD_NAME).unlink()
    os.mkfifo(folder / CARD_NAME)
    with pytest.raises(ArtifactError, match=r"card\.json: must be a regular file"):
        read_card(folder)


def test_a_model_that_is_no_file_is_refused_without_waiting(copy_artifact: Any) -> None:
    folder = copy_artifact()
    (folder / "model.tflite").unlink()
    os.mkfifo(folder / "model.tflite")
    with pytest.raises(ArtifactError, match=r"model\.tflite: must be a regular file"):
        read_card(folder)
