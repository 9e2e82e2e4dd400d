"""The slices: where it goes wrong, the worst first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celestialkeras.evaluation.report import percent
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.report.blocks import SCALE, Bar, Block, Fold, Note, Table
from celestialkeras.report.material import Material
from celestialkeras.report.wording import bar, sentence

SHOWN = 10
"""Slices of one kind that stand open; the others are behind a line."""

_TITLES = {
    "subtype": "By subtype",
    "instrument": "By instrument",
    "filter": "By filter",
    "exposure_time": "By exposure time",
    "signal_to_noise": "By signal to noise",
    "fraction": "By fraction of the object in the frame",
    "offset": "By distance from the object's centre",
    "object": "By object",
}


def blocks(material: Material) -> list[Block]:
    """Accuracy of the frames that share one value, by kind.

    Raises:
        NotThereError: The run was not evaluated.
    """
    held = material.evaluation()
    found: list[Block] = [*material.of_another_model(held, material.evaluate)]
    slices = {name: parts for name, parts in held["slices"].items() if isinstance(parts, list) and parts}
    # Objects are many and small: they come last.
    for name in sorted(slices, key=lambda kind: list(_TITLES).index(kind) if kind in _TITLES else -1):
        title = _TITLES.get(name, f"By {name.replace('_', ' ')}")
        parts = slices[name]
        note = str((held.get("slice_notes") or {}).get(name, ""))
        found.append(_table(f"{title}, worst first ({len(parts)})", parts[:SHOWN], note))
        if len(parts) > SHOWN:
            found.append(Fold(f"{len(parts) - SHOWN} more", [_table(f"{title}, the others", parts[SHOWN:])]))
    found.append(
        Note(
            "Dots: accuracy; lines: 95 % interval, over objects where there are enough of them, else Wilson's over"
            " frames. Lines marked * are too small to say anything of others like them, and stand last."
        )
    )
    return found


def _table(title: str, parts: Sequence[Mapping[str, Any]], note: str = "") -> Table:
    columns = ["frames of", "frames / objects", "accuracy", SCALE]
    return Table(title, columns, [_row(part) for part in parts], sentence(note), compact=True)


def _row(part: Mapping[str, Any]) -> list[str | Bar]:
    present = [label for label in LABELS if part["frames_by_class"][label]]
    small = "*" if part["too_small"] else ""
    return [
        f"{part['name']}{small}" + (f", {present[0]}" if len(present) == 1 else ""),
        f"{part['frames']} / {part['objects']}",
        percent(part["accuracy"]),
        bar(part["accuracy"], part["object_interval"] or part["interval"]),
    ]
