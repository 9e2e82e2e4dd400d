"""An evaluation as tables for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from celestial_cli.tables import print_table
from celestial_cli.terminal import say
from celestialkeras.evaluation.assessment import Assessment
from celestialkeras.evaluation.assessment_report import (
    area_rows,
    calibration_rows,
    risk_rows,
    rule_rows,
    small_slice_warning,
    worst_slices,
)
from celestialkeras.evaluation.report import figure_rows, slice_rows
from celestialkeras.evaluation.slices import SLICE_NOTE, Slice
from celestialkeras.lcid.manifest import LABELS

# Slices of one kind that are printed.
_MOST_SLICES = 20


def print_assessment(assessment: Assessment, title: str, split: str) -> None:
    """Prints the tables to stdout, and what to beware of to stderr.

    Args:
        assessment: What to print.
        title: The model and the frames, in words.
        split: The side of the frames.
    """
    evaluation, setting = assessment.evaluation, assessment.setting
    headline = ["figure", "value", "95 % over objects", "note"]
    print_table(title, headline, [*figure_rows(evaluation), *area_rows(assessment)])
    if assessment.rules:
        fitted_on = "the same frames" if split == "train" else f"{len(setting.fitted)} training frames"
        print_table(
            f"Rules that see no pixel, fitted on {fitted_on}, and the model's lead in points",
            ["rule", "accuracy", "95 % over objects", "lead", "95 % of the lead"],
            rule_rows(assessment),
        )
    print_table(
        f"Probabilities at temperature {setting.temperature:.3f} ({setting.source})",
        ["figure", "at temperature 1", "at its own", "note"],
        calibration_rows(assessment),
    )
    print_table(
        "The least sure frames left undecided, as by `celestial predict --abstain P`",
        ["undecided", "P", "decided", "accuracy of these", "95 % interval"],
        risk_rows(assessment),
    )
    print_table(
        "Confusion matrix, frames",
        ["true", *(f"told {label}" for label in LABELS)],
        [[label, *map(str, row)] for label, row in zip(LABELS, evaluation.confusion, strict=True)],
    )
    for division in assessment.divisions:
        _print_slices(f"By {division.title.lower()}", division.slices)
    _print_slices("By instrument", evaluation.by_instrument)
    _print_slices("By filter", evaluation.by_filter)
    _print_slices("By object", evaluation.by_object)
    for line in worst_slices(assessment):
        say(f"worst by {line}")
    if warning := small_slice_warning(assessment):
        say(warning)
    say(f"note: {SLICE_NOTE}")


def _print_slices(title: str, slices: Sequence[Slice]) -> None:
    rows = slice_rows(slices)
    shown = rows[:_MOST_SLICES]
    more = f"; {len(rows) - len(shown)} more in the JSON" if len(rows) > len(shown) else ""
    columns = ["frames of", "class", "frames", "objects", "accuracy", "95 % interval", "over"]
    print_table(f"{title}, worst first{more}", columns, shown)
