"""The bare install on every supported Python at hand: no TensorFlow, and it decides and measures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).parents[2]
VERSIONS = ("3.10", "3.11", "3.12", "3.13")


def find_python(version: str) -> str | None:
    """An interpreter of this version that answers: this one, one on PATH, or one that pyenv keeps."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *map(str, sorted(kept.glob(f"{version}.*/bin/python3")))]
    for candidate in filter(None, candidates):
        done = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.startswith(f"Python {version}."):
            return candidate
    return None


@pytest.mark.parametrize("version", VERSIONS)
def test_bare_install_predicts_and_benches(
    version: str, tmp_path: Path, built_artifacts: dict[str, Path], uvis_raw: Path
) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    venv = tmp_path / "venv"
    subprocess.run([python, "-m", "venv", venv], check=True)
    # A copy: building in place would leave its traces in the working tree.
    source = tmp_path / "source"
    kept_out = shutil.ignore_patterns(".git", ".venv", "demo", "runs", "*.egg-info", "build", ".*_cache")
    shutil.copytree(REPOSITORY, source, ignore=kept_out)
    subprocess.run([venv / "bin/pip", "install", "--quiet", source], check=True)

    listed = subprocess.run(
        [venv / "bin/pip", "list", "--format", "json"], capture_output=True, text=True, check=True
    ).stdout
    packages = {entry["name"].lower() for entry in json.loads(listed)}
    assert not packages & {"tensorflow", "keras", "tf-keras", "scipy", "matplotlib", "scikit-learn", "galsim"}

    artifact = built_artifacts["static_wi8_ai8"]
    celestial = venv / "bin/celestial"
    decided = subprocess.run(
        [celestial, "predict", uvis_raw, "--model", artifact, "--json"],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        check=True,
    )
    (exposure,) = json.loads(decided.stdout)["exposures"]
    assert [chip["hdu"] for chip in exposure["chips"]] == [1, 4]
    assert exposure["exposure"]["label"] in ("galaxy", "NSC")

    measured = subprocess.run(
        [celestial, "bench", "--tflite", artifact, "--frames", "5", "--fits", uvis_raw, "--json"],
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
    for verb in (["verify"], ["predict", uvis_raw], ["bench", "--tflite", "--frames", "2"]):
        done = subprocess.run([celestial, *verb, "--json"], capture_output=True, text=True, cwd=tmp_path, check=True)
        assert "using the shipped celestialnet_edge, trained on simulated frames" in done.stderr
        first_minute[verb[0]] = json.loads(done.stdout)
    assert first_minute["verify"]["agrees"] is True
    assert Path(first_minute["verify"]["artifact"]).is_relative_to(venv), "it lies in the installed package"
    (exposure,) = first_minute["predict"]["exposures"]
    assert exposure["exposure"]["label"] in ("galaxy", "NSC")
    (shipped,) = first_minute["bench"]["artifacts"]
    assert (shipped["model"], shipped["recipe"]) == ("celestialnet_edge", "static_wi8_ai8")
    assert shipped["peak_memory_mb"] < 150

    # What needs TensorFlow says which extra brings it.
    (tmp_path / "any.keras").touch()
    for refusing in (["models"], ["train", "--data", "."], ["export", "--onnx", "any.keras"]):
        refused = subprocess.run([celestial, *refusing], capture_output=True, text=True, cwd=tmp_path, check=False)
        assert refused.returncode == 1
        assert "needs the extra `train`: pip install 'celestialkeras[train]'" in refused.stderr
