"""A sweep as JSON, as CSV and as cells for a terminal."""

from __future__ import annotations

import csv
import io
from typing import Any

from celestialkeras.evaluation.intervals import Interval
from celestialkeras.evaluation.report import ABSENT, percent, percent_range
from celestialkeras.evaluation.robustness.curves import Curve, Mean, Robustness, Share
from celestialkeras.evaluation.robustness.points import BLURRY
from celestialkeras.evaluation.robustness.subset import frames_digest
from celestialkeras.evaluation.robustness.sweep import Findings
from celestialkeras.lcid.degradations import KINDS
from celestialkeras.lcid.degradations.kinds import LEVELS

ROBUSTNESS_SCHEMA = "celestialkeras.robustness/1"
"""Name and version of what `robustness_to_json` gives; the version rises when a key changes its meaning or goes."""

CSV_COLUMNS = ("model", "kind", "level", "amount", "unit", "frames", "correct", "accuracy", "low", "high")
"""Columns of the CSV: one row a point of a curve."""

CURVE_COLUMNS = ("kind", "model", "clear", *(f"level {level}" for level in range(1, LEVELS + 1)), "area")
"""Columns of `curve_rows`."""

MEAN_COLUMNS = ("model", "mean accuracy", "relative to", "mCE", "95 %, objects", "relative mCE", "kinds")
"""Columns of `mean_rows`."""


def robustness_to_json(found: Robustness) -> dict[str, Any]:
    """Every figure of a sweep with how it was made.

    Args:
        found: What to report.

    Returns:
        A tree of dicts, lists, numbers, text and None; accuracies, areas and errors are fractions of 1. What the budget
        left no time for is None.
    """
    findings, plan = found.findings, found.findings.plan
    return {
        "schema": ROBUSTNESS_SCHEMA,
        "frames": len(plan.records),
        "minutes": round(findings.minutes, 3),
        "budget": {"frames": plan.frames, "minutes": plan.minutes},
        "objects": len({record.observation.object_id for record in plan.records}),
        "split": plan.split,
        "seed": plan.seed,
        "data": str(plan.dataset.folder),
        "data_sha256": plan.dataset.digest,
        "frames_sha256": frames_digest(plan.records),
        "models": [
            {"name": one.name, "kind": one.kind, "sha256": one.sha256, "source": one.source, "size": _size(one.size)}
            for one in findings.candidates
        ],
        "curves": [_curve(curve) for curve in found.curves],
        "means": [_mean(mean) for mean in found.means],
        "blurry": _blurry(found),
        "missing": list(findings.missing),
        "left_out": dict(plan.obstacles),
        "milliseconds_per_frame": {name: round(value, 2) for name, value in findings.milliseconds.items()},
        "notes": notes(found),
    }


