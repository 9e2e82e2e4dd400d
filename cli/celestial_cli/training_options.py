"""The options of verbs that train a network from fresh weights, and what a first afternoon does without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from celestialkeras.training.options import FULL_SIZE, PRECISIONS, ROWS_AND_COLUMNS

TRAINING_DEFAULTS: dict[str, Any] = {"size": 4, "epochs": 20, "patience": 12}
"""What is trained with no options at all, on two cores in an afternoon. The patience outlasts the first epochs, in
which the validation loss of a small set swings."""

_Command = TypeVar("_Command", bound=Callable[..., None])


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == FULL_SIZE or ROWS_AND_COLUMNS.fullmatch(value):
        return value
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(
            f"must be 'full', a whole binning such as 4 or ROWSxCOLUMNS such as 500x1000. Received: {value!r}"
        ) from None


def _weights(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    # A run that is resumed from another folder must find the file again.
    return value if value in (None, "fresh", "imagenet") else str(Path(value).resolve())


def model_options(width: float | None, weights: str | None) -> dict[str, float | str]:
    """Those of these options that are the network's, without those that are not given."""
    given = {"width": width, "weights": weights}
    return {name: value for name, value in given.items() if value is not None}


_OPTIONS = (
    click.option("--width", type=float, help="Factor on the network's filters.  [default: 1]"),
    click.option(
        "--weights",
        callback=_weights,
        metavar="imagenet|FILE",
        help="What a baseline starts from: imagenet, a .keras model or an .h5 file.  [default: fresh]",
    ),
    click.option(
        "--epochs", type=click.IntRange(1), help="Passes over the training frames.  [default: 20, as in the paper]"
    ),
    click.option("--batch-size", type=click.IntRange(1), help="Frames a step.  [default: 8]"),
    click.option("--learning-rate", type=float, help="Highest rate of the cosine schedule.  [default: 0.001]"),
    click.option(
        "--patience", type=click.IntRange(0), help="Epochs without gain that end the run; 0 never does.  [default: 12]"
    ),
    click.option(
        "--minutes", type=click.FloatRange(0), help="Begin no epoch that would end later; 0: no limit.  [default: 0]"
    ),
    click.option(
        "--size",
        callback=_size,
        metavar="full|N|ROWSxCOLUMNS",
        help="full, the binning (4 for 512 x 1024 pixels), or any smaller size such as 500x1000.  [default: 4]",
    ),
    click.option("--seed", type=click.IntRange(0), help="Of weights, order and flips.  [default: 0]"),
    click.option(
        "--degrade", metavar="KIND:LEVEL", help="Train on worse frames, such as psf:3.  [default: as they are]"
    ),
    click.option(
        "--stem-strips",
        type=click.IntRange(0),
        help="Compute the first blocks in so many strips of rows: less memory, same result.  [default: 0, whole]",
    ),
    click.option("--precision", type=click.Choice(PRECISIONS), help="Number format.  [default: float32]"),
)


def training_options(command: _Command) -> _Command:
    """Adds them to a command, which gets None for those that are not given."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
