from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from celestial_cli.main import celestial
from celestialkeras.errors import DatasetError, ModelError

pytest.importorskip("onnxruntime", reason="ONNX is exported and checked by the extra `onnx`, which is not installed")
pytest.importorskip("tf2onnx", reason="ONNX is exported with the extra `onnx`, which is not installed")


@pytest.fixture
def saved(small_model: Any, tmp_path: Path) -> Path:
    path = tmp_path / "small.keras"
    small_model.save(path)
    return path


def run(*arguments: object) -> Result:
    return CliRunner().invoke(celestial, ["export", *map(str, arguments)], standalone_mode=False)


def test_the_file_lands_beside_the_model_with_what_was_checked(saved: Path) -> None:
    done = run(saved, "--onnx")
    assert done.exception is None
    assert saved.with_suffix(".onnx").is_file()
    assert done.stderr == f"exporting {saved}\n"
    assert "1 x 64 x 128 x 1" in done.stdout
    assert "opset 13: " in done.stdout
    assert "from Keras, on 4 frames in onnxruntime" in done.stdout


def test_json_and_another_place_and_real_frames(saved: Path, make_dataset: Any, tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "net.onnx"
    done = run(saved, "--onnx", "-o", file, "--data", make_dataset(), "--json")
    report = json.loads(done.stdout)
    assert report["path"] == str(file)
    assert file.is_file()
    assert report["metadata"]["binning"] == "1"
    assert report["check"]["difference"] <= report["check"]["tolerance"]
    assert not saved.with_suffix(".onnx").exists()


def test_a_format_must_be_named(saved: Path) -> None:
    done = run(saved)
    assert isinstance(done.exception, click.UsageError)
    assert str(done.exception) == "name a format: --onnx"


def test_what_is_not_there_is_refused(saved: Path, tmp_path: Path) -> None:
    gone = run(tmp_path / "none.keras", "--onnx")
    assert isinstance(gone.exception, ModelError)
    nowhere = run(saved, "--onnx", "--data", tmp_path / "nowhere")
    assert isinstance(nowhere.exception, DatasetError)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["small.keras"]
