"""Benchmark of artifacts: load, latency and memory, each in a fresh process, their turns interleaved.

Shared machines drift, so every artifact gets its share of each round, and what to compare are the medians of one run.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from celestial_edge.card import read_card
from celestial_edge.device.machine import describe_machine
from celestialkeras.errors import ArtifactError
from celestialkeras.lcid.frames import read_frame

SCHEMA = 1
"""Version of the JSON report."""

# With `-m` or a bare `-c` the working folder would come first on the path, and a file there could shadow a package.
_START = (
    "import sys; sys.path[:] = [entry for entry in sys.path if entry]; "
    "from celestial_edge.device.bench_worker import main; main(sys.argv[1], int(sys.argv[2]))"
)


@dataclass(frozen=True)
class BenchOptions:
    """How to measure.

    Attributes:
        frames: Timed frames of each artifact, in all.
        warmup: Frames of each artifact that run first and do not count, the very first reported apart.
        rounds: Turns in which the artifacts alternate.
        threads: Threads of the interpreter.
        fits: A FITS file to time whole verdicts on, from page cache; None times the model alone.
        hdu: HDU of the chip in that file.
    """

    frames: int = 50
    warmup: int = 3
    rounds: int = 5
    threads: int = 2
    fits: Path | None = None
    hdu: int = 1

    def __post_init__(self) -> None:
        for name in ("frames", "warmup", "rounds", "threads"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be 1 or more. Received: {name}={getattr(self, name)}")


@dataclass(frozen=True)
class Latency:
    """Quantiles of single-frame times, milliseconds."""

    minimum: float
    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Latency:
        """Quantiles of times in milliseconds, by linear interpolation."""
        p50, p90, p99 = (float(value) for value in np.percentile(times, (50, 90, 99)))
        return cls(float(min(times)), p50, p90, p99)


@dataclass(frozen=True)
class ArtifactBench:
    """What was measured of one artifact.

    Attributes:
        artifact: Its folder.
        model: Name of the network.
        recipe: How it is stored.
        input: Rows and columns of the model's input.
        frames: Frames that were timed.
        file_mb: Size of the `.tflite` files, MB (1e6 bytes).
        load_ms: Checking the hashes, loading and allocating.
        first_ms: The first invoke.
        invoke: Later invokes, codes to logits.
        end_to_end: From FITS file to verdict; None without a FITS file.
        stages_ms: Median time by stage of the same.
        peak_memory_mb: Most memory resident over the process's life, interpreter of Python included.
        memory_before_load_mb: Memory resident before the artifact was loaded.
    """

    artifact: str
    model: str
    recipe: str
    input: tuple[int, int]
    frames: int
    file_mb: float
    load_ms: float
    first_ms: float
    invoke: Latency
    end_to_end: Latency | None
    stages_ms: dict[str, float] | None
    peak_memory_mb: float
    memory_before_load_mb: float | None


@dataclass(frozen=True)
class BenchReport:
    """A benchmark with the machine that it ran on."""

    machine: dict[str, Any]
    options: BenchOptions
    artifacts: tuple[ArtifactBench, ...]


def bench(
    artifacts: Sequence[str | Path],
    options: BenchOptions,
    on_progress: Callable[[int, int], None] | None = None,
) -> BenchReport:
    """Benchmarks artifacts side by side.

    Args:
        artifacts: Artifact folders.
        options: How to measure.
        on_progress: Called with rounds done and rounds in all.

    Returns:
        One entry an artifact, in the order given.

    Raises:
        ArtifactError: An artifact is unusable, or its process died.
        FrameError: The FITS file cannot be used.
    """
    for artifact in artifacts:
        read_card(artifact)
    if options.fits:
        read_frame(options.fits, options.hdu)
    with ExitStack() as stack:
        workers = [stack.enter_context(_Worker(Path(artifact), options.threads)) for artifact in artifacts]
        for worker in workers:
            worker.warm_up(options)
        shares = [len(part) for part in np.array_split(np.arange(options.frames), options.rounds)]
        for number, share in enumerate(shares, start=1):
            for worker in workers:
                worker.time(share, options)
            if on_progress:
                on_progress(number, len(shares))
        return BenchReport(describe_machine(), options, tuple(worker.finish() for worker in workers))


class _Worker:
    """The parent's end of one `bench_worker` process."""

    def __init__(self, artifact: Path, threads: int) -> None:
        self._artifact = artifact
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START, str(artifact), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._invokes: list[float] = []
        self._stages: list[dict[str, float]] = []
        self._first_ms = 0.0
        self._loaded: dict[str, Any] = {}

    def __enter__(self) -> _Worker:
        self._loaded = self._hear()
        return self

    def __exit__(self, *exception: object) -> None:
        self._process.kill()
        self._process.communicate()

    def warm_up(self, options: BenchOptions) -> None:
        """Runs frames that do not count, and keeps the time of the first."""
        self._first_ms = self._ask(frames=options.warmup)["invoke_ms"][0]
        if options.fits:
            self._ask(fits=str(options.fits), hdu=options.hdu, frames=options.warmup)

    def time(self, frames: int, options: BenchOptions) -> None:
        """Times frames, the model alone and, with a FITS file, the whole way."""
        if not frames:
            return
        self._invokes += self._ask(frames=frames)["invoke_ms"]
        if options.fits:
            self._stages += self._ask(fits=str(options.fits), hdu=options.hdu, frames=frames)["stages_ms"]

    def finish(self) -> ArtifactBench:
        """Ends the process and sums up."""
        memory = self._ask()
        card = self._loaded["card"]
        contract = card["input"]
        stages = None
        if self._stages:
            stages = {name: float(np.median([s[name] for s in self._stages])) for name in self._stages[0]}
        return ArtifactBench(
            artifact=str(self._artifact),
            model=card["model"],
            recipe=card["recipe"],
            input=(
                contract["frame_shape"][0] // contract["binning"],
                contract["frame_shape"][1] // contract["binning"],
            ),
            frames=len(self._invokes),
            file_mb=sum((self._artifact / one["file"]).stat().st_size for one in card["segments"]) / 1e6,
            load_ms=self._loaded["load_ms"],
            first_ms=self._first_ms,
            invoke=Latency.of(self._invokes),
            end_to_end=Latency.of([s["total"] for s in self._stages]) if self._stages else None,
            stages_ms=stages,
            peak_memory_mb=memory["peak_memory_mb"],
            memory_before_load_mb=self._loaded["memory_before_load_mb"],
        )

    def _ask(self, **request: Any) -> dict[str, Any]:
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()
        return self._hear()

    def _hear(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _fail(self) -> None:
        _, errors = self._process.communicate()
        code = self._process.returncode
        last_words = (errors.strip().splitlines() or ["without a word"])[-1]
        why = f"was killed by signal {-code}, out of memory?" if code < 0 else f"failed: {last_words}"
        raise ArtifactError(f"{self._artifact}: its process {why}")
