"""`celestial train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.datasets import DEMO_FOLDER, ensure_demo_dataset
from celestial_cli.parameters import Choice, ModelPath, complete_networks
from celestial_cli.terminal import json_option, say
from celestial_cli.training_options import TRAINING_DEFAULTS, model_options, training_options
from celestial_cli.training_progress import TrainingProgress, show_outcome
from celestialkeras.backend import import_tensorflow
from celestialkeras.lcid.detectors import CHIP_SHAPE
from celestialkeras.training.options import STRATEGIES
from celestialkeras.training.tf_config import TF_CONFIG

if TYPE_CHECKING:
    from celestialkeras.training.options import TrainOptions
    from celestialkeras.training.run import Run

_WORKER = "from celestial_cli.main import main; main()"

_RESTARTS = 3

_DEFAULTS = {"data": DEMO_FOLDER / "shards", **TRAINING_DEFAULTS}


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: simulated, made if missing]")
@click.option(
    "--model", shell_complete=complete_networks, help="A name from `celestial models`.  [default: celestialnet_edge]"
)
@training_options
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of options; those given here go first.")
@click.option("--name", help="Name of the run.  [default: the model and the time]")
@click.option("--resume", type=ModelPath(), help="Go on with a run that was stopped, as it was set up.")
@click.option(
    "--strategy",
    type=Choice(STRATEGIES),
    default=STRATEGIES[0],
    show_default=True,
    help="mirrored: on all GPUs of this machine. multiworker: on several machines, as TF_CONFIG says.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Instead of TF_CONFIG: start so many here, and all of them again when one dies, three times at most.",
)
@json_option
def train(
    config: Path | None,
    name: str | None,
    resume: Path | None,
    strategy: str,
    workers: int | None,
    as_json: bool,
    width: float | None,
    weights: str | None,
    network: dict[str, bool | int | float | str],
    **given: Any,
) -> None:
    """Train a network to runs/NAME and point runs/latest at it.

    With no options at all, a small simulated set is made (or reused) and celestialnet_edge is trained on it.
    """
    _check_workers(strategy, workers)
    asked = {key: value for key, value in given.items() if value is not None}
    if given_options := model_options(width, weights, network):
        asked["model_options"] = given_options
    if resume is not None and (asked or config or name):
        raise click.UsageError(
            "--resume takes everything from the run; give no other options with it than --strategy and --workers"
        )
    import_tensorflow("training")
    from celestialkeras.training.calibration import calibrate_run
    from celestialkeras.training.distribution import join
    from celestialkeras.training.loop import train as run_training

    # Other workers are met before anything else is done with TensorFlow.
    distribution = join("single" if workers else strategy)
    if not distribution.is_chief:
        run_training(None, distribution=distribution)
        return
    run = _started(config, asked, name) if resume is None else _resumed(resume)
    if workers:
        _train_in_workers(run, workers, as_json)
        return
    with TrainingProgress() as progress:
        outcome = run_training(run, progress, distribution)
    show_outcome(run, outcome, calibrate_run(run), as_json)


def _check_workers(strategy: str, workers: int | None) -> None:
    if strategy != "multiworker":
        if workers:
            raise click.UsageError("--workers needs --strategy multiworker")
    elif workers and TF_CONFIG in os.environ:
        raise click.UsageError(f"{TF_CONFIG} says which workers there are; give no --workers, or unset it")
    elif not workers and TF_CONFIG not in os.environ:
        raise click.UsageError(
            f"--strategy multiworker needs {TF_CONFIG}, which says which workers there are, or --workers to start some"
            " here"
        )


def _resumed(folder: Path) -> Run:
    from celestialkeras.training.run import open_run, point_latest

    run = open_run(folder)
    point_latest(run.folder)
    return run


def _started(config: Path | None, asked: dict[str, Any], name: str | None) -> Run:
    from celestialkeras.models.cost import registered_cost
    from celestialkeras.training.loop import start_run
    from celestialkeras.training.run import check_new_run

    options = _options(config, asked)
    if options.data == DEMO_FOLDER / "shards":
        # Whatever is refused is refused now, and not after minutes of simulation.
        check_new_run(name)
        registered_cost(options.model, options.input_shape(CHIP_SHAPE), **options.model_options)
        ensure_demo_dataset()
    return start_run(options, name=name)


def _train_in_workers(run: Run, workers: int, as_json: bool) -> None:
    from celestialkeras.training.supervisor import supervise

    arguments = ["train", "--resume", str(run.folder), "--strategy", "multiworker"]
    supervise(_WORKER, [*arguments, *(["--json"] if as_json else [])], workers, _RESTARTS, say)


def _options(config: Path | None, asked: dict[str, Any]) -> TrainOptions:
    """Checks every option before any work, such as making data, is done."""
    from celestialkeras.training.options import TrainOptions, load_options

    if config is not None:
        return load_options(config, _DEFAULTS, asked)
    return TrainOptions(**{**_DEFAULTS, **asked})
