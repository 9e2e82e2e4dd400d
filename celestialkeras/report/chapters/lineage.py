"""The lineage: from which model the network comes, step by step, and what each step took and gave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celestialkeras.evaluation.report import percent
from celestialkeras.report.blocks import Block, Note, Table
from celestialkeras.report.material import Material
from celestialkeras.report.record import NotThereError


def blocks(material: Material) -> list[Block]:
    """The steps with their artifacts, and what quantization did to the accuracy.

    Raises:
        NotThereError: The run has no model yet.
    """
    record = material.record
    if record.model_sha256 is None:
        raise NotThereError("the run has no model yet", f"celestial train --resume {record.run.folder}")
    found = list(material.lineage)
    if record.run.derivation.is_file():
        record.remember(record.run.derivation, record.command("lineage"), record.run.derivation.name)
    cards = material.artifact_json("*/card.json", "quantize")
    judged = [row for name, card in cards.items() if (row := _judged(name, card))]
    if judged:
        columns = ["artifact", "layout", "frames", "accuracy before", "after", "drop, points", "same answer", "gate"]
        found.append(
            Table("What quantization did, validation frames", columns, judged, note="Before is the run's Keras model.")
        )
    elif not cards:
        found.append(Note(f"No artifacts yet; `celestial quantize {record.run.folder} --int8` makes one."))
    return found


def _judged(name: str, card: Mapping[str, Any]) -> list[str]:
    """A row of the table; empty for an artifact that was not judged."""
    gate = card.get("accuracy", {}).get("gate")
    if not isinstance(gate, dict):
        return []
    figures = gate["figures"]
    drop = figures["drop"]
    interval = drop["interval"]
    return [
        name,
        str(card["layout"]),
        str(gate["frames"]),
        percent(figures["accuracy_a"]["value"]),
        percent(figures["accuracy_b"]["value"]),
        f"{100 * drop['value']:.1f} ({100 * interval['low']:.1f} to {100 * interval['high']:.1f})",
        percent(figures["agreement"]["value"]),
        str(gate["outcome"]),
    ]
