"""Benchmarks read back from the JSON that `celestial bench` prints, or keeps beside a run's artifact."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from celestial_edge.device.bench_report import (
    SCHEMA,
    Accuracy,
    ArtifactBench,
    BenchReport,
    NotRun,
    Operator,
    RivalBench,
    SensorLog,
)
from celestial_edge.device.latency import Histogram, Latency
from celestial_edge.device.sensors import Reading
from celestialkeras.errors import ArtifactError


def read_bench(path: Path, card_sha256: str | None = None) -> BenchReport:
    """Reads a benchmark.

    Args:
        path: What `celestial bench --json` printed, or the record that it keeps beside a run's artifact, which is that
            of one artifact, without the readings of sensors.
        card_sha256: SHA-256 of the card that such a record must be of; None for any.

    Returns:
        The benchmark.

    Raises:
        ArtifactError: There is no such file, it is not such a benchmark, or it is of another artifact.
    """
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
        if held["schema"] != SCHEMA:
            raise ValueError(f"schema {held['schema']!r}, expected {SCHEMA}")
        if card_sha256 is not None and held["card_sha256"] != card_sha256:
            raise ArtifactError(f"{path}: of an earlier artifact; time it again")
        single = "artifact" in held
        return BenchReport(
            machine=held["machine"],
            options=held["options"],
            scenario=held["scenario"],
            memory_limit=held["memory_limit"],
            sensors=_sensors(held.get("sensors")),
            artifacts=tuple(_artifact(one) for one in ([held] if single else held["artifacts"])),
            rivals=tuple(_rival(one) for one in held.get("rivals", ())),
            not_run=tuple(NotRun(**one) for one in held.get("not_run", ())),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ArtifactError(
            f"{path}: not a benchmark ({type(error).__name__}: {error}); `celestial bench --json` prints one"
        ) from error


def together(reports: Sequence[BenchReport]) -> list[BenchReport]:
    """Puts benchmarks that were made alike, on one machine with one set of options, into one.

    Args:
        reports: Benchmarks, in order.

    Returns:
        As many as there are ways they were made; those with readings of sensors stay by themselves.
    """
    found: list[BenchReport] = []
    for one in reports:
        alike = [number for number, other in enumerate(found) if other.how() == one.how() and not other.sensors]
        if one.sensors or not alike:
            found.append(one)
            continue
        other = found[alike[0]]
        found[alike[0]] = replace(
            other,
            artifacts=(*other.artifacts, *one.artifacts),
            rivals=(*other.rivals, *one.rivals),
            not_run=(*other.not_run, *one.not_run),
        )
    return found


def _measured(held: Mapping[str, Any]) -> dict[str, Any]:
    plain = ("frames", "load_ms", "first_ms", "peak_memory_mb", "steady_memory_mb", "memory_before_load_mb")
    histogram = held["histogram"]
    return {
        **{name: held[name] for name in (*plain, "joules_per_frame", "within_limit")},
        "invoke": Latency(**held["invoke"]),
        "histogram": Histogram(tuple(histogram["edges_ms"]), tuple(histogram["counts"]), histogram["beyond"]),
        "memory_over_time": tuple((seconds, megabytes) for seconds, megabytes in held["memory_over_time"]),
    }


def _artifact(held: Mapping[str, Any]) -> ArtifactBench:
    rows, columns = held["input"]
    operators = held["operators"]
    return ArtifactBench(
        **_measured(held),
        **{name: held[name] for name in ("artifact", "model", "recipe", "layout", "file_mb", "parts_ms", "stages_ms")},
        input=(rows, columns),
        undelegated=tuple(held["undelegated"]),
        end_to_end=Latency(**held["end_to_end"]) if held["end_to_end"] else None,
        operators={file: tuple(Operator(**one) for one in found) for file, found in operators.items()}
        if operators
        else None,
        accuracy=Accuracy(**held["accuracy"]) if held["accuracy"] else None,
    )


def _rival(held: Mapping[str, Any]) -> RivalBench:
    return RivalBench(**_measured(held), runtime=held["runtime"], model=held["model"])


def _sensors(held: Mapping[str, Any] | None) -> SensorLog | None:
    if not held:
        return None
    return SensorLog(
        before=_reading(held["before"]),
        during=tuple(_reading(one) for one in held["during"]),
        after=_reading(held["after"]),
        energy_source=held["energy_source"],
    )


def _reading(held: Mapping[str, Any]) -> Reading:
    listed = {name: tuple(held[name]) for name in ("throttling", "throttled_since_boot")}
    return Reading(**{**held, **listed})
