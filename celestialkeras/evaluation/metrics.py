"""From predictions to figures: accuracies with their intervals, per class, object, instrument and filter.

Figures have intervals over objects, from one set of draws (`intervals.ObjectDraws`): they are the ones to quote, since
frames of one object are not independent. Only the expected calibration error has none, for resampling raises it.

Policy for what cannot be computed: the figure is None, never NaN and never a silent zero. So are the recall of a class
without frames, the precision of a class that was never predicted, and the accuracy balanced over the classes of a list
that lacks one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.calibration_error import Calibration, brier_scores, calibration_of, log_losses
from celestialkeras.evaluation.intervals import Interval, ObjectDraws, wilson
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.slices import Slice, slice_by
from celestialkeras.lcid.manifest import LABELS


@dataclass(frozen=True)
class Timing:
    """How long a predictor takes.

    Attributes:
        milliseconds: Milliseconds a frame, median over the timed batches; None where no batch was timed.
        batches: Number of batches behind it, warm-up excluded.
    """

    milliseconds: float | None = None
    batches: int = 0


@dataclass(frozen=True)
class Resampling:
    """How objects are drawn for the bootstrap interval.

    Attributes:
        seed: Seed of the draws.
        resamples: Number of draws.
    """

    seed: int = 0
    resamples: int = 10_000

    def draws(self, predictions: Predictions) -> ObjectDraws:
        """The draws for a list of frames; the same each time."""
        return ObjectDraws(predictions.objects, np.random.default_rng(self.seed), self.resamples)


@dataclass(frozen=True)
class ClassScores:
    """How well one class is told from the other.

    Attributes:
        label: `galaxy` or `NSC`.
        frames: Frames that are of this class.
        predicted: Frames that were said to be.
        precision: Share of the predicted ones that are; None where none was predicted.
        recall: Share of its frames that were found; None where there is none.
        f1: Harmonic mean of the two; None where the class neither is there nor was predicted.
    """

    label: str
    frames: int
    predicted: int
    precision: float | None
    recall: float | None
    f1: float | None


@dataclass(frozen=True)
class Evaluation:
    """Every figure of one model on one list of frames.

    Attributes:
        predictions: What the figures were computed from.
        accuracy: Share of frames classified rightly.
        accuracy_interval: Wilson interval of the accuracy, over frames.
        object_interval: Bootstrap interval of the accuracy, over objects; None with fewer than two objects.
        balanced_accuracy: Mean of the recalls of the two classes; None where a class has no frames.
        instrument_balanced_accuracy: Mean of the accuracies of the instruments, each counting alike however many
            frames it has; with one instrument, the accuracy.
        object_balanced_accuracy: Mean of the accuracies of the objects, each counting alike.
        object_intervals: Bootstrap intervals over objects of the other figures: `balanced_accuracy`,
            `instrument_balanced_accuracy`, `object_balanced_accuracy`, `brier`, `log_loss`, and `precision`, `recall`
            and `f1` of each class, as in `NSC f1`; None where there is none.
        confusion: Counts `[true class][predicted class]`, in the order galaxy, NSC.
        classes: Scores of each class, in the order galaxy, NSC.
        by_object: Slices, by name.
        by_instrument: Slices, by name.
        by_filter: Slices, by name; a filter of the same name counts for all instruments together.
        majority_label: The larger class of this very list.
        majority_accuracy: The baseline: accuracy of always answering that class, without looking at a pixel.
        calibration: How far the probabilities are from frequencies, at the temperature of the predictions.
        timing: Milliseconds a frame.
        resampling: How `object_interval` was drawn.
    """

    predictions: Predictions
    accuracy: float
    accuracy_interval: Interval
    object_interval: Interval | None
    balanced_accuracy: float | None
    instrument_balanced_accuracy: float
    object_balanced_accuracy: float
    object_intervals: Mapping[str, Interval | None]
    confusion: tuple[tuple[int, int], tuple[int, int]]
    classes: tuple[ClassScores, ...]
    by_object: tuple[Slice, ...]
    by_instrument: tuple[Slice, ...]
    by_filter: tuple[Slice, ...]
    majority_label: str
    majority_accuracy: float
    calibration: Calibration
    timing: Timing
    resampling: Resampling

    @property
    def n(self) -> int:
        """Number of frames."""
        return len(self.predictions)

    @property
    def correct(self) -> int:
        """Number of frames classified rightly."""
        return int(self.predictions.correct.sum())


def score(predictions: Predictions, timing: Timing | None = None, resampling: Resampling | None = None) -> Evaluation:
    """Computes every figure from the predictions of one list of frames.

    Args:
        predictions: Logits and observations of the frames.
        timing: How long the predictor took, where that was measured.
        resampling: How objects are drawn for the bootstrap interval.

    Returns:
        The evaluation; the same predictions and seed give the same figures.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    resampling = resampling or Resampling()
    classes, confusion = _per_class(predictions)
    recalls = [scores.recall for scores in classes if scores.recall is not None]
    draws = resampling.draws(predictions)
    observations = predictions.observations
    instruments = slice_by(predictions, [row.instrument for row in observations], draws)
    objects = slice_by(predictions, predictions.objects, draws)
    correct = int(predictions.correct.sum())
    interval = wilson(correct, len(predictions))
    assert interval is not None
    # Of two classes of one size the first in the order of labels is the majority.
    majority = max(classes, key=lambda scores: scores.frames)
    return Evaluation(
        predictions=predictions,
        accuracy=correct / len(predictions),
        accuracy_interval=interval,
        object_interval=draws.interval(_accuracy_of_draws(predictions, draws)),
        balanced_accuracy=sum(recalls) / len(LABELS) if len(recalls) == len(LABELS) else None,
        instrument_balanced_accuracy=sum(s.correct / s.frames for s in instruments) / len(instruments),
        object_balanced_accuracy=sum(s.correct / s.frames for s in objects) / len(objects),
        object_intervals=_object_intervals(predictions, draws),
        confusion=confusion,
        classes=classes,
        by_object=objects,
        by_instrument=instruments,
        by_filter=slice_by(predictions, [row.filter for row in observations], draws),
        majority_label=majority.label,
        majority_accuracy=majority.frames / len(predictions),
        calibration=calibration_of(predictions),
        timing=timing or Timing(),
        resampling=resampling,
    )


