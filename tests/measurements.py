"""Measurements made up for tests of how they are shown."""

from __future__ import annotations

from typing import Any

from celestial_edge.device.bench_options import BenchOptions
from celestial_edge.device.bench_report import ArtifactBench, BenchReport, NotRun, RivalBench
from celestial_edge.device.latency import Histogram, Latency

MACHINE = {
    "board": None,
    "processor": "Some CPU",
    "cores": 4,
    "memory_mb": 1024,
    "system": "Linux aarch64",
    "python": "3.11.2",
    "litert": "2.3.0",
}


def measured(**changes: Any) -> dict[str, Any]:
    """Fields of a process that took 1 to 100 ms a frame."""
    times = [float(value) for value in range(1, 101)]
    return {
        "frames": 100,
        "load_ms": 12.4,
        "first_ms": 7.25,
        "invoke": Latency.of(times),
        "histogram": Histogram.of(times),
        "peak_memory_mb": 234.4,
        "steady_memory_mb": 200.2,
        "memory_before_load_mb": 54.0,
        "memory_over_time": ((0.0, 10.0), (0.5, 234.4), (1.0, 200.2)),
        "joules_per_frame": None,
        "within_limit": None,
        **changes,
    }


def artifact_bench(artifact: str = "runs/one/artifacts/static_wi8_ai8", **changes: Any) -> ArtifactBench:
    """An int8 artifact of one graph."""
    fields = {
        "artifact": artifact,
        "model": "net",
        "recipe": "static_wi8_ai8",
        "layout": "whole",
        "input": (512, 1024),
        "file_mb": 0.757,
        "parts_ms": {"model.tflite": 50.0},
        "undelegated": (),
        "end_to_end": None,
        "stages_ms": None,
        "operators": None,
        "accuracy": None,
    }
    return ArtifactBench(**{**measured(), **fields, **changes})


def rival_bench(**changes: Any) -> RivalBench:
    """Another runtime."""
    return RivalBench(**measured(**changes), runtime="onnxruntime 1.32.0 float32", model="runs/one/model.keras")


def bench_report(
    *artifacts: ArtifactBench,
    rivals: tuple[RivalBench, ...] = (),
    not_run: tuple[NotRun, ...] = (),
    options: BenchOptions | None = None,
    **changes: Any,
) -> BenchReport:
    """A report of these."""
    options = options or BenchOptions()
    fields: dict[str, Any] = {"memory_limit": None, "sensors": None, **changes}
    return BenchReport(
        MACHINE, options.to_json(), options.scenario, **fields, artifacts=artifacts, rivals=rivals, not_run=not_run
    )
