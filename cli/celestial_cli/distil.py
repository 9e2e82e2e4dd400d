"""`celestial distil`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.locate import find_model, is_run, open_data
from celestial_cli.parameters import ModelPath, complete_entries
from celestial_cli.terminal import json_option
from celestial_cli.training_options import TRAINING_DEFAULTS, model_options, training_options
from celestial_cli.training_progress import TrainingProgress, show_outcome
from celestialkeras.backend import import_tensorflow
from celestialkeras.training.run import check_new_run
from celestialkeras.training.teacher import Distillation

if TYPE_CHECKING:
    from celestialkeras.training.options import TrainOptions
    from celestialkeras.training.run import Run

# What a student that is trained on brings with it.
_FIXED = ("model_options", "precision", "size")


@click.command()
@click.option("--teacher", required=True, type=ModelPath(), help="Run or .keras file; of any size of frames.")
@click.option(
    "--student",
    shell_complete=complete_entries,
    default="celestialnet_edge",
    show_default=True,
    metavar="MODEL|RUN",
    help="A name from `celestial models` for fresh weights, or a run to train on.",
)
@click.option(
    "--data", type=click.Path(path_type=Path), help="Data set folder.  [default: the student run's, or the teacher's]"
)
@training_options
@click.option(
    "--temperature",
    type=float,
    default=Distillation.temperature,
    show_default=True,
    help="What the logits of both are divided by.",
)
@click.option(
    "--soft-weight",
    type=float,
    default=Distillation.soft_weight,
    show_default=True,
    help="Share of the teacher in the loss, at most 1.",
)
@click.option("--name", help="Name of the run.  [default: the student's model and the time]")
@json_option
def distil(
    teacher: Path,
    student: str,
    data: Path | None,
    width: float | None,
    weights: str | None,
    network: dict[str, bool | int | float | str],
    temperature: float,
    soft_weight: float,
    name: str | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Train a student on a teacher's softened answers and the labels, to runs/NAME.

    The teacher is asked once about each training frame and its flips; its logits are kept in the run, and students
    of the same teacher and data share them. `celestial train --resume RUN` goes on with a run that was stopped.
    """
    check_new_run(name)
    asked = {key: value for key, value in given.items() if value is not None}
    if given_options := model_options(width, weights, network):
        asked["model_options"] = given_options
    source, teacher_run = find_model(teacher)
    start, student_run = find_model(Path(student)) if is_run(Path(student)) else (None, None)
    import_tensorflow("distillation")
    from celestialkeras.training.calibration import calibrate_run
    from celestialkeras.training.distil import start_distillation
    from celestialkeras.training.loop import train

    folder = open_data(data, student_run or teacher_run, start or source).folder
    if student_run is not None and teacher_run is not None:
        # Says so when the teacher knows other frames than those that the student is judged by.
        open_data(folder, teacher_run, source)
    options = _options(student, student_run, {"data": folder, **asked})
    run = start_distillation(
        source, options, temperature=temperature, soft_weight=soft_weight, student=start, name=name
    )
    with TrainingProgress() as progress:
        outcome = train(run, progress)
    show_outcome(run, outcome, calibrate_run(run), as_json)


def _options(student: str, run: Run | None, asked: dict[str, Any]) -> TrainOptions:
    """The options of a student with fresh weights, or those of its run with what was asked in their place."""
    from celestialkeras.training.options import TrainOptions

    if run is None:
        return TrainOptions(**{**TRAINING_DEFAULTS, "model": student, **asked})
    if any(name in asked for name in _FIXED):
        raise click.UsageError(
            f"--width, --weights, --option, --size and --precision are those of {student}; give none of them with it"
        )
    return replace(run.options(), **asked)
