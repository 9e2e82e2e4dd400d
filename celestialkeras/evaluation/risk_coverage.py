"""What is gained by leaving the least sure frames undecided: risk against coverage (Geifman and El-Yaniv 2017)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.evaluation.intervals import Interval, ObjectDraws, wilson
from celestialkeras.evaluation.predictions import Predictions

SHARES = (0.0, 0.05, 0.10, 0.20, 0.30, 0.50)
"""Shares of the frames, at most, that are sent to the ground undecided."""


@dataclass(frozen=True)
class RiskPoint:
    """What is left when frames below a probability stay undecided.

    Attributes:
        threshold: Least probability that decides, 1/2 to 1: what `--abstain` takes. It counts after the temperature.
        frames: Frames in all.
        decided: Frames that are at least as probable.
        correct: How many of these were classified rightly.
        interval: Wilson interval of their accuracy; None where all are undecided.
        object_interval: Bootstrap interval of it over objects; None as well with fewer than two objects.
    """

    threshold: float
    frames: int
    decided: int
    correct: int
    interval: Interval | None
    object_interval: Interval | None

    @property
    def coverage(self) -> float:
        """Share of frames that are decided."""
        return self.decided / self.frames

    @property
    def accuracy(self) -> float | None:
        """Share of the decided frames that were classified rightly; None where all are undecided."""
        return self.correct / self.decided if self.decided else None


@dataclass(frozen=True, eq=False)
class RiskCurve:
    """All that a threshold can give; one point for each probability that the model gives to any frame.

    Attributes:
        thresholds: `float64 (k,)`, rising.
        coverage: `float64 (k,)`, share of frames that are decided, falling from 1.
        accuracy: `float64 (k,)`, share of these that were classified rightly.
    """

    thresholds: NDArray[np.float64]
    coverage: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def risk_curve(predictions: Predictions) -> RiskCurve:
    """The risk-coverage curve of a list of frames.

    Args:
        predictions: What a model said of each frame, at the temperature that is used on the device.
    """
    thresholds, first = np.unique(np.sort(predictions.confidence), return_index=True)
    right = predictions.correct[np.argsort(predictions.confidence, kind="stable")]
    decided = len(predictions) - first
    correct = right[::-1].cumsum()[::-1][first]
    return RiskCurve(thresholds, decided / len(predictions), correct / decided)


def risk_at(predictions: Predictions, threshold: float, draws: ObjectDraws) -> RiskPoint:
    """What is left when frames that are less probable than a threshold stay undecided.

    Args:
        predictions: What a model said of each frame, at the temperature that is used on the device.
        threshold: Least probability that decides.
        draws: Draws of the objects of these frames.
    """
    decided = predictions.confidence >= threshold
    right = decided & predictions.correct
    sums = draws.sums(np.stack([right, decided], axis=1).astype(float))
    # A draw of undecided frames alone has no accuracy.
    with np.errstate(invalid="ignore"):
        over_objects = draws.interval(sums[:, 0] / sums[:, 1])
    frames, correct = int(decided.sum()), int(right.sum())
    return RiskPoint(threshold, len(predictions), frames, correct, wilson(correct, frames), over_objects)


def risk_points(
    predictions: Predictions, draws: ObjectDraws, shares: tuple[float, ...] = SHARES
) -> tuple[RiskPoint, ...]:
    """What is left when at most so many of the frames, the least sure ones, stay undecided.

    Args:
        predictions: What a model said of each frame, at the temperature that is used on the device.
        draws: Draws of the objects of these frames.
        shares: Shares of the frames.

    Returns:
        One point for each share. Frames of one probability stand or fall together, so fewer may be undecided.
    """
    return tuple(risk_at(predictions, _threshold(predictions.confidence, share), draws) for share in shares)


def _threshold(confidence: NDArray[np.float64], share: float) -> float:
    """The probability below which at most that share of the frames lies."""
    rising = np.sort(confidence)
    first_decided = rising[min(int(share * len(rising) + 1e-9), len(rising) - 1)]
    undecided = rising[rising < first_decided]
    # Half way between two frames: the device's last bits do not matter, nor those of a threshold that is typed.
    return float((undecided[-1] + first_decided) / 2) if len(undecided) else 0.5
