"""What verbs share that make a smaller network of a run's: its parent, the fine-tuning, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from celestial_cli.locate import find_model, open_data
from celestial_cli.tables import print_table
from celestial_cli.terminal import print_json, say
from celestial_cli.training_progress import TrainingProgress
from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import RunError
from celestialkeras.files import sha256_of
from celestialkeras.training.run import MAKES_A_RUN, Run, check_new_run

if TYPE_CHECKING:
    from celestial_edge.compress.measured_cost import MeasuredCost
    from celestialkeras.evaluation.paired import PairedComparison
    from celestialkeras.lcid.dataset import LcidDataset

_Command = TypeVar("_Command", bound=Callable[..., None])


@dataclass(frozen=True)
class FineTuning:
    """How the smaller network is trained on, as the command line says.

    Attributes:
        epochs: Passes over the training frames; 0 for none.
        learning_rate: Highest rate.
        minutes: Budget of time; 0 for none.
        name: Name of the new run; None for the model's and the time.
    """

    epochs: int
    learning_rate: float
    minutes: float
    name: str | None

    def asked(self) -> dict[str, Any]:
        """What of it belongs to the record of how a network was made."""
        if not self.epochs:
            return {"epochs": 0}
        return {"epochs": self.epochs, "learning_rate": self.learning_rate, "minutes": self.minutes}


def fine_tuning_options(epochs: int) -> Callable[[_Command], _Command]:
    """The options of fine-tuning, with the verb's own default number of epochs; the command gets `FineTuning`'s fields.

    Args:
        epochs: The default.
    """
    options = (
        click.option(
            "--epochs", type=click.IntRange(0), default=epochs, show_default=True, help="Of fine-tuning; 0: none."
        ),
        click.option(
            "--learning-rate",
            type=click.FloatRange(0, min_open=True),
            default=3e-4,
            show_default=True,
            help="Highest rate of fine-tuning.",
        ),
        click.option(
            "--minutes",
            type=click.FloatRange(0),
            default=0.0,
            show_default=True,
            help="Begin no epoch that would end later; 0: no limit.",
        ),
        click.option("--name", help="Name of the new run.  [default: the model and the time]"),
    )

    def add(command: _Command) -> _Command:
        for option in reversed(options):
            command = option(command)
        return command

    return add


@dataclass(frozen=True, eq=False)
class Parent:
    """The run that a smaller network is made from.

    Attributes:
        source: Its `.keras` file.
        sha256: SHA-256 of that file, taken before it was read.
        run: The run.
        model: The model.
        dataset: The run's data set.
    """

    source: Path
    sha256: str
    run: Run
    model: Any
    dataset: LcidDataset


def open_parent(path: Path | None, name: str | None) -> Parent:
    """Opens what a verb makes smaller; what the new run would be refused for is refused before any work.

    Args:
        path: A run, or the `.keras` file in one; None for the latest run.
        name: Name of the new run.

    Raises:
        RunError: There is no run, the file belongs to none, or the name is not allowed or taken.
        ModelError: The file cannot be used.
        DatasetError: The run's data set is gone or altered.
    """
    check_new_run(name)
    source, run = find_model(path)
    if run is None:
        raise RunError(f"{source}: belongs to no run, whose data set and options are needed; {MAKES_A_RUN}")
    import_tensorflow("making a model smaller")
    from celestialkeras.evaluation.predictor import load_model

    dataset = open_data(None, run, source)
    digest = sha256_of(source)
    return Parent(source, digest, run, load_model(source), dataset)


@dataclass(frozen=True, eq=False)
class Shrunk:
    """A smaller network, in a run of its own.

    Attributes:
        run: The run.
        before: What the parent takes.
        after: What the smaller network takes.
        comparison: Both on the validation frames, after fine-tuning; None if there are none.
    """

    run: Run
    before: MeasuredCost
    after: MeasuredCost
    comparison: PairedComparison | None


def keep_shrunk(
    parent: Parent,
    model: Any,
    asked: Mapping[str, Any],
    tuning: FineTuning,
    *,
    verb: str,
    decisions: Mapping[str, Any],
    threads: int,
) -> Shrunk:
    """Measures a smaller network against its parent, gives it a run, and trains it on.

    Args:
        parent: The parent.
        model: The smaller network.
        asked: What the verb was asked, plain JSON values.
        tuning: How to train it on; with 0 epochs it is kept as it is.
        verb: Name of the verb.
        decisions: What the verb decided layer by layer, plain JSON values.
        threads: Threads of the interpreter.
    """
    from celestial_edge.compress.measured_cost import measure_costs
    from celestial_edge.device.bench_options import BenchOptions
    from celestialkeras.training.calibration import calibrate_run
    from celestialkeras.training.derived import Derivation, derive_run, finish_without_training
    from celestialkeras.training.loop import train

    say(f"measuring {parent.source} and the smaller network")
    before, after = measure_costs([parent.model, model], parent.dataset, BenchOptions(threads=threads))
    figures = {"before": asdict(before), "after": asdict(after), **decisions}
    derivation = Derivation(verb, dict(asked), str(parent.source.resolve()), parent.sha256, figures)
    options = parent.run.options()
    if tuning.epochs:
        options = replace(options, epochs=tuning.epochs, learning_rate=tuning.learning_rate, minutes=tuning.minutes)
    run = derive_run(parent.source, options, derivation, model, tuning.name)
    if tuning.epochs:
        with TrainingProgress() as progress:
            train(run, progress)
    else:
        finish_without_training(run)
    calibrate_run(run, parent.dataset)
    return Shrunk(run, before, after, _compared(parent, run))


def print_shrunk(shrunk: Shrunk, decisions: Mapping[str, Any], note: str, as_json: bool) -> None:
    """Prints what a smaller network takes beside its parent, and how it does.

    Args:
        shrunk: The network.
        decisions: As given to `keep_shrunk`.
        note: What a user must know of the figures; may be empty.
        as_json: Whether to print JSON.
    """
    before, after, comparison = shrunk.before, shrunk.after, shrunk.comparison
    if as_json:
        held = {"before": asdict(before), "after": asdict(after), **decisions, "note": note}
        accuracy = asdict(comparison) if comparison else None
        where = {"run": str(shrunk.run.folder), "model": str(shrunk.run.model)}
        print_json({"schema": "celestialkeras.shrunk/1", **where, **held, "validation": accuracy})
        return
    rows = [
        ["parameters", f"{before.parameters:,}", f"{after.parameters:,}"],
        ["GMAC", f"{before.macs / 1e9:.3f}", f"{after.macs / 1e9:.3f}"],
        ["int8 file, MB", f"{before.file_mb:.3f}", f"{after.file_mb:.3f}"],
        ["int8 file by gzip, MB", f"{before.gzip_mb:.3f}", f"{after.gzip_mb:.3f}"],
        ["shortest, ms", f"{before.minimum_ms:.2f}", f"{after.minimum_ms:.2f}"],
        ["p50, ms", f"{before.p50_ms:.2f}", f"{after.p50_ms:.2f}"],
        ["p90, ms", f"{before.p90_ms:.2f}", f"{after.p90_ms:.2f}"],
        ["peak memory, MB", f"{before.peak_memory_mb:.0f}", f"{after.peak_memory_mb:.0f}"],
    ]
    if comparison:
        rows.append(["accuracy, %", f"{100 * comparison.accuracy_a:.1f}", f"{100 * comparison.accuracy_b:.1f}"])
    print_table(f"{shrunk.run.folder}", ["what", "before", "after"], rows)
    if comparison:
        low, high = 100 * comparison.interval.low, 100 * comparison.interval.high
        say(
            f"accuracy on {comparison.n} validation frames: a drop of {100 * comparison.drop:+.2f} points, "
            f"95 % paired interval {low:+.2f} to {high:+.2f}"
        )
    if note:
        say(note)
    say("next: celestial quantize --int8")


def _compared(parent: Parent, run: Run) -> PairedComparison | None:
    from celestialkeras.evaluation.evaluate import evaluate, frame_batches
    from celestialkeras.evaluation.paired import compare
    from celestialkeras.evaluation.predictor import KerasPredictor, binning_of

    dataset = parent.dataset
    records = dataset.records("validation")
    if not records:
        return None
    binning = binning_of(parent.model, dataset.shape)
    first, second = (
        evaluate(KerasPredictor(model), frame_batches(dataset, records, binning)).predictions
        for model in (parent.model, run.model)
    )
    return compare(first, second)
