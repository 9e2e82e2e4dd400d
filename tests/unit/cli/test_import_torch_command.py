"""`celestial import-torch`, as typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from celestial_cli.main import celestial
from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import load_model
from published_network import random_state, write_safetensors


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    return random_state(divisor=32, positions=1)


@pytest.fixture
def saved(state: dict[str, Any], tmp_path: Path) -> Path:
    return write_safetensors(tmp_path / "state.safetensors", state, {"float32": "F32", "int64": "I64"})


def run(*arguments: object) -> Result:
    return CliRunner().invoke(celestial, ["import-torch", *map(str, arguments)], standalone_mode=False)


def test_json_and_the_model(saved: Path, state: dict[str, Any], tmp_path: Path) -> None:
    output = tmp_path / "nets" / "model.keras"
    done = run(saved, "-o", output, "--size", "1322x1400", "--nsc-first", "--json")
    assert done.exception is None
    assert done.stderr == f"importing {saved}\n"
    assert json.loads(done.stdout) == {
        "schema": "celestialkeras.import/1",
        "path": str(output),
        "state": str(saved),
        "state_entries": 90,
        "network": "hr_celestialnet",
        "input_shape": [1322, 1400, 1],
        "width": 0.03125,
        "classes": 2,
        "nsc_first": True,
        "trainable_parameters": sum(
            tensor.size for name, tensor in state.items() if name.endswith((".weight", ".bias"))
        ),
    }
    model = load_model(output)
    assert model.input_shape == (None, 1322, 1400, 1)
    np.testing.assert_array_equal(np.asarray(model.get_layer("logits").bias), state["fc3.bias"][::-1])
    np.testing.assert_array_equal(
        np.asarray(model.get_layer("stage3_conv2").kernel), state["conv3.3.weight"].transpose(2, 3, 1, 0)
    )


def test_table(saved: Path, tmp_path: Path) -> None:
    done = run(saved, "-o", tmp_path / "model.keras", "--size", "1322x1322")
    assert done.exception is None
    for part in ("1322 x 1322", "0.03125", "from 90 entries", "galaxy, NSC: taken to be as in the state dict"):
        assert part in done.stdout


def test_a_size_is_asked_for_where_whole_frames_do_not_fit(saved: Path, tmp_path: Path) -> None:
    done = run(saved, "-o", tmp_path / "model.keras")
    assert isinstance(done.exception, ModelError)
    assert "name the size that the network was trained on: 1322 to 1577 high and 1322 to 1577 wide" in str(
        done.exception
    )
    assert not (tmp_path / "model.keras").exists()


@pytest.mark.parametrize("size", ["1322", "1322x", "0x1322", "-1x5", "1322X1322"])
def test_sizes_are_height_and_width(saved: Path, tmp_path: Path, size: str) -> None:
    done = run(saved, "-o", tmp_path / "model.keras", f"--size={size}")
    assert isinstance(done.exception, click.BadParameter)
    assert f"must be height and width in pixels, such as 2048x4096. Received: {size!r}" in str(done.exception)
