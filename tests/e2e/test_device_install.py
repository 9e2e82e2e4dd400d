"""The bare install on every supported Python at hand: no TensorFlow, and it decides and measures."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from distributions import Distributions
from json_page import problems
from wheel_check import check_wheels

pytestmark = pytest.mark.slow

# 257 MB on Python 3.11 for x86-64, of which pip and setuptools take 24.
LARGEST_MB = 300


def folder_megabytes(folder: Path) -> float:
    return sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file()) / 1e6


@pytest.mark.parametrize("version", check_wheels.VERSIONS)
def test_bare_install_predicts_and_benches(
    version: str,
    tmp_path: Path,
    built_artifacts: dict[str, Path],
    exposed_raw: Path,
    distributions: Distributions,
) -> None:
    python = check_wheels.find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    venv = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", venv], check=True)
    subprocess.run([venv / "bin/pip", "install", "--quiet", distributions.wheel], check=True)

    listed = subprocess.run(
        [venv / "bin/pip", "list", "--format", "json"], capture_output=True, text=True, check=True
    ).stdout
    packages = {entry["name"].lower() for entry in json.loads(listed)}
    assert folder_megabytes(venv) < LARGEST_MB
    assert not packages & {"tensorflow", "keras", "tf-keras", "scipy", "matplotlib", "scikit-learn", "galsim"}

    artifact = built_artifacts["static_wi8_ai8"]
    celestial = venv / "bin/celestial"
    decided = subprocess.run(
        [celestial, "predict", exposed_raw, "--model", artifact, "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    exposure = json.loads(decided.stdout)
    assert [chip["hdu"] for chip in exposure["chips"]] == [1, 4]
    assert exposure["exposure"]["label"] in ("galaxy", "NSC")

    measured = subprocess.run(
        [celestial, "bench", "--tflite", artifact, "--frames", "5", "--fits", exposed_raw, "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    (entry,) = json.loads(measured.stdout)["artifacts"]
    assert entry["end_to_end"]["p50"] > 0
    assert entry["peak_memory_mb"] < 250

    agreed = subprocess.run(
        [celestial, "verify", artifact, "--json"], capture_output=True, text=True, cwd=tmp_path, check=True
    )
    assert json.loads(agreed.stdout)["agrees"] is True

    # With nothing named and no run, the model that came with the package.
    first_minute: dict[str, dict[str, Any]] = {}
    for verb in (["verify"], ["predict", exposed_raw], ["bench", "--tflite", "--frames", "2"]):
        done = subprocess.run([celestial, *verb, "--json"], capture_output=True, text=True, cwd=tmp_path, check=True)
        assert "using the shipped celestialnet_edge, trained on simulated frames" in done.stderr
        first_minute[verb[0]] = json.loads(done.stdout)
    assert first_minute["verify"]["agrees"] is True
    assert Path(first_minute["verify"]["artifact"]).is_relative_to(venv), "it lies in the installed package"
    assert first_minute["predict"]["exposure"]["label"] in ("galaxy", "NSC")
    (shipped,) = first_minute["bench"]["artifacts"]
    assert (shipped["model"], shipped["recipe"]) == ("celestialnet_edge", "static_wi8_ai8")
    assert shipped["peak_memory_mb"] < 150

    networks = subprocess.run([celestial, "models", "--json"], capture_output=True, text=True, cwd=tmp_path, check=True)
    assert "celestialnet_edge" in {one["name"] for one in json.loads(networks.stdout)["models"]}

    examined = subprocess.run([celestial, "doctor", "--json"], capture_output=True, text=True, cwd=tmp_path, check=True)
    doctor = json.loads(examined.stdout)
    assert problems(doctor) == []
    assert doctor["is_well"] is True
    assert [one["name"] for one in doctor["extras"] if one["complete"]] == [""]
    states = {one["name"]: one["state"] for one in doctor["findings"]}
    assert (states["python"], states["packages"], states["runtime"]) == ("ok", "ok", "ok")
    works = {one["verb"]: one["works"] for one in doctor["verbs"]}
    assert works["predict"]
    assert works["watch"]
    assert not works["train"]
    assert not works["sign"]
    script = subprocess.run([celestial, "completion", "bash"], capture_output=True, text=True, check=True).stdout
    assert "_CELESTIAL_COMPLETE=bash_complete" in script

    # What needs cryptography or TensorFlow says which extra brings it.
    signed = shutil.copytree(artifact, tmp_path / "signed")
    (signed / "card.sig").write_text("AAAA")
    asked = [celestial, "verify", signed, "--public-key", "key.pub"]
    refused = subprocess.run(asked, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert refused.returncode == 1
    assert "needs the extra `sign`: pip install 'celestialkeras[sign]'" in refused.stderr

    (tmp_path / "any.keras").touch()
    for refusing in (["train", "--data", "."], ["export", "--onnx", "any.keras"]):
        refused = subprocess.run([celestial, *refusing], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert refused.returncode == 1
        assert "needs the extra `train`: pip install 'celestialkeras[train]'" in refused.stderr
