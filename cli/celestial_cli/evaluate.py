"""`celestial evaluate`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.locate import find_subject, is_artifact, open_data
from celestial_cli.parameters import Choice, ModelPath, complete_degradations
from celestial_cli.subjects import open_model, seal_of
from celestial_cli.terminal import json_option, print_json, say, threads_option
from celestialkeras.errors import DatasetError

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
@click.argument("model", required=False, type=ModelPath())
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: the run's]")
@click.option(
    "--split", type=Choice(["train", "validation", "test"]), default="test", show_default=True, help="Which side."
)
@click.option(
    "--degrade",
    shell_complete=complete_degradations,
    callback=_degradation,
    metavar="KIND:LEVEL",
    help="Make the frames worse first, in any way of `celestial robustness`, levels 1 to 5, such as psf:3.",
)
@click.option(
    "--abstain",
    type=click.FloatRange(0.5, 1),
    metavar="P",
    help="Say what is gained by leaving undecided what is less probable than P.",
)
@click.option(
    "--calibrate",
    is_flag=True,
    help="First fit the temperature of a run's model on its validation frames; `celestial train` has done so.",
)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder of the results.  [default: MODEL's]")
@threads_option
@json_option
def evaluate(
    model: Path | None,
    data: Path | None,
    split: str,
    degrade: Degradation | None,
    abstain: float | None,
    calibrate: bool,
    folder: Path | None,
    threads: int,
    as_json: bool,
) -> None:
    """Evaluate MODEL (run, .keras file or artifact; runs/latest if not given) on frames of unseen objects.

    Writes evaluation-SPLIT.json, .csv (one row a frame) and .png beside the model, and the figures
    evaluation-SPLIT-curves and -slices as .png and .svg; of degraded frames evaluation-SPLIT-KIND-LEVEL.
    """
    subject = _open(model, data, threads, calibrate)
    from celestial_cli.evaluation_tables import print_assessment
    from celestialkeras.evaluation.assessment import Setting, assess
    from celestialkeras.evaluation.assessment_report import assessment_to_json
    from celestialkeras.evaluation.curve_figures import save_curves
    from celestialkeras.evaluation.evaluate import evaluate as run_evaluation
    from celestialkeras.evaluation.evaluate import frame_batches
    from celestialkeras.evaluation.figures import save_figure
    from celestialkeras.evaluation.slice_figures import save_slices
    from celestialkeras.files import write_text

    dataset = subject.dataset.degraded(degrade) if degrade else subject.dataset
    records = dataset.records(split)
    if not records:
        raise DatasetError(f"{dataset.folder}: no frames on the side {split!r}; build it with a share for each side")
    evaluation = run_evaluation(subject.predictor, frame_batches(dataset, records, subject.size))
    fitted = [record.observation for record in dataset.records("train")]
    setting = Setting(subject.temperature, subject.temperature_source, abstain, str(dataset.folder), fitted)
    assessment = assess(evaluation, setting)

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
    report = {**provenance, "split": split, **made_worse, **assessment_to_json(assessment)}
    write_text(stem.with_suffix(".json"), json.dumps(report, indent=1, allow_nan=False) + "\n")
    evaluation.predictions.write_csv(stem.with_suffix(".csv"))
    title = f"{subject.title} on {frames}"
    save_figure(evaluation, stem.with_suffix(".png"), title)
    for suffix in ("png", "svg"):
        save_curves(assessment, stem.with_name(f"{name}-curves.{suffix}"), title)
        save_slices(assessment, stem.with_name(f"{name}-slices.{suffix}"), title)
    if as_json:
        print_json(report)
        return
    print_assessment(assessment, f"{subject.source} on {len(records)} {frames}", split)
    say(f"written: {stem}.json, .csv, .png, -curves and -slices .png and .svg")


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
    temperature: float
    temperature_source: str


def _open(model: Path | None, data: Path | None, threads: int, calibrate: bool) -> _Subject:
    source, run = find_subject(model)
    if calibrate and (data is not None or run is None or source != run.model):
        raise click.UsageError(
            "--calibrate is for the model of a run and its own data; quantizing fits the temperature of an artifact"
        )
    dataset = open_data(data, run, source)
    if calibrate and run is not None:
        from celestialkeras.training.calibration import calibrate_run

        calibrate_run(run, dataset)
    title = run.name if run else source.stem
    if is_artifact(source):
        folder = evaluation_folder(source)
        title = f"{title}, {source.name}" if run else title
    else:
        folder = source.parent
    opened = open_model(source, dataset.shape, threads)
    temperature, fitted = _temperature(source)
    return _Subject(opened.predictor, opened.size, dataset, source, seal_of(source), title, folder, temperature, fitted)


def _temperature(source: Path) -> tuple[float, str]:
    """The temperature of a model and where it comes from, in words."""
    if is_artifact(source):
        from celestial_edge.card import read_card

        card = read_card(source)
        fit = card.accuracy.get("calibration")
        if fit is None:
            return card.temperature, "of its card, which does not say where it comes from"
        return card.temperature, _fitted(fit["frames"], fit["reason"])
    from celestialkeras.training.calibration import read_calibration

    kept = read_calibration(source)
    if kept is None:
        return 1.0, "none was fitted to this model; --calibrate does"
    return kept.temperature, _fitted(kept.frames, kept.reason)


def _fitted(frames: int, reason: str) -> str:
    return reason or f"fitted on {frames} validation frames"
