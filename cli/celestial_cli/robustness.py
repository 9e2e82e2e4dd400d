"""`celestial robustness`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.locate import find_subject, is_artifact, open_data
from celestial_cli.parameters import Choice, ModelPath
from celestial_cli.subjects import open_model, seal_of
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, progress_bar, say, threads_option
from celestialkeras.errors import ModelError
from celestialkeras.lcid.degradations.kinds import KINDS
from celestialkeras.lcid.manifest import SPLITS

if TYPE_CHECKING:
    from celestialkeras.evaluation.robustness.sweep import Candidate
    from celestialkeras.lcid.dataset import LcidDataset
    from celestialkeras.training.run import Run

RESULTS = "robustness"
"""Name of the folder, and of the files in it."""

_Found = tuple[str, Path, "Run | None"]


@click.command()
@click.argument("models", nargs=-1, metavar="[MODEL]...", type=ModelPath())
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: that of the first run]")
@click.option("--split", type=Choice(SPLITS), default="test", show_default=True, help="Which side.")
@click.option(
    "--frames",
    type=click.IntRange(0),
    default=60,
    show_default=True,
    help="How many of its frames, chosen by class and object; 0: all.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0),
    default=60.0,
    show_default=True,
    help="Wall-clock budget; the same command goes on. 0: none.",
)
@click.option(
    "--kind",
    "kinds",
    type=Choice(list(KINDS)),
    multiple=True,
    help="Only this kind of degradation; may be given for each of several.",
)
@click.option("--against", type=ModelPath(), metavar="MODEL", help="Reference of the means.  [default: the first]")
@click.option("--blurry", type=click.Path(path_type=Path), help="Data set of exposures that are blurry by themselves.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Of frames, noise and directions.")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder of the results.  [default: see below]")
@threads_option
@json_option
def robustness(
    models: tuple[Path, ...],
    data: Path | None,
    split: str,
    frames: int,
    minutes: float,
    kinds: tuple[str, ...],
    against: Path | None,
    blurry: Path | None,
    seed: int,
    folder: Path | None,
    threads: int,
    as_json: bool,
) -> None:
    """Sweep MODELs (runs, .keras files, artifacts; runs/latest if not given) over frames that get worse.

    Eleven kinds of degradation at five levels each, stated in pixels, seconds, electrons, columns and degrees. Writes
    robustness.json, .csv, .png and .svg to the folder `robustness` beside the first MODEL, in the run's folder if it
    has one; what is done is kept there, and is not done again.
    """
    found = _find(models)
    reference = _reference(found, models, against)
    dataset = _open_data(found, data)
    from celestialkeras.evaluation.robustness.curves import robustness_of
    from celestialkeras.evaluation.robustness.figure import save_robustness_figure
    from celestialkeras.evaluation.robustness.points import PointStore
    from celestialkeras.evaluation.robustness.report import (
        CURVE_COLUMNS,
        MEAN_COLUMNS,
        blurry_rows,
        curve_rows,
        mean_rows,
        notes,
        robustness_to_csv,
        robustness_to_json,
    )
    from celestialkeras.evaluation.robustness.sweep import SweepPlan, sweep
    from celestialkeras.files import write_text
    from celestialkeras.lcid.dataset import open_dataset

    plan = SweepPlan(
        dataset=dataset,
        split=split,
        frames=frames,
        minutes=minutes,
        kinds=tuple(dict.fromkeys(kinds)) or tuple(KINDS),
        seed=seed,
        blurry=open_dataset(blurry) if blurry else None,
    )
    folder = folder or _results_folder(*found[0])
    candidates = [_open(*one, dataset, threads) for one in found]
    with progress_bar("robustness", "points") as on_point:
        findings = sweep(candidates, plan, PointStore(folder / "points"), on_point)
    result = robustness_of(findings, reference)
    stem = folder / RESULTS
    report = robustness_to_json(result)
    write_text(stem.with_suffix(".json"), json.dumps(report, indent=1, allow_nan=False) + "\n")
    write_text(stem.with_suffix(".csv"), robustness_to_csv(result))
    save_robustness_figure(result, stem, f"Robustness of {'; '.join(name for name, _, _ in found)}")
    if as_json:
        print_json(report)
    else:
        print_table("Accuracy by level", CURVE_COLUMNS, curve_rows(result))
        print_table("Over all kinds", MEAN_COLUMNS, mean_rows(result))
        if result.blurry:
            columns = ("model", "clear", "95 %, objects", "blurry", "95 %, objects")
            print_table(f"On {blurry}", columns, blurry_rows(result))
        for note in notes(result):
            say(f"* {note}")
    say(f"written: {stem}.json, .csv, .png, .svg")


def _find(models: tuple[Path, ...]) -> list[_Found]:
    """Name, file and run of each model; no two have one name."""
    found: list[_Found] = []
    for path in models or (None,):
        source, run = find_subject(path)
        name = run.name if run else source.stem
        found.append((f"{name}, {source.name}" if run and is_artifact(source) else name, source, run))
    names = [name for name, _, _ in found]
    unique = [(name if names.count(name) == 1 else str(source), source, run) for name, source, run in found]
    if len({source.resolve() for _, source, _ in unique}) < len(unique):
        raise ModelError(f"each model is swept once. Received: {', '.join(str(source) for _, source, _ in unique)}")
    return unique


def _reference(found: list[_Found], models: tuple[Path, ...], against: Path | None) -> str:
    """Name of the model that the means are relative to."""
    if against is None:
        return found[0][0]
    if against not in models:
        raise click.BadParameter(f"must be one of the MODELs. Received: {against}", param_hint="'--against'")
    return found[models.index(against)][0]


def _open_data(found: list[_Found], data: Path | None) -> LcidDataset:
    """The data set that is named, or else that of the first run; says so where a run was trained on another one."""
    runs = [(source, run) for _, source, run in found if run is not None]
    source, run = runs[0] if runs else (found[0][1], None)
    dataset = open_data(data, run, source)
    for other, its_run in runs[1:]:
        open_data(dataset.folder, its_run, other)
    return dataset


def _open(name: str, source: Path, run: Run | None, dataset: LcidDataset, threads: int) -> Candidate:
    from celestialkeras.evaluation.robustness.sweep import Candidate

    opened = open_model(source, dataset.shape, threads)
    kind = "artifact" if is_artifact(source) else "run" if run else "model"
    return Candidate(name, kind, str(source), seal_of(source), opened.predictor, opened.size)


def _results_folder(name: str, source: Path, run: Run | None) -> Path:
    return (run.folder if run else source.parent) / RESULTS
