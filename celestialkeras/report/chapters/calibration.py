"""The calibration: how far probabilities are from frequencies, before and after the temperature, and abstention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celestialkeras.evaluation.report import percent
from celestialkeras.report import plots
from celestialkeras.report.blocks import SCALE, Bar, Block, Facts, Missing, Plot, Plots, Table
from celestialkeras.report.drawing import Drawing
from celestialkeras.report.material import EVALUATION, SIDE, Material
from celestialkeras.report.record import NotThereError
from celestialkeras.report.wording import bar, number

FILE = "calibration.json"
"""Where the temperature of a run is kept, and what it did to the validation frames."""

LEAST_COVERAGE = 0.1
"""Share of decided frames from which on the curve is drawn."""

_SHORT = {"calibration error": "expected_error", "Brier": "brier", "log loss": "log_loss"}

_ERRORS = {
    "expected_error": "expected calibration error, fraction",
    "brier": "Brier score",
    "log_loss": "log loss, nats",
}


def blocks(material: Material) -> list[Block]:
    """Reliability by bin, and the errors before and after the temperature.

    Raises:
        NotThereError: The evaluation says nothing of it.
    """
    held = material.evaluation()
    command = material.evaluate
    bins = held.get("reliability")
    if bins is None:
        raise NotThereError("the evaluation does not say how sure the model was where", command)
    found: list[Block] = [*material.of_another_model(held, command)]
    temperature = (held.get("calibration") or {}).get("temperature", 1.0)
    series = {f"at temperature {temperature:.3g}": bins}
    if temperature != 1.0 and "reliability_before" in held:
        series = {"at temperature 1": held["reliability_before"], **series}
    found.append(Plots([_reliability(series, command)]))
    tables = []
    fitted: Block
    try:
        fit = material.record.json(FILE, f"{command} --calibrate")
        fitted = Facts(
            [
                ("temperature", f"{fit['temperature']:.4g}"),
                ("fitted on", f"{fit['frames']} validation frames"),
                *([("not fitted", str(fit["reason"]))] if fit.get("reason") else []),
            ]
        )
        tables.append(_errors("Validation frames, on which it was fitted", fit))
    except NotThereError as gone:
        fitted = Missing(gone.what, gone.command)
    if isinstance(held.get("calibration"), dict) and "before" in held["calibration"]:
        tables.insert(0, _errors(f"{SIDE.capitalize()} frames, which it has not seen", held["calibration"]))
    return [*found, fitted, *tables, *_of_artifacts(material)]


def abstention(material: Material) -> list[Block]:
    """What accuracy the frames have that are decided, when the least sure are not.

    Raises:
        NotThereError: The evaluation says nothing of it.
    """
    held = material.evaluation()
    command = material.evaluate
    curve = held.get("risk_coverage_curve")
    if not curve:
        raise NotThereError("the evaluation does not say what abstention would give", command)
    columns = ["undecided", "threshold", "others right", SCALE]
    points = sorted(held["risk_coverage"], key=lambda point: point["undecided"])
    table = Table(
        f"The least sure {SIDE} frames sent to the ground undecided",
        columns,
        [_point(point) for point in points],
        note="Threshold: the least probability that decides, which is what --abstain takes. Lines: 95 % interval, whole"
        " objects drawn anew.",
        compact=True,
    )
    return [*material.of_another_model(held, command), Plots([_risk_coverage(curve, command)]), table]


def _point(point: Mapping[str, Any]) -> list[str | Bar]:
    return [
        f"{percent(point['undecided'])} ({point['frames'] - point['decided']} of {point['frames']})",
        f"{point['threshold']:.3f}",
        percent(point["accuracy"]),
        bar(point["accuracy"], point["object_interval"] or point["interval"]),
    ]


def _reliability(bins: Mapping[str, Sequence[Mapping[str, Any]]], command: str) -> Plot:
    told = "; ".join(
        f"{name}: {percent(one['confidence'])} sure, {percent(one['accuracy'])} right"
        for name, held in bins.items()
        for one in _filled(held)
    )
    return Plot(
        Drawing("reliability", plots.reliability({name: _filled(held) for name, held in bins.items()})),
        f"Reliability: {SIDE} frames in bins of confidence; below the dashed line the network is too sure. Bars are"
        " 95 % Wilson intervals.",
        f"reliability by bin, {told}",
        command,
    )


def _filled(bins: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [one for one in bins if one["frames"]]


def _errors(title: str, held: Mapping[str, Any]) -> Table:
    before, after = held["before"], held["after"]
    rows = [
        [name, *(number(part.get(key)) for part in (before, after))] for key, name in _ERRORS.items() if key in before
    ]
    return Table(title, ["error", "at temperature 1", "at its temperature"], rows, compact=True)


def _of_artifacts(material: Material) -> list[Block]:
    """The same of artifacts, whose rounding moves the logits."""
    rows = []
    for name, card in material.artifact_json("*/card.json", "quantize").items():
        fit = card["accuracy"].get("calibration")
        if fit is not None:
            rows.append(_artifact(name, "validation", fit))
    for name, held in material.artifact_json(f"*-evaluation/{EVALUATION}", "evaluate").items():
        if isinstance(held.get("calibration"), dict):
            rows.append(_artifact(name.removesuffix("-evaluation"), SIDE, held["calibration"]))
    if not rows:
        return []
    columns = [
        "artifact",
        "frames",
        "temperature",
        *(f"{name}, {when}" for name in _SHORT for when in ("at 1", "at its")),
    ]
    return [Table("Artifacts, each at temperature 1 and at its own", columns, rows)]


def _artifact(name: str, side: str, fit: Mapping[str, Any]) -> list[str]:
    figures = [number(fit[when][key]) for key in _SHORT.values() for when in ("before", "after")]
    return [name, side, number(fit["temperature"]), *figures]


def _risk_coverage(curve: Mapping[str, Any], command: str) -> Plot:
    known = [
        (100 * coverage, 100 * accuracy)
        for coverage, accuracy in zip(curve["coverage"], curve["accuracy"], strict=True)
        if accuracy is not None and coverage >= LEAST_COVERAGE
    ]
    line = plots.Line("", [coverage for coverage, _ in known], [accuracy for _, accuracy in known])
    return Plot(
        Drawing("risk-coverage", plots.lines([line], ("frames decided, %", "of these right, %"), markers=False)),
        f"Accuracy of the {SIDE} frames that are decided, as the least sure are left undecided; below"
        f" {100 * LEAST_COVERAGE:.0f} % too few are left to draw.",
        f"accuracy is {known[0][1]:.1f} % at {known[0][0]:.0f} % of frames decided and {known[-1][1]:.1f} % at"
        f" {known[-1][0]:.0f} %",
        command,
    )
