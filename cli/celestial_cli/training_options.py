"""The options of verbs that train a network from fresh weights, and what a first afternoon does without them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from celestial_cli.parameters import Choice, complete_degradations
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


def _network_options(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> dict[str, bool | int | float | str]:
    if not values or ctx.resilient_parsing:
        return {}
    # It imports Keras, which help, completion and slips of the pen need not wait for.
    from celestialkeras.comparison.entries import read_value

    found = {}
    for text in values:
        name, equals, value = text.partition("=")
        if not (name.strip() and equals and value.strip()):
            raise click.BadParameter(f"must be written NAME=VALUE, such as stem_stride=4. Received: {text!r}")
        found[name.strip().replace("-", "_")] = read_value(value.strip())
    return found


def model_options(
    width: float | None, weights: str | None, network: dict[str, bool | int | float | str]
) -> dict[str, bool | int | float | str]:
    """Those of these options that are the network's, without those that are not given."""
    given = {"width": width, "weights": weights}
    return {**{name: value for name, value in given.items() if value is not None}, **network}


size_option = click.option(
    "--size",
    callback=_size,
    metavar="full|N|ROWSxCOLUMNS",
    help="full, the binning (4 for 512 x 1024 pixels), or any smaller size such as 500x1000.  [default: 4]",
)
"""At which size frames are read."""

_OPTIONS = (
    click.option("--width", type=float, help="Factor on the network's filters.  [default: 1]"),
    click.option(
        "--weights",
        callback=_weights,
        metavar="imagenet|FILE",
        help="What a baseline starts from: imagenet, a .keras model or an .h5 file.  [default: fresh]",
    ),
    click.option(
        "--option",
        "network",
        multiple=True,
        callback=_network_options,
        metavar="NAME=VALUE",
        help="Another option of the network, such as padding=valid; may be given again.",
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
    size_option,
    click.option("--seed", type=click.IntRange(0), help="Of weights, order and flips.  [default: 0]"),
    click.option("--augment/--no-augment", default=None, help="Flip frames about their axes.  [default: flip]"),
    click.option(
        "--degrade",
        metavar="KIND:LEVEL",
        shell_complete=complete_degradations,
        help="Train on worse frames, such as psf:3.  [default: as they are]",
    ),
    click.option(
        "--degrade-share", type=float, help="Of the frames that are worse, drawn anew each epoch.  [default: 1, all]"
    ),
    click.option("--focal-gamma", type=float, help="Exponent of the focal loss.  [default: 0, cross-entropy]"),
    click.option(
        "--label-smoothing", type=float, help="Share of a label that is spread over both classes.  [default: 0]"
    ),
    click.option(
        "--keep-last/--keep-best",
        default=None,
        help="Keep the weights of the last epoch, or of the lowest validation loss.  [default: of the lowest]",
    ),
    click.option(
        "--stem-strips",
        type=click.IntRange(0),
        help="Compute the first blocks in so many strips of rows: less memory, same result.  [default: 0, whole]",
    ),
    click.option("--precision", type=Choice(PRECISIONS), help="Number format.  [default: float32]"),
)


def training_options(command: _Command) -> _Command:
    """Adds them to a command, which gets None for those that are not given."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
