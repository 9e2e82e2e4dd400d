"""Any size, and degraded frames, as options of `celestial train` and `celestial evaluate`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner

from celestial_cli.evaluate import evaluate
from celestial_cli.train import train
from celestialkeras.errors import ModelError
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.degradations import parse_degradation
from small_datasets import DatasetFactory


def result(command: click.Command, *arguments: str | Path) -> Any:
    done = CliRunner().invoke(command, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Takes 20 x 50 pixels, which no whole binning of 64 x 128 gives."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(3)
    frame = keras.Input((20, 50, 1))
    x = layers.Conv2D(4, 3, activation="relu")(frame)
    logits = layers.Dense(2, name="logits")(layers.GlobalMaxPooling2D()(x))
    path = tmp_path / "model.keras"
    keras.Model(frame, layers.Softmax()(logits), name="odd").save(path)
    return path


def test_evaluation_of_degraded_frames_at_an_odd_size(
    make_dataset: DatasetFactory, model: Path, tmp_path: Path
) -> None:
    data = make_dataset((64, 128))
    plain = result(evaluate, model, "--data", data)
    worse = result(evaluate, model, "--data", data, "--degrade", "psf:3")
    assert "degradation" not in plain
    assert (worse["degradation"]["level"], worse["degradation"]["amount"], worse["degradation"]["unit"]) == (
        3,
        6,
        "pixels",
    )
    assert plain["frames"] == worse["frames"] == 6
    dataset = open_dataset(data)
    assert plain["data_sha256"] == dataset.digest
    assert worse["data_sha256"] == dataset.degraded(parse_degradation("psf:3")).digest
    names = {path.name for path in tmp_path.glob("evaluation-*")}
    stems = ("evaluation-test-psf-3", "evaluation-test")
    figures = [f"-{what}.{end}" for what in ("curves", "slices") for end in ("png", "svg")]
    assert names == {f"{stem}{end}" for stem in stems for end in (".csv", ".json", ".png", *figures)}
    first, second = ((tmp_path / f"{stem}.csv").read_text() for stem in stems)
    assert first != second
    again = result(evaluate, model, "--data", data, "--degrade", "psf:3", "--to", tmp_path / "again")
    assert again["data_sha256"] == worse["data_sha256"]
    assert (tmp_path / "again/evaluation-test-psf-3.csv").read_text() == first


@pytest.mark.parametrize("asked", ["fog:3", "psf:9", "psf"])
def test_a_degradation_that_is_none_is_a_matter_of_usage(asked: str) -> None:
    done = CliRunner().invoke(evaluate, ["--degrade", asked])
    assert done.exit_code == 2
    assert "Received: " in done.output


def test_frames_too_small_for_a_model(make_dataset: DatasetFactory, model: Path) -> None:
    data = make_dataset((16, 64), name="small")
    with pytest.raises(ModelError, match="takes 20 x 50 pixels, which averaging does not give from frames of 16 x 64"):
        result(evaluate, model, "--data", data)


def test_training_at_a_size_that_is_no_whole_binning(
    make_dataset: DatasetFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = make_dataset((128, 128))
    monkeypatch.chdir(tmp_path)
    options = ("--model", "celestialnet_edge", "--width", "0.25", "--epochs", "1", "--name", "odd")
    result(train, "--data", data, "--size", "96x64", "--degrade", "jitter:2", *options)
    config = (tmp_path / "runs/odd/config.toml").read_text()
    assert 'size = "96x64"' in config
    assert 'degrade = "jitter:2"' in config
    assert result(evaluate, "runs/odd", "--split", "validation")["frames"] == 6
