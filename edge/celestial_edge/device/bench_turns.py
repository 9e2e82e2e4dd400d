"""The processes of a benchmark, started, timed in turns and ended; one that dies under a limit is put down as such."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import partial

from celestial_edge.device.bench_options import BenchOptions
from celestial_edge.device.bench_process import BenchProcess, ProcessDiedError, Task
from celestial_edge.device.bench_report import NotRun
from celestial_edge.device.memory_limit import MemoryLimit
from celestial_edge.device.sampler import Sampler


@dataclass
class Turns:
    """Takes tasks through a benchmark.

    Attributes:
        options: How to measure.
        limit: What each process is held to; None for nothing.
        sampler: Follows them.
        not_run: Tasks whose process ended too early. Without a limit that of an artifact raises instead.
    """

    options: BenchOptions
    limit: MemoryLimit | None
    sampler: Sampler
    not_run: list[NotRun] = field(default_factory=list)

    def run(
        self,
        tasks: Sequence[Task],
        on_timed: Callable[[BenchProcess], None],
        on_round: Callable[[int, int], None],
    ) -> None:
        """Times tasks side by side: all of them are loaded before the first is timed.

        Args:
            tasks: What to time.
            on_timed: Called with each process that has been timed, while it still runs.
            on_round: Called with rounds done and rounds in all.

        Raises:
            ArtifactError: An artifact's process died without a memory limit.
        """
        each, over = divmod(self.options.frames, self.options.rounds)
        shares = [each + (number < over) for number in range(self.options.rounds)]
        with ExitStack() as stack:
            processes = [stack.enter_context(BenchProcess(task, self.limit, self.sampler)) for task in tasks]
            processes = self._each(processes, BenchProcess.start)
            processes = self._each(processes, self._warm_up)
            for number, share in enumerate(shares, start=1):
                processes = self._each(processes, partial(self._time, frames=share))
                on_round(number, len(shares))
            self._each(processes, on_timed)

    def _each(self, processes: Sequence[BenchProcess], step: Callable[[BenchProcess], None]) -> list[BenchProcess]:
        """Takes processes a step further, and gives those that live."""
        alive = []
        for process in processes:
            try:
                step(process)
                alive.append(process)
            except ProcessDiedError as error:
                if self.limit is None and not process.task.rival:
                    raise
                self.not_run.append(NotRun(process.task.subject, process.task.title, error.stage, error.why))
        return alive

    def _warm_up(self, process: BenchProcess) -> None:
        process.warm_up(self.options.warmup)
        if self.options.fits and not process.task.rival:
            process.warm_up_verdicts(self.options.fits, self.options.hdu, self.options.warmup)

    def _time(self, process: BenchProcess, frames: int) -> None:
        seconds = self.options.duration_s / self.options.rounds
        if not frames and not seconds:
            return
        process.time_invokes(frames, seconds)
        if self.options.fits and not process.task.rival:
            process.time_verdicts(self.options.fits, self.options.hdu, frames, seconds)
