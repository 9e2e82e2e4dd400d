"""Benchmark of artifacts: load, latency and memory, each in a fresh process, their turns interleaved.

Shared machines drift, so every artifact gets its share of each round, and what to compare are the medians of one run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from celestial_edge.card import Card, read_card
from celestial_edge.device.bench_accuracy import LabelledFrames, judge
from celestial_edge.device.bench_options import BenchOptions
from celestial_edge.device.bench_process import BenchProcess, Task
from celestial_edge.device.bench_report import ArtifactBench, BenchReport, RivalBench, SensorLog
from celestial_edge.device.bench_turns import Turns
from celestial_edge.device.machine import describe_machine
from celestial_edge.device.memory_limit import choose_limit
from celestial_edge.device.operators import operators_of
from celestial_edge.device.sampler import Sampler
from celestial_edge.device.sensors import Sensors
from celestial_edge.trust import Trust
from celestialkeras.lcid.frames import read_frame


def bench(
    artifacts: Sequence[str | Path],
    options: BenchOptions,
    on_progress: Callable[[int, int], None] | None = None,
    rivals: Sequence[Task] = (),
    labelled: LabelledFrames | None = None,
    trust: Trust | None = None,
) -> BenchReport:
    """Benchmarks artifacts side by side.

    Args:
        artifacts: Artifact folders.
        options: How to measure.
        on_progress: Called with rounds done and rounds in all.
        rivals: Other runtimes, timed in turns with the artifacts.
        labelled: Frames whose truth is known; each artifact's process classifies them once it has been timed.
        trust: What each artifact must prove; None for nothing.

    Returns:
        One entry an artifact, in the order given. Under a memory limit, one that does not run is among `not_run`.

    Raises:
        ArtifactError: An artifact is unusable or not trusted, or its process died without a memory limit.
        DatasetError: The labelled frames are none that an artifact takes.
        FrameError: The FITS file cannot be used.
    """
    trust = trust or Trust()
    cards = [read_card(artifact, trust) for artifact in artifacts]
    if labelled is not None:
        for card in cards:
            labelled.check(card)
    if options.fits:
        read_frame(options.fits, options.hdu)
    tasks = [*(_task(Path(path), card, options, trust) for path, card in zip(artifacts, cards, strict=True)), *rivals]
    # In turns all are loaded at once; in one round each has the machine to itself, from its start to its end.
    groups = [[task] for task in tasks] if options.rounds == 1 else [tasks]
    results = _Results({str(Path(path)): card for path, card in zip(artifacts, cards, strict=True)}, options, labelled)
    limit = choose_limit(options.memory_limit) if options.memory_limit else None
    with Sampler(Sensors()) as sampler:
        turns = Turns(options, limit, sampler)
        for number, group in enumerate(groups):

            def on_round(done: int, total: int, before: int = number) -> None:
                if on_progress:
                    on_progress(before * total + done, len(groups) * total)

            turns.run(group, results.take, on_round)
        after = sampler.read()
    sensors = None
    if sampler.before:
        during = tuple(reading for reading in sampler.readings if reading is not after)
        sensors = SensorLog(sampler.before, during, after, results.energy_source)
    return BenchReport(
        machine=describe_machine(),
        options=options.to_json(),
        scenario=options.scenario,
        memory_limit={"bytes": limit.limit, "enforced_by": limit.enforced_by} if limit else None,
        sensors=sensors,
        artifacts=tuple(results.artifacts),
        rivals=tuple(results.rivals),
        not_run=tuple(turns.not_run),
    )


def _task(folder: Path, card: Card, options: BenchOptions, trust: Trust) -> Task:
    return Task(
        subject=str(folder),
        title=f"{card.model} {card.recipe} {card.layout}",
        module="celestial_edge.device.bench_worker",
        config={
            "artifact": str(folder),
            "threads": options.threads,
            "cpus": options.cpus,
            "cards": trust.cards,
            "public_key": str(trust.public_key) if trust.public_key else None,
        },
    )


class _Results:
    """Sums up each process that has been timed."""

    def __init__(self, cards: Mapping[str, Card], options: BenchOptions, labelled: LabelledFrames | None) -> None:
        self.artifacts: list[ArtifactBench] = []
        self.rivals: list[RivalBench] = []
        self.energy_source: str | None = None
        self._cards, self._options, self._labelled = cards, options, labelled

    def take(self, process: BenchProcess) -> None:
        """Sums up a process, has it judged, and profiles its operators."""
        subject, figures = process.task.subject, vars(process.measured())
        self.energy_source = self.energy_source or process.energy_source
        if process.task.rival:
            self.rivals.append(RivalBench(**figures, runtime=process.facts["runtime"], model=subject))
            return
        folder, card = Path(subject), self._cards[subject]
        self.artifacts.append(
            ArtifactBench(
                **figures,
                artifact=subject,
                model=card.model,
                recipe=card.recipe,
                layout=card.layout,
                input=card.input.model_shape,
                file_mb=sum((folder / segment.file).stat().st_size for segment in card.segments) / 1e6,
                parts_ms=process.parts_ms,
                undelegated=tuple(process.facts["undelegated"]),
                end_to_end=process.end_to_end,
                stages_ms=process.stages_ms,
                accuracy=judge(process, self._labelled, card) if self._labelled is not None else None,
                # The process idles while LiteRT's own tool has its turn.
                operators=operators_of(folder, card, self._options.threads),
            )
        )
