"""Accuracy by level, the area under it, and errors relative to a reference model.

The area is that under the accuracy drawn over the levels 0 to 5, by trapezoids, over its width: 1 for a model that is
right at every level. Levels lie evenly, since what they state grows about geometrically.

Relative to a reference, as in ImageNet-C (Hendrycks and Dietterich 2019, ICLR, arXiv:1903.12261): of each kind the sum
of a model's errors at levels 1 to 5 over that of the reference, and the mean of these over kinds is the mean corruption
error (mCE); below 1 the model stands them better. The relative one first takes off each model's own error on clear
frames, so that it says how much is lost, not how much is wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import RunError
from celestialkeras.evaluation.intervals import Interval, ObjectDraws
from celestialkeras.evaluation.metrics import Resampling
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.robustness.points import BLURRY, CLEAR
from celestialkeras.evaluation.robustness.sweep import Findings
from celestialkeras.lcid.degradations import Degradation
from celestialkeras.lcid.degradations.kinds import LEVELS


@dataclass(frozen=True)
class Share:
    """Frames classified rightly.

    Attributes:
        correct: How many.
        frames: Of how many.
        interval: Bootstrap interval of their share, whole objects drawn anew; None with one object.
    """

    correct: int
    frames: int
    interval: Interval | None

    @property
    def accuracy(self) -> float:
        """Their share."""
        return self.correct / self.frames


@dataclass(frozen=True)
class Curve:
    """How one model stands one kind of degradation.

    Attributes:
        model: Name of the model.
        kind: Name of the kind.
        shares: At levels 0 to 5; None where the budget left no time.
    """

    model: str
    kind: str
    shares: tuple[Share | None, ...]

    @property
    def area(self) -> float | None:
        """Area under the curve, between 0 and 1; None where a level is missing."""
        return area(tuple(share.accuracy if share else None for share in self.shares))


@dataclass(frozen=True)
class Mean:
    """One model over all kinds, relative to the reference.

    Attributes:
        model: Name of the model.
        reference: Name of the reference.
        kinds: Kinds whose levels both have all of: what the figures rest on.
        accuracy: Mean accuracy over these kinds and levels 1 to 5; None without kinds.
        corruption_errors: Errors over those of the reference, by kind; None where the reference makes none.
        corruption_error: Their mean (mCE); None where there is none.
        interval: Of that mean, whole objects drawn anew, the same for both; None with one object.
        relative_corruption_error: The same of what is lost from the clear frames; kinds of which the reference loses
            nothing are left out.
    """

    model: str
    reference: str
    kinds: tuple[str, ...]
    accuracy: float | None
    corruption_errors: Mapping[str, float | None]
    corruption_error: float | None
    interval: Interval | None
    relative_corruption_error: float | None


@dataclass(frozen=True, eq=False)
class Robustness:
    """Every figure of a sweep.

    Attributes:
        findings: What the figures were computed from.
        curves: By model, then by kind.
        blurry: Share of the blurry list, by model; empty where there is none.
        means: By model.
        resampling: How objects were drawn.
    """

    findings: Findings
    curves: tuple[Curve, ...]
    blurry: Mapping[str, Share]
    means: tuple[Mean, ...]
    resampling: Resampling


def robustness_of(findings: Findings, reference: str | None = None, resampling: Resampling | None = None) -> Robustness:
    """Computes every figure of a sweep.

    Args:
        findings: What the sweep found.
        reference: Name of the model that errors are relative to; the first by default.
        resampling: How objects are drawn.

    Raises:
        RunError: There is no such model.
    """
    names = [candidate.name for candidate in findings.candidates]
    if reference is not None and reference not in names:
        raise RunError(f"the reference must be one of {', '.join(names)}. Received: {reference!r}")
    reference = reference or names[0]
    resampling = resampling or Resampling()
    draws = _draws(findings.answers[reference][CLEAR], resampling)
    curves: list[Curve] = []
    blurry: dict[str, Share] = {}
    for name in names:
        answers = findings.answers[name]
        for kind in findings.plan.swept:
            said = [answers.get(point) for point in _points(kind)]
            curves.append(Curve(name, kind, tuple(_share(one, draws) if one is not None else None for one in said)))
        if BLURRY in answers:
            blurry[name] = _share(answers[BLURRY], _draws(answers[BLURRY], resampling))
    means = tuple(_mean(findings, name, reference, draws) for name in names)
    return Robustness(findings, tuple(curves), blurry, means, resampling)


def area(accuracies: Sequence[float | None]) -> float | None:
    """Area under accuracies at evenly spaced levels, by trapezoids, over its width; None where one is missing."""
    known = [one for one in accuracies if one is not None]
    if len(known) < len(accuracies):
        return None
    return (sum(known) - (known[0] + known[-1]) / 2) / (len(known) - 1)


def ratios(figures: NDArray[np.float64], reference: NDArray[np.float64]) -> NDArray[np.float64]:
    """Figures over those of the reference.

    Args:
        figures: Such as the errors of each kind at levels 1 to 5 together, `float64 (...)`.
        reference: Those of the reference, of the same shape.

    Returns:
        `float64 (...)`; NaN where the reference has none, or less than none.
    """
    found = np.full(np.shape(figures), np.nan)
    np.divide(figures, reference, out=found, where=reference > 0)
    return found


def _points(kind: str) -> list[str]:
    return [CLEAR, *(str(Degradation(kind, level)) for level in range(1, LEVELS + 1))]


def _draws(said: Predictions, resampling: Resampling) -> ObjectDraws:
    objects = [observation.object_id for observation in said.observations]
    return ObjectDraws(objects, np.random.default_rng(resampling.seed), resampling.resamples)


def _share(said: Predictions, draws: ObjectDraws) -> Share:
    right, frames = draws.sums(np.stack([said.correct, np.ones(len(said))], axis=1)).T
    return Share(int(said.correct.sum()), len(said), draws.interval(right / frames))


def _mean(findings: Findings, name: str, reference: str, draws: ObjectDraws) -> Mean:
    answers, against = findings.answers[name], findings.answers[reference]
    kinds = tuple(kind for kind in findings.plan.swept if {*_points(kind)} <= answers.keys() & against.keys())
    if not kinds:
        return Mean(name, reference, (), None, {}, None, None, None)
    wrong, reference_wrong = _wrong(answers, kinds), _wrong(against, kinds)
    errors = ratios(wrong.sum(axis=0), reference_wrong.sum(axis=0))
    drawn = ratios(draws.sums(wrong), draws.sums(reference_wrong))
    lost, reference_lost = (
        found.sum(axis=0) - LEVELS * (~said[CLEAR].correct).sum()
        for found, said in ((wrong, answers), (reference_wrong, against))
    )
    return Mean(
        model=name,
        reference=reference,
        kinds=kinds,
        accuracy=float(1 - wrong.mean() / LEVELS),
        corruption_errors={
            kind: None if np.isnan(error) else float(error) for kind, error in zip(kinds, errors, strict=True)
        },
        corruption_error=_mean_or_none(errors),
        interval=draws.interval(_mean_of_known(drawn)),
        relative_corruption_error=_mean_or_none(ratios(lost, reference_lost)),
    )


def _wrong(answers: Mapping[str, Predictions], kinds: Sequence[str]) -> NDArray[np.float64]:
    """At how many of the levels 1 to 5 each frame is told wrongly, `float64 (frames, kinds)`."""
    by_level = [[~answers[point].correct for point in _points(kind)[1:]] for kind in kinds]
    return np.asarray(np.sum(by_level, axis=1).T, np.float64)


def _mean_of_known(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Means over the last axis without NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    return ratios(np.where(known, values, 0.0).sum(axis=-1), known.sum(axis=-1).astype(np.float64))


def _mean_or_none(values: NDArray[np.float64]) -> float | None:
    mean = float(_mean_of_known(values))
    return None if np.isnan(mean) else mean
