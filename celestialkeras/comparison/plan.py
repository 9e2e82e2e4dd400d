"""What a comparison is to do, fixed when it begins."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from celestialkeras.comparison.entries import TRAINING_SETTINGS, Entry, Existing, Network
from celestialkeras.errors import DatasetError, RunError
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.lcid.degradations import parse_degradation
from celestialkeras.models.cost import registered_cost
from celestialkeras.training.options import TrainOptions

PLAN_SCHEMA = "celestialkeras.comparison-plan/1"
"""Name and version of `plan.json`; others are refused."""


@dataclass(frozen=True)
class Sides:
    """The frames that networks are trained on and all are judged on.

    Attributes:
        data: Data set folder, absolute; networks are trained on its training side and judged on its test side.
        data_sha256: Its digest.
        degrade: What makes the same frames the blurry ones, such as `psf:3`; empty for nothing.
        blurry_data: Data set folder whose test side is the blurry one instead, absolute; None for none.
        blurry_sha256: Its digest; empty for none.
    """

    data: Path
    data_sha256: str
    degrade: str = ""
    blurry_data: Path | None = None
    blurry_sha256: str = ""

    @property
    def blurry(self) -> str:
        """What the blurry frames are, in words; empty where there are none."""
        return str(self.blurry_data) if self.blurry_data else self.degrade


@dataclass(frozen=True)
class Trial:
    """One training, or one model that exists.

    Attributes:
        number: Of its entry, from 1.
        entry: What it is.
        seed: Of its training; None for a model that exists.
    """

    number: int
    entry: Entry
    seed: int | None

    @property
    def key(self) -> str:
        """Name of its run and of its result's file."""
        name = f"{self.number:02d}-{file_name(self.entry.name)}"
        return name if self.seed is None else f"{name}-seed-{self.seed}"

    def options(self) -> TrainOptions:
        """How it is trained."""
        assert isinstance(self.entry, Network)
        assert self.seed is not None
        return replace(self.entry.options, seed=self.seed)


def file_name(text: str) -> str:
    """An entry's name as part of a file's: its last 60 letters, digits and dots, all else as dashes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text)[-60:].strip("-.")


@dataclass(frozen=True)
class Plan:
    """Everything that decides the outcome of a comparison.

    Attributes:
        sides: The frames.
        minutes: Wall-clock budget of each training; 0 for none.
        seeds: Of the trainings of each network.
        entries: What is compared, in the order of the table.
        threads: Of the interpreter that runs artifacts.

    Raises:
        RunError: There is nothing to compare, an entry stands twice, or the seeds are none or stand twice.
    """

    sides: Sides
    minutes: float
    seeds: tuple[int, ...]
    entries: tuple[Entry, ...]
    threads: int

    def __post_init__(self) -> None:
        names = [entry.name for entry in self.entries]
        if not names or len(set(names)) < len(names):
            raise RunError(f"a comparison takes one or more entries, each once. Received: {', '.join(names) or 'none'}")
        if not self.seeds or len(set(self.seeds)) < len(self.seeds):
            raise RunError(f"`seeds` must be one or more different numbers. Received: {self.seeds}")

    def trials(self) -> Iterator[Trial]:
        """All that is to be done, in order."""
        for number, entry in enumerate(self.entries, start=1):
            for seed in self.seeds if isinstance(entry, Network) else (None,):
                yield Trial(number, entry, seed)

    def to_json(self) -> dict[str, Any]:
        """The plan as a tree that `plan_from_json` reads back."""
        sides = {key: str(value) if isinstance(value, Path) else value for key, value in asdict(self.sides).items()}
        return {
            "schema": PLAN_SCHEMA,
            "sides": sides,
            "minutes": self.minutes,
            "seeds": list(self.seeds),
            "threads": self.threads,
            "entries": [_entry_to_json(entry) for entry in self.entries],
        }


def plan_from_json(held: Mapping[str, Any]) -> Plan:
    """Reads what `Plan.to_json` gave.

    Raises:
        RunError: It is of another schema.
        KeyError, TypeError, ValueError: It is something else.
    """
    if held["schema"] != PLAN_SCHEMA:
        raise RunError(f"the schema of a plan must be {PLAN_SCHEMA}. Received: {held['schema']!r}")
    paths = {name: Path(held["sides"][name]) for name in ("data", "blurry_data") if held["sides"][name]}
    sides = Sides(**{**held["sides"], **paths})
    seeds = tuple(held["seeds"])
    common = {"data": sides.data, "minutes": held["minutes"], "seed": seeds[0]}
    entries: list[Entry] = []
    for entry in held["entries"]:
        if "path" in entry:
            entries.append(Existing(entry["name"], Path(entry["path"]), entry["sha256"]))
        else:
            asked = {**entry["training"], "model": entry["model"], "model_options": entry["model_options"]}
            entries.append(Network(entry["name"], TrainOptions(**common, **asked)))
    return Plan(sides, held["minutes"], seeds, tuple(entries), held["threads"])


def check_plan(plan: Plan) -> None:
    """Refuses what would fail once other trainings have taken their hours.

    Raises:
        DatasetError: There are no test frames, they cannot be made worse as asked, frames of a network's size cannot be
            had, or objects of the blurry list are trained on.
        ModelError: A network does not take frames of the chosen size, or refuses an option.
    """
    clear, blurry = open_sides(plan)
    for dataset in (clear, blurry):
        if dataset is not None and not dataset.records("test"):
            raise DatasetError(f"{dataset.folder}: no frames on the side 'test'; build it with a share for each side")
    if blurry is not None:
        # Whether they can be made worse shows when one is read.
        blurry.codes(blurry.records("test")[0])
    networks = [entry for entry in plan.entries if isinstance(entry, Network)]
    if networks and blurry is not None:
        seen = {row.observation.object_id for side in ("train", "validation") for row in clear.records(side)}
        if known := sorted({row.observation.object_id for row in blurry.records("test")} & seen):
            raise DatasetError(
                f"{blurry.folder}: objects of its test side are trained on; build {clear.folder} around that list."
                f" Received: {', '.join(known[:5])}"
            )
    for entry in networks:
        shape = entry.options.input_shape(clear.shape)
        registered_cost(entry.options.model, shape, **entry.options.model_options)


def open_sides(plan: Plan) -> tuple[LcidDataset, LcidDataset | None]:
    """The data sets whose test sides are the clear frames and the blurry ones; None where there are none.

    Raises:
        DatasetError: One is missing, or no longer the one that the comparison was made for.
    """
    sides = plan.sides
    clear = _open(sides.data, sides.data_sha256)
    if sides.blurry_data is not None:
        return clear, _open(sides.blurry_data, sides.blurry_sha256)
    return clear, clear.degraded(parse_degradation(sides.degrade)) if sides.degrade else None


def _open(folder: Path, digest: str) -> LcidDataset:
    dataset = open_dataset(folder)
    if dataset.digest != digest:
        raise DatasetError(
            f"{folder}: no longer the data set of the comparison; begin another one under another name."
            f" Received: digest {dataset.digest}, expected {digest}"
        )
    return dataset


def _entry_to_json(entry: Entry) -> dict[str, Any]:
    if isinstance(entry, Existing):
        return {"name": entry.name, "path": str(entry.path), "sha256": entry.sha256}
    options = entry.options
    return {
        "name": entry.name,
        "model": options.model,
        "model_options": dict(options.model_options),
        "training": {name: getattr(options, name) for name in TRAINING_SETTINGS},
    }
