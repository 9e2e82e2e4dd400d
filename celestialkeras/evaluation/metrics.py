"""From predictions to figures: accuracies with their intervals, per class, object, instrument and filter.

Policy for what cannot be computed: the figure is None, never NaN and never a silent zero. So are the recall of a class
without frames, the precision of a class that was never predicted, and the accuracy balanced over the classes of a list
that lacks one.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.calibration_error import Calibration, calibration_of
from celestialkeras.evaluation.intervals import Interval, bootstrap_over_objects, wilson
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import LABELS, Observation


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


@dataclass(frozen=True)
class Slice:
    """The frames that share an object, an instrument or a filter.

    Attributes:
        name: What they share.
        frames: How many they are.
        correct: How many of them were classified rightly.
        frames_by_class: Number of galaxy and of NSC frames: a slice of one class tempts to recognise the slice.
    """

    name: str
    frames: int
    correct: int
    frames_by_class: tuple[int, int]

    @property
    def accuracy(self) -> float | None:
        """Share of frames classified rightly; None without frames."""
        return self.correct / self.frames if self.frames else None

    @property
    def interval(self) -> Interval | None:
        """Wilson interval of the accuracy; None without frames."""
        return wilson(self.correct, self.frames)

    @property
    def label(self) -> str | None:
        """The class of all its frames; None where there are both or none."""
        present = [label for label, count in zip(LABELS, self.frames_by_class, strict=True) if count]
        return present[0] if len(present) == 1 else None


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
        confusion: Counts `[true class][predicted class]`, in the order galaxy, NSC.
        classes: Scores of each class, in the order galaxy, NSC.
        by_object: Slices, by name.
        by_instrument: Slices, by name.
        by_filter: Slices, by name; a filter of the same name counts for all instruments together.
        majority_label: The larger class of this very list.
        majority_accuracy: The baseline: accuracy of always answering that class, without looking at a pixel.
        calibration: How far the probabilities are from frequencies, at temperature 1.
        timing: Milliseconds a frame.
        resampling: How `object_interval` was drawn.
    """

    predictions: Predictions
    accuracy: float
    accuracy_interval: Interval
    object_interval: Interval | None
    balanced_accuracy: float | None
    instrument_balanced_accuracy: float
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
    instruments = _slices(predictions, lambda observation: observation.instrument)
    correct = int(predictions.correct.sum())
    interval = wilson(correct, len(predictions))
    assert interval is not None
    # Of two classes of one size the first in the order of labels is the majority.
    majority = max(classes, key=lambda scores: scores.frames)
    return Evaluation(
        predictions=predictions,
        accuracy=correct / len(predictions),
        accuracy_interval=interval,
        object_interval=bootstrap_over_objects(
            predictions.correct,
            [observation.object_id for observation in predictions.observations],
            np.random.default_rng(resampling.seed),
            resampling.resamples,
        ),
        balanced_accuracy=sum(recalls) / len(LABELS) if len(recalls) == len(LABELS) else None,
        instrument_balanced_accuracy=sum(s.correct / s.frames for s in instruments) / len(instruments),
        confusion=confusion,
        classes=classes,
        by_object=_slices(predictions, lambda observation: observation.object_id),
        by_instrument=instruments,
        by_filter=_slices(predictions, lambda observation: observation.filter),
        majority_label=majority.label,
        majority_accuracy=majority.frames / len(predictions),
        calibration=calibration_of(predictions),
        timing=timing or Timing(),
        resampling=resampling,
    )


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


def _slices(predictions: Predictions, key: Callable[[Observation], str]) -> tuple[Slice, ...]:
    names = np.array([key(observation) for observation in predictions.observations], dtype=np.str_)
    slices = []
    for name in np.unique(names):
        held = names == name
        nsc = int(predictions.labels[held].sum())
        frames = int(held.sum())
        slices.append(Slice(str(name), frames, int(predictions.correct[held].sum()), (frames - nsc, nsc)))
    return tuple(slices)
