"""A study as JSON, as Markdown and as cells for a terminal: what it ran, what it found, and how sure that is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from celestialkeras.comparison.entries import TRAINING_SETTINGS
from celestialkeras.comparison.report import Table, interval_to_json, markdown_table
from celestialkeras.evaluation.intervals import Interval
from celestialkeras.evaluation.report import ABSENT, percent, percent_range
from celestialkeras.files import write_text
from celestialkeras.studies.figure import study_drawing
from celestialkeras.studies.findings import ArmFinding, Findings, Outcome
from celestialkeras.studies.sureness import RULE, Difference

STUDY_SCHEMA = "celestialkeras.study/1"
"""Name and version of what `study_to_json` gives; the version rises when a key changes its meaning or goes."""

STEM = "study"
"""Name of a study's files, before their endings."""

_FEW_OBJECTS = 20


def run_table(findings: Findings) -> Table:
    """What was run: a line an arm."""
    columns = ("arm", "sets", "seeds", "epochs", "epoch kept", "minutes", "ended by", "parameters", "GMAC")
    return Table(columns, tuple(_run_cells(findings, arm) for arm in findings.arms))


def outcome_table(findings: Findings, side: str = "clear") -> Table:
    """What each arm gets right: a line an arm, and one a rule without pixels.

    Args:
        findings: Of the study.
        side: `clear` or `blurry`.
    """
    columns = ("arm", "accuracy", "by seed", "95 %, objects", "95 %, seeds", "log loss", "calibration error")
    lines = [(arm.name, *_outcome_cells(getattr(arm, side))) for arm in findings.arms]
    for rule in findings.rules:
        accuracy = getattr(rule, side)
        if accuracy is not None:
            cells = (percent(accuracy.value), ABSENT, percent_range(accuracy.object_interval))
            lines.append((f"no pixels: {rule.name}", *cells, *(ABSENT,) * 3))
    return Table(columns, tuple(lines))


def difference_table(findings: Findings, side: str = "clear") -> Table:
    """How far each arm is ahead of the first, and how sure that is: a line an arm but the first.

    Args:
        findings: Of the study.
        side: `clear` or `blurry`.
    """
    columns = (
        "arm",
        f"ahead of {findings.arms[0].name}, points",
        "95 %, objects",
        "95 %, seeds",
        "by seed",
        "how sure",
    )
    outcomes: list[tuple[str, Outcome | None]] = [(arm.name, getattr(arm, side)) for arm in findings.arms[1:]]
    return Table(columns, tuple((name, *_difference_cells(one.difference if one else None)) for name, one in outcomes))


def notes(findings: Findings) -> list[str]:
    """How the figures were made and are to be read, in words."""
    plan, first = findings.plan, findings.arms[0]
    some = next((arm.clear.accuracy for arm in findings.arms if arm.clear), None)
    budget = (
        f"{plan.minutes:g} minutes, and begins no epoch that would, if as long as the last one, end beyond them"
        if plan.minutes
        else "no limit of time"
    )
    draws = f"{findings.resampling.resamples} resamples, seed {findings.resampling.seed}"
    found = [findings.study.remark]
    if some is not None:
        found.append(f"{some.frames} test frames of {some.objects} objects, of {plan.sides.data}")
        if some.objects < _FEW_OBJECTS:
            found.append(f"with {some.objects} objects, intervals over objects are too narrow")
    if plan.sides.blurry:
        found.append(f"blurry: the same test frames, each made worse by {plan.sides.blurry}")
    found += [
        f"all arms: {_settings(_common(findings))}",
        f"each training has {budget}",
        f"differences are to {first.name}, on the same frames, paired by seed; {RULE}",
        f"95 %, objects: percentile bootstrap over whole objects, {draws}; 95 %, seeds: Student's interval of the mean",
        "each interval stands for one arm alone: of twenty such between equal arms, one leaves out 0",
        "log loss (nats) and calibration error: at temperature 1, mean over seeds",
        "minutes: of finished epochs, training and validation, on the machine named in the JSON",
    ]
    found += [f"not done: {arm.name}, seed {seed}: {why}" for arm in findings.arms for seed, why in arm.missing.items()]
    return found


