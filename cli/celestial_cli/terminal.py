"""How verbs speak: results to stdout, as a table (`tables`) or as JSON; logs and progress to stderr."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

json_option = click.option("--json", "as_json", is_flag=True, help="Print the results as JSON.")
"""Every verb has it."""

threads_option = click.option(
    "--threads", type=click.IntRange(1), default=2, show_default=True, help="Threads of the interpreter."
)


def command_line() -> str:
    """What was typed, as a shell would take it again."""
    return shlex.join(["celestial", *sys.argv[1:]])


def print_json_line(document: Mapping[str, Any]) -> None:
    """Prints one document to stdout on a line of its own; as `print_json`."""
    click.echo(encode_document(document))


def print_json(document: Mapping[str, Any]) -> None:
    """Prints one document to stdout; docs/json.md says what is in it.

    Args:
        document: Plain values, `schema` among them, which is printed first: `celestialkeras.NAME/VERSION`.

    Raises:
        ValueError: It holds what JSON cannot hold, such as NaN, or does not say its schema: a mistake of ours.
    """
    click.echo(encode_document(document, indent=1))


def encode_document(document: Mapping[str, Any], indent: int | None = None) -> str:
    """One document as text; as `print_json`."""
    if "schema" not in document:
        raise ValueError(f"a document says its `schema`. Received: {', '.join(document)}")
    return json.dumps({"schema": document["schema"], **document}, indent=indent, allow_nan=False)


def say(message: str) -> None:
    """Prints a line about the work to stderr."""
    click.echo(message, err=True)


@contextmanager
def progress_bar(what: str, unit: str = "frames") -> Iterator[Callable[[int, int], None]]:
    """Gives a function of (done, total) that draws a bar on a terminal, and a line now and then elsewhere."""
    if not sys.stderr.isatty():
        yield _log_progress(what, unit)
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(what, total=None)

        def report(done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

        yield report


def _log_progress(what: str, unit: str) -> Callable[[int, int], None]:
    last = -1

    def report(done: int, total: int) -> None:
        nonlocal last
        quarter = 4 * done // max(total, 1)
        if quarter > last or done == total:
            last = quarter
            say(f"{what}: {done} of {total} {unit}")

    return report
