"""What each epoch came to: one row of `history.csv`."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from celestialkeras.errors import RunError
from celestialkeras.files import write_text


@dataclass(frozen=True)
class EpochRow:
    """One finished epoch. Losses are class-weighted means in nats a frame.

    Attributes:
        epoch: Counted from 1.
        learning_rate: At the end of the epoch.
        loss: Over the training frames, as the weights changed: of the cross-entropy, or with a teacher of
            `Distillation.losses`.
        accuracy: Share of training frames told rightly, as the weights changed.
        validation_loss: Of the cross-entropy over the validation frames at the end of the epoch; None where there are
            none.
        validation_accuracy: Share of validation frames told rightly; None where there are none.
        seconds: Wall-clock time of the epoch.
    """

    epoch: int
    learning_rate: float
    loss: float
    accuracy: float
    validation_loss: float | None
    validation_accuracy: float | None
    seconds: float


def write_history(rows: Sequence[EpochRow], path: Path) -> None:
    """Writes the rows as CSV, whole or not at all; numbers are written in full, missing ones as nothing."""
    header = [one.name for one in fields(EpochRow)]
    cells = [["" if value is None else repr(value) for value in asdict(row).values()] for row in rows]
    write_text(path, "".join(",".join(line) + "\n" for line in [header, *cells]))


def read_history(path: Path) -> tuple[EpochRow, ...]:
    """Reads what `write_history` wrote.

    Raises:
        RunError: The file is missing, or is not a history.
    """
    try:
        with path.open(newline="", encoding="utf-8") as source:
            return tuple(_row(cells) for cells in csv.DictReader(source))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: cannot be read as a history ({error}); train anew, or restore the file") from error


def _row(cells: Mapping[str, str]) -> EpochRow:
    kinds = {one.name: int if one.name == "epoch" else float for one in fields(EpochRow)}
    values: dict[str, Any] = {name: kind(cells[name]) if cells[name] else None for name, kind in kinds.items()}
    return EpochRow(**values)
