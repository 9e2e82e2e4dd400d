"""An evaluation as JSON and as rows for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from celestialkeras.evaluation.calibration_error import BINS, Calibration
from celestialkeras.evaluation.gate import Judgement
from celestialkeras.evaluation.intervals import Interval
from celestialkeras.evaluation.metrics import Evaluation, Slice
from celestialkeras.lcid.manifest import LABELS

EVALUATION_SCHEMA = "celestialkeras.evaluation/1"
"""Name and version of what `to_json` gives; the version rises when a key changes its meaning or goes."""

COMPARISON_SCHEMA = "celestialkeras.comparison/1"
"""Name and version of what `judgement_to_json` gives."""

ABSENT = "-"
"""What a table shows for a figure that cannot be computed."""

_WILSON = "Wilson score interval over frames, taken as independent"
_TANGO = "Tango score interval of the paired difference over frames, taken as independent"


class FigureRow(NamedTuple):
    """One figure of an evaluation, as text."""

    figure: str
    value: str
    note: str


class SliceRow(NamedTuple):
    """One slice of an evaluation, as text."""

    name: str
    label: str
    frames: str
    accuracy: str
    interval: str


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Every figure of an evaluation with its unit and what it is.

    Args:
        evaluation: What to report.

    Returns:
        A tree of dicts, lists, numbers, text and None; what cannot be computed is None, never NaN. The predictions for
        each frame are not in it: they go into a CSV (`Predictions.write_csv`).
    """
    accuracy = _figure(evaluation.accuracy, "fraction", "share of frames classified rightly")
    accuracy["correct"] = evaluation.correct
    accuracy["intervals"] = {
        "frames": _interval(evaluation.accuracy_interval, _WILSON),
        "objects": _interval(
            evaluation.object_interval,
            f"percentile bootstrap over whole objects, {evaluation.resampling.resamples} resamples,"
            f" seed {evaluation.resampling.seed}; null with fewer than two objects",
        ),
    }
    majority = _figure(
        evaluation.majority_accuracy, "fraction", "accuracy of always answering the larger class of this list"
    )
    majority["label"] = evaluation.majority_label
    milliseconds = _figure(
        evaluation.timing.milliseconds,
        "ms",
        "milliseconds a frame of the predictor alone, median over batches; the first batch of each size is warm-up;"
        " null where no batch was left to time",
    )
    milliseconds["batches"] = evaluation.timing.batches
    return {
        "schema": EVALUATION_SCHEMA,
        "frames": evaluation.n,
        "objects": len(evaluation.by_object),
        "labels": list(LABELS),
        "figures": {
            "accuracy": accuracy,
            "balanced_accuracy": _figure(
                evaluation.balanced_accuracy,
                "fraction",
                "mean of the recalls of the two classes; null where a class has no frames",
            ),
            "instrument_balanced_accuracy": _figure(
                evaluation.instrument_balanced_accuracy,
                "fraction",
                f"mean of the accuracies of the {len(evaluation.by_instrument)} instrument(s), each counting alike",
            ),
            "majority_accuracy": majority,
            **_calibration(evaluation.calibration),
            "milliseconds_per_frame": milliseconds,
        },
        "confusion": {
            "what": "counts of frames: rows are true classes, columns predicted ones, in the order of `labels`",
            "counts": [list(row) for row in evaluation.confusion],
        },
        "classes": {
            scores.label: {
                "frames": scores.frames,
                "predicted": scores.predicted,
                "precision": scores.precision,
                "recall": scores.recall,
                "f1": scores.f1,
            }
            for scores in evaluation.classes
        },
        "slices": {
            "what": f"accuracy of the frames that share one value; {_WILSON}",
            "object": [_slice(part) for part in evaluation.by_object],
            "instrument": [_slice(part) for part in evaluation.by_instrument],
            "filter": [_slice(part) for part in evaluation.by_filter],
        },
    }


def judgement_to_json(judgement: Judgement) -> dict[str, Any]:
    """A comparison of two models and what the gate says of it, with the unit of every figure and what it is.

    Args:
        judgement: What to report.

    Returns:
        A tree of dicts, numbers and text.
    """
    comparison = judgement.comparison
    drop = _figure(comparison.drop, "fraction", "accuracy of A minus accuracy of B; positive where B is worse")
    drop["interval"] = _interval(comparison.interval, _TANGO)
    return {
        "schema": COMPARISON_SCHEMA,
        "frames": comparison.n,
        "outcome": judgement.outcome.value,
        "judged": judgement.judged,
        "reason": judgement.reason,
        "max_drop": _figure(judgement.max_drop, "point", "largest drop allowed, percentage points"),
        "minimum_frames": judgement.minimum_frames,
        "figures": {
            "accuracy_a": _figure(comparison.accuracy_a, "fraction", "share of frames A classifies rightly"),
            "accuracy_b": _figure(comparison.accuracy_b, "fraction", "share of frames B classifies rightly"),
            "drop": drop,
            "agreement": _figure(comparison.agreement, "fraction", "share of frames given the same class by both"),
            "only_a": _figure(comparison.only_a, "frame", "frames that A has right and B wrong"),
            "only_b": _figure(comparison.only_b, "frame", "frames that B has right and A wrong"),
            **_calibration(comparison.calibration_a, "_a"),
            **_calibration(comparison.calibration_b, "_b"),
        },
    }


