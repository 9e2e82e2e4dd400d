"""Whether a model's probabilities are frequencies: reliability, expected calibration error, Brier score, log loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.evaluation.intervals import Interval, wilson
from celestialkeras.evaluation.predictions import Predictions

BINS = 15
"""Bins of the expected calibration error, as in Guo et al. 2017 (arXiv:1706.04599)."""


@dataclass(frozen=True)
class Calibration:
    """How far a model's probabilities are from what then is true; 0 is best of each figure.

    Attributes:
        expected_error: Expected calibration error, a fraction of 1: `expected_calibration_error`.
        brier: Brier score, 0 to 1: `brier_score`.
        log_loss: Mean negative logarithm of the probability given to the true class, nats: `log_loss`.
    """

    expected_error: float
    brier: float
    log_loss: float


def calibration_of(predictions: Predictions) -> Calibration:
    """All three figures of one model on one list of frames, at the temperature of the predictions."""
    return Calibration(expected_calibration_error(predictions), brier_score(predictions), log_loss(predictions))


@dataclass(frozen=True)
class ReliabilityBin:
    """The frames of which a model is about equally sure.

    Attributes:
        low: Lowest confidence of the bin, itself excluded.
        high: Highest confidence, included.
        frames: How many they are.
        correct: How many of them were classified rightly.
        confidence: Mean probability of the class that was predicted; None without frames.
    """

    low: float
    high: float
    frames: int
    correct: int
    confidence: float | None

    @property
    def accuracy(self) -> float | None:
        """Share of frames classified rightly; None without frames."""
        return self.correct / self.frames if self.frames else None

    @property
    def interval(self) -> Interval | None:
        """Wilson interval of the accuracy; None without frames."""
        return wilson(self.correct, self.frames)


def reliability(predictions: Predictions, bins: int = BINS) -> tuple[ReliabilityBin, ...]:
    """How often a model is right where it is how sure: the figures of a reliability diagram.

    The confidence of a frame is the probability of the class that is predicted. Frames are put into bins of equal width
    over [0, 1], each open at its lower end and closed at its upper one. With two classes no confidence is below 1/2, so
    that the lower half of the bins stays empty.

    Args:
        predictions: What the model said of each frame.
        bins: Number of bins.

    Returns:
        The bins, the least sure first.

    Raises:
        ValueError: There are no bins.
    """
    if bins < 1:
        raise ValueError(f"`bins` must be at least 1. Received: bins={bins}")
    held_by = np.clip(np.ceil(predictions.confidence * bins).astype(int) - 1, 0, bins - 1)
    frames = np.bincount(held_by, minlength=bins)
    right = np.bincount(held_by, weights=predictions.correct, minlength=bins)
    sure = np.bincount(held_by, weights=predictions.confidence, minlength=bins)
    return tuple(
        ReliabilityBin(
            low=index / bins,
            high=(index + 1) / bins,
            frames=int(frames[index]),
            correct=int(right[index]),
            confidence=float(sure[index] / frames[index]) if frames[index] else None,
        )
        for index in range(bins)
    )


def expected_calibration_error(predictions: Predictions, bins: int = BINS) -> float:
    """Mean distance between how sure a model is and how often it is right (Naeini et al. 2015, Guo et al. 2017).

    Over the bins of `reliability` are summed

        (frames of the bin / all frames) * | accuracy in the bin - mean confidence in the bin |.

    It is biased upwards on short lists: of a perfectly calibrated model too, a bin of few frames strays from its
    confidence. Compare models on the same frames only.

    Args:
        predictions: What the model said of each frame.
        bins: Number of bins.

    Returns:
        The error, a fraction of 1.

    Raises:
        ValueError: There are no bins.
    """
    strays = (
        abs(part.correct - part.frames * part.confidence)
        for part in reliability(predictions, bins)
        if part.confidence is not None
    )
    return sum(strays) / len(predictions)


def brier_score(predictions: Predictions) -> float:
    """Mean square of the distance between the probability of NSC and what is true, 1 for NSC and 0 for galaxy.

    It is half of the sum over both classes that Brier (1950) wrote.

    Args:
        predictions: What the model said of each frame.

    Returns:
        The score, 0 to 1; 0.25 for a model that always says one half.
    """
    return float(brier_scores(predictions).mean())


def brier_scores(predictions: Predictions) -> NDArray[np.float64]:
    """What each frame adds to the mean of `brier_score`: `float64 (n,)`."""
    return np.asarray((predictions.p_nsc - predictions.labels) ** 2)


def log_loss(predictions: Predictions) -> float:
    """Mean negative logarithm of the probability given to the true class.

    Args:
        predictions: What the model said of each frame.

    Returns:
        The loss, nats.
    """
    return float(log_losses(predictions).mean())


def log_losses(predictions: Predictions) -> NDArray[np.float64]:
    """What each frame adds to the mean of `log_loss`: `float64 (n,)`, nats."""
    toward_wrong = np.where(predictions.labels == 1, -predictions.margins, predictions.margins)
    # log(1 + exp(wrong - right)) neither overflows nor clips, as the logarithm of a rounded probability would.
    return np.logaddexp(0.0, toward_wrong)
