"""`celestial quantize`."""

from __future__ import annotations

from pathlib import Path

import click

from celestial_cli.locate import artifacts_folder, find_model, open_data
from celestial_cli.terminal import json_option, print_json, print_table, say, threads_option
from celestial_edge.recipes import LAYOUTS, WHOLE


@click.command()
@click.argument("model", required=False, type=click.Path(path_type=Path))
@click.option("--int8", is_flag=True, help="Recipe static_wi8_ai8: weights, activations, input and output in int8.")
@click.option("--data", type=click.Path(path_type=Path), help="Data set folder.  [default: the run's]")
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder of artifacts.  [default: RUN/artifacts]")
@click.option("--calibration-frames", type=click.IntRange(1), default=32, show_default=True, help="Training frames.")
@click.option(
    "--max-drop",
    type=click.FloatRange(0, 100),
    default=1.0,
    show_default=True,
    help="Allowed loss, points.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the calibration frames.")
@click.option(
    "--layout",
    type=click.Choice(LAYOUTS),
    default=WHOLE,
    show_default=True,
    help="One rewritten graph for any runtime; strips for the least memory; or plain, as the converter makes it.",
)
@threads_option
@json_option
def quantize(
    model: Path | None,
    int8: bool,
    data: Path | None,
    folder: Path | None,
    calibration_frames: int,
    max_drop: float,
    seed: int,
    layout: str,
    threads: int,
    as_json: bool,
) -> None:
    """Quantize MODEL (run or .keras file; runs/latest if not given) and judge the loss on validation frames.

    Exit code 3, and no artifact, when the paired interval of the loss lies beyond --max-drop. On fewer than 300
    frames the loss is reported and not judged.
    """
    if not int8:
        raise click.UsageError("name a recipe: --int8")
    source, run = find_model(model)
    from celestial_edge.compress.quantize import QuantizeOptions, quantize_int8
    from celestialkeras.evaluation.report import judgement_to_json, percent

    dataset = open_data(data, run, source)
    folder = folder or (artifacts_folder(run) if run else source.parent / f"{source.stem}-artifacts")
    say(f"quantizing {source}")
    options = QuantizeOptions(calibration_frames, max_drop, seed, threads, layout)
    result = quantize_int8(source, dataset, folder, options)
    if as_json:
        print_json(
            {
                "artifact": str(result.artifact),
                "float_artifact": str(result.float_artifact),
                "gate": judgement_to_json(result.judgement),
            }
        )
        return
    comparison = result.judgement.comparison
    low, high = 100 * comparison.interval.low, 100 * comparison.interval.high
    rows = [
        ["float32 accuracy", percent(comparison.accuracy_a), f"{comparison.n} validation frames"],
        ["int8 accuracy", percent(comparison.accuracy_b), "the same frames, by the artifact as it runs on a board"],
        ["drop", f"{100 * comparison.drop:+.2f} points", f"95 % paired interval {low:+.2f} to {high:+.2f}"],
        ["agreement", percent(comparison.agreement), "frames that both give the same label"],
        ["gate", result.judgement.outcome.value, result.judgement.reason],
    ]
    print_table(f"{result.artifact}", ["what", "value", "note"], rows)
    say("next: celestial bench --tflite")
