"""What a `.keras` file may be made of, judged without Keras."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from celestialkeras.errors import ModelError
from celestialkeras.models.keras_file import check_standard_layers

RELU = {"module": "keras.layers", "class_name": "ReLU", "config": {"name": "relu"}, "registered_name": None}


def keras_file(path: Path, *layers: dict[str, Any]) -> Path:
    """An archive whose configuration holds these layers, as Keras nests them."""
    config = {
        "module": "keras.src.models.functional",
        "class_name": "Functional",
        "config": {"name": "net", "layers": [RELU, *layers]},
        "registered_name": "Functional",
        "compile_config": {"optimizer": {"module": "keras.optimizers", "class_name": "Adam", "config": {}}},
    }
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", json.dumps(config))
    return path


def test_standard_layers_pass(tmp_path: Path) -> None:
    dense = {
        "module": "keras.layers",
        "class_name": "Dense",
        "name": "logits",
        "config": {
            "kernel_initializer": {"module": "keras.initializers", "class_name": "GlorotUniform", "config": {}},
            "activation": {"module": "builtins", "class_name": "function", "config": "relu", "registered_name": "relu"},
            "dtype": {"module": "keras", "class_name": "DTypePolicy", "config": {"name": "float32"}},
        },
        "registered_name": None,
        "inbound_nodes": [{"args": [{"class_name": "__keras_tensor__", "config": {}}]}],
    }
    check_standard_layers(keras_file(tmp_path / "plain.keras", dense))


@pytest.mark.parametrize(
    ("layer", "reason"),
    [
        (
            {"module": "keras.layers", "class_name": "Lambda", "config": {"name": "dark"}},
            "layer 'dark' is a `Lambda` layer that carries code",
        ),
        (
            {"module": "keras.layers", "class_name": "TFSMLayer", "config": {"name": "saved"}},
            "layer 'saved' is a `TFSMLayer` layer that carries code",
        ),
        (
            {"module": "keras.layers", "class_name": "ReLU", "config": {"activation": {"class_name": "__lambda__"}}},
            "a part is a `__lambda__` layer that carries code",
        ),
        (
            {"module": "sharpen.layers", "class_name": "Sharpen", "config": {}, "name": "sharp"},
            "layer 'sharp' is of the custom class `sharpen.layers.Sharpen`",
        ),
        (
            {"module": "keras.layers", "class_name": "ReLU", "config": {}, "registered_name": "Mine>ReLU"},
            "a part is of the custom class `Mine>ReLU`",
        ),
        (
            {"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"},
            "a part is of the custom class `keras.config.function`",
        ),
        ({"module": "keras_hub.layers", "class_name": "ReLU", "config": {}}, "custom class `keras_hub.layers.ReLU`"),
        ({"module": "os", "class_name": "system", "config": {"command": "true"}}, "custom class `os.system`"),
    ],
    ids=lambda value: value["class_name"] if isinstance(value, dict) else "",
)
def test_what_is_more_is_refused_with_the_reason(tmp_path: Path, layer: dict[str, Any], reason: str) -> None:
    path = keras_file(tmp_path / "more.keras", layer)
    with pytest.raises(ModelError) as refused:
        check_standard_layers(path)
    assert reason in str(refused.value)
    assert str(refused.value).endswith(f"use standard layers only and save it again. Received: {path}")


def test_what_hides_in_nested_models_is_found(tmp_path: Path) -> None:
    inner: dict[str, Any] = {"class_name": "Lambda", "config": {"name": "deep"}}
    for _ in range(300):
        inner = {"module": "keras.src.models.functional", "class_name": "Functional", "config": {"layers": [inner]}}
    with pytest.raises(ModelError, match="layer 'deep' is a `Lambda` layer"):
        check_standard_layers(keras_file(tmp_path / "nested.keras", inner))


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[" * 200_000])
def test_configurations_that_are_none_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "odd.keras"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("config.json", content)
    with pytest.raises(ModelError, match=r"its config\.json cannot be read: .* Received: .*odd\.keras"):
        check_standard_layers(path)


def test_a_configuration_that_claims_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "bomb.keras"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive, archive.open("config.json", "w") as member:
        for _ in range(65):
            member.write(b" " * (1 << 20))
    with pytest.raises(ModelError, match=r"config\.json claims 68157440 bytes"):
        check_standard_layers(path)
