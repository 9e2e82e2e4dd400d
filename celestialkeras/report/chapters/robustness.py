"""The robustness: accuracy as frames get worse, in physical units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celestialkeras.evaluation.report import ABSENT, percent
from celestialkeras.report import plots
from celestialkeras.report.blocks import Block, Fold, Note, Plot, Plots, Table
from celestialkeras.report.drawing import Drawing
from celestialkeras.report.material import Material
from celestialkeras.report.wording import number, sentence

FILE = "robustness/robustness.json"
"""Where `celestial robustness` writes to, in the run's folder."""


def blocks(material: Material) -> list[Block]:
    """A plot for each way of making frames worse, areas under the curves, and their means.

    Raises:
        NotThereError: The run was not swept.
    """
    command = material.record.command("robustness")
    held = material.record.json(FILE, command)
    curves = held["curves"]
    kinds: dict[str, list[Mapping[str, Any]]] = {}
    for curve in curves:
        kinds.setdefault(curve["kind"], []).append(curve)
    return [
        *_stale(material, held, command),
        Note(_budget(held)),
        *_unfinished(held, command),
        *_means(held),
        Plots([_plot(kind, group, _limits(curves), command) for kind, group in kinds.items()]),
        Fold(
            "Areas under the curves, and how this was made",
            [_areas(kinds), *(Note(sentence(text)) for text in held["notes"])],
        ),
    ]


def _stale(material: Material, held: Mapping[str, Any], command: str) -> list[Block]:
    own = material.record.model_sha256
    swept = [one["sha256"] for one in held["models"] if one["kind"] != "artifact"]
    if own is None or not swept or own in swept:
        return []
    return [Note(f"None of the models below is the run's as it now is; `{command}` sweeps it anew.", warns=True)]


def _budget(held: Mapping[str, Any]) -> str:
    minutes = held.get("minutes")
    names = ", ".join(str(one["name"]) for one in held["models"])
    took = f" in {minutes:.3g} minutes" if minutes is not None else ""
    return f"{held['frames']} frames at each level{took}; {names}. All plots have one scale."


def _unfinished(held: Mapping[str, Any], command: str) -> list[Note]:
    if not held["missing"]:
        return []
    left = ", ".join(map(str, held["missing"]))
    return [Note(f"the budget ended before {left}, which are not drawn; `{command}` goes on.", warns=True)]


def _limits(curves: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Ends of the axis of accuracy, per cent, which all plots share."""
    shares = [share for curve in curves for share in curve["accuracy"] if share is not None]
    shares += [pair[0] for curve in curves for pair in curve["interval"] if pair]
    return max(0.0, 100 * min(shares) - 4), 102.0


def _plot(kind: str, group: Sequence[Mapping[str, Any]], limits: tuple[float, float], command: str) -> Plot:
    first = group[0]
    quantity, unit = str(first["quantity"]), str(first["unit"])
    title = f"{quantity}, {unit}" if unit else quantity
    draw = plots.steps([_line(curve) for curve in group], (title, "accuracy, %"), _steps(first), limits)
    falls = "; ".join(
        f"{curve['model']} from {percent(curve['accuracy'][0])} to {percent(curve['accuracy'][-1])}" for curve in group
    )
    return Plot(
        Drawing(f"robustness-{kind}", draw),
        sentence(f"{kind.replace('-', ' ')}: accuracy by {quantity}; bands are 95 % intervals over objects"),
        f"accuracy as {quantity} goes up to {_steps(first)[-1]} {unit}: {falls}",
        command,
    )


def _steps(curve: Mapping[str, Any]) -> list[str]:
    return ["as is" if amount is None else f"{amount:g}" for amount in curve["amounts"]]


def _line(curve: Mapping[str, Any]) -> plots.Line:
    """What was run of a curve; what the budget left no time for is not drawn."""
    run = [level for level, share in enumerate(curve["accuracy"]) if share is not None]
    intervals = [curve["interval"][level] for level in run]
    low, high = ([100 * pair[end] for pair in intervals] if all(intervals) else [] for end in (0, 1))
    return plots.Line(str(curve["model"]), run, [100 * curve["accuracy"][level] for level in run], low, high)


def _means(held: Mapping[str, Any]) -> list[Block]:
    means = [one for one in held["means"] if one["kinds"]]
    if not means:
        return []
    rows = [
        [
            str(one["model"]),
            percent(one["accuracy"]),
            str(one["reference"]),
            percent(one["mean_corruption_error"]),
            " to ".join(percent(end) for end in one["interval"]) if one["interval"] else ABSENT,
            percent(one["relative_mean_corruption_error"]),
            str(len(one["kinds"])),
        ]
        for one in means
    ]
    columns = ["model", "mean accuracy", "relative to", "mCE", "95 %, objects", "relative mCE", "kinds"]
    note = "mCE: errors over the reference's, mean over kinds (Hendrycks and Dietterich 2019); below 100 % is better."
    return [Table("Over all kinds", columns, rows, note)]


def _areas(kinds: Mapping[str, Sequence[Mapping[str, Any]]]) -> Table:
    models = list(dict.fromkeys(str(curve["model"]) for group in kinds.values() for curve in group))
    rows = []
    for kind, group in kinds.items():
        areas = {str(curve["model"]): curve["area"] for curve in group}
        first = group[0]
        rows.append(
            [
                kind,
                f"{', '.join(_steps(first))} {first['unit']}",
                *(number(areas.get(model), ".3f") for model in models),
            ]
        )
    return Table(
        "Area under each curve; 1 is right at every level",
        ["kind", "levels", *models],
        rows,
    )
