"""Every recipe and layout of trained networks side by side: accuracy, size, time and memory, as one table.

    python benchmarks/bench_edge.py runs/edge runs/hr [--fits FILE] [--to DIR] [--frames 30]
        [--without RECIPE] [--json FILE]

Artifacts are made where they are missing, in DIR/RUN/LAYOUT, and judged on the test side of the run's own data set,
with objects resampled. Times and memory are of fresh processes whose turns are interleaved.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import asdict
from itertools import combinations
from pathlib import Path
from typing import Any

import click

from celestial_edge.card import CARD_NAME, read_card
from celestial_edge.compress.quantize import QuantizeOptions, make_artifacts
from celestial_edge.device.bench import ArtifactBench, BenchOptions, bench
from celestial_edge.device.machine import describe_machine
from celestial_edge.device.runtime import Classifier
from celestial_edge.recipes import FLOAT32, INT16_MACS, LAYOUTS, RECIPES, STATIC_INT8, STATIC_INT16, WHOLE
from celestialkeras.errors import ExportError
from celestialkeras.evaluation.evaluate import evaluate, frame_batches
from celestialkeras.evaluation.metrics import Evaluation
from celestialkeras.evaluation.paired import compare, difference_over_objects, mcnemar
from celestialkeras.evaluation.predictor import KerasPredictor, load_model
from celestialkeras.evaluation.report import percent, percent_range, to_json
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.models.cost import model_cost
from celestialkeras.training.run import Run, open_run

COLUMNS = (
    "network",
    "recipe",
    "layout",
    "accuracy",
    "95 %, objects",
    "drop, points",
    "MB",
    "load, ms",
    "p50, ms",
    "p90, ms",
    "file to verdict p90, ms",
    "peak, MB",
)


@click.command(help=__doc__)
@click.argument("runs", nargs=-1, required=True, type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--fits", type=click.Path(exists=True, path_type=Path), help="A chip to time from file to verdict.")
@click.option("--to", "folder", type=click.Path(path_type=Path), default=Path("edge-artifacts"), show_default=True)
@click.option("--frames", type=click.IntRange(5), default=30, show_default=True, help="Timed frames of each artifact.")
@click.option("--without", multiple=True, type=click.Choice(RECIPES), help="Leave this recipe out.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Where all figures go.")
def main(
    runs: tuple[Path, ...], fits: Path | None, folder: Path, frames: int, without: tuple[str, ...], target: Path | None
) -> None:
    """Makes, judges and times the artifacts, and prints the table."""
    artifacts = {run: _artifacts(open_run(run), folder / run.name, without) for run in runs}
    measured = bench([path for paths in artifacts.values() for path in paths], BenchOptions(frames=frames, fits=fits))
    times = {Path(one.artifact): one for one in measured.artifacts}
    rows, held = [], []
    judged: dict[str, Evaluation] = {}
    for run, paths in artifacts.items():
        cost = model_cost(load_model(open_run(run).model))
        before = _keras_on_test(open_run(run))
        name = f"{run.name}: {cost.gmac:.2f} GMAC, {cost.total:,} parameters"
        rows.append([name, "Keras", "", *_accuracy(before), *[""] * (len(COLUMNS) - 5)])
        held.append({"run": run.name, "gmac": cost.gmac, "parameters": cost.total, "keras": _held(before)})
        for path in paths:
            after = _artifact_on_test(path, open_run(run))
            card = read_card(path)
            drop = 100 * compare(before.predictions, after.predictions).drop
            row = [run.name, card.recipe, card.layout, *_accuracy(after), f"{drop:+.1f}", *_figures(times[path])]
            rows.append(row)
            figures = {"layout": card.layout, "test": _held(after), "drop_points": drop, **_timed(times[path])}
            held.append({"run": run.name, **figures})
        judged[run.name] = before
    _print(rows)
    versus = [_versus(*pair) for pair in combinations(judged.items(), 2)]
    for line in versus:
        print(line)
    if target:
        held_all = {"machine": describe_machine(), "rows": held, "versus": versus}
        target.write_text(json.dumps(held_all, indent=1, default=str) + "\n")


def _artifacts(run: Run, folder: Path, without: Collection[str]) -> list[Path]:
    """Makes what is missing: int8 in each layout, and each other recipe in the layout that any runtime takes."""
    dataset = open_dataset(run.options().data)
    wanted = [(STATIC_INT8, layout) for layout in LAYOUTS]
    wanted += [(recipe, WHOLE) for recipe in RECIPES if recipe not in (STATIC_INT8, FLOAT32, *without)]
    made = []
    for recipe, layout in wanted:
        if recipe == STATIC_INT16 and model_cost(load_model(run.model)).macs > INT16_MACS:
            continue
        path = folder / layout / recipe
        if not (path / CARD_NAME).is_file():
            try:
                options = QuantizeOptions(recipe=recipe, layout=layout, allow_drop=True)
                make_artifacts(run.model, dataset, folder / layout, options)
            except ExportError as error:
                click.echo(f"{run.name}, {recipe}, {layout}: {error}", err=True)
                continue
        made.append(path)
    return [*made, folder / WHOLE / FLOAT32]


def _keras_on_test(run: Run) -> Evaluation:
    return evaluate(KerasPredictor(run.model), _test_frames(run))


def _artifact_on_test(path: Path, run: Run) -> Evaluation:
    return evaluate(Classifier(path, 2), _test_frames(run))


def _held(found: Evaluation) -> dict[str, Any]:
    """What a table needs of an evaluation: its figures, without slices and curves."""
    held = to_json(found)
    return {name: held[name] for name in ("frames", "objects", "figures", "confusion")}


def _timed(one: ArtifactBench) -> dict[str, Any]:
    """Its times and memory, without what plots are drawn of."""
    return {name: value for name, value in asdict(one).items() if name not in ("histogram", "memory_over_time")}


def _test_frames(run: Run) -> Any:
    options = run.options()
    dataset = open_dataset(options.data)
    return frame_batches(dataset, dataset.records("test"), options.reading_size)


def _versus(a: tuple[str, Evaluation], b: tuple[str, Evaluation]) -> str:
    """Two Keras models on the same frames: McNemar's exact test, and the difference with objects drawn anew."""
    first, second = (found.predictions for _, found in (a, b))
    pair = compare(first, second)
    interval = difference_over_objects([first], [second])
    assert interval is not None
    return (
        f"{a[0]} ahead of {b[0]} by {100 * pair.drop:+.1f} points ({100 * interval.low:+.1f} to"
        f" {100 * interval.high:+.1f} by resampling objects); alone right {pair.only_a} and {pair.only_b} times of"
        f" {pair.n}, McNemar p = {mcnemar(pair.only_a, pair.only_b):.2g}"
    )


def _accuracy(found: Evaluation) -> list[str]:
    return [percent(found.accuracy), percent_range(found.object_interval)]


def _figures(one: ArtifactBench) -> list[str]:
    whole = f"{one.end_to_end.p90:.1f}" if one.end_to_end else ""
    times = (one.load_ms, one.invoke.p50, one.invoke.p90)
    return [f"{one.file_mb:.2f}", *(f"{value:.1f}" for value in times), whole, f"{one.peak_memory_mb:.0f}"]


def _print(rows: list[list[str]]) -> None:
    for row in (list(COLUMNS), ["---"] * len(COLUMNS), *rows):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
