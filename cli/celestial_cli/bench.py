"""`celestial bench`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.locate import find_artifacts, run_of_artifact
from celestial_cli.terminal import json_option, print_json, print_table, progress_bar, threads_option
from celestial_edge.card import CARD_NAME
from celestialkeras.files import sha256_of, write_text

if TYPE_CHECKING:
    from celestial_edge.device.bench import ArtifactBench


@click.command()
@click.argument("artifacts", nargs=-1, type=click.Path(path_type=Path))
@click.option("--tflite", is_flag=True, help="Bench TFLite artifacts; the only kind so far, and the default.")
@click.option("--frames", type=click.IntRange(1), default=100, show_default=True, help="Timed frames of each artifact.")
@click.option("--warmup", type=click.IntRange(1), default=3, show_default=True, help="Frames that do not count.")
@click.option("--fits", type=click.Path(path_type=Path), help="Also time whole verdicts on this FITS file.")
@click.option("--hdu", type=click.Choice(["1", "4"]), default="1", show_default=True, help="Chip of that file.")
@threads_option
@json_option
def bench(
    artifacts: tuple[Path, ...],
    tflite: bool,
    frames: int,
    warmup: int,
    fits: Path | None,
    hdu: str,
    threads: int,
    as_json: bool,
) -> None:
    """Measure latency and memory of ARTIFACTS, their turns interleaved, each in a fresh process.

    With no ARTIFACTS, those of runs/latest, the int8 one first; without a run, the shipped one.
    """
    from celestial_edge.device.bench import SCHEMA, BenchOptions
    from celestial_edge.device.bench import bench as run_bench

    options = BenchOptions(frames=frames, warmup=warmup, threads=threads, fits=fits, hdu=int(hdu))
    with progress_bar("bench", "rounds") as report:
        result = run_bench(find_artifacts(artifacts), options, report)
    how = {"schema": SCHEMA, "machine": result.machine, "options": {**asdict(options), "fits": fits and str(fits)}}
    for entry in result.artifacts:
        _keep(entry, how)
    if as_json:
        print_json({**how, "artifacts": [asdict(entry) for entry in result.artifacts]})
        return
    machine = result.machine
    print_table(
        f"{machine['board'] or machine['processor']}, {machine['cores']} cores, {machine['memory_mb']} MB, "
        f"{machine['system']}, LiteRT {machine['litert']}, {threads} thread(s), {frames} frames, milliseconds",
        ["artifact", "recipe", "input", "MB", "load", "first", "min", "p50", "p90", "p99", "peak MB"],
        [_invoke_cells(entry) for entry in result.artifacts],
    )
    if fits:
        print_table(
            f"From FITS file in page cache to verdict: {fits.name}, HDU {hdu}",
            ["artifact", "read", "stretch", "invoke", "min", "p50", "p90", "p99"],
            [_fits_cells(entry) for entry in result.artifacts],
        )


def bench_record(artifact: Path) -> Path:
    """Where the newest benchmark of a run's artifact is kept: beside it."""
    return artifact.parent / f"{artifact.name}-bench.json"


def _keep(entry: ArtifactBench, how: Mapping[str, Any]) -> None:
    artifact = Path(entry.artifact)
    # What lies in no run, such as the shipped artifact, may lie where nothing is to be written.
    if run_of_artifact(artifact) is not None:
        record = {**how, "card_sha256": sha256_of(artifact / CARD_NAME), **asdict(entry)}
        write_text(bench_record(artifact), json.dumps(record, indent=1, allow_nan=False) + "\n")


def _invoke_cells(entry: ArtifactBench) -> list[str]:
    return [
        f"{entry.model}",
        entry.recipe,
        f"{entry.input[0]} x {entry.input[1]}",
        f"{entry.file_mb:.2f}",
        f"{entry.load_ms:.0f}",
        f"{entry.first_ms:.1f}",
        *(f"{value:.1f}" for value in (entry.invoke.minimum, entry.invoke.p50, entry.invoke.p90, entry.invoke.p99)),
        f"{entry.peak_memory_mb:.0f}",
    ]


def _fits_cells(entry: ArtifactBench) -> list[str]:
    stages, total = entry.stages_ms, entry.end_to_end
    assert stages is not None
    assert total is not None
    return [
        f"{entry.model} {entry.recipe}",
        *(f"{stages[name]:.1f}" for name in ("read", "stretch", "invoke")),
        *(f"{value:.1f}" for value in (total.minimum, total.p50, total.p90, total.p99)),
    ]
