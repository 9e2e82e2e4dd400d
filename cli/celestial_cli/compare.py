"""`celestial compare`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from celestial_cli.locate import find_subject, is_artifact, open_data
from celestial_cli.parameters import complete_degradations, complete_entries
from celestial_cli.subjects import open_model, seal_of
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say, threads_option
from celestial_cli.training_options import TRAINING_DEFAULTS
from celestial_cli.training_progress import epoch_line
from celestial_edge.device.machine import describe_machine
from celestialkeras.backend import import_tensorflow

if TYPE_CHECKING:
    from celestialkeras.comparison.entries import Existing
    from celestialkeras.comparison.plan import Plan, Trial
    from celestialkeras.comparison.results import Result, Subject
    from celestialkeras.comparison.table import Comparison
    from celestialkeras.errors import CelestialError
    from celestialkeras.lcid.dataset import LcidDataset
    from celestialkeras.training.history import EpochRow
    from celestialkeras.training.run import Run

_BLUR = "psf:3"
_NONE = "none"


_HELP = """Train networks alike, judge them and models that exist on the same frames, and print one table.

\b
An ENTRY is a network to train, NAME or NAME:SETTING=VALUE,... such as
  hr_celestialnet:width=0.25,size=full
  alexnet:size=512x1024,epochs=12,batch_size=4
or the path of a run, a .keras file or an artifact, which is judged as it is.

