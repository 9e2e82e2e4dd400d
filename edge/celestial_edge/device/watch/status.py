"""What a results folder tells of its watch, from outside and beside it."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from celestial_edge.device.watch.health import Health, read_health
from celestial_edge.device.watch.journal import read_journal
from celestial_edge.device.watch.lock import is_held

SILENCE_S = 60.0
"""A watch that has not written its health file for so long, twelve heartbeats, counts as silent."""


@dataclass(frozen=True)
class Status:
    """How a watch goes, and what it has decided.

    Attributes:
        state: The health file's; where that says `watching`, `gone` if no process holds the folder any more, and
            `silent` if the one that does has not written it for a minute.
        age_s: Seconds since it was; None if that was before the last boot.
        health: The health file.
        verdicts: Chips with each label.
        refused: Chips refused for each reason.
        unfinished: Arrivals with a chip that has no decision: the one at hand, or a file that changed or went.
    """

    state: str
    age_s: float | None
    health: Health
    verdicts: Mapping[str, int]
    refused: Mapping[str, int]
    unfinished: int

    @property
    def is_well(self) -> bool:
        """Whether the watch runs, or was ended properly."""
        return self.state in ("watching", "stopped")


def read_status(results: Path) -> Status:
    """Reads the status of a watch.

    Raises:
        WatchError: The folder holds no results of a watch, or they cannot be read.
    """
    health = read_health(results)
    with read_journal(results) as journal:
        totals, unfinished = journal.totals(), journal.unfinished()
    return Status(
        state=_state(health, is_held(results)),
        age_s=health.age_s,
        health=health,
        verdicts=totals["verdict"],
        refused=totals["refused"],
        unfinished=unfinished,
    )


def _state(health: Health, is_held: bool) -> str:
    if health.state != "watching":
        return health.state
    if not is_held:
        return "gone"
    return "silent" if health.age_s is None or health.age_s > SILENCE_S else health.state


def write_csv(results: Path, out: TextIO) -> None:
    """Writes all decisions as CSV; what is nested in a line gets a column `OUTER.INNER`.

    Args:
        results: The results folder; a watch may be at work in it.
        out: Where to write, opened with `newline=""`.

    Raises:
        WatchError: The folder holds no results of a watch, or they cannot be read.
    """
    with read_journal(results) as journal:
        # Twice through the journal rather than once with all of it in memory: the columns are known at the end only.
        columns: dict[str, None] = {}
        for line in journal.lines_after(0):
            columns.update(dict.fromkeys(_flat(json.loads(line))))
        writer = csv.DictWriter(out, list(columns), restval="", extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        for line in journal.lines_after(0):
            writer.writerow(_flat(json.loads(line)))


def _flat(data: Mapping[str, Any]) -> dict[str, Any]:
    return dict(_leaves("", data))


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping | list):
        items = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in items:
            yield from _leaves(f"{name}.{key}" if name else str(key), inner)
    else:
        yield name, value
