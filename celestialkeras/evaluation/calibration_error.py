"""Whether a model's probabilities are frequencies: expected calibration error, Brier score, log loss."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

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
    """All three figures of one model on one list of frames, at temperature 1."""
    return Calibration(expected_calibration_error(predictions), brier_score(predictions), log_loss(predictions))


def expected_calibration_error(predictions: Predictions, bins: int = BINS) -> float:
    """Mean distance between how sure a model is and how often it is right (Naeini et al. 2015, Guo et al. 2017).

    The confidence of a frame is the probability of the class that is predicted. Frames are put into `bins` bins of
    equal width over [0, 1], each open at its lower end and closed at its upper one. Over the bins are summed

        (frames of the bin / all frames) * | accuracy in the bin - mean confidence in the bin |.

    With two classes no confidence is below 1/2, so that the lower half of the bins stays empty. It is biased upwards on
    short lists: of a perfectly calibrated model too, a bin of few frames strays from its confidence. Compare models on
    the same frames only.

    Args:
        predictions: What the model said of each frame.
        bins: Number of bins.

    Returns:
        The error, a fraction of 1.

    Raises:
        ValueError: There are no bins.
    """
    if bins < 1:
        raise ValueError(f"`bins` must be at least 1. Received: bins={bins}")
    confidence = np.maximum(predictions.p_nsc, 1 - predictions.p_nsc)
    held_by = np.clip(np.ceil(confidence * bins).astype(int) - 1, 0, bins - 1)
    # The sums of a bin instead of its means: the number of its frames cancels.
    right = np.bincount(held_by, weights=predictions.correct, minlength=bins)
    sure = np.bincount(held_by, weights=confidence, minlength=bins)
    return float(np.abs(right - sure).sum() / len(predictions))


def brier_score(predictions: Predictions) -> float:
    """Mean square of the distance between the probability of NSC and what is true, 1 for NSC and 0 for galaxy.

    It is half of the sum over both classes that Brier (1950) wrote.

    Args:
        predictions: What the model said of each frame.

    Returns:
        The score, 0 to 1; 0.25 for a model that always says one half.
    """
    return float(np.mean((predictions.p_nsc - predictions.labels) ** 2))


def log_loss(predictions: Predictions) -> float:
    """Mean negative logarithm of the probability given to the true class.

    Args:
        predictions: What the model said of each frame.

    Returns:
        The loss, nats.
    """
    toward_wrong = np.where(predictions.labels == 1, -predictions.margins, predictions.margins)
    # log(1 + exp(wrong - right)) neither overflows nor clips, as the logarithm of a rounded probability would.
    return float(np.logaddexp(0.0, toward_wrong).mean())
