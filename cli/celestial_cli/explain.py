"""`celestial explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.locate import find_model, is_artifact, open_data
from celestial_cli.parameters import Choice, ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, progress_bar, say
from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import DatasetError, ModelError
from celestialkeras.files import sha256_of

if TYPE_CHECKING:
    from celestialkeras.explanation.explain import Explanation

FOLDER = "explanation"
"""Folder of a run's explanations."""


@click.command()
@click.argument("model", required=False, type=ModelPath())
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: the run's]")
@click.option(
    "--split", type=Choice(["train", "validation", "test"]), default="test", show_default=True, help="Which side."
)
@click.option(
    "--frames", type=click.IntRange(0), default=0, show_default=True, help="Frames to look at, objects in turn; 0: all."
)
@click.option(
    "--occlude",
    type=click.IntRange(0),
    default=16,
    show_default=True,
    help="Frames whose maps are checked by occlusion: one run of the network a patch.",
)
@click.option(
    "--patches",
    type=click.IntRange(2, 64),
    default=8,
    show_default=True,
    help="Patches along the shorter side of an occluded frame.",
)
@click.option(
    "--examples", type=click.IntRange(0), default=8, show_default=True, help="Rightly told frames to draw as well."
)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder of the results.  [default: the run's]")
@json_option
def explain(
    model: Path | None,
    data: Path | None,
    split: str,
    frames: int,
    occlude: int,
    patches: int,
    examples: int,
    folder: Path | None,
    as_json: bool,
) -> None:
    """Show where on its frames MODEL (run or .keras file; runs/latest if not given) finds its evidence.

    Grad-CAM on the last feature map, checked by occlusion; for each frame told wrongly a card with the likely cause.
    Writes explanation.json, index.png and the pictures to the folder `explanation` beside the model.
    """
    if model is not None and is_artifact(model):
        raise ModelError(
            f"an artifact has no gradients; explain the run or .keras file it was made of. Received: {model}"
        )
    source, run = find_model(model)
    import_tensorflow("explaining a model")
    from celestialkeras.evaluation.predictor import load_model
    from celestialkeras.explanation.explain import Budget
    from celestialkeras.explanation.explain import explain as run_explanation
    from celestialkeras.explanation.record import RECORD, write_explanation
    from celestialkeras.training.calibration import read_temperature

    dataset = open_data(data, run, source)
    records = dataset.records(split)
    if not records:
        raise DatasetError(f"{dataset.folder}: no frames on the side {split!r}; build it with a share for each side")
    temperature = read_temperature(source) or 1.0
    budget = Budget(frames=frames, occluded=occlude, examples=examples, patches=patches)
    with progress_bar("explaining") as report:
        found = run_explanation(load_model(source), dataset, records, budget, temperature, report)
    provenance = {
        "model": str(source),
        "model_sha256": sha256_of(source),
        "data": str(dataset.folder),
        "data_sha256": dataset.digest,
        "split": split,
        "temperature": temperature,
    }
    folder = folder or source.parent / FOLDER
    with progress_bar("drawing") as report:
        held = write_explanation(found, dataset, folder, provenance, report)
    if as_json:
        print_json(held)
    else:
        _show(found, held)
    say(f"written: {folder / RECORD} and the pictures it names")


def _show(found: Explanation, held: dict[str, Any]) -> None:
    from celestialkeras.evaluation.report import percent

    print_table(
        f"Likely causes of {held['wrong']} errors in {held['run']} {held['split']} frames",
        ["cause", "errors", "applies to wrong", "to right", "where"],
        [
            [
                row["cause"],
                str(row["errors"]),
                percent(row["share_of_wrong"]),
                percent(row["share_of_right"]),
                row["rule"],
            ]
            for row in held["causes"]
        ],
    )
    thresholds = held["thresholds"]
    if thresholds is not None:
        print_table(
            f"Thresholds, set by {thresholds['frames']} frames told rightly",
            ["at or below", "value"],
            [[name.replace("_", " "), f"{value:.3g}"] for name, value in thresholds.items() if name != "frames"],
        )
    agreement = found.agreement
    if agreement.median is not None:
        other = agreement.between_frames
        beside = f"; {other:+.2f} with the map of another frame" if other is not None else ""
        say(
            f"occlusion of {agreement.frames} frames: median rank correlation with Grad-CAM {agreement.median:+.2f}"
            f" (quartiles {agreement.low:+.2f} to {agreement.high:+.2f}){beside}"
        )
