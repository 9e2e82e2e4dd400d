"""`celestial bench`."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.locate import find_artifacts, open_data, run_of_artifact, trust_options
from celestial_cli.parameters import Choice, ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, progress_bar, threads_option
from celestial_edge.card import CARD_NAME
from celestial_edge.device.bench_options import RIVALS, BenchOptions
from celestial_edge.device.boards import BOARDS, Board
from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import QualityGateError
from celestialkeras.files import sha256_of, write_text
from celestialkeras.suggestions import did_you_mean

if TYPE_CHECKING:
    from celestial_edge.compress.judged_frames import JudgedFrames
    from celestial_edge.compress.rivals import PreparedRivals
    from celestial_edge.device.bench_report import ArtifactBench, BenchReport
    from celestial_edge.trust import Trust


def _parsed(parse: Callable[[str], Any], value: str | None) -> Any:
    try:
        return None if value is None else parse(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def _cpus(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[int, ...] | None:
    from celestial_edge.device.machine import parse_cpus

    found: tuple[int, ...] | None = _parsed(parse_cpus, value)
    return found


def _bytes(ctx: click.Context, param: click.Parameter, value: str | None) -> int | None:
    from celestial_edge.device.memory_limit import parse_bytes

    found: int | None = _parsed(parse_bytes, value)
    return found


def _runtimes(ctx: click.Context, param: click.Parameter, value: str | None) -> tuple[str, ...]:
    asked = tuple(dict.fromkeys(value.split(","))) if value is not None else ()
    if unknown := [name for name in asked if name not in RIVALS]:
        hint = did_you_mean(unknown[0], RIVALS)
        raise click.BadParameter(f"must be among {', '.join(RIVALS)}{hint}. Received: {', '.join(unknown)!r}")
    return asked


@click.command()
@click.argument("artifacts", nargs=-1, type=ModelPath())
@click.option("--tflite", is_flag=True, help="Bench TFLite artifacts; the only kind so far, and the default.")
@click.option("--frames", type=click.IntRange(1), default=100, show_default=True, help="Timed frames of each artifact.")
@click.option("--warmup", type=click.IntRange(1), default=3, show_default=True, help="Frames that do not count.")
@click.option("--duration", type=click.FloatRange(0), default=0.0, help="Time each artifact for this many seconds.")
@click.option("--official", is_flag=True, help="MLPerf SingleStream: at least 600 s and 1024 queries, one by one.")
@click.option("--fits", type=click.Path(path_type=Path), help="Also time whole verdicts on this FITS file.")
@click.option("--hdu", type=Choice(["1", "4"]), default="1", show_default=True, help="Chip of that file.")
@trust_options
@threads_option
@click.option("--cpus", callback=_cpus, metavar="LIST", help="Processors to stay on, such as 0,2-3.")
@click.option("--memory-limit", callback=_bytes, metavar="SIZE", help="Memory a process may take, such as 512M.")
@click.option("--budget", type=Choice(list(BOARDS)), help="Check this board's memory and threads; 3 if beyond.")
@click.option("--accuracy", type=click.Path(path_type=Path), metavar="DATA", help="Classify its test side as well.")
@click.option("--against", callback=_runtimes, metavar="NAMES", help=f"Also time {','.join(RIVALS)}.")
@click.option("--model-keras", type=click.Path(path_type=Path), help="What these run.  [default: the run's model]")
@click.option("--markdown", type=click.Path(path_type=Path), help="Also write the tables to this file.")
@click.option("--html", type=click.Path(path_type=Path), help="Also write a page with charts to this file.")
@json_option
def bench(
    artifacts: tuple[Path, ...],
    tflite: bool,
    frames: int,
    warmup: int,
    duration: float,
    official: bool,
    fits: Path | None,
    hdu: str,
    trust: Trust,
    threads: int,
    cpus: tuple[int, ...] | None,
    memory_limit: int | None,
    budget: str | None,
    accuracy: Path | None,
    against: tuple[str, ...],
    model_keras: Path | None,
    markdown: Path | None,
    html: Path | None,
    as_json: bool,
) -> None:
    """Measure latency and memory of ARTIFACTS, their turns interleaved, each in a fresh process.

    With no ARTIFACTS, those of runs/latest, the int8 one first; without a run, the shipped one.
    """
    from celestial_edge.device.bench import bench as run_bench

    options = BenchOptions(
        frames=frames,
        warmup=warmup,
        threads=threads,
        fits=fits,
        hdu=int(hdu),
        cpus=cpus,
        duration_s=duration,
        memory_limit=memory_limit,
    )
    options = options.official() if official else options
    found = find_artifacts(artifacts, trust)
    labelled = _labelled(accuracy, found[0]) if accuracy else None
    with ExitStack() as stack:
        rivals = stack.enter_context(_rivals(against, model_keras, found[0], options)) if against else None
        report = stack.enter_context(progress_bar("bench", "rounds"))
        result = run_bench(found, options, report, rivals.tasks if rivals else (), labelled, trust)
    if rivals:
        result = replace(result, not_run=(*result.not_run, *rivals.missing))
    for entry in result.artifacts:
        _keep(entry, result.how())
    _report(result, BOARDS[budget] if budget else None, as_json, markdown, html)


def bench_record(artifact: Path) -> Path:
    """Where the newest benchmark of a run's artifact is kept: beside it."""
    return artifact.parent / f"{artifact.name}-bench.json"


def _keep(entry: ArtifactBench, how: Mapping[str, Any]) -> None:
    artifact = Path(entry.artifact)
    # What lies in no run, such as the shipped artifact, may lie where nothing is to be written.
    if run_of_artifact(artifact) is not None:
        record = {**how, "card_sha256": sha256_of(artifact / CARD_NAME), **asdict(entry)}
        write_text(bench_record(artifact), json.dumps(record, indent=1, allow_nan=False) + "\n")


def _labelled(data: Path, artifact: Path) -> JudgedFrames:
    dataset = open_data(data, run_of_artifact(artifact), artifact)
    from celestial_edge.compress.judged_frames import JudgedFrames

    return JudgedFrames(dataset)


def _rivals(
    runtimes: tuple[str, ...], model: Path | None, artifact: Path, options: BenchOptions
) -> AbstractContextManager[PreparedRivals]:
    import_tensorflow("timing other runtimes")
    from celestial_edge.compress.rivals import prepare_rivals

    if model is None:
        run = run_of_artifact(artifact)
        if run is None:
            raise click.UsageError(f"{artifact} belongs to no run; name the model of --against with --model-keras")
        model = run.require_model()
    return prepare_rivals(runtimes, model, artifact, options)


def _report(result: BenchReport, board: Board | None, as_json: bool, markdown: Path | None, html: Path | None) -> None:
    from celestial_edge.device.bench_tables import budget_checks, heading, tables, to_markdown

    checks = budget_checks(result, board) if board else {}
    if as_json:
        budget = (
            {"board": asdict(board), "checks": {name: asdict(one) for name, one in checks.items()}} if board else None
        )
        print_json({**result.to_json(), "budget": budget})
    else:
        first, *others = tables(result, board)
        print_table(f"{heading(result)}. {first.title}", first.columns, first.rows)
        for table in others:
            print_table(table.title, table.columns, table.rows)
    if markdown:
        write_text(markdown, to_markdown(result, board))
    if html:
        from celestial_edge.device.bench_page import page

        write_text(html, page(result, board))
    beyond = [f"{name}: {', '.join(check.problems)}" for name, check in checks.items() if check.problems]
    if board and beyond:
        raise QualityGateError(f"beyond the budget of {board.title}: {'; '.join(beyond)}")
