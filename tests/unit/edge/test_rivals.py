"""Other runtimes beside artifacts: the same network, the same frames."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.compress import rivals
from celestial_edge.compress.rival_worker import _LOADERS
from celestial_edge.compress.rivals import prepare_rivals
from celestial_edge.device.bench import bench
from celestial_edge.device.bench_options import RIVALS, BenchOptions
from celestial_edge.golden import read_golden
from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import KerasPredictor

pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")
pytest.importorskip("tf2onnx", reason="the extra `onnx` is not installed")

OPTIONS = BenchOptions(frames=4, warmup=1, rounds=2, threads=1)


@pytest.fixture
def model(small_model: Any, tmp_path: Path) -> Path:
    path = tmp_path / "small.keras"
    small_model.save(path)
    return path


def test_other_runtimes_are_timed_in_turns_with_an_artifact(
    model: Path, built_artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rivals, "find_spec", lambda name: None if name == "openvino" else object())
    artifact = built_artifacts["static_wi8_ai8"]
    with prepare_rivals(RIVALS, model, artifact, OPTIONS) as prepared:
        (missing,) = prepared.missing
        assert (missing.title, missing.reason) == ("openvino", "not installed: pip install openvino")
        report = bench([artifact], OPTIONS, rivals=prepared.tasks)
    assert report.not_run == ()
    onnxruntime, keras = report.rivals
    assert onnxruntime.runtime.startswith("onnxruntime 1.")
    assert keras.runtime.startswith("keras 3.")
    for one in (onnxruntime, keras):
        assert one.frames == report.artifacts[0].frames == 4
        assert one.model == str(model)
        assert one.invoke.minimum > 0
    assert keras.peak_memory_mb > onnxruntime.peak_memory_mb > report.artifacts[0].peak_memory_mb


def test_a_rival_runs_the_very_network(model: Path, built_artifacts: dict[str, Path]) -> None:
    artifact = built_artifacts["float32"]
    codes = read_golden(artifact).codes
    with prepare_rivals(["onnxruntime"], model, artifact, OPTIONS) as prepared:
        (task,) = prepared.tasks
        run, _ = _LOADERS["onnxruntime"](task.config["model"], 1)
        np.testing.assert_allclose(run(codes[:1]), KerasPredictor(model).logits(codes[:1]), atol=1e-5)
    assert not Path(task.config["model"]).exists()


def test_a_network_of_another_size_is_refused(built_artifacts: dict[str, Path], tmp_path: Path) -> None:
    from toy_networks import network, two_stages

    path = tmp_path / "other.keras"
    network(two_stages, (128, 136, 1)).save(path)
    refused = pytest.raises(ModelError, match=r"must take frames of \(64, 128\).* Received: \(128, 136\)")
    with refused, prepare_rivals(["onnxruntime"], path, built_artifacts["float32"], OPTIONS):
        pass
