"""Whether a compressed model keeps the accuracy of its original, judged on the same frames."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import numpy as np

from celestialkeras.errors import DatasetError
from celestialkeras.evaluation.calibration_error import Calibration, calibration_of
from celestialkeras.evaluation.intervals import Interval, paired_difference
from celestialkeras.evaluation.predictions import Predictions

MINIMUM_FRAMES = 300
"""Fewest frames that a verdict is given on: below, one frame more or less moves the drop by a third of a point."""


@dataclass(frozen=True)
class PairedComparison:
    """Two models on the same frames.

    Attributes:
        n: Number of frames.
        accuracy_a: Accuracy of A, the original.
        accuracy_b: Accuracy of B, the one to judge.
        only_a: Frames that A has right and B wrong.
        only_b: Frames that B has right and A wrong.
        interval: Tango's score interval of the drop, a fraction of 1, over frames.
        agreement: Share of frames to which both give the same class.
        calibration_a: How far the probabilities of A are from frequencies.
        calibration_b: The same of B.
    """

    n: int
    accuracy_a: float
    accuracy_b: float
    only_a: int
    only_b: int
    interval: Interval
    agreement: float
    calibration_a: Calibration
    calibration_b: Calibration

    @property
    def drop(self) -> float:
        """Accuracy of A minus accuracy of B, a fraction of 1; positive where B is worse."""
        return (self.only_a - self.only_b) / self.n


class Outcome(str, Enum):
    """What the gate says."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Judgement:
    """What the gate says, with what it rests on.

    Attributes:
        outcome: `pass`, `fail` or `not judged`.
        reason: Why, in one sentence with the figures.
        comparison: What was judged.
        max_drop: Drop that was allowed, percentage points.
        minimum_frames: Fewest frames that a verdict was to be given on.
    """

    outcome: Outcome
    reason: str
    comparison: PairedComparison
    max_drop: float
    minimum_frames: int

    @property
    def judged(self) -> bool:
        """Whether there were frames enough for a verdict."""
        return self.outcome is not Outcome.NOT_JUDGED


def compare(a: Predictions, b: Predictions) -> PairedComparison:
    """Compares two models frame by frame.

    Args:
        a: Predictions of the original, such as the float model.
        b: Predictions of the model to judge, such as its int8 artifact, for the same frames in the same order.

    Returns:
        The comparison.

    Raises:
        DatasetError: The two were not made on the same frames, in the same order, with the same labels.
    """
    if len(a) != len(b):
        raise DatasetError(
            "both models must be evaluated on the same frames; evaluate both on one list."
            f" Received: {len(a)} and {len(b)} frames"
        )
    for index, (left, right) in enumerate(zip(a.observations, b.observations, strict=True)):
        if (left.key, left.label) != (right.key, right.label):
            raise DatasetError(
                "both models must be evaluated on the same frames in the same order; evaluate both on one list."
                f" Received: {left.obsid} HDU {left.hdu} ({left.label}) and {right.obsid} HDU {right.hdu}"
                f" ({right.label}) as frame {index}"
            )
    only_a = int((a.correct & ~b.correct).sum())
    only_b = int((b.correct & ~a.correct).sum())
    interval = paired_difference(only_a, only_b, len(a))
    assert interval is not None
    return PairedComparison(
        n=len(a),
        accuracy_a=float(a.correct.mean()),
        accuracy_b=float(b.correct.mean()),
        only_a=only_a,
        only_b=only_b,
        interval=interval,
        agreement=float(np.mean(a.predicted == b.predicted)),
        calibration_a=calibration_of(a),
        calibration_b=calibration_of(b),
    )


def judge(comparison: PairedComparison, max_drop: float, minimum_frames: int = MINIMUM_FRAMES) -> Judgement:
    """Says whether the drop in accuracy is beyond what is allowed.

    It fails where even the lower end of the interval of the drop is above `max_drop`: then the loss is shown, not a
    chance of the list. A pass says that no such loss is shown; the reason names the largest drop that is not excluded.

    Args:
        comparison: Two models on the same frames.
        max_drop: Largest drop that is allowed, percentage points.
        minimum_frames: On fewer frames the drop is reported and not judged.

    Returns:
        The outcome and its reason.

    Raises:
        ValueError: `max_drop` is not between 0 and 100, or `minimum_frames` is below 1.
    """
    if not 0 <= max_drop <= 100 or minimum_frames < 1:
        raise ValueError(
            "`max_drop` must be between 0 and 100 points, `minimum_frames` at least 1."
            f" Received: max_drop={max_drop}, minimum_frames={minimum_frames}"
        )
    interval = comparison.interval
    low, high = 100 * interval.low, 100 * interval.high
    measured = (
        f"a drop of {100 * comparison.drop:.2f} points"
        f" ({100 * interval.level:g} % interval {low:.2f} to {high:.2f}) on {comparison.n} frames"
    )
    if comparison.n < minimum_frames:
        outcome = Outcome.NOT_JUDGED
        reason = f"{measured} is reported, not judged: a verdict takes at least {minimum_frames} frames"
    elif low > max_drop:
        outcome = Outcome.FAIL
        reason = f"{measured} lies wholly above the {max_drop:g} points allowed"
    elif high > max_drop:
        outcome = Outcome.PASS
        reason = f"{measured} is not shown to exceed the {max_drop:g} points allowed, nor shown not to"
    else:
        outcome = Outcome.PASS
        reason = f"{measured} lies wholly within the {max_drop:g} points allowed"
    return Judgement(outcome, reason, comparison, max_drop, minimum_frames)
