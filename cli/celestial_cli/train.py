"""`celestial train`."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

from celestial_cli.datasets import DEMO_FOLDER, ensure_demo_dataset
from celestial_cli.terminal import json_option, print_json, print_table, say
from celestialkeras.backend import import_tensorflow
from celestialkeras.lcid.detectors import CHIP_SHAPE
from celestialkeras.training.options import PRECISIONS

if TYPE_CHECKING:
    from celestialkeras.training.history import EpochRow
    from celestialkeras.training.observer import Outcome, Plan
    from celestialkeras.training.options import TrainOptions
    from celestialkeras.training.run import Run
    from celestialkeras.training.step import Tally

# What `celestial train` does with no options at all: the story of a first afternoon, on two cores. The patience
# outlasts the first epochs, in which the validation loss of a small set swings.
_DEFAULTS = {"data": DEMO_FOLDER / "shards", "size": 4, "epochs": 20, "patience": 12}


_ENDS = {"epochs": "all of them", "patience": "patience ran out", "minutes": "time ran out"}


def _size(ctx: click.Context, param: click.Parameter, value: str | None) -> int | str | None:
    if value is None or value == "full":
        return value
    try:
        return int(value)
    except ValueError:
        raise click.BadParameter(f"must be 'full' or a whole binning such as 4. Received: {value!r}") from None


@click.command()
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: simulated, made if missing]")
@click.option("--model", help="A name from `celestial models`.  [default: celestialnet_edge]")
@click.option("--width", type=float, help="Factor on the network's filters.  [default: 1]")
@click.option(
    "--epochs", type=click.IntRange(1), help="Passes over the training frames.  [default: 20, as in the paper]"
)
@click.option("--batch-size", type=click.IntRange(1), help="Frames a step.  [default: 8]")
@click.option("--learning-rate", type=float, help="Highest rate of the cosine schedule.  [default: 0.001]")
@click.option(
    "--patience", type=click.IntRange(0), help="Epochs without gain that end the run; 0 never does.  [default: 12]"
)
@click.option(
    "--minutes", type=click.FloatRange(0), help="Begin no epoch that would end later; 0: no limit.  [default: 0]"
)
@click.option(
    "--size", callback=_size, metavar="full|N", help="full, or the binning: 4 for 512 x 1024 pixels.  [default: 4]"
)
@click.option("--seed", type=click.IntRange(0), help="Of weights, order and flips.  [default: 0]")
@click.option("--precision", type=click.Choice(PRECISIONS), help="Number format.  [default: float32]")
@click.option("--config", type=click.Path(path_type=Path), help="TOML file of options; those given here go first.")
@click.option("--name", help="Name of the run.  [default: the model and the time]")
@click.option("--resume", type=click.Path(path_type=Path), help="Go on with a run that was stopped, as it was set up.")
@json_option
def train(
    config: Path | None, name: str | None, resume: Path | None, as_json: bool, width: float | None, **given: Any
) -> None:
    """Train a network to runs/NAME and point runs/latest at it.

    With no options at all, a small simulated set is made (or reused) and celestialnet_edge is trained on it.
    """
    import_tensorflow("training")
    from celestialkeras.models.cost import registered_cost
    from celestialkeras.training.loop import start_run
    from celestialkeras.training.loop import train as run_training
    from celestialkeras.training.run import check_new_run, open_run, point_latest

    asked = {key: value for key, value in given.items() if value is not None}
    if resume is not None:
        if asked or config or name or width is not None:
            raise click.UsageError("--resume takes everything from the run; give no other options with it")
        run = open_run(resume)
        point_latest(run.folder)
    else:
        options = _options(config, asked, width)
        if options.data == DEMO_FOLDER / "shards":
            # Whatever is refused is refused now, and not after minutes of simulation.
            rows, columns = (side // options.binning for side in CHIP_SHAPE)
            check_new_run(name)
            registered_cost(options.model, (rows, columns, 1), **options.model_options)
            ensure_demo_dataset()
        run = start_run(options, name=name)
    with _Watcher() as watcher:
        outcome = run_training(run, watcher)
    if as_json:
        print_json({"run": str(run.folder), "model": str(run.model), **asdict(outcome)})
        return
    _print(run, outcome)


def _options(config: Path | None, asked: dict[str, Any], width: float | None) -> TrainOptions:
    """Checks every option before any work, such as making data, is done."""
    from celestialkeras.training.options import TrainOptions, load_options

    if width is not None:
        asked["model_options"] = {"width": width}
    if config is not None:
        return load_options(config, _DEFAULTS, asked)
    return TrainOptions(**{**_DEFAULTS, **asked})


def _print(run: Run, outcome: Outcome) -> None:
    loss = outcome.best_validation_loss
    rows = [
        ["run", str(run.folder), "runs/latest points at it"],
        ["model", str(run.model), "keras.models.load_model opens it"],
        ["epochs", str(outcome.epochs), _ENDS[outcome.ended_by]],
        [
            "best epoch",
            str(outcome.best_epoch),
            "no validation frames" if loss is None else f"validation loss {loss:.4f}",
        ],
    ]
    print_table("Trained", ["what", "value", "note"], rows)
    say("next: celestial evaluate, or celestial quantize --int8")


class _Watcher:
    """Shows training on stderr: a bar on a terminal, and one line an epoch everywhere."""

    def __init__(self) -> None:
        self._console = Console(stderr=True, highlight=False, markup=False)
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn("steps"))
        self._progress = Progress(
            *columns, TimeRemainingColumn(), console=self._console, transient=True, disable=not sys.stderr.isatty()
        )
        self._task: TaskID | None = None
        self._steps = 0
        self._epochs = 0

    def __enter__(self) -> _Watcher:
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def started(self, plan: Plan) -> None:
        """Says what will be done."""
        self._steps, self._epochs = plan.steps, plan.options.epochs
        shape = " x ".join(map(str, plan.cost.input_shape[:2]))
        self._say(
            f"{plan.options.model}: {plan.cost.trainable:,} parameters, {plan.cost.gmac:.2f} GMAC at {shape}; "
            f"{plan.train_frames} training and {plan.validation_frames} validation frames; "
            f"class weights {', '.join(f'{weight:.2f}' for weight in plan.class_weights)}; run {plan.run.folder}"
        )
        if plan.finished_epochs:
            self._say(f"going on after epoch {plan.finished_epochs}")
        self._task = self._progress.add_task("", total=self._steps)

    def step(self, epoch: int, step: int, tally: Tally) -> None:
        """Moves the bar."""
        assert self._task is not None
        text = f"epoch {epoch}/{self._epochs} loss {tally.mean_loss:.3f}" if self._progress.live.is_started else ""
        self._progress.update(self._task, completed=step, description=text)

    def epoch(self, row: EpochRow, best: bool) -> None:
        """Prints the epoch's line."""
        text = f"epoch {row.epoch}/{self._epochs}: loss {row.loss:.4f}, accuracy {100 * row.accuracy:.1f} %"
        if row.validation_loss is not None and row.validation_accuracy is not None:
            text += f", validation {row.validation_loss:.4f}, {100 * row.validation_accuracy:.1f} %"
        self._say(f"{text}, {row.seconds:.1f} s{', best so far' if best else ''}")

    def _say(self, text: str) -> None:
        self._console.print(text, soft_wrap=True)
