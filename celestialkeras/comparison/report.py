"""A comparison as JSON, as CSV, as Markdown and as cells for a terminal: one set of figures, four ways to read it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields
from typing import Any, NamedTuple

from celestialkeras.comparison.folder import ComparisonFolder
from celestialkeras.comparison.pairs import Pair
from celestialkeras.comparison.table import Accuracy, Comparison, Row
from celestialkeras.comparison.training import Training
from celestialkeras.evaluation.intervals import Interval
from celestialkeras.evaluation.report import ABSENT, percent, percent_range
from celestialkeras.files import write_text

COMPARE_SCHEMA = "celestialkeras.compare/1"
"""Name and version of what `comparison_to_json` gives; the version rises when a key changes its meaning or goes."""

ACCURACY_COLUMNS = ("accuracy", "95 %, objects", "95 %, frames", "blurry", "blurry, 95 %, objects")
COST_COLUMNS = ("ms a frame", "parameters", "GMAC", "training memory, MB", "epochs", "minutes", "ended by")
PAIR_COLUMNS = ("seeds", "ahead, points", "95 %, objects", "alone right", "other alone right", "McNemar p", "differing")


class Table(NamedTuple):
    """A table as text: its columns and its lines."""

    columns: tuple[str, ...]
    lines: tuple[tuple[str, ...], ...]


def accuracy_table(comparison: Comparison) -> Table:
    """What each row gets right."""
    lines = tuple((*_who(row), *_accuracy_cells(row)) for row in comparison.rows)
    return Table(("entry", "seed", *ACCURACY_COLUMNS), lines)


def cost_table(comparison: Comparison) -> Table:
    """What each row but the rules costs."""
    lines = tuple((*_who(row), *_cost_cells(row)) for row in comparison.rows if row.kind != "rule")
    return Table(("entry", "seed", *COST_COLUMNS), lines)


def pair_table(comparison: Comparison) -> Table:
    """Each entry against the reference."""
    lines = tuple((pair.name, pair.reference, *_pair_cells(pair)) for pair in comparison.pairs)
    return Table(("entry", "against", *PAIR_COLUMNS), lines)


def differing_table(pair: Pair) -> Table:
    """The frames to which two models give different classes."""
    rows = [(one.observation, one.said, one.reference_said) for one in pair.differing]
    lines = tuple((row.object_id, row.obsid, str(row.hdu), row.label, *said) for row, *said in rows)
    return Table(("object", "exposure", "HDU", "true", "the entry says", "the other says"), lines)


def notes(comparison: Comparison) -> list[str]:
    """How the figures were made, in words."""
    plan, sides = comparison.plan, comparison.plan.sides
    first = comparison.rows[0]
    assert first.clear is not None
    found = [f"{first.clear.frames} test frames of {first.clear.objects} objects, of {sides.data}"]
    if sides.blurry_data:
        found.append(f"blurry: the test frames of {sides.blurry_data}")
    elif sides.degrade:
        found.append(f"blurry: the same frames, each made worse by {sides.degrade}")
    budget = f"{plan.minutes:g} minutes of wall-clock time" if plan.minutes else "no limit of time"
    draws = f"{comparison.resampling.resamples} resamples, seed {comparison.resampling.seed}"
    found += [
        f"each network is trained on the same frames with {budget} and seed {', '.join(map(str, plan.seeds))}",
        "no epoch begins that would, if as long as the last one, end beyond the budget",
        "rules without pixels are fitted on the training side; a value it lacks takes its larger class, a tie galaxy",
        f"95 %, objects: percentile bootstrap over whole objects, {draws}; 95 %, frames: Wilson, frames independent",
        f"ms a frame: the model in a batch of one, median, by Keras; artifacts by LiteRT, threads: {plan.threads}",
        "parameters: those that training changes; GMAC: 10^9 multiply-accumulate operations a frame",
        "training memory: the training process's most resident memory, Python and kept frames included, MB (1e6 bytes)",
        "minutes: of finished epochs, training and validation",
    ]
    if comparison.pairs:
        found.append(
            "ahead: accuracy of the entry minus that of the other; alone right: frames that only one has right"
        )
    found += [f"not done: {row.name}: {row.missing}" for row in comparison.rows if row.missing]
    return found


def comparison_to_json(comparison: Comparison, machine: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Every figure of a comparison with how it was made.

    Args:
        comparison: What to report.
        machine: What it was measured on.

    Returns:
        A tree of dicts, lists, numbers, text and None; accuracies and differences are fractions of 1.
    """
    return {
        "schema": COMPARE_SCHEMA,
        "plan": comparison.plan.to_json(),
        "machine": dict(machine or {}),
        "notes": notes(comparison),
        "rows": [_row_to_json(row) for row in comparison.rows],
        "pairs": [_pair_to_json(pair) for pair in comparison.pairs],
    }


