"""An assessment as JSON and as rows for a terminal."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, NamedTuple

from celestialkeras.evaluation.assessment import Assessment
from celestialkeras.evaluation.calibration_error import BINS, ReliabilityBin
from celestialkeras.evaluation.curves import PrecisionRecallCurve, RocCurve
from celestialkeras.evaluation.intervals import Interval
from celestialkeras.evaluation.pixel_free import RuleScore
from celestialkeras.evaluation.report import (
    ABSENT,
    ends,
    figure_to_json,
    percent,
    percent_range,
    slices_to_json,
    to_json,
)
from celestialkeras.evaluation.risk_coverage import RiskPoint
from celestialkeras.evaluation.slices import FEWEST_FRAMES, FEWEST_OBJECTS, worst_first
from celestialkeras.lcid.manifest import LABELS

# Slices that are named as the worst.
_WORST = 3


class AreaRow(NamedTuple):
    """The area under one curve, as text."""

    curve: str
    area: str
    interval: str
    note: str


class CalibrationRow(NamedTuple):
    """One figure of calibration, as text."""

    figure: str
    before: str
    after: str
    note: str


class RuleRow(NamedTuple):
    """A rule without pixels and what the model has above it, as text."""

    rule: str
    accuracy: str
    interval: str
    lead: str
    lead_interval: str


class RiskRow(NamedTuple):
    """What is left when frames stay undecided, as text."""

    undecided: str
    threshold: str
    decided: str
    accuracy: str
    interval: str


def assessment_to_json(assessment: Assessment) -> dict[str, Any]:
    """Everything of an assessment: what `report.to_json` gives of its evaluation, and more keys.

    Args:
        assessment: What to report.

    Returns:
        A tree of dicts, lists, numbers, text and None; what cannot be computed is None, never NaN.
    """
    report = to_json(assessment.evaluation)
    raw, used = assessment.evaluation.calibration, assessment.calibrated
    report["calibration"] = {
        "what": "expected calibration error and Brier score, fractions, and log loss, nats, before and after the logits"
        " are divided by the temperature",
        "temperature": assessment.setting.temperature,
        "source": assessment.setting.source,
        "before": asdict(raw),
        "after": asdict(used),
    }
    report["reliability_note"] = (
        f"share of frames classified rightly in {BINS} bins of confidence, each open below and closed above, with"
        " Wilson intervals; `reliability` after the temperature, `reliability_before` at 1"
    )
    report["reliability"] = [_bin_to_json(part) for part in assessment.reliability]
    report["reliability_before"] = [_bin_to_json(part) for part in assessment.reliability_before]
    report["curves"] = {
        "what": "`roc` and `pr` have NSC as the positive class, `pr_galaxy` galaxy; the area of `roc` is that under the"
        " curve, of the others the average precision; intervals: percentile bootstrap over whole objects; null where a"
        " class has no frames",
        "roc": assessment.roc and _roc_to_json(assessment.roc),
        "pr": None,
        "pr_galaxy": None,
        **{_key(curve): _precision_recall_to_json(curve) for curve in assessment.precision_recall},
    }
    for name, curve in (("roc", assessment.roc), *((_key(curve), curve) for curve in assessment.precision_recall)):
        if curve is not None:
            report["figures"][f"{name}_area"] = _area_to_json(curve)
    report["rules"] = {
        "what": "what rules without a pixel reach on these frames, fitted on the training side of the data set; `lead`"
        " is the model's accuracy minus the rule's, its interval a bootstrap over objects, both on the same draws",
        "fitted_frames": len(assessment.setting.fitted),
        "scores": [_rule_to_json(rule) for rule in assessment.rules],
    }
    for division in assessment.divisions:
        report["slices"][division.key] = slices_to_json(division.slices)
    report["slice_notes"] = {division.key: division.note for division in assessment.divisions}
    report["risk_coverage"] = [_risk_to_json(point) for point in reversed(assessment.risk)]
    report["risk_coverage_curve"] = {
        "what": "accuracy of the frames that are decided, by the least probability that decides, after the temperature",
        "threshold": assessment.risk_curve.thresholds.tolist(),
        "coverage": assessment.risk_curve.coverage.tolist(),
        "accuracy": assessment.risk_curve.accuracy.tolist(),
    }
    report["abstain"] = assessment.abstained and _risk_to_json(assessment.abstained)
    return report


def area_rows(assessment: Assessment) -> list[AreaRow]:
    """Areas under the curves as rows for a terminal: curve, area, interval over objects, what it is."""
    rows = []
    if assessment.roc is not None:
        interval = _range(assessment.roc.interval)
        rows.append(AreaRow("ROC", f"{assessment.roc.area:.4f}", interval, "an NSC is ranked above a galaxy"))
    for curve in assessment.precision_recall:
        interval = _range(curve.interval)
        note = f"average; {curve.base_rate:.2f} by guessing"
        rows.append(AreaRow(f"precision-recall, {curve.label}", f"{curve.area:.4f}", interval, note))
    return rows


def calibration_rows(assessment: Assessment) -> list[CalibrationRow]:
    """Figures of calibration as rows for a terminal: figure, at temperature 1, at the model's, what it is."""
    raw, used = assessment.evaluation.calibration, assessment.calibrated
    before, after = (f"{100 * found.expected_error:.2f} points" for found in (raw, used))
    return [
        CalibrationRow("calibration error", before, after, f"expected, {BINS} bins; few frames raise it"),
        CalibrationRow("Brier score", f"{raw.brier:.4f}", f"{used.brier:.4f}", "mean square of the error"),
        CalibrationRow("log loss", f"{raw.log_loss:.4f}", f"{used.log_loss:.4f}", "nats"),
    ]


