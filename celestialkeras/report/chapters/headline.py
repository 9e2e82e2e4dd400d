"""The headline: accuracy by objects, and what rules without pixels reach on the same frames."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celestialkeras.evaluation.report import percent
from celestialkeras.report.blocks import Missing
from celestialkeras.report.material import SIDE, Material
from celestialkeras.report.outline import Headline, Rung
from celestialkeras.report.record import NotThereError
from celestialkeras.report.wording import bar, number

_FACTS = {
    "balanced_accuracy": "balanced over classes",
    "object_balanced_accuracy": "balanced over objects",
    "instrument_balanced_accuracy": "balanced over instruments",
    "roc_area": "area under ROC",
    "calibration_error": "expected calibration error",
    "brier": "Brier score",
    "log_loss": "log loss, nats",
}
_SHARES = ("balanced_accuracy", "object_balanced_accuracy", "instrument_balanced_accuracy", "calibration_error")


def headline(material: Material) -> Headline:
    """The headline of a run; without its accuracy where it was not evaluated."""
    try:
        held = material.evaluation()
        return _headline(material, held)
    except NotThereError as gone:
        return Headline(missing=Missing(gone.what, gone.command))
    except (KeyError, TypeError, ValueError, AttributeError):
        return Headline(missing=Missing("the evaluation is not what the command writes", material.evaluate))


def _headline(material: Material, held: Mapping[str, Any]) -> Headline:
    figures = held["figures"]
    accuracy = figures["accuracy"]
    over_objects, over_frames = (accuracy["intervals"][name] for name in ("objects", "frames"))
    # Another data set may hold objects that the run was trained on.
    own = held.get("data_sha256") in (None, material.record.run.provenance()["data_sha256"])
    says = [
        f"of {held['frames']} {SIDE} frames of {held['objects']} objects"
        + (" that training never saw" if own else f" of {held['data']}, not the data set that it was trained on"),
        f"95 % interval {_range(over_objects)}, objects drawn anew"
        if over_objects["low"] is not None
        else "one object: no interval over objects",
        f"{_range(over_frames)} if frames were independent (Wilson)",
    ]
    rules = (held.get("rules") or {}).get("scores") or []
    rungs = [Rung(f"rule: {rule['name']}", bar(rule["accuracy"], rule["object_interval"])) for rule in reversed(rules)]
    rungs.append(Rung("this network", bar(accuracy["value"], over_objects), is_network=True))
    warnings = [note.text for note in material.of_another_model(held, material.evaluate)]
    return Headline(
        accuracy=percent(accuracy["value"]),
        says=says,
        gain=_gain(rules),
        rungs=rungs,
        facts=[
            *((title, _value(figures[name], name in _SHARES)) for name, title in _FACTS.items() if name in figures),
            *((f"F1, {label}", percent(scores["f1"])) for label, scores in held["classes"].items()),
        ],
        warnings=warnings,
    )


def _gain(rules: Sequence[Mapping[str, Any]]) -> str:
    if not rules:
        return ""
    best = rules[0]
    how = "always answering one class" if best["name"] == "majority" else f"guessing by {best['name']}"
    lead, doubt = best["lead_interval"], ""
    if lead is not None:
        doubt = f" (95 % interval {100 * lead['low']:+.1f} to {100 * lead['high']:+.1f}, objects drawn anew)"
        if lead["low"] <= 0:
            doubt += ", which may be nothing"
    return (
        f"Without a pixel, {how} tells {percent(best['accuracy'])} of the same frames rightly;"
        f" the pixels add {100 * best['lead']:+.1f} points{doubt}."
    )


def _range(interval: Mapping[str, Any]) -> str:
    return f"{100 * interval['low']:.1f} to {100 * interval['high']:.1f} %"


def _value(figure: Mapping[str, Any], share: bool) -> str:
    value = figure["value"]
    return percent(value) if share else number(value, ".3f")