def figure_rows(evaluation: Evaluation) -> list[FigureRow]:
    """The headline figures as rows for a terminal: figure, value, and what the value rests on.

    Args:
        evaluation: What to report.

    Returns:
        One row per figure, the accuracy with its two intervals first.
    """
    instruments = len(evaluation.by_instrument)
    timing = evaluation.timing
    rows = [
        FigureRow("frames", str(evaluation.n), f"of {len(evaluation.by_object)} object(s)"),
        FigureRow("accuracy", percent(evaluation.accuracy), f"{evaluation.correct} of {evaluation.n} frames"),
        FigureRow("  over frames", percent_range(evaluation.accuracy_interval), "95 % Wilson interval"),
        FigureRow(
            "  over objects",
            percent_range(evaluation.object_interval),
            "95 % bootstrap interval, whole objects drawn anew"
            if evaluation.object_interval
            else "one object says nothing of how objects differ",
        ),
        FigureRow(
            "balanced over classes",
            percent(evaluation.balanced_accuracy),
            "mean of the recalls" if evaluation.balanced_accuracy is not None else "a class has no frames",
        ),
        FigureRow(
            "balanced over instruments",
            percent(evaluation.instrument_balanced_accuracy),
            f"mean of {instruments} accuracies" if instruments > 1 else "one instrument: the accuracy",
        ),
        FigureRow(
            f"always {evaluation.majority_label}",
            percent(evaluation.majority_accuracy),
            "baseline: the larger class of this list",
        ),
    ]
    rows += [
        FigureRow(
            f"{scores.label} F1",
            percent(scores.f1),
            f"precision {percent(scores.precision)}, recall {percent(scores.recall)}, {scores.frames} frames",
        )
        for scores in evaluation.classes
    ]
    calibration = evaluation.calibration
    rows += [
        FigureRow(
            "calibration error", f"{100 * calibration.expected_error:.2f} points", f"expected, {BINS} equal bins"
        ),
        FigureRow("Brier score", f"{calibration.brier:.4f}", "mean square of the probability's error"),
        FigureRow("log loss", f"{calibration.log_loss:.3f}", "nats, at temperature 1"),
    ]
    rows.append(
        FigureRow("time a frame", ABSENT, "not measured: no batch left after warm-up")
        if timing.milliseconds is None
        else FigureRow("time a frame", f"{timing.milliseconds:.3g} ms", f"median of {timing.batches} batch(es)")
    )
    return rows


def slice_rows(slices: Sequence[Slice]) -> list[SliceRow]:
    """Slices as rows for a terminal, the worst first: name, class, frames, accuracy, Wilson interval.

    Args:
        slices: Slices of an evaluation, such as `evaluation.by_object`.

    Returns:
        One row per slice, by rising accuracy; of equal ones the larger first, then by name. Slices of both classes
        show the number of frames of each.
    """
    return [
        SliceRow(
            part.name,
            part.label or f"{part.frames_by_class[0]} {LABELS[0]}, {part.frames_by_class[1]} {LABELS[1]}",
            str(part.frames),
            percent(part.accuracy),
            percent_range(part.interval),
        )
        for part in worst_first(slices)
    ]


def worst_first(slices: Sequence[Slice]) -> list[Slice]:
    """Slices by rising accuracy; of equal ones the larger first, then by name. Empty slices come last."""
    return sorted(slices, key=lambda part: (2.0 if part.accuracy is None else part.accuracy, -part.frames, part.name))


def percent(share: float | None) -> str:
    """A fraction as text, `89.1 %`; `-` for None."""
    return ABSENT if share is None else f"{100 * share:.1f} %"


def percent_range(interval: Interval | None) -> str:
    """An interval of fractions as text, `87.5 to 90.5 %`; `-` for None."""
    return ABSENT if interval is None else f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def _figure(value: float | None, unit: str, what: str) -> dict[str, Any]:
    return {"value": value, "unit": unit, "what": what}


def _calibration(calibration: Calibration, suffix: str = "") -> dict[str, Any]:
    return {
        f"calibration_error{suffix}": _figure(
            calibration.expected_error,
            "fraction",
            f"expected calibration error: mean distance of confidence and accuracy over {BINS} bins of equal width",
        ),
        f"brier{suffix}": _figure(
            calibration.brier, "fraction", "mean square of the distance of the probability of NSC from 0 or 1"
        ),
        f"log_loss{suffix}": _figure(
            calibration.log_loss,
            "nat",
            "mean negative logarithm of the probability given to the true class, at temperature 1",
        ),
    }


def _interval(interval: Interval | None, method: str) -> dict[str, Any]:
    if interval is None:
        return {"low": None, "high": None, "level": None, "method": method}
    return {"low": interval.low, "high": interval.high, "level": interval.level, "method": method}


def _slice(part: Slice) -> dict[str, Any]:
    interval = part.interval
    return {
        "name": part.name,
        "frames": part.frames,
        "correct": part.correct,
        "frames_by_class": dict(zip(LABELS, part.frames_by_class, strict=True)),
        "accuracy": part.accuracy,
        "interval": None if interval is None else {"low": interval.low, "high": interval.high},
    }
