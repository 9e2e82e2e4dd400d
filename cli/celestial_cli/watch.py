"""`celestial watch`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.locate import find_artifacts, trust_options
from celestial_cli.parameters import Choice, ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say, threads_option

if TYPE_CHECKING:
    from celestial_edge.device.watch.arrivals import Whole
    from celestial_edge.device.watch.service import WatchOptions
    from celestial_edge.trust import Trust


@click.command()
@click.argument("incoming", required=False, type=click.Path(path_type=Path))
@click.option(
    "--artifact",
    "--model",
    "artifact",
    type=ModelPath(),
    help="Artifact, or a run with one.  [default: runs/latest, or the shipped artifact]",
)
@trust_options
@click.option("--results", type=click.Path(path_type=Path), help="Folder for journal, results, refused files, health.")
@click.option(
    "--whole",
    type=Choice(["settled", "renamed", "marker"]),
    default="settled",
    show_default=True,
    help="When a file is whole: unchanged for a while, at first sight, or when NAME.done lies beside it.",
)
@click.option(
    "--settle", type=click.FloatRange(0), default=2.0, show_default=True, metavar="SECONDS", help="How long a while is."
)
@click.option("--marker", default=".done", show_default=True, help="What is added to the name of a file.")
@click.option("--once", is_flag=True, help="End when every whole file is decided; exit code 1 if a chip was refused.")
@click.option("--max-rate", type=click.FloatRange(0, min_open=True), help="Most chips a second.  [default: no limit]")
@click.option("--poll", is_flag=True, help="Look every second instead of waiting for notices, as on network folders.")
@click.option(
    "--refused-mb", type=click.IntRange(0), default=1000, show_default=True, help="Room for copies of refused files."
)
@click.option("--status", type=click.Path(path_type=Path), help="Tell how the watch of this results folder goes.")
@click.option("--csv", "as_csv", type=click.Path(path_type=Path), help="Print the results in this folder as CSV.")
@threads_option
@json_option
def watch(
    incoming: Path | None,
    artifact: Path | None,
    results: Path | None,
    whole: Whole,
    settle: float,
    marker: str,
    once: bool,
    max_rate: float | None,
    poll: bool,
    refused_mb: int,
    status: Path | None,
    as_csv: Path | None,
    trust: Trust,
    threads: int,
    as_json: bool,
) -> None:
    """Classify every chip of every FITS file that arrives in INCOMING, each exactly once.

    Ends on SIGTERM or Ctrl-C, once the chip at hand is decided; goes on where any end left off. docs/operations.md
    says what lies in the results folder, and how to run this as a service.
    """
    if status is not None:
        _print_status(status, as_json)
    elif as_csv is not None:
        _print_csv(as_csv)
    elif incoming is None or results is None:
        raise click.UsageError("name what to watch and where to write, INCOMING --results R; or --status R, or --csv R")
    else:
        from celestial_edge.device.watch.arrivals import WholeRule
        from celestial_edge.device.watch.service import WatchOptions

        options = WatchOptions(
            incoming=incoming,
            results=results,
            rule=WholeRule(whole, settle, marker),
            once=once,
            max_rate=max_rate,
            notices=not poll,
            refused_bytes=refused_mb * 1_000_000,
        )
        _watch(options, artifact, trust, threads, as_json)


def _watch(options: WatchOptions, artifact: Path | None, trust: Trust, threads: int, as_json: bool) -> None:
    from celestial_edge.device.runtime import Classifier
    from celestial_edge.device.watch.service import Watch

    source = find_artifacts([artifact] if artifact else [], trust)[0]
    classifier = Classifier(source, threads, trust)
    origin = {"path": str(source), "card_sha256": classifier.card_sha256}
    watch = Watch(replace(options, artifact=origin), classifier, say)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: watch.stop())
    say(f"watching {options.incoming} with {source}; results in {options.results}")
    summary = watch.run()
    if as_json:
        print_json({"schema": "celestialkeras.watch-summary/1", **asdict(summary)})
    elif rows := _rows(summary.verdicts, summary.refused):
        print_table("Chips of this run", ["outcome", "answer", "chips"], rows)
    else:
        say("no chip came in this run")
    if summary.waiting:
        say(f"{summary.waiting} files were not decided yet; the next start finds them")
    if options.once and summary.refused:
        raise click.exceptions.Exit(1)


def _print_status(results: Path, as_json: bool) -> None:
    from celestial_edge.device.watch.status import read_status

    status = read_status(results)
    health = status.health
    if as_json:
        print_json({"schema": "celestialkeras.watch-status/1", **asdict(status), "is_well": status.is_well})
    else:
        age = "before the last boot" if status.age_s is None else f"{status.age_s:.0f} s ago"
        print_table(
            f"Watch of {health.incoming}",
            ["", "now"],
            [
                ["state", status.state],
                ["heard of", age],
                ["process", str(health.pid)],
                ["started", health.started],
                ["artifact", health.artifact.get("path", "")],
                ["files waiting", str(health.figures.waiting)],
                ["arrivals with undecided chips", str(status.unfinished)],
                *([["error", health.error]] if health.error else []),
            ],
        )
        print_table("Chips of all runs", ["outcome", "answer", "chips"], _rows(status.verdicts, status.refused))
    if not status.is_well:
        raise click.exceptions.Exit(1)


def _print_csv(results: Path) -> None:
    from celestial_edge.device.watch.status import write_csv

    write_csv(results, sys.stdout)


def _rows(verdicts: Mapping[str, int], refused: Mapping[str, int]) -> list[list[str]]:
    outcomes = (("verdict", verdicts), ("refused", refused))
    return [[outcome, answer, str(count)] for outcome, answers in outcomes for answer, count in answers.items()]
