"""The provenance: versions, hashes, the configuration, and the command behind each figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celestialkeras.report.blocks import Block, Code, Facts, Plot, Table
from celestialkeras.report.material import Material

_SHOWN_OF_HASH = 16


def blocks(material: Material, plots: Sequence[Plot]) -> list[Block]:
    """What made this page, to the byte.

    Args:
        material: The run.
        plots: The plots of the other chapters.
    """
    record = material.record
    versions = record.json(record.run.versions.name, "celestial train")
    plain = {name: str(value) for name, value in versions.items() if not isinstance(value, Mapping)}
    machine: Mapping[str, Any] = versions.get("machine") or {}
    sources = sorted(record.sources.values(), key=lambda source: source.name)
    return [
        Facts(
            [
                ("run", str(record.run.folder)),
                ("SHA-256 of model.keras", record.model_sha256 or "no model yet"),
                *((name.replace("_", " "), value) for name, value in plain.items()),
                *((name, _listed(value)) for name, value in machine.items()),
            ]
        ),
        Table(
            "The command behind each figure",
            ["figure", "made by"],
            [[plot.drawing.name, plot.command] for plot in plots],
            note=f"As files: celestial report {record.run.folder} --figures FOLDER",
        ),
        Table(
            "Files that this page was made from",
            ["file", "SHA-256, beginning", "made by"],
            [[source.name, source.sha256[:_SHOWN_OF_HASH], source.command] for source in sources],
        ),
        Code("config.toml", record.run.config.read_text(encoding="utf-8")),
    ]


def _listed(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value)) or "none"
    return str(value)