def _accuracy_of_draws(predictions: Predictions, draws: ObjectDraws) -> NDArray[np.float64]:
    right, frames = draws.sums(np.stack([predictions.correct, np.ones(len(predictions))], axis=1)).T
    return np.asarray(right / frames)


def _object_intervals(predictions: Predictions, draws: ObjectDraws) -> dict[str, Interval | None]:
    figures: dict[str, NDArray[np.float64]] = {}
    everything = np.ones(len(predictions))
    correct = predictions.correct
    recalls = []
    # A class or an instrument that was not drawn divides 0 by 0: the draw has no such figure and is left out.
    with np.errstate(invalid="ignore"):
        for code, label in enumerate(LABELS):
            true, told = predictions.labels == code, predictions.predicted == code
            found, are, said = draws.sums(np.stack([true & told, true, told], axis=1).astype(float)).T
            figures |= {f"{label} precision": found / said, f"{label} recall": found / are}
            figures[f"{label} f1"] = 2 * found / (are + said)
            recalls.append(found / are)
        figures["balanced_accuracy"] = np.mean(recalls, axis=0)
        names = np.array([row.instrument for row in predictions.observations], np.str_)
        held = [names == name for name in np.unique(names)]
        right = draws.sums(np.stack([correct & frames for frames in held], axis=1).astype(float))
        frames = draws.sums(np.stack(held, axis=1).astype(float))
        figures["instrument_balanced_accuracy"] = np.mean(right / frames, axis=1)
        # Each frame counts by one over the frames of its object, each object then by one.
        _, object_of_frame, sizes = np.unique(predictions.objects, return_inverse=True, return_counts=True)
        share = 1 / sizes[object_of_frame]
        columns = [correct * share, share, brier_scores(predictions), log_losses(predictions), everything]
        balanced, objects, brier, loss, count = draws.sums(np.stack(columns, axis=1)).T
        figures |= {"object_balanced_accuracy": balanced / objects, "brier": brier / count, "log_loss": loss / count}
    return {name: draws.interval(values) for name, values in figures.items()}


def _per_class(
    predictions: Predictions,
) -> tuple[tuple[ClassScores, ...], tuple[tuple[int, int], tuple[int, int]]]:
    try:
        from sklearn.metrics import confusion_matrix, precision_recall_fscore_support
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "Scoring predictions") from error
    codes = list(range(len(LABELS)))
    matrix = confusion_matrix(predictions.labels, predictions.predicted, labels=codes)
    # NaN marks what is 0 / 0 and keeps scikit-learn from warning; it becomes None.
    columns = precision_recall_fscore_support(
        predictions.labels, predictions.predicted, labels=codes, zero_division=np.nan
    )
    scores = tuple(
        ClassScores(
            label=label,
            frames=int(matrix[code].sum()),
            predicted=int(matrix[:, code].sum()),
            precision=_or_none(columns[0][code]),
            recall=_or_none(columns[1][code]),
            f1=_or_none(columns[2][code]),
        )
        for code, label in enumerate(LABELS)
    )
    (galaxy_right, galaxy_wrong), (nsc_wrong, nsc_right) = matrix.tolist()
    return scores, ((galaxy_right, galaxy_wrong), (nsc_wrong, nsc_right))


def _or_none(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
