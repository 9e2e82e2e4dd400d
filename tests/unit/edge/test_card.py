from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import CARD_NAME, Segment, read_card, read_golden
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
    ],
)
def test_foreign_cards_are_refused(copy_artifact: Any, changes: dict[str, Any], why: str) -> None:
    folder = copy_artifact()
    edit(folder, **changes)
    with pytest.raises(ArtifactError, match=why):
        read_card(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", "\x00\xff"])
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


def test_golden_frames_that_hold_objects_are_refused(copy_artifact: Any) -> None:
    folder = copy_artifact()
    np.savez(folder / "golden.npz", codes=np.array([{}], dtype=object), logits=np.zeros(1), labels=np.zeros(1))
    with pytest.raises(ArtifactError, match="cannot be read"):
        read_golden(folder)