def robustness_to_csv(found: Robustness) -> str:
    """One row a point of a curve (`CSV_COLUMNS`); amounts of level 0, and what was not run, are empty."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for curve in found.curves:
        kind = KINDS[curve.kind]
        for level, (amount, share) in enumerate(zip((None, *kind.levels), curve.shares, strict=True)):
            ends = (share.interval.low, share.interval.high) if share and share.interval else ("", "")
            counts = (share.frames, share.correct, share.accuracy) if share else ("", "", "")
            writer.writerow((curve.model, curve.kind, level, amount, kind.unit, *counts, *ends))
    return text.getvalue()


def curve_rows(found: Robustness) -> list[tuple[str, ...]]:
    """Accuracy of each kind, model and level for a terminal (`CURVE_COLUMNS`), models of one kind together."""
    return [
        (
            kind,
            curve.model,
            *(percent(share.accuracy if share else None) for share in curve.shares),
            ABSENT if curve.area is None else f"{curve.area:.3f}",
        )
        for kind in found.findings.plan.swept
        for curve in found.curves
        if curve.kind == kind
    ]


def mean_rows(found: Robustness) -> list[tuple[str, ...]]:
    """Each model over all kinds for a terminal (`MEAN_COLUMNS`)."""
    return [
        (
            mean.model,
            percent(mean.accuracy),
            mean.reference,
            percent(mean.corruption_error),
            percent_range(mean.interval),
            percent(mean.relative_corruption_error),
            str(len(mean.kinds)),
        )
        for mean in found.means
    ]


def blurry_rows(found: Robustness) -> list[tuple[str, ...]]:
    """Each model on the clear frames and on the blurry list: model, clear, interval, blurry, interval."""
    rows = []
    for name, share in found.blurry.items():
        clear = next(curve.shares[0] for curve in found.curves if curve.model == name)
        assert clear is not None
        rows.append(
            (name, *(cell for one in (clear, share) for cell in (percent(one.accuracy), percent_range(one.interval))))
        )
    return rows


def used(found: Robustness) -> str:
    """What a sweep used, in one line."""
    findings, plan = found.findings, found.findings.plan
    objects = len({record.observation.object_id for record in plan.records})
    whole = len(plan.dataset.records(plan.split))
    of_all = f" of {whole}" if len(plan.records) < whole else ""
    return (
        f"{len(plan.records)}{of_all} {plan.split} frames of {objects} objects of {plan.dataset.folder.name};"
        f" {findings.minutes:.1f} minutes"
    )


def missing_in_words(findings: Findings) -> str:
    """The points that were not run, kind by kind: `psf:4, psf:5, sky`, a kind alone for all its levels."""
    words = []
    for kind in findings.plan.swept:
        points = [point for point in findings.missing if point.partition(":")[0] == kind]
        words += [kind] if len(points) == LEVELS else points
    return ", ".join([*(point for point in findings.missing if point == BLURRY), *words])


def notes(found: Robustness) -> list[str]:
    """How the figures were made, in words."""
    findings, plan, resampling = found.findings, found.findings.plan, found.resampling
    draws = f"{resampling.resamples} resamples, seed {resampling.seed}"
    lines = [
        used(found),
        f"frames are chosen by class and object with seed {plan.seed}; level 0 is the frame as it is",
        f"95 %, objects: percentile bootstrap over whole objects, {draws}",
        f"area: under accuracy over the levels 0 to {LEVELS}, by trapezoids, over its width; 1 is right at every level",
        f"mCE: errors at levels 1 to {LEVELS} over the reference's, mean over kinds (Hendrycks and Dietterich 2019)",
        "relative mCE: the same of what is lost from the clear frames",
    ]
    if findings.missing:
        lines.append(
            f"not run, since the budget of {plan.minutes:g} minutes ended: {missing_in_words(findings)};"
            " the same command goes on"
        )
    lines += [f"left out: {kind}: {reason}" for kind, reason in plan.obstacles.items()]
    return lines


def _curve(curve: Curve) -> dict[str, Any]:
    kind = KINDS[curve.kind]
    return {
        "model": curve.model,
        "kind": curve.kind,
        "quantity": kind.quantity,
        "unit": kind.unit,
        "levels": list(range(LEVELS + 1)),
        "amounts": [None, *kind.levels],
        "accuracy": [share.accuracy if share else None for share in curve.shares],
        "interval": [_interval(share.interval if share else None) for share in curve.shares],
        "area": curve.area,
    }


def _mean(mean: Mean) -> dict[str, Any]:
    return {
        "model": mean.model,
        "reference": mean.reference,
        "kinds": list(mean.kinds),
        "accuracy": mean.accuracy,
        "corruption_errors": dict(mean.corruption_errors),
        "mean_corruption_error": mean.corruption_error,
        "interval": _interval(mean.interval),
        "relative_mean_corruption_error": mean.relative_corruption_error,
    }


def _blurry(found: Robustness) -> dict[str, Any] | None:
    plan = found.findings.plan
    if plan.blurry is None:
        return None
    return {
        "data": str(plan.blurry.folder),
        "data_sha256": plan.blurry.digest,
        "models": [{"model": name, **_share(share)} for name, share in found.blurry.items()],
    }


def _share(share: Share) -> dict[str, Any]:
    return {"frames": share.frames, "accuracy": share.accuracy, "interval": _interval(share.interval)}


def _interval(interval: Interval | None) -> list[float] | None:
    return None if interval is None else [interval.low, interval.high]


def _size(size: int | tuple[int, int]) -> int | list[int]:
    return size if isinstance(size, int) else list(size)
