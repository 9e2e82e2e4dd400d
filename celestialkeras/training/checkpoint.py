"""The state between two epochs, in one file: all that the next epoch depends on."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celestialkeras.errors import RunError
from celestialkeras.files import replacing
from celestialkeras.training.history import EpochRow

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True)
class TrainingState:
    """How far training has come.

    Attributes:
        rows: The finished epochs.
        best_epoch: The epoch whose weights `model.keras` holds; 0 before the first.
        best_loss: Its validation loss; None without validation frames.
    """

    rows: tuple[EpochRow, ...] = ()
    best_epoch: int = 0
    best_loss: float | None = None

    @property
    def epoch(self) -> int:
        """The last finished epoch; 0 before the first."""
        return len(self.rows)


def save_checkpoint(folder: Path, state: TrainingState, variables: Sequence[keras.Variable]) -> None:
    """Writes the state after an epoch, and only then removes the states of earlier ones.

    Args:
        folder: The run's folder of checkpoints.
        state: How far training has come.
        variables: Those of the model (seed generators of dropout among them) and of the optimizer, in a fixed order.
    """
    target = folder / f"epoch-{state.epoch:04d}.npz"
    arrays: dict[str, Any] = {f"variable-{index:05d}": one.value.numpy() for index, one in enumerate(variables)}
    with replacing(target) as partial:
        np.savez(partial, state=np.array(json.dumps(asdict(state))), **arrays)
    for older in checkpoints(folder):
        if older != target:
            older.unlink()


def restore_checkpoint(folder: Path, variables: Sequence[keras.Variable]) -> TrainingState:
    """Puts the newest state back into the variables.

    Args:
        folder: The run's folder of checkpoints.
        variables: As they were given to `save_checkpoint`.

    Returns:
        How far training had come; no epochs at all when there is no checkpoint.

    Raises:
        RunError: The checkpoint cannot be read, or is of another model or optimizer.
    """
    found = checkpoints(folder)
    if not found:
        return TrainingState()
    path = found[-1]
    try:
        with path.open("rb") as source, np.load(source, allow_pickle=False) as held:
            progress: dict[str, Any] = json.loads(str(held["state"]))
            values = [held[name] for name in held.files if name != "state"]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise RunError(f"{path}: cannot be read ({error}); train anew, or restore the file") from error
    if [value.shape for value in values] != [tuple(one.shape) for one in variables]:
        raise RunError(
            f"{path}: its weights are not those of this run's model; was {folder.parent} put together by hand?"
        )
    for one, value in zip(variables, values, strict=True):
        one.assign(value)
    rows = tuple(EpochRow(**row) for row in progress["rows"])
    return TrainingState(rows, progress["best_epoch"], progress["best_loss"])


def checkpoints(folder: Path) -> list[Path]:
    """The checkpoints in a folder, oldest first."""
    return sorted(folder.glob("epoch-*.npz"))
