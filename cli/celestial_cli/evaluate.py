"""`celestial evaluate`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from celestial_cli.locate import find_model, is_artifact
from celestial_cli.terminal import json_option, print_json, print_table, say, threads_option
from celestialkeras.backend import import_tensorflow


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: the run's]")
@click.option(
    "--split", type=click.Choice(["train", "validation", "test"]), default="test", show_default=True, help="Which side."
)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder of the results.  [default: beside MODEL]")
@threads_option
@json_option
def evaluate(
    model: Path | None, data: Path | None, split: str, folder: Path | None, threads: int, as_json: bool
) -> None:
    """Evaluate MODEL (run, .keras file or artifact; runs/latest if not given) on frames of unseen objects.

    Writes evaluation-SPLIT.json, .png and .csv (one row a frame) beside the model.
    """
    import_tensorflow("evaluating")
    from celestialkeras.errors import DatasetError
    from celestialkeras.evaluation.evaluate import evaluate as run_evaluation
    from celestialkeras.evaluation.evaluate import frame_batches
    from celestialkeras.evaluation.figures import save_figure
    from celestialkeras.evaluation.predictor import KerasPredictor, Predictor, binning_of, load_model
    from celestialkeras.evaluation.report import figure_rows, slice_rows, to_json
    from celestialkeras.files import write_text
    from celestialkeras.lcid.shards import open_dataset

    predictor: Predictor
    if model is not None and is_artifact(model):
        from celestial_edge.device.runtime import Classifier

        predictor = classifier = Classifier(model, threads)
        source, folder = model, folder or model.parent / f"{model.name}-evaluation"
        binning, run = classifier.card.input.binning, None
        if data is None:
            raise click.UsageError("an artifact does not know its data; name it with --data")
        dataset = open_dataset(data)
    else:
        source, run = find_model(model)
        if data is None:
            if run is None:
                raise click.UsageError(f"{source} belongs to no run; name the data set with --data")
            data = run.options().data
        dataset = open_dataset(data)
        loaded = load_model(source)
        predictor, binning = KerasPredictor(loaded), binning_of(loaded, dataset.shape)
        folder = folder or source.parent
    records = dataset.records(split)
    if not records:
        raise DatasetError(f"{data}: no frames on the side {split!r}; build it with a share for each side")
    result = run_evaluation(predictor, frame_batches(dataset, records, binning))

    stem = folder / f"evaluation-{split}"
    report = {"model": str(source), "data": str(data), "data_sha256": dataset.digest, "split": split, **to_json(result)}
    write_text(stem.with_suffix(".json"), json.dumps(report, indent=1, allow_nan=False) + "\n")
    result.predictions.write_csv(stem.with_suffix(".csv"))
    save_figure(result, stem.with_suffix(".png"), f"{source.parent.name if run else source.name} on {split}")
    if as_json:
        print_json(report)
        return
    print_table(f"{source} on {len(records)} {split} frames", ["figure", "value", "note"], figure_rows(result))
    columns = ["frames of", "class", "frames", "accuracy", "95 % interval"]
    print_table("By instrument", columns, slice_rows(result.by_instrument))
    print_table("By object, worst first", columns, slice_rows(result.by_object))
    say(f"written: {stem}.json, .csv, .png")
