"""One entry of a comparison against another, on the same frames."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celestialkeras.comparison.conduct import Results
from celestialkeras.comparison.plan import Trial
from celestialkeras.evaluation.intervals import Interval
from celestialkeras.evaluation.metrics import Resampling
from celestialkeras.evaluation.paired import PairedComparison, compare, difference_over_objects, mcnemar
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import LABELS, Observation


@dataclass(frozen=True)
class Differing:
    """A frame to which two models give different classes.

    Attributes:
        observation: The frame.
        said: What the entry says.
        reference_said: What the one that it is held against says.
    """

    observation: Observation
    said: str
    reference_said: str


@dataclass(frozen=True)
class Pair:
    """One entry against another on the clear frames.

    Attributes:
        name: The entry.
        reference: The one that it is held against.
        seeds: Seeds of the two trainings, the entry's first; None for a model that was not trained here. None for the
            means over all trainings of both.
        frames: How many they were judged on.
        difference: Accuracy of the entry minus that of the reference, a fraction of 1.
        object_interval: Bootstrap interval of it, whole objects drawn anew; None with one object.
        compared: The two frame by frame, the entry as A; None for means. So are the others.
        p_value: Exact p-value of McNemar's test.
        differing: The frames to which they give different classes.
    """

    name: str
    reference: str
    seeds: tuple[int | None, int | None] | None
    frames: int
    difference: float
    object_interval: Interval | None
    compared: PairedComparison | None
    p_value: float | None
    differing: tuple[Differing, ...]


def pairs_of(
    entry: Sequence[Trial], reference: Sequence[Trial], results: Results, resampling: Resampling
) -> list[Pair]:
    """One entry against another, as far as both are done.

    Trainings of the same seed are held against each other, and a model that was not trained here against each training.
    Of several trainings the means come first.

    Args:
        entry: Trials of the entry.
        reference: Trials of the one that it is held against.
        results: What was found of each trial that is done.
        resampling: How objects are drawn.
    """
    ours = [(trial, results[trial.key].clear) for trial in entry if trial.key in results]
    theirs = [(trial, results[trial.key].clear) for trial in reference if trial.key in results]
    if not ours or not theirs:
        return []
    found = [
        _pair(trial, a, other, b, resampling)
        for trial, a in ours
        for other, b in theirs
        if trial.seed == other.seed or None in (trial.seed, other.seed)
    ]
    if len(ours) > 1 or len(theirs) > 1:
        found.insert(0, _pair_of_means(ours, theirs, resampling))
    return found


def _pair_of_means(
    ours: Sequence[tuple[Trial, Predictions]], theirs: Sequence[tuple[Trial, Predictions]], resampling: Resampling
) -> Pair:
    all_a, all_b = [a for _, a in ours], [b for _, b in theirs]
    mean_a, mean_b = (float(np.mean([one.correct for one in part])) for part in (all_a, all_b))
    return Pair(
        name=ours[0][0].entry.name,
        reference=theirs[0][0].entry.name,
        seeds=None,
        frames=len(all_a[0]),
        difference=mean_a - mean_b,
        object_interval=difference_over_objects(all_a, all_b, resampling),
        compared=None,
        p_value=None,
        differing=(),
    )


def _pair(trial: Trial, a: Predictions, other: Trial, b: Predictions, resampling: Resampling) -> Pair:
    compared = compare(a, b)
    differing = tuple(
        Differing(a.observations[index], LABELS[a.predicted[index]], LABELS[b.predicted[index]])
        for index in np.flatnonzero(a.predicted != b.predicted)
    )
    return Pair(
        name=trial.entry.name,
        reference=other.entry.name,
        seeds=(trial.seed, other.seed),
        frames=compared.n,
        difference=compared.drop,
        object_interval=difference_over_objects([a], [b], resampling),
        compared=compared,
        p_value=mcnemar(compared.only_a, compared.only_b),
        differing=differing,
    )
