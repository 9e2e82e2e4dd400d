"""The comparison: this network and others, trained alike, on the same frames."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celestialkeras.evaluation.report import ABSENT, percent
from celestialkeras.report.blocks import SCALE, Bar, Block, Fold, Note, Table
from celestialkeras.report.material import Material
from celestialkeras.report.record import NotThereError
from celestialkeras.report.wording import bar, number, sentence


def blocks(material: Material) -> list[Block]:
    """The rows, each pair, and how it was made.

    Raises:
        NotThereError: No comparison was given, or its folder has no table.
    """
    command = f"celestial report {material.record.run.folder} --comparison FOLDER"
    if material.comparison is None:
        raise NotThereError(
            "no comparison was given; `celestial compare A B` makes one, and the command below puts it here", command
        )
    path = material.comparison / "comparison.json"
    held = material.record.outside_json(path, "celestial compare")
    found: list[Block] = [
        Table(
            "Accuracy on the same frames",
            ["entry", "accuracy", SCALE],
            [_accuracy(row, "accuracy") for row in held["rows"]],
            note="Lines: 95 % interval, whole objects drawn anew.",
            compact=True,
        )
    ]
    if any(row["blurry"]["value"] is not None for row in held["rows"]):
        rows = [_accuracy(row, "blurry") for row in held["rows"]]
        found.append(Table("Accuracy on the blurry frames", ["entry", "accuracy", SCALE], rows, compact=True))
    found.append(
        Table(
            "What each takes",
            ["entry", "ms a frame", "parameters", "GMAC", "training memory, MB", "minutes"],
            [_cost(row) for row in held["rows"] if row["kind"] != "rule"],
        )
    )
    if held["pairs"]:
        columns = ["entry", "against", "ahead, points", "95 %, objects", "McNemar p", "frames told differently"]
        found.append(Table("Pairs on the same frames", columns, [_pair(pair) for pair in held["pairs"]]))
    found.append(Fold("How this was made", [Note(sentence(text)) for text in held["notes"]]))
    return found


def _who(row: Mapping[str, Any]) -> str:
    seeds = ", ".join(map(str, row["seeds"]))
    return f"{row['name']}, seed {seeds}" if seeds else str(row["name"])


def _accuracy(row: Mapping[str, Any], which: str) -> list[str | Bar]:
    held = row[which]
    return [_who(row), percent(held["value"]), bar(held["value"], held["over_objects"])]


def _cost(row: Mapping[str, Any]) -> list[str]:
    training = row["training"]
    return [
        _who(row),
        number(row["milliseconds"], ".1f"),
        number(row["parameters"], ","),
        number(row["gmac"], ".2f"),
        number(training["peak_memory_mb"], ".0f"),
        number(training["minutes"], ".1f"),
    ]


def _pair(pair: Mapping[str, Any]) -> list[str]:
    ends = pair["over_objects"]
    interval = ABSENT if ends["low"] is None else f"{100 * ends['low']:+.1f} to {100 * ends['high']:+.1f}"
    return [
        str(pair["name"]),
        str(pair["reference"]),
        f"{100 * pair['difference']:+.1f}",
        interval,
        number(pair["p_value"], ".2g"),
        str(len(pair["differing"])),
    ]
