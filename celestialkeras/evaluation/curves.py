"""What a model does at every threshold: ROC and precision-recall curves with their areas."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.intervals import Interval, ObjectDraws
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import LABELS

# Frames of each class at each score, `float64 (draws, scores)`, to areas, `float64 (draws,)`.
_Areas: TypeAlias = Callable[[NDArray[np.float64], NDArray[np.float64]], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class RocCurve:
    """Receiver operating characteristic, with NSC as the positive class.

    Attributes:
        false_positives: `float64 (k,)`, share of galaxies called NSC, rising from 0 to 1.
        true_positives: `float64 (k,)`, share of NSC frames called NSC, beside it.
        area: Chance that an NSC frame is given a higher probability of NSC than a galaxy, ties counting half. It is the
            same with galaxy as the positive class.
        interval: Bootstrap interval of the area over objects; None with fewer than two objects.
    """

    false_positives: NDArray[np.float64]
    true_positives: NDArray[np.float64]
    area: float
    interval: Interval | None


@dataclass(frozen=True, eq=False)
class PrecisionRecallCurve:
    """How many of the frames that are called one class are of it, and how many of its frames are found.

    Attributes:
        label: The class.
        recall: `float64 (k,)`, falling from 1 to 0.
        precision: `float64 (k,)`, beside it.
        area: Average precision: the sum of the precisions, each by the recall that its threshold adds. Lines between
            the points would promise more than any threshold gives (Davis and Goadrich 2006).
        interval: Bootstrap interval of the area over objects; None with fewer than two objects.
        base_rate: Share of the frames that are of the class: the area of guessing.
    """

    label: str
    recall: NDArray[np.float64]
    precision: NDArray[np.float64]
    area: float
    interval: Interval | None
    base_rate: float


def roc_curve(predictions: Predictions, draws: ObjectDraws) -> RocCurve | None:
    """The ROC curve of a list of frames.

    Args:
        predictions: What a model said of each frame.
        draws: Draws of the objects of these frames.

    Returns:
        The curve; None where a class has no frames.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    metrics = _metrics()
    positive = _frames_of(predictions, 1)
    if positive is None:
        return None
    false, true, _ = metrics.roc_curve(positive, predictions.margins)
    area = float(metrics.roc_auc_score(positive, predictions.margins))
    return RocCurve(false, true, area, _Ranks(predictions.margins, positive).interval(draws, _roc_areas))


def precision_recall_curve(predictions: Predictions, code: int, draws: ObjectDraws) -> PrecisionRecallCurve | None:
    """The precision-recall curve of one class on a list of frames.

    Args:
        predictions: What a model said of each frame.
        code: The class: 0 for galaxy, 1 for NSC.
        draws: Draws of the objects of these frames.

    Returns:
        The curve; None where a class has no frames.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    metrics = _metrics()
    positive = _frames_of(predictions, code)
    if positive is None:
        return None
    scores = predictions.margins if code == 1 else -predictions.margins
    precision, recall, _ = metrics.precision_recall_curve(positive, scores)
    return PrecisionRecallCurve(
        label=LABELS[code],
        recall=recall,
        precision=precision,
        area=float(metrics.average_precision_score(positive, scores)),
        interval=_Ranks(scores, positive).interval(draws, _average_precisions),
        base_rate=float(positive.mean()),
    )


class _Ranks:
    """Frames in the order of their scores, so that areas of many draws at once are sums along that order."""

    def __init__(self, scores: NDArray[np.float64], positive: NDArray[np.bool_]) -> None:
        # The highest first; frames of one score are one step of every curve.
        self._order = np.argsort(-scores, kind="stable")
        self._positive = positive[self._order]
        self._first = np.flatnonzero(np.diff(scores[self._order], prepend=np.inf))

    def interval(self, draws: ObjectDraws, areas: _Areas) -> Interval | None:
        found = [np.empty(0)]
        for weights in draws.frame_weights():
            ranked = weights[:, self._order]
            positives = np.add.reduceat(ranked * self._positive, self._first, axis=1)
            negatives = np.add.reduceat(ranked * ~self._positive, self._first, axis=1)
            # A draw of one class has no area: 0 / 0.
            with np.errstate(invalid="ignore"):
                found.append(areas(positives, negatives))
        return draws.interval(np.concatenate(found))


def _roc_areas(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> NDArray[np.float64]:
    """Areas from the frames of each class at each score, the highest first: `float64 (draws, scores)` each."""
    below = negatives.sum(axis=1, keepdims=True) - negatives.cumsum(axis=1)
    won = (positives * (below + negatives / 2)).sum(axis=1)
    return np.asarray(won / (positives.sum(axis=1) * negatives.sum(axis=1)))


def _average_precisions(positives: NDArray[np.float64], negatives: NDArray[np.float64]) -> NDArray[np.float64]:
    """Average precisions, from the same as `_roc_areas`."""
    found = positives.cumsum(axis=1)
    called = found + negatives.cumsum(axis=1)
    # Scores above the highest that was drawn call nothing.
    precision = np.divide(found, called, out=np.zeros_like(found), where=called > 0)
    return np.asarray((precision * positives).sum(axis=1) / positives.sum(axis=1))


def _metrics() -> Any:
    try:
        from sklearn import metrics
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "Drawing curves") from error
    return metrics


def _frames_of(predictions: Predictions, code: int) -> NDArray[np.bool_] | None:
    """Which frames are of a class; None where there are only such or none."""
    positive = np.asarray(predictions.labels == code)
    return None if positive.all() or not positive.any() else positive
