"""How a benchmark measures."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

OFFICIAL_SECONDS = 600.0
"""Least duration of a run by MLPerf's rules (inference_rules.adoc, "Scenarios"), SingleStream."""

OFFICIAL_QUERIES = 1024
"""Least number of queries of the same. Its figure is the 90th percentile of the latency."""

RIVALS = ("onnxruntime", "openvino", "keras")
"""Other runtimes that artifacts can be timed against."""


@dataclass(frozen=True)
class BenchOptions:
    """How to measure.

    Attributes:
        frames: Timed frames of each artifact, in all; with a duration, at least as many.
        warmup: Frames of each artifact that run first and do not count, the very first reported apart.
        rounds: Turns in which the artifacts alternate; with one, an artifact's process ends before the next starts.
        threads: Threads of the interpreter.
        fits: A FITS file to time whole verdicts on, from page cache; None times the model alone.
        hdu: HDU of the chip in that file.
        cpus: Processors that the processes stay on; None for any.
        duration_s: Seconds for which each artifact is timed at least, the model alone and verdicts each.
        memory_limit: Bytes that each process may take; None for all there are.
    """

    frames: int = 50
    warmup: int = 3
    rounds: int = 5
    threads: int = 2
    fits: Path | None = None
    hdu: int = 1
    cpus: tuple[int, ...] | None = None
    duration_s: float = 0.0
    memory_limit: int | None = None

    def __post_init__(self) -> None:
        for name in ("frames", "warmup", "rounds", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more. Received: {name}={getattr(self, name)}")

    @property
    def scenario(self) -> str | None:
        """`MLPerf SingleStream` where its rules on duration and number of queries are kept."""
        enough = self.frames >= OFFICIAL_QUERIES and self.duration_s >= OFFICIAL_SECONDS
        return "MLPerf SingleStream" if enough and self.rounds == 1 else None

    def official(self) -> BenchOptions:
        """These options, with what the rules of MLPerf SingleStream ask of duration and number of queries."""
        frames, seconds = max(self.frames, OFFICIAL_QUERIES), max(self.duration_s, OFFICIAL_SECONDS)
        return replace(self, frames=frames, duration_s=seconds, rounds=1)

    def to_json(self) -> dict[str, Any]:
        """The options as plain data."""
        return {**asdict(self), "fits": self.fits and str(self.fits), "cpus": self.cpus and list(self.cpus)}
