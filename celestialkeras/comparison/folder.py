"""The folder of a comparison: its plan, its runs, what was found, and the table. One name, one plan."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celestialkeras.comparison.plan import Plan, Trial, check_plan, file_name, plan_from_json
from celestialkeras.errors import RunError
from celestialkeras.files import write_text
from celestialkeras.suggestions import did_you_mean
from celestialkeras.training.run import Run

COMPARISONS = Path("comparisons")
"""Where comparisons are kept, relative to the working directory."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True)
class ComparisonFolder:
    """A comparison's folder.

    Attributes:
        folder: The folder.
    """

    folder: Path

    @property
    def plan(self) -> Path:
        """What it does, JSON."""
        return self.folder / "plan.json"

    @property
    def runs(self) -> Path:
        """Folder of its runs."""
        return self.folder / "runs"

    def run(self, trial: Trial) -> Run:
        """The run of a training, made or not."""
        return Run(self.runs / trial.key)

    def result(self, trial: Trial) -> Path:
        """What was found of one trial, JSON; it is there once that is done."""
        return self.folder / "results" / f"{trial.key}.json"

    def table(self, suffix: str) -> Path:
        """The table as `.json`, `.csv` or `.md`."""
        return (self.folder / "comparison").with_suffix(suffix)


def begin_comparison(plan: Plan, name: str | None = None, comparisons: Path = COMPARISONS) -> ComparisonFolder:
    """Makes a comparison's folder, or finds the one that was made for the same plan.

    Args:
        plan: What it is to do.
        name: Name of the comparison; by default one of the plan's own, so that the same plan is found again.
        comparisons: Folder of comparisons.

    Raises:
        RunError: The name is not allowed, or is that of a comparison with another plan.
        DatasetError: As `check_plan`.
        ModelError: As `check_plan`.
    """
    asked = plan.to_json()
    if name is None:
        digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()
        name = f"{file_name(plan.entries[0].name)}-{digest[:8]}"
    found = _folder(name, comparisons)
    if found.plan.is_file():
        held = read_plan(name, comparisons).to_json()
        if differences := [*_differences("", held, asked)]:
            raise RunError(
                f"{found.folder}: is a comparison with another plan; choose another name, or give no entries to go on"
                f" with it. Received: {'; '.join(differences)}"
            )
        return found
    check_plan(plan)
    write_text(found.plan, json.dumps(asked, indent=1) + "\n")
    return found


def known_comparisons(comparisons: Path = COMPARISONS) -> list[str]:
    """Names of the comparisons that were begun, sorted."""
    return sorted(path.parent.name for path in comparisons.glob("*/plan.json"))


def read_plan(name: str, comparisons: Path = COMPARISONS) -> Plan:
    """The plan of a comparison that was begun.

    Raises:
        RunError: There is none of this name, or its plan cannot be read.
    """
    path = _folder(name, comparisons).plan
    if not path.is_file():
        hint = did_you_mean(name, known_comparisons(comparisons))
        raise RunError(
            f"{path.parent}: no comparison there{hint}; `celestial compare ENTRY... --name {name}` begins one"
        )
    try:
        return plan_from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise RunError(f"{path}: not the plan of a comparison ({error!r}); begin one under another name") from error


def _folder(name: str, comparisons: Path) -> ComparisonFolder:
    if not _NAME.fullmatch(name):
        raise RunError(
            f"a comparison's name must be letters, digits, dots, dashes and underscores. Received: name={name!r}"
        )
    return ComparisonFolder(comparisons / name)


def _differences(where: str, held: Any, asked: Any) -> Iterator[str]:
    """Every leaf in which two plans differ, as `where: held, now asked`."""
    if isinstance(held, dict) and isinstance(asked, dict):
        for key in dict.fromkeys([*held, *asked]):
            yield from _differences(f"{where}.{key}" if where else str(key), held.get(key), asked.get(key))
    elif isinstance(held, list) and isinstance(asked, list) and len(held) == len(asked):
        for number, (one, other) in enumerate(zip(held, asked, strict=True), start=1):
            yield from _differences(f"{where} {number}", one, other)
    elif held != asked:
        yield f"{where}: {_short(held)} then, {_short(asked)} now"


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(str(part.get("name", part)) if isinstance(part, dict) else str(part) for part in value)
    return str(value)
