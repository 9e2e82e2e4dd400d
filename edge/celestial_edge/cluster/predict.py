"""Verdicts on a list of chips by many workers: each keeps one classifier, each partition becomes one Parquet file.

What is done is what lies in the folder under its final name: a partition is not done again, whatever ended the job, and
one that two workers were given, because one of them was believed dead, is one file in the end.
"""

from __future__ import annotations

import platform
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from celestial_edge.cluster.chips import ChipList, Partition, partition_name, partitions
from celestial_edge.cluster.job import Job
from celestial_edge.cluster.table import BAD, Written, read_written, write_partition
from celestial_edge.device.runtime import Classifier
from celestial_edge.trust import Trust
from celestialkeras.errors import ArtifactError, ClusterError
from celestialkeras.files import discard_partials
from celestialkeras.workers import Spreading, WorkLostError


@dataclass(frozen=True)
class Task:
    """What a worker is given at once.

    Attributes:
        job: The job.
        partition: The partition.
    """

    job: Job
    partition: Partition


@dataclass(frozen=True)
class Outcome:
    """What came of a job.

    Attributes:
        counts: Chips by label, `undecided` and `bad` among them; those of lost partitions are not.
        found: Partitions that were done before.
        lost: Partitions that are not done, by name, each with the reason.
        classified: Chips that were classified now.
        seconds: Seconds from the first partition handed over to the last one done.
    """

    counts: Mapping[str, int]
    found: int
    lost: Mapping[str, str]
    classified: int
    seconds: float

    @property
    def bad(self) -> int:
        """Chips that could not be used."""
        return self.counts.get(BAD, 0)


def predict_all(
    chips: ChipList,
    job: Job,
    spreading: Spreading,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Outcome:
    """Classifies a list of chips, or what is missing of it.

    Args:
        chips: The list that the job's plan was made of.
        job: What to do; its folder is this job's from then on, and no other process may be at it.
        spreading: Has the partitions done.
        on_progress: Called with chips done and chips in all.

    Returns:
        What came of it. The partitions that did not come to be are named there.

    Raises:
        ClusterError: The folder holds another job, a worker does not see it or not this artifact, or the scheduler was
            lost.
        MissingExtraError: pyarrow is not installed.
    """
    job.claim()
    discard_partials(job.folder)
    held = _read_done(job)
    counts = Counter[str]()
    for written in held.values():
        counts.update(written.counts)
    on_progress(counts.total(), job.plan.chips)
    before = counts.total()
    tasks = (Task(job, part) for part in partitions(chips, job.plan.partition) if part.name not in held)
    lost: dict[str, str] = {}
    begin = time.perf_counter()
    try:
        for _, done in spreading(predict_partition, tasks) if len(held) < job.plan.partitions else ():
            counts.update(done)
            on_progress(counts.total(), job.plan.chips)
    except WorkLostError as error:
        lost = {task.partition.name: reason for task, reason in error.lost}
    seconds = time.perf_counter() - begin
    # A worker that was killed leaves a half-written file.
    discard_partials(job.folder)
    return Outcome(counts, len(held), lost, counts.total() - before, seconds)


def predict_partition(task: Task) -> dict[str, int]:
    """Classifies the chips of a partition and writes its file; what a worker does.

    Args:
        task: The partition. One whose file is there is not done again.

    Returns:
        Chips by label, `undecided` and `bad` among them.

    Raises:
        ClusterError: The job's folder is not in sight here, or the artifact cannot be loaded, or is another one.
        OSError: The file cannot be written.
    """
    job = task.job
    job.require_in_sight()
    path = job.folder / task.partition.name
    # Where the result of a worker was lost with it, Dask asks another one for it.
    written = _written_for(job, task.partition.name)
    if written is None:
        classifier = _kept_classifier(job)
        model = {"model": classifier.card.model, "recipe": classifier.card.recipe, "card_sha256": job.plan.card_sha256}
        written = write_partition(path, classifier.classify_many(task.partition.chips), job.plan.sha256, model)
    return dict(written.counts)


_kept = threading.local()


def _kept_classifier(job: Job) -> Classifier:
    """The classifier of this thread, loaded for the first of a job's partitions; one for another job goes before."""
    key = (job.plan.card_sha256, job.artifact, job.threads, job.plan.abstain)
    if getattr(_kept, "key", None) != key:
        _kept.key = _kept.classifier = None
        try:
            # It came through its trial, or proved itself, where the job was begun: here it must be the same.
            _kept.classifier = Classifier(
                job.artifact, job.threads, Trust(cards=(job.plan.card_sha256,)), job.plan.abstain
            )
        except ArtifactError as error:
            raise ClusterError(
                f"{platform.node()}: {error}. Workers take the artifact from the path that the job was begun with"
            ) from error
        _kept.key = key
    classifier: Classifier = _kept.classifier
    return classifier


def _read_done(job: Job) -> dict[str, Written]:
    names = map(partition_name, range(job.plan.partitions))
    found = ((name, _written_for(job, name)) for name in names)
    return {name: written for name, written in found if written is not None}


def _written_for(job: Job, name: str) -> Written | None:
    """What a partition's file holds; None where it is not there, or not this job's."""
    written = read_written(job.folder / name)
    return written if written is not None and written.plan_sha256 == job.plan.sha256 else None
