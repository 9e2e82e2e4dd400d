"""From which model a run's network comes, step by step, and what is known of each: nothing is measured anew."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from celestialkeras.errors import ModelError
from celestialkeras.files import sha256_of
from celestialkeras.training.derived import Derivation, read_derivation
from celestialkeras.training.run import Run

if TYPE_CHECKING:
    from celestialkeras.models.cost import Cost


class State(Enum):
    """What became of a model since the next one was made from it."""

    WHOLE = "whole"
    ALTERED = "altered"
    MISSING = "missing"


@dataclass(frozen=True)
class Ancestor:
    """One model of a lineage.

    Attributes:
        model: Its `.keras` file.
        run: The run that the file belongs to; None if it belongs to none, or the run is gone.
        derivation: How it was made from the one before; None for the first.
        state: Whether the file is still what the next model was made from.
        sha256: SHA-256 of the file as it is now; None where it is missing.
    """

    model: Path
    run: Run | None
    derivation: Derivation | None
    state: State
    sha256: str | None


@dataclass(frozen=True)
class Accuracy:
    """Share of frames told rightly.

    Attributes:
        value: The share.
        source: Name of the file that says so.
    """

    value: float
    source: str


@dataclass(frozen=True)
class Standing:
    """What is known of a model.

    Attributes:
        accuracy: By split, `validation` and `test`; None where it was not evaluated.
        file_bytes: Size of the `.keras` file.
        cost: Weights and work; None where the file cannot be loaded or a layer's work cannot be counted.
    """

    accuracy: dict[str, Accuracy | None]
    file_bytes: int
    cost: Cost | None


def trace(run: Run) -> list[Ancestor]:
    """The models that a run's network comes from, the first ancestor first, the run's own last.

    A parent is found by its path and known by its SHA-256. One that is gone or was replaced is reported so, and the
    lineage goes on with what its run says, if that is left.

    Args:
        run: A run with a model.

    Returns:
        At least the run's own.

    Raises:
        RunError: The run has no model yet, or a `derivation.json` cannot be read.
    """
    model = run.require_model()
    digest, state = _digest(model), State.WHOLE
    found: list[Ancestor] = []
    # A run that was made again under its old name may descend from its own descendant.
    while all(model.resolve() != one.model.resolve() for one in found):
        beside = Run(model.parent)
        owner = beside if beside.config.is_file() and beside.model.name == model.name else None
        derivation = read_derivation(owner) if owner else None
        found.append(Ancestor(model, owner, derivation, state, digest))
        if derivation is None:
            break
        model = Path(derivation.parent)
        digest = _digest(model)
        state = _state(digest, derivation.parent_sha256)
    return found[::-1]


def standing(ancestor: Ancestor) -> Standing | None:
    """What is known of a model: its size, and what evaluations left beside it; None where the file is missing."""
    from celestialkeras.evaluation.predictor import load_model
    from celestialkeras.models.cost import model_cost

    if ancestor.sha256 is None:
        return None
    model = ancestor.model
    accuracy = {split: read_accuracy(model.parent, split, ancestor.sha256) for split in ("validation", "test")}
    if ancestor.run is not None and accuracy["validation"] is None:
        accuracy["validation"] = _accuracy_in_training(ancestor.run)
    try:
        cost = model_cost(load_model(model))
    except ModelError:
        cost = None
    return Standing(accuracy, model.stat().st_size, cost)


def read_accuracy(folder: Path, split: str, model_sha256: str) -> Accuracy | None:
    """What `celestial evaluate` found.

    Args:
        folder: Where it wrote to.
        split: `train`, `validation` or `test`.
        model_sha256: SHA-256 of what is asked about.

    Returns:
        The accuracy; None if there is no evaluation, or it is of another model, such as an earlier one of the run.
    """
    path = folder / f"evaluation-{split}.json"
    try:
        report = json.loads(path.read_text(encoding="utf-8"))
        if report["model_sha256"] != model_sha256:
            return None
        return Accuracy(float(report["figures"]["accuracy"]["value"]), path.name)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _accuracy_in_training(run: Run) -> Accuracy | None:
    """What training found on the validation frames, of the weights that it kept."""
    try:
        best = json.loads(run.outcome.read_text(encoding="utf-8"))["best_epoch"]
        with run.history.open(newline="", encoding="utf-8") as source:
            rows = {int(row["epoch"]): row["validation_accuracy"] for row in csv.DictReader(source)}
        return Accuracy(float(rows[best]), run.history.name)
    except (OSError, ValueError, KeyError):
        return None


def _digest(model: Path) -> str | None:
    return sha256_of(model) if model.is_file() else None


def _state(found: str | None, expected: str) -> State:
    if found is None:
        return State.MISSING
    return State.WHOLE if found == expected else State.ALTERED