def comparison_to_csv(held: Mapping[str, Any]) -> str:
    """The rows of `comparison_to_json` as CSV, nested names joined by underscores; what is not known is empty."""
    rows = [dict(_flattened("", row)) for row in held["rows"]]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def comparison_to_markdown(comparison: Comparison) -> str:
    """The table, the pairs and how they were made."""
    columns = ("entry", "seed", *ACCURACY_COLUMNS, *COST_COLUMNS)
    lines = tuple((*_who(row), *_accuracy_cells(row), *_cost_cells(row)) for row in comparison.rows)
    parts = [markdown_table(Table(columns, lines))]
    if comparison.pairs:
        parts.append(markdown_table(pair_table(comparison)))
    parts.append("".join(f"* {note}\n" for note in notes(comparison)))
    return "\n".join(parts)


def write_comparison(
    comparison: Comparison, folder: ComparisonFolder, machine: Mapping[str, Any] | None = None
) -> dict[str, Any]:
    """Writes `comparison.json`, `.csv` and `.md`, each whole or not at all.

    Args:
        comparison: What to report.
        folder: Where.
        machine: What it was measured on.

    Returns:
        What the JSON holds.
    """
    held = comparison_to_json(comparison, machine)
    write_text(folder.table(".json"), json.dumps(held, indent=1, allow_nan=False) + "\n")
    write_text(folder.table(".csv"), comparison_to_csv(held))
    write_text(folder.table(".md"), comparison_to_markdown(comparison))
    return held


def _who(row: Row) -> tuple[str, str]:
    if len(row.seeds) > 1:
        return row.name, f"mean of {len(row.seeds)}"
    return row.name, ", ".join(map(str, row.seeds))


def _accuracy_cells(row: Row) -> tuple[str, ...]:
    clear, blurry = row.clear, row.blurry
    return (
        percent(clear.value if clear else None),
        percent_range(clear.object_interval if clear else None),
        percent_range(clear.frame_interval if clear else None),
        percent(blurry.value if blurry else None),
        percent_range(blurry.object_interval if blurry else None),
    )


def _cost_cells(row: Row) -> tuple[str, ...]:
    training = row.training
    return (
        _number(row.milliseconds, "{:.1f}"),
        _number(row.parameters, "{:,}"),
        _number(row.gmac, "{:.2f}"),
        _number(training.peak_memory_mb if training else None, "{:.0f}"),
        _number(training.epochs if training else None, "{}"),
        _number(training.minutes if training else None, "{:.1f}"),
        training.ended_by if training else "not done" if row.missing else ABSENT,
    )


def _pair_cells(pair: Pair) -> tuple[str, ...]:
    interval, compared = pair.object_interval, pair.compared
    return (
        "means" if pair.seeds is None else ", ".join(ABSENT if seed is None else str(seed) for seed in pair.seeds),
        f"{100 * pair.difference:+.1f}",
        f"{100 * interval.low:+.1f} to {100 * interval.high:+.1f}" if interval else ABSENT,
        _number(compared.only_a if compared else None, "{}"),
        _number(compared.only_b if compared else None, "{}"),
        _number(pair.p_value, "{:.2g}"),
        str(len(pair.differing)) if compared else ABSENT,
    )


def _number(value: float | None, form: str) -> str:
    return ABSENT if value is None else form.format(value)


def markdown_table(table: Table) -> str:
    """A table in GitHub's Markdown, a line a row."""
    lines = [table.columns, ("---",) * len(table.columns), *table.lines]
    return "".join("| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |\n" for line in lines)


def _row_to_json(row: Row) -> dict[str, Any]:
    training = asdict(row.training) if row.training else dict.fromkeys(one.name for one in fields(Training))
    return {
        "name": row.name,
        "kind": row.kind,
        "seeds": list(row.seeds),
        "accuracy": _accuracy_to_json(row.clear),
        "blurry": _accuracy_to_json(row.blurry),
        **{name: getattr(row, name) for name in ("milliseconds", "parameters", "gmac")},
        "training": training,
        **{name: getattr(row, name) for name in ("source", "sha256", "missing")},
    }


def _accuracy_to_json(accuracy: Accuracy | None) -> dict[str, Any]:
    return {
        **{name: getattr(accuracy, name, None) for name in ("value", "frames", "objects")},
        "over_objects": interval_to_json(accuracy.object_interval if accuracy else None),
        "over_frames": interval_to_json(accuracy.frame_interval if accuracy else None),
    }


def interval_to_json(interval: Interval | None) -> dict[str, float | None]:
    """The ends of an interval; None of one that cannot be had."""
    return {"low": interval.low if interval else None, "high": interval.high if interval else None}


def _pair_to_json(pair: Pair) -> dict[str, Any]:
    compared = pair.compared
    return {
        **{name: getattr(pair, name) for name in ("name", "reference", "frames", "difference", "p_value")},
        "seeds": None if pair.seeds is None else list(pair.seeds),
        "over_objects": interval_to_json(pair.object_interval),
        "over_frames": interval_to_json(compared.interval if compared else None),
        "alone_right": compared.only_a if compared else None,
        "reference_alone_right": compared.only_b if compared else None,
        "differing": [
            {
                **{name: getattr(one.observation, name) for name in ("object_id", "obsid", "hdu", "label")},
                "said": one.said,
                "reference_said": one.reference_said,
            }
            for one in pair.differing
        ],
    }


def _flattened(where: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, part in value.items():
            yield from _flattened(f"{where}_{key}" if where else key, part)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        yield where, " ".join(map(str, value))
    else:
        yield where, value
