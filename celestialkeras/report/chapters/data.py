"""The data: how many frames, of what, and what they look like."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from celestialkeras.lcid.manifest import LABELS, SPLITS, Observation
from celestialkeras.lcid.preview import SUBTYPE
from celestialkeras.report.blocks import Block, Facts, Fold, Note, Sheet, Table
from celestialkeras.report.material import Material
from celestialkeras.report.record import NotThereError


def blocks(material: Material) -> list[Block]:
    """Counts by side, class, instrument, filter and subtype, and a contact sheet.

    Raises:
        NotThereError: The data set is gone.
    """
    view = material.dataset
    build = f"celestial data build MANIFEST --to {view.folder}"
    if view.rows is None:
        raise NotThereError(view.reason, build)
    every = view.every_row()
    found: list[Block] = [
        Facts(
            [
                ("data set", str(view.folder)),
                ("frames", f"{len(every)} of {view.shape[0]} x {view.shape[1]} pixels"),
                ("objects", str(len({row.object_id for row in every}))),
                ("left out when it was built", f"{len(view.bad_frames)} frames"),
                ("SHA-256 of rows, sides and pixels", view.digest),
            ]
        ),
        Table(
            "Frames and objects by side",
            ["side", "frames", "objects", *(f"{label} frames" for label in LABELS)],
            [_side(side, view.rows[side]) for side in SPLITS],
            note="All frames of an object are on one side.",
            compact=True,
        ),
        Sheet(
            view.pictures,
            f"Frames of both classes in turn, each of another object, stretched as the network sees them; made smaller"
            f" here. A sheet of others: celestial data preview {view.folder}",
        ),
    ]
    kinds: dict[str, Callable[[Observation], str]] = {
        "instrument": lambda row: row.instrument,
        "filter": lambda row: row.filter,
        SUBTYPE: lambda row: row.extra.get(SUBTYPE, ""),
    }
    tables: list[Block] = [_by(name, value, every) for name, value in kinds.items() if any(map(value, every))]
    found.append(Fold("Frames by instrument, filter and subtype", tables))
    if view.bad_frames:
        reasons = Counter(str(one.get("reason")) for one in view.bad_frames)
        listed = ", ".join(f"{count} {reason}" for reason, count in reasons.most_common())
        found.append(Note(f"Frames that could not be read when the data set was built: {listed}.", warns=True))
    return found


def _side(name: str, rows: Sequence[Observation]) -> list[str]:
    classes = Counter(row.label for row in rows)
    return [name, str(len(rows)), str(len({row.object_id for row in rows})), *(str(classes[one]) for one in LABELS)]


def _by(name: str, value: Callable[[Observation], str], rows: Sequence[Observation]) -> Table:
    groups: dict[str, list[Observation]] = {}
    for row in rows:
        groups.setdefault(value(row) or "not said", []).append(row)
    lines = [_side(key, group) for key, group in sorted(groups.items())]
    return Table(f"By {name}", [name, "frames", "objects", *(f"{one} frames" for one in LABELS)], lines, compact=True)
