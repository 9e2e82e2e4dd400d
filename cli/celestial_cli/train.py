"""`celestial train`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.datasets import DEMO_FOLDER, ensure_demo_dataset
from celestial_cli.terminal import json_option
from celestial_cli.training_options import TRAINING_DEFAULTS, model_options, training_options
from celestial_cli.training_progress import TrainingProgress, show_outcome
from celestialkeras.backend import import_tensorflow
from celestialkeras.lcid.detectors import CHIP_SHAPE

if TYPE_CHECKING:
    from celestialkeras.training.options import TrainOptions

_DEFAULTS = {"data": DEMO_FOLDER / "shards", **TRAINING_DEFAULTS}


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: simulated, made if missing]")
@click.option("--model", help="A name from `celestial models`.  [default: celestialnet_edge]")
@training_options
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of options; those given here go first.")
@click.option("--name", help="Name of the run.  [default: the model and the time]")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with a run that was stopped, as it was set up.")
@json_option
def train(
    config: Path | None,
    name: str | None,
    resume: Path | None,
    as_json: bool,
    width: float | None,
    weights: str | None,
    network: dict[str, bool | int | float | str],
    **given: Any,
) -> None:
    """Train a network to runs/NAME and point runs/latest at it.

    With no options at all, a small simulated set is made (or reused) and celestialnet_edge is trained on it.
    """
    import_tensorflow("training")
    from celestialkeras.models.cost import registered_cost
    from celestialkeras.training.calibration import calibrate_run
    from celestialkeras.training.loop import start_run
    from celestialkeras.training.loop import train as run_training
    from celestialkeras.training.run import check_new_run, open_run, point_latest

    asked = {key: value for key, value in given.items() if value is not None}
    if given_options := model_options(width, weights, network):
        asked["model_options"] = given_options
    if resume is not None:
        if asked or config or name:
            raise click.UsageError("--resume takes everything from the run; give no other options with it")
        run = open_run(resume)
        point_latest(run.folder)
    else:
        options = _options(config, asked)
        if options.data == DEMO_FOLDER / "shards":
            # Whatever is refused is refused now, and not after minutes of simulation.
            check_new_run(name)
            registered_cost(options.model, options.input_shape(CHIP_SHAPE), **options.model_options)
            ensure_demo_dataset()
        run = start_run(options, name=name)
    with TrainingProgress() as progress:
        outcome = run_training(run, progress)
    show_outcome(run, outcome, calibrate_run(run), as_json)


def _options(config: Path | None, asked: dict[str, Any]) -> TrainOptions:
    """Checks every option before any work, such as making data, is done."""
    from celestialkeras.training.options import TrainOptions, load_options

    if config is not None:
        return load_options(config, _DEFAULTS, asked)
    return TrainOptions(**{**_DEFAULTS, **asked})
