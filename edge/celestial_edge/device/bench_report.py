"""What a benchmark measured, as data and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from celestial_edge.device.latency import Histogram, Latency
from celestial_edge.device.sensors import Reading

SCHEMA = "celestialkeras.bench/2"
"""Version of the JSON report."""


@dataclass(frozen=True)
class Measured:
    """What was measured of one process.

    Attributes:
        frames: Frames that were timed.
        load_ms: Checking the hashes, loading and allocating.
        first_ms: The first invoke.
        invoke: Later invokes, codes to logits.
        histogram: The same times.
        peak_memory_mb: Most memory resident over the process's life, interpreter of Python included.
        steady_memory_mb: Memory resident after the last timed frame; None where the system does not say.
        memory_before_load_mb: Memory resident before the artifact was loaded.
        memory_over_time: Seconds since the process was started, and MB resident.
        joules_per_frame: Energy of the whole machine while frames were timed, its rest included, for each of them;
            None where no sensor tells.
        within_limit: Whether the resident peak kept the memory limit; None without one.
    """

    frames: int
    load_ms: float
    first_ms: float
    invoke: Latency
    histogram: Histogram
    peak_memory_mb: float
    steady_memory_mb: float | None
    memory_before_load_mb: float | None
    memory_over_time: tuple[tuple[float, float], ...]
    joules_per_frame: float | None
    within_limit: bool | None


@dataclass(frozen=True)
class Operator:
    """One kind of operator in LiteRT's own profile.

    Attributes:
        kind: What LiteRT or its delegate calls it.
        milliseconds: Mean time in one invoke of its graph, of all operators of this kind.
        share: Part of the graph's time.
    """

    kind: str
    milliseconds: float
    share: float


@dataclass(frozen=True)
class Accuracy:
    """What the timed process made of labelled frames.

    Attributes:
        data: The data set's folder.
        frames: Frames of its test side.
        correct: Those that were classified rightly.
        low: Lower end of the 95 % interval: objects drawn anew, or Wilson's where there is but one.
        high: Upper end.
    """

    data: str
    frames: int
    correct: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """Share of frames that were classified rightly."""
        return self.correct / self.frames


@dataclass(frozen=True)
class ArtifactBench(Measured):
    """What was measured of one artifact.

    Attributes:
        artifact: Its folder.
        model: Name of the network.
        recipe: How it is stored.
        layout: How it is laid out in graphs.
        input: Rows and columns of the model's input.
        file_mb: Size of the `.tflite` files, MB (1e6 bytes).
        parts_ms: Median time of each graph over all its strips, by file.
        undelegated: Convolutions and dense layers that XNNPACK did not take.
        end_to_end: From FITS file to verdict; None without a FITS file.
        stages_ms: Median time by stage of the same.
        operators: By file, operators by time, from LiteRT's benchmark tool; None where it is not on the path.
        accuracy: On labelled frames; None where none were given.
    """

    artifact: str
    model: str
    recipe: str
    layout: str
    input: tuple[int, int]
    file_mb: float
    parts_ms: Mapping[str, float]
    undelegated: tuple[str, ...]
    end_to_end: Latency | None
    stages_ms: Mapping[str, float] | None
    operators: Mapping[str, tuple[Operator, ...]] | None
    accuracy: Accuracy | None


@dataclass(frozen=True)
class RivalBench(Measured):
    """What was measured of another runtime.

    Attributes:
        runtime: Its name and version.
        model: What it ran.
    """

    runtime: str
    model: str


@dataclass(frozen=True)
class NotRun:
    """What could not be measured.

    Attributes:
        subject: The artifact's folder, or the runtime's name.
        title: What a table calls it.
        stage: What it was doing: `load`, `first invoke`, `timing` or `accuracy`.
        reason: Why it ended there.
    """

    subject: str
    title: str
    stage: str
    reason: str


@dataclass(frozen=True)
class SensorLog:
    """What the sensors said before, during and after.

    Attributes:
        before: A reading before the first process was started.
        during: Readings while processes ran, in order.
        after: A reading after the last of them ended.
        energy_source: What energy was counted by; None where no sensor tells.
    """

    before: Reading
    during: tuple[Reading, ...]
    after: Reading
    energy_source: str | None


@dataclass(frozen=True)
class BenchReport:
    """A benchmark with the machine that it ran on.

    Attributes:
        machine: What `describe_machine` said.
        options: How it was measured, plain JSON values.
        scenario: `MLPerf SingleStream` where its rules on duration and number of queries were kept; None elsewhere.
        memory_limit: `bytes` and `enforced_by`; None without a limit.
        sensors: None on a machine without any.
        artifacts: One entry for each artifact that could be measured, in the order given.
        rivals: The same for other runtimes.
        not_run: What could not be measured, and why.
    """

    machine: Mapping[str, Any]
    options: Mapping[str, Any]
    scenario: str | None
    memory_limit: Mapping[str, Any] | None
    sensors: SensorLog | None
    artifacts: tuple[ArtifactBench, ...]
    rivals: tuple[RivalBench, ...]
    not_run: tuple[NotRun, ...]

    def how(self) -> dict[str, Any]:
        """Everything but the measurements, as plain data: what each of them is kept with."""
        return {
            "schema": SCHEMA,
            "machine": dict(self.machine),
            "options": dict(self.options),
            "scenario": self.scenario,
            "memory_limit": self.memory_limit and dict(self.memory_limit),
        }

    def to_json(self) -> dict[str, Any]:
        """The report as plain data."""
        return {
            **self.how(),
            "sensors": self.sensors and asdict(self.sensors),
            "artifacts": [asdict(entry) for entry in self.artifacts],
            "rivals": [asdict(entry) for entry in self.rivals],
            "not_run": [asdict(entry) for entry in self.not_run],
        }
