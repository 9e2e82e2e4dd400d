"""`celestial evaluate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.locate import find_subject, is_artifact, open_data
from celestial_cli.subjects import open_model, seal_of
from celestial_cli.terminal import json_option, print_json, print_table, say, threads_option
from celestialkeras.errors import DatasetError
from celestialkeras.lcid.manifest import LABELS

if TYPE_CHECKING:
    from celestialkeras.evaluation.predictor import Predictor
    from celestialkeras.lcid.dataset import LcidDataset
    from celestialkeras.lcid.degradations import Degradation
    from celestialkeras.lcid.variants import Size


def _degradation(ctx: click.Context, param: click.Parameter, value: str | None) -> Degradation | None:
    if value is None:
        return None
    from celestialkeras.lcid.degradations import parse_degradation

    try:
        return parse_degradation(value)
    except DatasetError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: the run's]")
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True, help="Which side."
)
@click.option(
    "--degrade",
    callback=_degradation,
    metavar="KIND:LEVEL",
    help="Make the frames worse first: psf, jitter or exposure, levels 1 to 5, such as psf:3.",
)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder of the results.  [default: MODEL's]")
@threads_option
@json_option
def evaluate(
    model: Path | None,
    data: Path | None,
    split: str,
    degrade: Degradation | None,
    folder: Path | None,
    threads: int,
    as_json: bool,
) -> None:
    """Evaluate MODEL (run, .keras file or artifact; runs/latest if not given) on frames of unseen objects.

    Writes evaluation-SPLIT.json, .png and .csv (one row a frame) beside the model; of degraded frames
    evaluation-SPLIT-KIND-LEVEL.
    """
    subject = _open(model, data, threads)
    from celestialkeras.evaluation.evaluate import evaluate as run_evaluation
    from celestialkeras.evaluation.evaluate import frame_batches
    from celestialkeras.evaluation.figures import save_figure
    from celestialkeras.evaluation.report import figure_rows, slice_rows, to_json
    from celestialkeras.files import write_text

    dataset = subject.dataset.degraded(degrade) if degrade else subject.dataset
    records = dataset.records(split)
    if not records:
        raise DatasetError(f"{dataset.folder}: no frames on the side {split!r}; build it with a share for each side")
    result = run_evaluation(subject.predictor, frame_batches(dataset, records, subject.size))

    name = f"evaluation-{split}-{degrade.kind}-{degrade.level}" if degrade else f"evaluation-{split}"
    frames = f"{split} frames, {degrade.describe()}" if degrade else f"{split} frames"
    stem = (folder or subject.folder) / name
    provenance = {
        "model": str(subject.source),
        "model_sha256": subject.sha256,
        "data": str(dataset.folder),
        "data_sha256": dataset.digest,
    }
    made_worse = {"degradation": degrade.to_json()} if degrade else {}
    report = {**provenance, "split": split, **made_worse, **to_json(result)}
    write_text(stem.with_suffix(".json"), json.dumps(report, indent=1, allow_nan=False) + "\n")
    result.predictions.write_csv(stem.with_suffix(".csv"))
    save_figure(result, stem.with_suffix(".png"), f"{subject.title} on {frames}")
    if as_json:
        print_json(report)
        return
    print_table(f"{subject.source} on {len(records)} {frames}", ["figure", "value", "note"], figure_rows(result))
    print_table(
        "Confusion matrix, frames",
        ["true", *(f"told {label}" for label in LABELS)],
        [[label, *map(str, row)] for label, row in zip(LABELS, result.confusion, strict=True)],
    )
    columns = ["frames of", "class", "frames", "accuracy", "95 % interval"]
    print_table("By instrument", columns, slice_rows(result.by_instrument))
    print_table("By filter", columns, slice_rows(result.by_filter))
    print_table("By object, worst first", columns, slice_rows(result.by_object))
    say(f"written: {stem}.json, .csv, .png")


def evaluation_folder(artifact: Path) -> Path:
    """Where the evaluations of an artifact go: beside it, for its folder holds what the card names and nothing else."""
    return artifact.parent / f"{artifact.name}-evaluation"


@dataclass(frozen=True)
class _Subject:
    """What is evaluated, on what, and where the results go; `sha256` is of the `.keras` file or the artifact's card."""

    predictor: Predictor
    size: Size
    dataset: LcidDataset
    source: Path
    sha256: str
    title: str
    folder: Path


def _open(model: Path | None, data: Path | None, threads: int) -> _Subject:
    source, run = find_subject(model)
    dataset = open_data(data, run, source)
    title = run.name if run else source.stem
    if is_artifact(source):
        folder = evaluation_folder(source)
        title = f"{title}, {source.name}" if run else title
    else:
        folder = source.parent
    opened = open_model(source, dataset.shape, threads)
    return _Subject(opened.predictor, opened.size, dataset, source, seal_of(source), title, folder)