def study_to_json(findings: Findings, machine: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Every figure of a study with how it was made.

    Args:
        findings: Of the study.
        machine: What it was measured on.

    Returns:
        A tree of dicts, lists, numbers, text and None; accuracies and differences are fractions of 1.
    """
    return {
        "schema": STUDY_SCHEMA,
        "study": findings.study.name,
        "question": findings.study.question,
        "plan": findings.plan.to_json(),
        "machine": dict(machine or {}),
        "rule": RULE,
        "verdicts": list(findings.verdicts),
        "arms": [_arm_to_json(findings, arm) for arm in findings.arms],
        "rules": [{"name": rule.name, **_accuracies_to_json(rule)} for rule in findings.rules],
        "notes": notes(findings),
    }


def study_to_markdown(findings: Findings) -> str:
    """Question, answer, tables and how they were made; a part of a page, headed at the second level."""
    study, blurry = findings.study, bool(findings.plan.sides.blurry)
    parts = [
        f"## {study.name}\n\n{study.question}\n",
        "".join(f"- {verdict}\n" for verdict in findings.verdicts) or "Not done yet.\n",
        f"![Accuracy of each arm, and how far it is ahead of the first]({STEM}.png)\n",
        f"What was run:\n\n{markdown_table(run_table(findings))}",
        f"What was found{', on clear frames' if blurry else ''}:\n",
        *_found(findings, "clear"),
    ]
    if blurry:
        parts += ["And on blurry ones:\n", *_found(findings, "blurry")]
    parts.append("".join(f"* {note}\n" for note in notes(findings)))
    return "\n".join(parts)


def _found(findings: Findings, side: str) -> tuple[str, str]:
    return markdown_table(outcome_table(findings, side)), markdown_table(difference_table(findings, side))


def write_study(findings: Findings, folder: Path, machine: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Writes `study.json`, `.md`, `.png` and `.svg`, each whole or not at all.

    Args:
        findings: Of the study.
        folder: Where.
        machine: What it was measured on.

    Returns:
        What the JSON holds.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    held = study_to_json(findings, machine)
    write_text(folder / f"{STEM}.json", json.dumps(held, indent=1, allow_nan=False) + "\n")
    write_text(folder / f"{STEM}.md", study_to_markdown(findings))
    study_drawing(findings, STEM).save(folder)
    return held


def _common(findings: Findings) -> dict[str, Any]:
    """Settings that all arms have alike and that are not the defaults of training alone."""
    shown = ("model", "size", "epochs", "batch_size", "learning_rate", "patience", "augment", "degrade")
    options = findings.arms[0].options
    settings = {name: getattr(options, name) for name in shown} | dict(options.model_options)
    return {name: value for name, value in settings.items() if name not in findings.study.varied and value != ""}


def _own(findings: Findings, arm: ArmFinding) -> dict[str, Any]:
    """Settings in which an arm may differ from others."""
    options, own = arm.options, sorted(findings.study.varied)
    return {
        name: getattr(options, name) if name in TRAINING_SETTINGS else options.model_options.get(name) for name in own
    }


def _settings(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={_typed(value)}" for name, value in settings.items())


def _typed(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value) or "none"


def _run_cells(findings: Findings, arm: ArmFinding) -> tuple[str, ...]:
    own = {name: value for name, value in _own(findings, arm).items() if value is not None}
    trainings = arm.trainings
    return (
        arm.name,
        _settings(own),
        _listed(arm.seeds),
        _listed(one.epochs for one in trainings),
        _listed(one.best_epoch for one in trainings),
        _listed(f"{one.minutes:.1f}" for one in trainings),
        _listed(dict.fromkeys(one.ended_by for one in trainings)),
        ABSENT if arm.parameters is None else f"{arm.parameters:,}",
        ABSENT if arm.gmac is None else f"{arm.gmac:.2f}",
    )


def _outcome_cells(outcome: Outcome | None) -> tuple[str, ...]:
    if outcome is None:
        return (ABSENT,) * 6
    return (
        percent(outcome.accuracy.value),
        _listed(f"{100 * one:.1f}" for one in outcome.by_seed),
        percent_range(outcome.accuracy.object_interval),
        percent_range(outcome.over_seeds),
        f"{outcome.log_loss:.3f}",
        percent(outcome.calibration_error),
    )


def _difference_cells(difference: Difference | None) -> tuple[str, ...]:
    if difference is None:
        return (ABSENT,) * 5
    return (
        f"{100 * difference.mean:+.1f}",
        _points(difference.over_objects),
        _points(difference.over_seeds),
        _listed(f"{100 * one:+.1f}" for one in difference.by_seed),
        difference.sureness.value,
    )


def _points(interval: Interval | None) -> str:
    return ABSENT if interval is None else f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}"


def _listed(values: Any) -> str:
    return ", ".join(map(str, values)) or ABSENT


def _arm_to_json(findings: Findings, arm: ArmFinding) -> dict[str, Any]:
    return {
        "name": arm.name,
        "sets": _own(findings, arm),
        "seeds": list(arm.seeds),
        "trainings": [asdict(one) for one in arm.trainings],
        "parameters": arm.parameters,
        "gmac": arm.gmac,
        "clear": _outcome_to_json(arm.clear),
        "blurry": _outcome_to_json(arm.blurry),
        "missing": {str(seed): why for seed, why in arm.missing.items()},
    }


def _outcome_to_json(outcome: Outcome | None) -> dict[str, Any] | None:
    if outcome is None:
        return None
    accuracy, difference = outcome.accuracy, outcome.difference
    return {
        "accuracy": accuracy.value,
        "frames": accuracy.frames,
        "objects": accuracy.objects,
        "over_objects": interval_to_json(accuracy.object_interval),
        "by_seed": list(outcome.by_seed),
        "over_seeds": interval_to_json(outcome.over_seeds),
        "log_loss": outcome.log_loss,
        "calibration_error": outcome.calibration_error,
        "difference": difference
        and {
            "mean": difference.mean,
            "over_objects": interval_to_json(difference.over_objects),
            "by_seed": list(difference.by_seed),
            "over_seeds": interval_to_json(difference.over_seeds),
            "sureness": difference.sureness.value,
        },
    }


def _accuracies_to_json(rule: Any) -> dict[str, float | None]:
    sides: Sequence[str] = ("clear", "blurry")
    return {side: accuracy.value if (accuracy := getattr(rule, side)) else None for side in sides}