def rule_rows(assessment: Assessment) -> list[RuleRow]:
    """Rules without pixels as rows for a terminal: rule, accuracy, interval, the model's lead, its interval."""
    return [
        RuleRow(
            rule.name,
            percent(rule.accuracy),
            percent_range(rule.object_interval or rule.interval),
            f"{100 * rule.lead:+.1f}",
            ABSENT
            if rule.lead_interval is None
            else f"{100 * rule.lead_interval.low:+.1f} to {100 * rule.lead_interval.high:+.1f}",
        )
        for rule in assessment.rules
    ]


def risk_rows(assessment: Assessment) -> list[RiskRow]:
    """What is left undecided as rows for a terminal: share undecided, threshold, frames left, accuracy, interval."""
    points = [*assessment.risk, *([assessment.abstained] if assessment.abstained else [])]
    return [
        RiskRow(
            percent(1 - point.coverage),
            f"{point.threshold:.4f}",
            f"{point.decided} of {point.frames}",
            percent(point.accuracy),
            percent_range(point.object_interval or point.interval),
        )
        for point in points
    ]


def worst_slices(assessment: Assessment) -> list[str]:
    """The worst slices of each division that are large enough to say something, one line a division.

    Objects are left out: their table is a list of the worst already.
    """
    evaluation = assessment.evaluation
    divisions = [("instrument", evaluation.by_instrument), ("filter", evaluation.by_filter)]
    divisions += [(division.title, division.slices) for division in assessment.divisions]
    lines = []
    for title, slices in divisions:
        worst = [part for part in worst_first(slices) if not part.too_small][:_WORST]
        told = ", ".join(f"{part.name} {percent(part.accuracy)}" for part in worst)
        small = sum(part.too_small for part in slices)
        left = f"; {small} of {len(slices)} too small to say" if small else ""
        lines.append(f"{title.lower()}: {told or 'nothing to say'}{left}")
    return lines


def small_slice_warning(assessment: Assessment) -> str:
    """A warning about slices that are too small to say anything; empty where there is none. Objects are left out."""
    evaluation = assessment.evaluation
    groups = [evaluation.by_instrument, evaluation.by_filter]
    slices = [part for group in (*groups, *(found.slices for found in assessment.divisions)) for part in group]
    small = sum(part.too_small for part in slices)
    if not small:
        return ""
    return (
        f"warning: {small} of {len(slices)} slices have fewer than {FEWEST_FRAMES} frames, or 2 to"
        f" {FEWEST_OBJECTS - 1} objects: too few to say anything of others like them; they stand last"
    )


def _key(curve: PrecisionRecallCurve) -> str:
    return "pr" if curve.label == LABELS[1] else f"pr_{curve.label}"


def _range(interval: Interval | None) -> str:
    return ABSENT if interval is None else f"{interval.low:.4f} to {interval.high:.4f}"


def _bin_to_json(part: ReliabilityBin) -> dict[str, Any]:
    return {
        "low": part.low,
        "high": part.high,
        "frames": part.frames,
        "confidence": part.confidence,
        "accuracy": part.accuracy,
        "interval": ends(part.interval),
    }


def _roc_to_json(curve: RocCurve) -> dict[str, Any]:
    points = {"fpr": curve.false_positives.tolist(), "tpr": curve.true_positives.tolist()}
    return {**points, "area": curve.area, "interval": ends(curve.interval)}


def _precision_recall_to_json(curve: PrecisionRecallCurve) -> dict[str, Any]:
    points = {"recall": curve.recall.tolist(), "precision": curve.precision.tolist()}
    return {**points, "area": curve.area, "interval": ends(curve.interval), "base_rate": curve.base_rate}


def _rule_to_json(rule: RuleScore) -> dict[str, Any]:
    return {
        "name": rule.name,
        "accuracy": rule.accuracy,
        "correct": rule.correct,
        "interval": ends(rule.interval),
        "object_interval": ends(rule.object_interval),
        "lead": rule.lead,
        "lead_interval": ends(rule.lead_interval),
    }


def _area_to_json(curve: RocCurve | PrecisionRecallCurve) -> dict[str, Any]:
    if isinstance(curve, RocCurve):
        what = "area under the ROC curve: chance that an NSC frame is given a higher probability of NSC than a galaxy"
    else:
        what = f"average precision with {curve.label} as the positive class"
    return {**figure_to_json(curve.area, "fraction", what), "intervals": {"objects": ends(curve.interval)}}


def _risk_to_json(point: RiskPoint) -> dict[str, Any]:
    return {
        "undecided": 1 - point.coverage,
        "coverage": point.coverage,
        "threshold": point.threshold,
        "decided": point.decided,
        "frames": point.frames,
        "accuracy": point.accuracy,
        "interval": ends(point.interval),
        "object_interval": ends(point.object_interval),
    }
