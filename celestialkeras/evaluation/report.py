"""An evaluation as JSON and as rows for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from celestialkeras.evaluation.calibration_error import BINS, Calibration
from celestialkeras.evaluation.intervals import Interval
from celestialkeras.evaluation.metrics import Evaluation
from celestialkeras.evaluation.slices import SLICE_NOTE, Slice, worst_first
from celestialkeras.lcid.manifest import LABELS

EVALUATION_SCHEMA = "celestialkeras.evaluation/1"
"""Name and version of what `to_json` gives; the version rises when a key changes its meaning or goes."""

ABSENT = "-"
"""What a table shows for a figure that cannot be computed."""

_WILSON = "Wilson score interval over frames, taken as independent"


class FigureRow(NamedTuple):
    """One figure of an evaluation, as text."""

    figure: str
    value: str
    interval: str
    note: str


class SliceRow(NamedTuple):
    """One slice of an evaluation, as text."""

    name: str
    label: str
    frames: str
    objects: str
    accuracy: str
    interval: str
    over: str


def to_json(evaluation: Evaluation) -> dict[str, Any]:
    """Every figure of an evaluation with its unit and what it is.

    Args:
        evaluation: What to report.

    Returns:
        A tree of dicts, lists, numbers, text and None; what cannot be computed is None, never NaN. The predictions for
        each frame are not in it: they go into a CSV (`Predictions.write_csv`).
    """
    bootstrap = (
        f"percentile bootstrap over whole objects, {evaluation.resampling.resamples} resamples,"
        f" seed {evaluation.resampling.seed}; null with fewer than two objects"
    )

    def over_objects(key: str, figure: dict[str, Any]) -> dict[str, Any]:
        return {**figure, "intervals": {"objects": interval_to_json(evaluation.object_intervals[key], bootstrap)}}

    accuracy = figure_to_json(evaluation.accuracy, "fraction", "share of frames classified rightly")
    accuracy["correct"] = evaluation.correct
    accuracy["intervals"] = {
        "frames": interval_to_json(evaluation.accuracy_interval, _WILSON),
        "objects": interval_to_json(evaluation.object_interval, bootstrap),
    }
    accuracy["headline"] = "objects" if evaluation.object_interval else "frames"
    majority = figure_to_json(
        evaluation.majority_accuracy, "fraction", "accuracy of always answering the larger class of this list"
    )
    majority["label"] = evaluation.majority_label
    milliseconds = figure_to_json(
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
            "balanced_accuracy": over_objects(
                "balanced_accuracy",
                figure_to_json(
                    evaluation.balanced_accuracy,
                    "fraction",
                    "mean of the recalls of the two classes; null where a class has no frames",
                ),
            ),
            "instrument_balanced_accuracy": over_objects(
                "instrument_balanced_accuracy",
                figure_to_json(
                    evaluation.instrument_balanced_accuracy,
                    "fraction",
                    f"mean of the accuracies of the {len(evaluation.by_instrument)} instrument(s), each counting alike",
                ),
            ),
            "object_balanced_accuracy": over_objects(
                "object_balanced_accuracy",
                figure_to_json(
                    evaluation.object_balanced_accuracy,
                    "fraction",
                    f"mean of the accuracies of the {len(evaluation.by_object)} object(s), each counting alike",
                ),
            ),
            "majority_accuracy": majority,
            **{
                key: over_objects(key, figure) if key in evaluation.object_intervals else figure
                for key, figure in calibration_figures(evaluation.calibration).items()
            },
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
                "object_intervals": {
                    name: ends(evaluation.object_intervals[f"{scores.label} {name}"])
                    for name in ("precision", "recall", "f1")
                },
            }
            for scores in evaluation.classes
        },
        "slices": {
            "what": "accuracy of the frames that share one value, the worst first; `interval`: "
            f"{_WILSON}; `object_interval`: {bootstrap}; {SLICE_NOTE}",
            "object": slices_to_json(evaluation.by_object),
            "instrument": slices_to_json(evaluation.by_instrument),
            "filter": slices_to_json(evaluation.by_filter),
        },
    }


def figure_rows(evaluation: Evaluation) -> list[FigureRow]:
    """The headline figures as rows for a terminal: figure, value, interval over objects, and what the value rests on.

    Args:
        evaluation: What to report.

    Returns:
        One row per figure; that of the accuracy names both its intervals.
    """
    instruments = len(evaluation.by_instrument)
    timing = evaluation.timing
    intervals = {name: percent_range(interval) for name, interval in evaluation.object_intervals.items()}
    wilson = f"Wilson, over frames: {percent_range(evaluation.accuracy_interval)}"
    rows = [
        FigureRow("frames", str(evaluation.n), "", f"of {len(evaluation.by_object)} object(s)"),
        FigureRow("accuracy", percent(evaluation.accuracy), percent_range(evaluation.object_interval), wilson),
        FigureRow(
            "balanced over classes",
            percent(evaluation.balanced_accuracy),
            intervals["balanced_accuracy"],
            "mean of the recalls" if evaluation.balanced_accuracy is not None else "a class has no frames",
        ),
        FigureRow(
            "balanced over instruments",
            percent(evaluation.instrument_balanced_accuracy),
            intervals["instrument_balanced_accuracy"],
            f"mean of {instruments} accuracies" if instruments > 1 else "one instrument: the accuracy",
        ),
        FigureRow(
            "balanced over objects",
            percent(evaluation.object_balanced_accuracy),
            intervals["object_balanced_accuracy"],
            "each object counts alike",
        ),
    ]
    majority = f"always {evaluation.majority_label}"
    rows.append(FigureRow(majority, percent(evaluation.majority_accuracy), "", "baseline: its larger class"))
    for scores in evaluation.classes:
        note = f"precision {percent(scores.precision)}, recall {percent(scores.recall)}"
        rows.append(FigureRow(f"{scores.label} F1", percent(scores.f1), intervals[f"{scores.label} f1"], note))
    rows.append(
        FigureRow("time a frame", ABSENT, "", "not measured: no batch left after warm-up")
        if timing.milliseconds is None
        else FigureRow("time a frame", f"{timing.milliseconds:.3g} ms", "", f"median of {timing.batches} batch(es)")
    )
    return rows


def slice_rows(slices: Sequence[Slice]) -> list[SliceRow]:
    """Slices as rows for a terminal, the worst first: name, class, frames, objects, accuracy, interval, over what.

    Args:
        slices: Slices of an evaluation, such as `evaluation.by_object`.

    Returns:
        One row per slice, in the order of `worst_first`. Slices of both classes show the number of frames of each.
    """
    return [
        SliceRow(
            part.name,
            part.label or f"{part.frames_by_class[0]} {LABELS[0]}, {part.frames_by_class[1]} {LABELS[1]}",
            str(part.frames),
            str(part.objects),
            percent(part.accuracy),
            percent_range(part.headline),
            "too few" if part.too_small else "objects" if part.over_objects else "frames",
        )
        for part in worst_first(slices)
    ]


def percent(share: float | None) -> str:
    """A fraction as text, `89.1 %`; `-` for None."""
    return ABSENT if share is None else f"{100 * share:.1f} %"


def percent_range(interval: Interval | None) -> str:
    """An interval of fractions as text, `87.5 to 90.5 %`; `-` for None."""
    return ABSENT if interval is None else f"{100 * interval.low:.1f} to {100 * interval.high:.1f} %"


def figure_to_json(value: float | None, unit: str, what: str) -> dict[str, Any]:
    """One figure with its unit and what it is."""
    return {"value": value, "unit": unit, "what": what}


def calibration_figures(calibration: Calibration, suffix: str = "") -> dict[str, Any]:
    """The three figures of calibration, each with its unit and what it is, their names followed by `suffix`."""
    return {
        f"calibration_error{suffix}": figure_to_json(
            calibration.expected_error,
            "fraction",
            f"expected calibration error: mean distance of confidence and accuracy over {BINS} bins of equal width",
        ),
        f"brier{suffix}": figure_to_json(
            calibration.brier, "fraction", "mean square of the distance of the probability of NSC from 0 or 1"
        ),
        f"log_loss{suffix}": figure_to_json(
            calibration.log_loss,
            "nat",
            "mean negative logarithm of the probability given to the true class",
        ),
    }


def interval_to_json(interval: Interval | None, method: str) -> dict[str, Any]:
    """An interval with its level and how it was made; nulls for None."""
    if interval is None:
        return {"low": None, "high": None, "level": None, "method": method}
    return {"low": interval.low, "high": interval.high, "level": interval.level, "method": method}


def ends(interval: Interval | None) -> dict[str, float] | None:
    """Both ends of an interval; None for None."""
    return None if interval is None else {"low": interval.low, "high": interval.high}


def slices_to_json(slices: Sequence[Slice]) -> list[dict[str, Any]]:
    """Slices as plain data, the worst first."""
    return [
        {
            "name": part.name,
            "frames": part.frames,
            "objects": part.objects,
            "correct": part.correct,
            "frames_by_class": dict(zip(LABELS, part.frames_by_class, strict=True)),
            "accuracy": part.accuracy,
            "interval": ends(part.interval),
            "object_interval": ends(part.object_interval),
            "too_small": part.too_small,
        }
        for part in worst_first(slices)
    ]
