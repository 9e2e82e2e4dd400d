"""The parent's end of one `bench_worker` process: asks it, and adds up what it answers."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from celestial_edge.device.bench_report import Measured
from celestial_edge.device.energy import Energy, energy_between
from celestial_edge.device.latency import Histogram, Latency
from celestial_edge.device.memory_limit import MemoryLimit
from celestial_edge.device.sampler import MemoryTrack, Sampler
from celestialkeras.errors import ArtifactError
from celestialkeras.workers import CLEAN_PATH

# The limit comes before anything that takes memory is imported.
_START = CLEAN_PATH + (
    "import json; "
    "config = json.loads(sys.argv[1]); "
    "from celestial_edge.device.memory_limit import enter_limit; enter_limit(config['limit']); "
    "from {module} import main; main(config)"
)


class ProcessDiedError(ArtifactError):
    """The process of a subject ended instead of answering. `stage` is what it was doing, `why` how it ended."""

    def __init__(self, subject: str, stage: str, why: str) -> None:
        super().__init__(f"{subject}: its process {why}")
        self.stage = stage
        self.why = why


@dataclass(frozen=True)
class Task:
    """What a process is started for.

    Attributes:
        subject: What it is about, for messages: the artifact's folder, or the runtime's name.
        title: What a table calls it.
        module: The module whose `main` serves it.
        config: What that is given, plain JSON values.
        rival: Whether it is another runtime; the benchmark goes on without one that fails.
    """

    subject: str
    title: str
    module: str
    config: Mapping[str, Any]
    rival: bool = False


@dataclass
class _Times:
    """Times of one kind, by column, and the energy that went into them."""

    columns: dict[str, array[float]] = field(default_factory=dict)
    joules: float | None = 0.0

    def medians(self) -> dict[str, float]:
        return {name: float(np.median(times)) for name, times in self.columns.items()}


class BenchProcess:
    """A process that serves one subject, until the block that it is entered for ends.

    Attributes:
        task: What it was started for.
        facts: What it said when it had loaded.
        energy_source: What its energy was counted by; None where no sensor tells.
    """

    def __init__(self, task: Task, limit: MemoryLimit | None, sampler: Sampler) -> None:
        self.task = task
        self.facts: dict[str, Any] = {}
        self.energy_source: str | None = None
        self._limit = limit
        # Objects that live at once differ in their identity.
        self._group = f"celestial-bench-{os.getpid()}-{id(self)}"
        self._sampler = sampler
        self._stage = "load"
        self._process: subprocess.Popen[str] | None = None
        self._track: MemoryTrack | None = None
        self._first_ms = 0.0
        self._steady: float | None = None
        self._peak = 0.0
        self._invokes, self._verdicts = _Times(), _Times()

    def __enter__(self) -> BenchProcess:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def start(self) -> None:
        """Starts the process and waits until its subject is loaded."""
        entry = self._limit.entry(self._group) if self._limit else {}
        config = json.dumps({**self.task.config, "limit": entry})
        self._process = subprocess.Popen(
            [sys.executable, "-c", _START.format(module=self.task.module), config],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._track = self._sampler.track(self._process.pid)
        self.facts = self._hear()

    def close(self) -> None:
        """Ends the process, whatever it is doing."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            if self._limit:
                self._limit.leave(self._group)

    def warm_up(self, frames: int) -> None:
        """Runs frames that do not count, and keeps the time of the first."""
        self._stage = "first invoke"
        self._ask({"frames": frames, "seconds": 0})
        self._first_ms = self._gather(_Times()).columns["invoke"][0]

    def warm_up_verdicts(self, fits: Path, hdu: int, frames: int) -> None:
        """Gives verdicts that do not count."""
        self._stage = "first invoke"
        self._ask({"fits": str(fits), "hdu": hdu, "frames": frames, "seconds": 0})
        self._gather(_Times())

    def time_invokes(self, frames: int, seconds: float) -> None:
        """Times the model alone."""
        self._stage = "timing"
        self._timed({"frames": frames, "seconds": seconds}, self._invokes)

    def time_verdicts(self, fits: Path, hdu: int, frames: int, seconds: float) -> None:
        """Times the whole way from a FITS file."""
        self._stage = "timing"
        self._timed({"fits": str(fits), "hdu": hdu, "frames": frames, "seconds": seconds}, self._verdicts)

    def logits(self, codes: Path) -> Sequence[tuple[float, float]]:
        """Logits of the frames `uint8 (n, H, W)` in an `.npy` file."""
        self._stage = "accuracy"
        self._ask({"codes": str(codes)})
        return [(galaxy, nsc) for galaxy, nsc in self._hear()["logits"]]

    def measured(self) -> Measured:
        """Sums up what was timed."""
        assert self._track is not None
        times = self._invokes.columns["invoke"]
        return Measured(
            frames=len(times),
            load_ms=self.facts["load_ms"],
            first_ms=self._first_ms,
            invoke=Latency.of(times),
            histogram=Histogram.of(times),
            peak_memory_mb=self._peak,
            steady_memory_mb=self._steady,
            memory_before_load_mb=self.facts["memory_before_load_mb"],
            memory_over_time=tuple(self._track.series.samples),
            joules_per_frame=None if self._invokes.joules is None else self._invokes.joules / len(times),
            within_limit=1e6 * self._peak <= self._limit.limit if self._limit else None,
        )

    @property
    def parts_ms(self) -> dict[str, float]:
        """Median time of each part of an invoke."""
        return {name: median for name, median in self._invokes.medians().items() if name != "invoke"}

    @property
    def stages_ms(self) -> dict[str, float] | None:
        """Median time of each stage from a FITS file; None if that was not timed."""
        return self._verdicts.medians() or None

    @property
    def end_to_end(self) -> Latency | None:
        """From FITS file to verdict; None if that was not timed."""
        return Latency.of(self._verdicts.columns["total"]) if self._verdicts.columns else None

    def _timed(self, request: Mapping[str, Any], times: _Times) -> None:
        begin = self._sampler.read()
        self._ask(request)
        self._gather(times)
        end = self._sampler.read()
        between = [one for one in self._sampler.readings if begin.seconds < one.seconds < end.seconds]
        energy: Energy | None = energy_between([begin, *between, end])
        if energy is None or times.joules is None:
            times.joules = None
        else:
            times.joules += energy.joules
            self.energy_source = energy.source

    def _gather(self, times: _Times) -> _Times:
        more = True
        while more:
            answer = self._hear()
            for name, milliseconds in answer["columns"].items():
                times.columns.setdefault(name, array("d")).extend(milliseconds)
            more, self._steady, self._peak = answer["more"], answer["memory_mb"], answer["peak_memory_mb"]
        assert self._track is not None
        self._track.look()
        return times

    def _ask(self, request: Mapping[str, Any]) -> None:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            self._fail()

    def _hear(self) -> dict[str, Any]:
        assert self._process is not None
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._fail()
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _fail(self) -> None:
        assert self._process is not None
        _, errors = self._process.communicate()
        code = self._process.returncode
        last_words = (errors.strip().splitlines() or ["without a word"])[-1]
        if code < 0:
            why = f"was killed by signal {-code} ({signal.Signals(-code).name}), out of memory?"
        else:
            why = f"failed: {last_words}"
        raise ProcessDiedError(self.task.subject, self._stage, why)
