"""Runs models over frames that get worse, each frame degraded once for all of them, within a budget of time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from statistics import median

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.predictor import Predictor
from celestialkeras.evaluation.robustness.points import BLURRY, CLEAR, Answer, Point, PointStore
from celestialkeras.evaluation.robustness.subset import stratified
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.degradations import KINDS, Degradation
from celestialkeras.lcid.degradations.degrade import obstacle
from celestialkeras.lcid.degradations.kinds import LEVELS
from celestialkeras.lcid.shards import Record
from celestialkeras.lcid.variants import Size, resize_codes

OnPoint = Callable[[int, int], None]
"""Is told how many points are done, and how many there are."""


@dataclass(frozen=True, eq=False)
class Candidate:
    """A model, opened.

    Attributes:
        name: What it is called; of candidates each has its own.
        kind: `run`, `model` or `artifact`.
        source: Path of the `.keras` file or the artifact.
        sha256: Of the `.keras` file or the artifact's card.
        predictor: What gives the logits.
        size: At which size it takes frames.
    """

    name: str
    kind: str
    source: str
    sha256: str
    predictor: Predictor
    size: Size


@dataclass(frozen=True, eq=False)
class SweepPlan:
    """What a sweep does.

    Attributes:
        dataset: The data set.
        split: Which side of it.
        frames: How many frames of that side, chosen by class and object; 0 for all.
        minutes: Wall-clock budget; 0 for none.
        kinds: Names of `KINDS`, in the order of the sweep.
        seed: Of the choice of frames and of what is drawn to degrade them.
        blurry: Data set of exposures that are blurry by themselves; the same side of it is run over. None for none.

    Raises:
        DatasetError: A side has no frames, or no kind can be applied to the frames.
    """

    dataset: LcidDataset
    split: str = "test"
    frames: int = 0
    minutes: float = 0.0
    kinds: tuple[str, ...] = tuple(KINDS)
    seed: int = 0
    blurry: LcidDataset | None = None

    def __post_init__(self) -> None:
        if not self.swept:
            reasons = "; ".join(self.obstacles.values()) or "no kind"
            raise DatasetError(
                f"{self.dataset.folder}: frames can be degraded in none of the ways asked for. Received: {reasons}"
            )

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The chosen frames."""
        return self._choose(self.dataset)

    @cached_property
    def obstacles(self) -> Mapping[str, str]:
        """Kinds that cannot be applied to every chosen frame, and why."""
        return {kind: reason for kind in self.kinds if (reason := _first_obstacle(kind, self.records))}

    @property
    def swept(self) -> tuple[str, ...]:
        """The kinds that can be applied to every chosen frame."""
        return tuple(kind for kind in self.kinds if kind not in self.obstacles)

    def points(self) -> list[Point]:
        """All points in order: clear, blurry, then kind by kind, so that a sweep that is cut has whole curves."""
        found = [Point(CLEAR, self.dataset, self.records)]
        if self.blurry is not None:
            found.append(Point(BLURRY, self.blurry, self._choose(self.blurry)))
        for kind in self.swept:
            for level in range(1, LEVELS + 1):
                degradation = Degradation(kind, level)
                view = self.dataset.degraded(degradation, self.seed)
                found.append(Point(str(degradation), view, self.records, degradation))
        return found

    def _choose(self, dataset: LcidDataset) -> tuple[Record, ...]:
        records = dataset.records(self.split)
        if not records:
            raise DatasetError(
                f"{dataset.folder}: no frames on the side {self.split!r}; build it with a share for each side"
            )
        return tuple(stratified(records, self.frames, self.seed))


@dataclass(frozen=True, eq=False)
class Findings:
    """What a sweep found.

    Attributes:
        plan: What it did.
        candidates: The models.
        answers: Predictions by the model's name and the point's.
        missing: Names of the points that the budget left no time for.
        minutes: Wall-clock time of this sweep; points that were kept from an earlier one took none of it.
        milliseconds: Time to read and degrade a frame, median, by the point's name.
    """

    plan: SweepPlan
    candidates: tuple[Candidate, ...]
    answers: Mapping[str, Mapping[str, Predictions]]
    missing: tuple[str, ...]
    minutes: float
    milliseconds: Mapping[str, float]


def sweep(
    candidates: Sequence[Candidate],
    plan: SweepPlan,
    store: PointStore,
    on_point: OnPoint | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Findings:
    """Runs models over every point of a plan, or takes what they said there before.

    No point begins that would end beyond the budget if it took as long as the longest so far; the first to be run
    always is.

    Args:
        candidates: The models.
        plan: What to do.
        store: Where answers are kept as soon as a point is done.
        on_point: Is told after each point.
        clock: Gives seconds.

    Raises:
        DatasetError: Frames cannot be read.
        ModelError: A model refuses the frames.
        RunError: A kept answer cannot be read.
    """
    start = clock()
    longest = 0.0
    answers: dict[str, dict[str, Predictions]] = {candidate.name: {} for candidate in candidates}
    missing: list[str] = []
    milliseconds: dict[str, float] = {}
    points = plan.points()
    for done, point in enumerate(points, start=1):
        held = {candidate.name: store.read(candidate.sha256, point) for candidate in candidates}
        lacking = [candidate for candidate in candidates if held[candidate.name] is None]
        if lacking:
            began = clock()
            if plan.minutes and longest and began - start + longest > 60 * plan.minutes:
                missing.append(point.name)
                lacking = []
            for candidate, answer in zip(lacking, _ask(lacking, point), strict=True):
                store.write(candidate.sha256, point, answer)
                held[candidate.name] = answer
            longest = max(longest, clock() - began)
        for name, kept in held.items():
            if kept is not None:
                answers[name][point.name] = kept.predictions
                milliseconds[point.name] = kept.milliseconds
        if on_point:
            on_point(done, len(points))
    return Findings(plan, tuple(candidates), answers, tuple(missing), (clock() - start) / 60, milliseconds)


def _ask(candidates: Sequence[Candidate], point: Point) -> list[Answer]:
    """What models say at a point, frame by frame: of whole frames more than a few would not fit in memory."""
    if not candidates:
        return []
    times: list[float] = []
    logits: list[list[npt.NDArray[np.float32]]] = [[] for _ in candidates]
    for codes, seconds in _frames(point):
        times.append(seconds)
        sized: dict[Size, npt.NDArray[np.uint8]] = {}
        for candidate, said in zip(candidates, logits, strict=True):
            if candidate.size not in sized:
                sized[candidate.size] = resize_codes(codes, candidate.size)[None]
            said.append(candidate.predictor.logits(sized[candidate.size]))
    rows = tuple(record.observation for record in point.records)
    return [Answer(Predictions(rows, np.concatenate(said)), 1000 * median(times)) for said in logits]


def _frames(point: Point) -> Iterator[tuple[npt.NDArray[np.uint8], float]]:
    """Frames at full resolution, each with the seconds it took; the next is degraded while models look at this one."""

    def read(record: Record) -> tuple[npt.NDArray[np.uint8], float]:
        began = time.perf_counter()
        codes = point.dataset.codes(record)
        return codes, time.perf_counter() - began

    with ThreadPoolExecutor(1) as ahead:
        coming = ahead.submit(read, point.records[0])
        for record in point.records[1:]:
            this = coming.result()
            coming = ahead.submit(read, record)
            yield this
        yield coming.result()


def _first_obstacle(kind: str, records: Sequence[Record]) -> str | None:
    reasons = (obstacle(record.observation, record.measured, kind) for record in records)
    return next(filter(None, reasons), None)
