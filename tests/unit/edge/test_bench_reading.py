"""Benchmarks read back, put together, and shown in a report."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest

from celestial_edge.bench_chapter import bench_blocks
from celestial_edge.device.bench_reading import read_bench, together
from celestial_edge.device.bench_report import Accuracy, BenchReport, NotRun, Operator, SensorLog
from celestial_edge.device.latency import Latency
from celestial_edge.device.sensors import Reading
from celestialkeras.errors import ArtifactError
from celestialkeras.report.blocks import Charts, Note, Table
from measurements import artifact_bench, bench_report, rival_bench

LIMIT = {"bytes": 512 << 20, "enforced_by": "cgroup v2"}


def _written(path: Path, held: Any) -> Path:
    path.write_text(json.dumps(held))
    return path


def test_what_bench_prints_is_read_back_whole(tmp_path: Path) -> None:
    reading = Reading(
        1.0, {"cpu": 40.0}, {"0-3": 1500.0}, {"0-3": "ondemand"}, ("throttled",), (), {}, {"package": 2.0}
    )
    artifact = artifact_bench(
        end_to_end=Latency(1.0, 2.0, 3.0, 4.0),
        stages_ms={"read": 1.0, "total": 2.0},
        operators={"model.tflite": (Operator("CONV_2D", 3.0, 0.5),)},
        accuracy=Accuracy("set", 10, 9, 0.6, 1.0),
        undelegated=("model.tflite: CONV_2D",),
        joules_per_frame=0.5,
    )
    report = bench_report(
        artifact,
        rivals=(rival_bench(),),
        not_run=(NotRun("x", "net", "load", "killed"),),
        sensors=SensorLog(reading, (reading,), reading, "RAPL"),
        memory_limit=LIMIT,
    )
    path = _written(tmp_path / "bench.json", {**report.to_json(), "budget": None})
    assert read_bench(path) == report


def test_the_record_beside_an_artifact_is_a_benchmark_of_one(tmp_path: Path) -> None:
    one = artifact_bench()
    report = bench_report(one)
    path = _written(tmp_path / "int8-bench.json", {**report.how(), "card_sha256": "0" * 64, **asdict(one)})
    assert read_bench(path) == read_bench(path, "0" * 64) == report
    with pytest.raises(ArtifactError, match="of an earlier artifact; time it again"):
        read_bench(path, "1" * 64)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"schema": 1}', '{"schema": "celestialkeras.bench/2", "artifacts": [{}]}', "3"]
)
def test_what_is_no_benchmark_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "bench.json"
    path.write_text(text)
    with pytest.raises(ArtifactError, match=r"bench\.json: not a benchmark .*`celestial bench --json` prints one"):
        read_bench(path)


def test_a_benchmark_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="No such file"):
        read_bench(tmp_path / "none.json")


def test_benchmarks_made_alike_are_put_together() -> None:
    first, second = artifact_bench("a/b/c"), artifact_bench("a/b/d")
    limited = bench_report(artifact_bench("a/b/e"), memory_limit=LIMIT)
    found = together([bench_report(first), limited, bench_report(second)])
    assert found == [bench_report(first, second), limited]


def test_a_report_shows_its_tables_and_charts() -> None:
    report: BenchReport = bench_report(artifact_bench(), rivals=(rival_bench(),), memory_limit=LIMIT)
    blocks = bench_blocks(report)
    assert [type(block) for block in blocks] == [Note, Table, Charts, Charts]
    note, table, latencies, memory = blocks
    assert isinstance(note, Note)
    assert "memory limited to 512 MiB by cgroup v2" in note.text
    assert isinstance(table, Table)
    assert table.rows[0][0] == "net static_wi8_ai8 whole"
    assert isinstance(latencies, Charts)
    assert isinstance(memory, Charts)
    assert [chart.svg[:5] for chart in (*latencies.charts, *memory.charts)] == ["<svg "] * 3
    assert memory.charts[0].keys == ["net static_wi8_ai8 whole", "onnxruntime 1.32.0 float32"]
