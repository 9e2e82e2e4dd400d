from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.device.bench import BenchOptions, Latency, bench
from celestial_edge.device.machine import describe_machine, peak_memory_mb, resident_memory_mb
from celestialkeras.errors import ArtifactError, FrameNotFoundError


def test_bench_measures_every_artifact_in_a_process_of_its_own(
    built_artifacts: dict[str, Path], uvis_raw: Path
) -> None:
    rounds: list[tuple[int, int]] = []
    options = BenchOptions(frames=7, warmup=2, rounds=3, threads=1, fits=uvis_raw)
    report = bench(list(built_artifacts.values()), options, lambda done, total: rounds.append((done, total)))

    assert rounds == [(1, 3), (2, 3), (3, 3)]
    assert [entry.recipe for entry in report.artifacts] == ["float32", "static_wi8_ai8"]
    for entry in report.artifacts:
        assert entry.frames == 7
        assert entry.input == (64, 128)
        assert entry.file_mb == (Path(entry.artifact) / "model.tflite").stat().st_size / 1e6
        assert 0 < entry.invoke.minimum <= entry.invoke.p50 <= entry.invoke.p90 <= entry.invoke.p99
        assert entry.first_ms > 0
        assert entry.load_ms > 0
        # An interpreter of Python with numpy, astropy and LiteRT; with TensorFlow it would be three times as much.
        assert 20 < entry.peak_memory_mb < 250
        assert entry.memory_before_load_mb is not None
        assert entry.memory_before_load_mb <= entry.peak_memory_mb
        assert entry.end_to_end is not None
        assert entry.stages_ms is not None
        assert set(entry.stages_ms) == {"read", "stretch", "invoke", "total"}
        assert entry.end_to_end.minimum >= entry.invoke.minimum * 0.5
    assert json.loads(json.dumps(asdict(report), default=str))["machine"]["cores"] >= 1


def test_bench_without_a_fits_file_times_the_model_alone(built_artifacts: dict[str, Path]) -> None:
    report = bench([built_artifacts["static_wi8_ai8"]], BenchOptions(frames=2, warmup=1, rounds=5, threads=1))
    (entry,) = report.artifacts
    assert entry.frames == 2, "more rounds than frames must not add frames"
    assert entry.end_to_end is None
    assert entry.stages_ms is None


def test_bench_refuses_before_it_starts(copy_artifact: Any, tmp_path: Path) -> None:
    folder = copy_artifact()
    with pytest.raises(FrameNotFoundError, match="no such file"):
        bench([folder], BenchOptions(fits=tmp_path / "none.fits"))
    (folder / "model.tflite").write_bytes(b"")
    with pytest.raises(ArtifactError, match="truncated or altered"):
        bench([folder], BenchOptions())


def test_bench_says_why_a_worker_died(copy_artifact: Any) -> None:
    folder = copy_artifact()
    card = json.loads((folder / "card.json").read_text())
    card["input"]["dtype"] = "float32"
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ArtifactError, match=r"its process failed: .*promises an input float32"):
        bench([folder], BenchOptions())


@pytest.mark.parametrize("name", ["frames", "warmup", "rounds", "threads"])
def test_options_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` must be 1 or more. Received: {name}=0"):
        BenchOptions(**{name: 0})


def test_latency_quantiles() -> None:
    latency = Latency.of([float(value) for value in range(101)])
    assert (latency.minimum, latency.p50, latency.p90, latency.p99) == (0.0, 50.0, 90.0, 99.0)


def test_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["cores"] >= 1
    assert machine["memory_mb"] > 100
    assert machine["python"].startswith("3.")
    assert machine["litert"]


def test_peak_memory_follows_what_is_allocated() -> None:
    before = peak_memory_mb()
    held = np.ones(60_000_000, np.uint8)
    now = resident_memory_mb()
    assert now is not None
    assert peak_memory_mb() >= max(before, now - 1)
    assert peak_memory_mb() - before < 100
    assert held.nbytes / 1e6 < now
