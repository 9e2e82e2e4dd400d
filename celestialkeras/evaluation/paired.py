"""Two models on the same frames: what each has right alone, and how far chance alone would take them apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celestialkeras.errors import DatasetError, MissingExtraError
from celestialkeras.evaluation.calibration_error import Calibration, calibration_of
from celestialkeras.evaluation.intervals import Interval, bootstrap_over_objects, paired_difference
from celestialkeras.evaluation.metrics import Resampling
from celestialkeras.evaluation.predictions import Predictions


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
    _check_same_frames(a, b)
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


def mcnemar(only_a: int, only_b: int) -> float:
    """Exact two-sided p-value of McNemar's test (McNemar 1947, Psychometrika 12, 153): the sign test of who is right.

    Of two models that are right equally often, each frame that only one has right is as likely to be the one's as the
    other's. Like `paired_difference` it treats the frames as independent: beside it goes `difference_over_objects`.

    Args:
        only_a: Frames that A has right and B wrong.
        only_b: Frames that B has right and A wrong.

    Returns:
        Chance of frames shared out at least as unevenly; 1 where there are none to share.

    Raises:
        MissingExtraError: SciPy is not installed.
        ValueError: A count is negative.
    """
    if min(only_a, only_b) < 0:
        raise ValueError(f"`only_a` and `only_b` must be counts. Received: {only_a} and {only_b}")
    if only_a + only_b == 0:
        return 1.0
    try:
        from scipy.stats import binomtest
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "McNemar's test") from error
    return float(binomtest(only_a, only_a + only_b).pvalue)


def difference_over_objects(
    a: Sequence[Predictions], b: Sequence[Predictions], resampling: Resampling | None = None
) -> Interval | None:
    """Percentile interval of the difference in accuracy, A minus B, when whole objects are drawn anew.

    Both models are judged on the same draws, so that objects which are hard for both cancel.

    Args:
        a: Predictions of A; several trainings of it are averaged frame by frame.
        b: Predictions of B, likewise, for the same frames in the same order.
        resampling: How objects are drawn.

    Returns:
        The interval, within [-1, 1]; None with fewer than two objects.

    Raises:
        DatasetError: They were not made on the same frames, in the same order, with the same labels.
    """
    for other in (*a[1:], *b):
        _check_same_frames(a[0], other)
    resampling = resampling or Resampling()
    ahead = np.mean([one.correct for one in a], axis=0) - np.mean([one.correct for one in b], axis=0)
    objects = [observation.object_id for observation in a[0].observations]
    return bootstrap_over_objects(ahead, objects, np.random.default_rng(resampling.seed), resampling.resamples)


def _check_same_frames(a: Predictions, b: Predictions) -> None:
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