Settings are the network's own options, such as width, and those of `celestial train`, such as size, epochs and
batch_size. What is done is kept in comparisons/NAME: the same command again, or `celestial compare --name NAME`, goes
on with what is not finished.
"""


def _seeds(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in value.split(","))
    except ValueError:
        raise click.BadParameter(f"must be whole numbers such as 0,1,2. Received: {value!r}") from None


@click.command(help=_HELP)
@click.argument("entries", nargs=-1, metavar="[ENTRY]...", shell_complete=complete_entries)
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: that of the first run]")
@click.option(
    "--minutes",
    type=click.FloatRange(0),
    default=0.0,
    show_default=True,
    help="Wall-clock budget of each training; 0: none.",
)
@click.option("--seeds", callback=_seeds, default="0", show_default=True, metavar="N,...", help="One training each.")
@click.option(
    "--with",
    "common",
    default="",
    metavar="SETTING=VALUE,...",
    help="Training settings of all networks that do not set them.  [default: size=4,epochs=20,patience=12]",
)
@click.option(
    "--degrade",
    metavar="KIND:LEVEL|none",
    shell_complete=complete_degradations,
    help=f"What makes the test frames the blurry ones, as of `celestial robustness`, level 1 to 5.  [default: {_BLUR}]",
)
@click.option(
    "--blurry-data", type=click.Path(path_type=Path), help="Data set whose test side is the blurry one instead."
)
@click.option("--name", help="Name of the comparison.  [default: made of what is compared]")
@click.option("--against", metavar="ENTRY", help="Whom the others are held against.  [default: the first]")
@click.option("--differing", is_flag=True, help="List the frames on which they differ.")
@threads_option
@json_option
@click.pass_context
def compare(
    ctx: click.Context,
    /,
    entries: tuple[str, ...],
    name: str | None,
    against: str | None,
    differing: bool,
    as_json: bool,
    **asked: Any,
) -> None:
    """Begins a comparison or goes on with it, and prints what was found."""
    if not entries:
        given = [key for key in asked if ctx.get_parameter_source(key) is ParameterSource.COMMANDLINE]
        if name is None or given:
            raise click.UsageError("without an ENTRY, --name takes everything from that comparison; give no other plan")
    import_tensorflow("comparing networks")
    from celestialkeras.comparison.conduct import conduct, read_results
    from celestialkeras.comparison.folder import begin_comparison, read_plan
    from celestialkeras.comparison.report import write_comparison
    from celestialkeras.comparison.table import reference_of, tabulate

    if entries:
        plan = _plan(entries, **asked)
    else:
        assert name is not None
        plan = read_plan(name)
    # A slip is refused now, and not after hours of training.
    reference_of(plan, against)
    folder = begin_comparison(plan, name)
    say(f"comparison {folder.folder}")
    failures = conduct(plan, folder, lambda path, data: open_subject(path, data, plan.threads), ComparisonProgress())
    found = tabulate(plan, read_results(plan, folder), failures, against)
    held = write_comparison(found, folder, describe_machine())
    if as_json:
        print_json(held)
    else:
        _show(found, differing)
    say(f"written: {folder.table('.json')}, .csv, .md")
    if failures:
        say(f"{len(failures)} not done; `celestial compare --name {folder.folder.name}` tries again")
        ctx.exit(1)


def _plan(
    entries: tuple[str, ...],
    *,
    data: Path | None,
    minutes: float,
    seeds: tuple[int, ...],
    common: str,
    degrade: str | None,
    blurry_data: Path | None,
    threads: int,
) -> Plan:
    if degrade is not None and blurry_data is not None:
        raise click.UsageError(
            "the blurry frames are made by --degrade or are those of --blurry-data; give one of them"
        )
    from celestialkeras.comparison.entries import names_network, parse_network, parse_settings
    from celestialkeras.comparison.plan import Plan, Sides
    from celestialkeras.lcid.dataset import open_dataset
    from celestialkeras.lcid.degradations import parse_degradation

    settings = parse_settings(common)
    blur = "" if blurry_data is not None or degrade == _NONE else str(parse_degradation(degrade or _BLUR))
    networks = {text: names_network(text) for text in entries}
    paths = [Path(text) for text, network in networks.items() if not network]
    dataset = _data(data, paths)
    blurry = open_dataset(blurry_data) if blurry_data is not None else None
    sides = Sides(
        data=dataset.folder.resolve(),
        data_sha256=dataset.digest,
        degrade=blur,
        blurry_data=blurry.folder.resolve() if blurry else None,
        blurry_sha256=blurry.digest if blurry else "",
    )
    options = {**TRAINING_DEFAULTS, **settings, "data": sides.data, "minutes": minutes, "seed": seeds[0]}
    return Plan(
        sides=sides,
        minutes=minutes,
        seeds=seeds,
        entries=tuple(parse_network(text, options) if networks[text] else _existing(text, dataset) for text in entries),
        threads=threads,
    )


def _data(data: Path | None, paths: list[Path]) -> LcidDataset:
    """The data set that is named, or else that of the first run."""
    from celestialkeras.lcid.dataset import open_dataset

    if data is not None:
        return open_dataset(data)
    for path in paths:
        source, run = find_subject(path)
        if run is not None:
            return open_data(None, run, source)
    raise click.UsageError("no entry is a run, whose data set would be taken; name one with --data")


def _existing(text: str, dataset: LcidDataset) -> Existing:
    from celestialkeras.comparison.entries import Existing

    source, run = find_subject(Path(text))
    if run is not None:
        # Says so where the run was trained on other frames: test objects may be among its own.
        open_data(dataset.folder, run, source)
    return Existing(text, Path(text).resolve(), seal_of(source))


def open_subject(path: Path, dataset: LcidDataset, threads: int) -> Subject:
    """Opens a run, `.keras` file or artifact to be judged.

    Args:
        path: Which.
        dataset: The data set whose frames it will be given.
        threads: Threads of the interpreter that runs artifacts.

    Raises:
        ArtifactError: The artifact is unusable.
        ModelError: There is no such file, or it is not a model of the project's kind.
        RunError: There is no such run, or it has no model yet.
    """
    from celestialkeras.comparison.results import Subject
    from celestialkeras.comparison.training import read_training
    from celestialkeras.evaluation.predictor import load_model
    from celestialkeras.models.cost import model_cost

    source, run = find_subject(path)
    opened = open_model(source, dataset.shape, threads)
    kind = "artifact" if is_artifact(source) else "run" if run and source == run.model else "model"
    keras_model = opened.keras_model
    if keras_model is None and run is not None and run.model.is_file():
        # The network that it was made of.
        keras_model = load_model(run.model)
    return Subject(
        predictor=opened.predictor,
        size=opened.size,
        kind=kind,
        cost=model_cost(keras_model) if keras_model is not None else None,
        training=read_training(run) if run else None,
        source=source,
        sha256=seal_of(source),
    )


class ComparisonProgress:
    """Says on stderr how a comparison goes; an `Observer`."""

    def __init__(self) -> None:
        self._epochs = 0

    def training(self, trial: Trial, run: Run) -> None:
        """Says which training begins or goes on."""
        self._epochs = trial.options().epochs
        say(f"training {trial.entry.name}, seed {trial.seed}; run {run.folder}")

    def epoch(self, row: EpochRow, best: bool) -> None:
        """Prints the epoch's line."""
        say(f"  {epoch_line(row, self._epochs, best)}")

    def judging(self, trial: Trial) -> None:
        """Says whose turn it is."""
        say(f"judging {trial.entry.name}")

    def judged(self, trial: Trial, result: Result) -> None:
        """Says what it got right."""
        say(f"  {int(result.clear.correct.sum())} of {len(result.clear)} clear test frames right")

    def failed(self, trial: Trial, error: CelestialError) -> None:
        """Says why not."""
        say(f"  not done: {error}")


def _show(found: Comparison, differing: bool) -> None:
    from celestialkeras.comparison.report import accuracy_table, cost_table, differing_table, notes, pair_table

    for title, table in (
        ("Accuracy", accuracy_table(found)),
        ("Cost", cost_table(found)),
        ("On the clear frames, each against one", pair_table(found)),
    ):
        if table.lines:
            print_table(title, *table)
    for pair in found.pairs if differing else ():
        if pair.differing:
            print_table(f"{pair.name} and {pair.reference} differ", *differing_table(pair))
    for note in notes(found):
        say(f"* {note}")
