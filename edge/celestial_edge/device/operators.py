"""Time by operator, which LiteRT's Python interpreter does not tell: from its `benchmark_model`, where there is one.

The tool prints one table "Summary by node type" for the graph and, with XNNPACK, one more for what the delegate runs
inside; tables of the initialization come first and are left out.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from celestial_edge.card import Card
from celestial_edge.device.bench_report import Operator

TOOL = "benchmark_model"
"""Name of the tool, as LiteRT's build gives it."""

_RUNS = 20
_PATIENCE_S = 600

_REGULAR_RUNS = "Profiling Info for Regular Benchmark Runs"
_SUMMARY = "Summary by node type"
# A name that may hold spaces and commas; then count, average in ms, percentages, memory, and times called.
_ROW = re.compile(r"^\s*(?P<kind>\S.*?)\s+\d+\s+(?P<ms>\d+(?:\.\d+)?)\s+[\d.]+%\s+[\d.]+%\s+[\d.]+(?:\s+\d+)?\s*$")
_DELEGATE = re.compile(r"delegate", re.IGNORECASE)


def operators_of(folder: Path, card: Card, threads: int) -> dict[str, tuple[Operator, ...]] | None:
    """Profiles every graph of an artifact, on random input.

    Args:
        folder: The artifact.
        card: Its card.
        threads: Threads of the interpreter.

    Returns:
        Operators by file, the slowest first; None where the tool is not on the path, or does not run the file.
    """
    tool = shutil.which(TOOL)
    if tool is None:
        return None
    found = {}
    for segment in card.segments:
        command = [
            *(tool, f"--graph={folder / segment.file}", f"--num_threads={threads}", f"--num_runs={_RUNS}"),
            *("--use_xnnpack=true", "--enable_op_profiling=true"),
        ]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE_S, check=True)
        except (OSError, subprocess.SubprocessError):
            return None
        found[segment.file] = parse_profile(done.stdout + done.stderr)
    return found


def parse_profile(text: str) -> tuple[Operator, ...]:
    """Reads what the tool printed.

    Args:
        text: Its output.

    Returns:
        Operators by kind, the slowest first. Where a delegate tells what it runs inside, that stands for the delegate.
    """
    _, _, regular = text.partition(_REGULAR_RUNS)
    tables = [_rows(section) for section in (regular or text).split(_SUMMARY)[1:]]
    milliseconds: dict[str, float] = {}
    for table in tables:
        for kind, value in table.items():
            if len(tables) == 1 or not _DELEGATE.search(kind):
                milliseconds[kind] = milliseconds.get(kind, 0.0) + value
    total = sum(milliseconds.values()) or 1.0
    by_time = sorted(milliseconds.items(), key=lambda item: item[1], reverse=True)
    return tuple(Operator(kind, value, value / total) for kind, value in by_time)


def _rows(section: str) -> Mapping[str, float]:
    """The rows of one table, which ends at the first line that is none."""
    rows: dict[str, float] = {}
    # The rest of the title's own line, then the names of the columns.
    for line in section.splitlines()[2:]:
        match = _ROW.match(line)
        if match is None:
            break
        rows[match["kind"]] = rows.get(match["kind"], 0.0) + float(match["ms"])
    return rows
