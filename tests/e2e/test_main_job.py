"""The whole story at the terminal: raw FITS files in, a verdict of an int8 artifact out."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from json_page import problems


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("main_job")


def output(folder: Path, *arguments: str, code: int = 0) -> str:
    command = [sys.executable, "-m", "celestial_cli.main", *arguments, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == code, done.stderr
    return done.stdout


def celestial(folder: Path, *arguments: str) -> Any:
    document = json.loads(output(folder, *arguments))
    assert not (found := problems(document)), found
    return document


def predict(folder: Path, *arguments: str, code: int = 0) -> list[Any]:
    return [json.loads(line) for line in output(folder, "predict", *arguments, code=code).splitlines()]


def test_the_main_job(folder: Path) -> None:
    simulated = celestial(folder, "data", "simulate", "--preset", "tiny", "--folder", "frames")
    assert simulated["files"] == 8
    manifest = Path(simulated["manifest"])
    with (folder / manifest).open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 16
    assert {row["Label"] for row in rows} == {"galaxy", "NSC"}

    built = celestial(folder, "data", "build", "frames/manifest.csv", "--to", "shards", "--split", "50/25/25")
    assert sum(built["frames"].values()) == 16
    assert built["frames"]["train"] == 8
    assert built["bad_frames"] == []

    trained = celestial(
        folder, "train", "--data", "shards", "--size", "16", "--epochs", "2", "--batch-size", "4", "--width", "0.25"
    )
    assert trained["epochs"] == 2
    assert (folder / "runs/latest/history.csv").read_text().count("\n") == 3

    evaluated = celestial(folder, "evaluate")
    assert evaluated["split"] == "test"
    assert evaluated["frames"] == built["frames"]["test"]
    for name in ("evaluation-test.json", "evaluation-test.csv", "evaluation-test.png"):
        assert (folder / "runs/latest" / name).stat().st_size > 100

    quantized = celestial(folder, "quantize", "--int8", "--calibration-frames", "4")
    assert quantized["gate"]["outcome"] == "not judged"
    artifact = folder / quantized["artifact"]
    assert sorted(path.name for path in artifact.iterdir()) == ["card.json", "golden.npz", "model.tflite"]

    benched = celestial(folder, "bench", "--tflite", "--frames", "5")
    assert [entry["recipe"] for entry in benched["artifacts"]] == ["static_wi8_ai8", "float32"]
    assert benched["artifacts"][0]["file_mb"] < benched["artifacts"][1]["file_mb"]

    first = str(sorted((folder / "frames").glob("*_raw.fits"))[0])
    (folder / "broken_raw.fits").write_bytes(Path(first).read_bytes()[:1_000_000])
    exposure, broken = predict(folder, first, "broken_raw.fits", code=1)
    assert [chip["hdu"] for chip in exposure["chips"]] == [1, 4]
    assert {entry["reason"] for entry in broken["bad"]} == {"truncated"}
    listed = predict(folder, "frames/manifest.csv")
    assert [chip["hdu"] for one in listed for chip in one["chips"]] == [1, 4] * 8

    # The same frames through the Keras model: int8 may differ a little, not a lot.
    (by_keras,) = predict(folder, first, "--model", "runs/latest/model.keras")
    for ours, theirs in zip(exposure["chips"], by_keras["chips"], strict=True):
        assert ours["logits"] == pytest.approx(theirs["logits"], abs=0.2)

    evaluated_int8 = celestial(folder, "evaluate", quantized["artifact"])
    assert evaluated_int8["frames"] == evaluated["frames"]

    code = (
        "import sys, keras; model = keras.models.load_model('runs/latest/model.keras', safe_mode=True);"
        "print(model.input_shape, model.output_shape, [m for m in sys.modules if m.startswith('celestial')])"
    )
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=folder, check=True)
    assert loaded.stdout.strip() == "(None, 128, 256, 1) (None, 2) []"


def test_what_no_longer_fits_is_refused(folder: Path) -> None:
    """Goes on where the main job ended: another run, another model in the first, another data set under its name."""
    runs = folder / "runs"
    first = (runs / "latest").readlink()
    config = f"runs/{first}/config.toml"
    second = celestial(folder, "train", "--config", config, "--epochs", "1", "--name", "second")
    assert second["epochs"] == 1
    assert (runs / "latest").readlink() == Path("second")
    assert "size = 16" in (runs / "second/config.toml").read_text(), "what is not given anew comes from the file"
    celestial(folder, "train", "--resume", f"runs/{first}")
    assert (runs / "latest").readlink() == first

    shutil.copy(runs / "second/model.keras", runs / first / "model.keras")
    stale = refused(folder, "bench", "--tflite")
    assert f"made of an earlier model of runs/{first}; `celestial quantize --int8` again" in stale

    shutil.rmtree(folder / "shards")
    built = ("data", "build", "frames/manifest.csv", "--to", "shards", "--split", "50/25/25", "--seed", "9")
    celestial(folder, *built)
    moved = refused(folder, "evaluate")
    assert f"no longer the data set that {first} was trained on" in moved
    assert celestial(folder, "evaluate", "--data", "shards", "--split", "train")["split"] == "train"


def refused(folder: Path, *arguments: str) -> str:
    command = [sys.executable, "-m", "celestial_cli.main", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, cwd=folder, check=False)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    return done.stderr


def test_results_are_made_again_alike(folder: Path) -> None:
    again = folder / "again"
    again.mkdir()
    for name in ("one", "two"):
        celestial(folder, "data", "simulate", "--preset", "tiny", "--objects", "2", "--folder", f"again/{name}")
    one, two = (sorted((again / name).glob("*.fits")) for name in ("one", "two"))
    assert [path.name for path in one] == [path.name for path in two]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in two]
