"""A benchmark as tables of text, for the terminal, Markdown and the page alike."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from celestial_edge.device.bench_report import BenchReport, Measured
from celestial_edge.device.boards import Board, BudgetCheck, check_budget
from celestial_edge.device.latency import Latency
from celestial_edge.device.sensor_table import sensor_rows

_TOP_OPERATORS = 8


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: What it shows.
        columns: Names of its columns.
        rows: As many cells each.
    """

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @classmethod
    def of(cls, title: str, entries: Iterable[Mapping[str, str]]) -> Table:
        """Makes a table of rows by column name; columns in which nothing stands are left out."""
        entries = list(entries)
        columns = dict.fromkeys(name for entry in entries for name, cell in entry.items() if cell)
        order = list(dict.fromkeys(name for entry in entries for name in entry))
        kept = tuple(name for name in order if name in columns)
        return cls(title, kept, tuple(tuple(entry.get(name, "") for name in kept) for entry in entries))


def tables(report: BenchReport, board: Board | None = None) -> list[Table]:
    """Everything that was measured, in tables; what was not is left out.

    Args:
        report: The benchmark.
        board: A board whose budget is checked; None for none.
    """
    scenario = f"{report.scenario}: p90 of single queries" if report.scenario else "Codes to logits"
    found = [
        Table.of(f"{scenario}, milliseconds", _measurements(report)),
        Table.of("From FITS file in page cache to verdict, milliseconds", _from_fits(report)),
        Table.of("Time by part, medians", _parts(report)),
        Table.of("Time by operator in one invoke of its graph, by LiteRT's benchmark_model", _operators(report)),
        Table.of("Accuracy of the processes that were timed", _accuracies(report)),
    ]
    if board is not None:
        title = f"Budget of {board.title}: memory and threads held against it; its speed is not simulated"
        found.append(Table.of(title, _budgets(report, board)))
    if report.sensors is not None:
        found.append(Table.of("Sensors", sensor_rows(report.sensors)))
    return [table for table in found if table.rows]


def heading(report: BenchReport) -> str:
    """The machine and the options, in a line."""
    machine, options = report.machine, report.options
    how = [
        str(machine["board"] or machine["processor"]),
        f"{machine['cores']} cores",
        f"{machine['memory_mb']} MB",
        str(machine["system"]),
        f"LiteRT {machine['litert']}",
        f"{options['threads']} thread(s)",
    ]
    if options["cpus"] is not None:
        how.append(f"on processors {', '.join(map(str, options['cpus']))}")
    if options["duration_s"]:
        how.append(f"at least {options['frames']} frames and {options['duration_s']:g} s")
    else:
        how.append(f"{options['frames']} frames")
    if report.memory_limit:
        limit = report.memory_limit
        how.append(f"memory limited to {limit['bytes'] / (1 << 20):g} MiB by {limit['enforced_by']}")
    return ", ".join(how)


def names(report: BenchReport) -> dict[str, str]:
    """What to call each artifact: network, recipe and layout, and its folder where these do not tell it from others."""
    plain = [f"{one.model} {one.recipe} {one.layout}" for one in report.artifacts]
    return {
        one.artifact: name if plain.count(name) == 1 else f"{name} ({'/'.join(Path(one.artifact).parts[-3:])})"
        for one, name in zip(report.artifacts, plain, strict=True)
    }


def budget_checks(report: BenchReport, board: Board) -> dict[str, BudgetCheck]:
    """By artifact, as `names` calls it, whether it keeps a board's budget."""
    called, threads = names(report), report.options["threads"]
    return {called[one.artifact]: check_budget(board, one.peak_memory_mb, threads) for one in report.artifacts}


def to_markdown(report: BenchReport, board: Board | None = None) -> str:
    """The tables as Markdown."""
    lines = [heading(report) + ".", ""]
    for table in tables(report, board):
        lines += [f"**{table.title}**", "", _markdown_row(table.columns), _markdown_row(["---"] * len(table.columns))]
        lines += [*map(_markdown_row, table.rows), ""]
    return "\n".join(lines)


def _markdown_row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _measurements(report: BenchReport) -> Iterable[dict[str, str]]:
    called = names(report)
    for one in report.artifacts:
        yield {
            "artifact": called[one.artifact],
            "input": f"{one.input[0]} x {one.input[1]}",
            "MB": f"{one.file_mb:.2f}",
            **_process(one),
            "XNNPACK": f"all but {len(one.undelegated)}" if one.undelegated else "all",
            "runs": _within(one),
        }
    for rival in report.rivals:
        yield {"artifact": rival.runtime, **_process(rival), "runs": _within(rival)}
    for gone in report.not_run:
        yield {"artifact": gone.title, "runs": f"no, {gone.stage}: {gone.reason}"}


def _process(one: Measured) -> dict[str, str]:
    return {
        "load": f"{one.load_ms:.0f}",
        "first": _milliseconds(one.first_ms),
        **_quantiles(one.invoke),
        "peak MB": f"{one.peak_memory_mb:.0f}",
        "steady MB": "" if one.steady_memory_mb is None else f"{one.steady_memory_mb:.0f}",
        "J/frame": "" if one.joules_per_frame is None else f"{one.joules_per_frame:.3g}",
    }


def _within(one: Measured) -> str:
    return {None: "", True: "yes", False: "yes, but beyond the limit"}[one.within_limit]


def _quantiles(latency: Latency) -> dict[str, str]:
    values = {"min": latency.minimum, "p50": latency.p50, "p90": latency.p90, "p99": latency.p99}
    return {name: _milliseconds(value) for name, value in values.items()}


def _milliseconds(value: float) -> str:
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"


def _from_fits(report: BenchReport) -> Iterable[dict[str, str]]:
    for one in report.artifacts:
        if one.end_to_end and one.stages_ms:
            stages = {name: _milliseconds(value) for name, value in one.stages_ms.items() if name != "total"}
            file = f"{Path(report.options['fits']).name}, HDU {report.options['hdu']}"
            yield {"artifact": names(report)[one.artifact], "file": file, **stages, **_quantiles(one.end_to_end)}


def _parts(report: BenchReport) -> Iterable[dict[str, str]]:
    for one in report.artifacts:
        if len(one.parts_ms) > 1:
            for file, value in one.parts_ms.items():
                share = _percent(value / one.invoke.p50)
                artifact = names(report)[one.artifact]
                yield {"artifact": artifact, "graph": file, "ms": _milliseconds(value), "of p50": share}


def _operators(report: BenchReport) -> Iterable[dict[str, str]]:
    for one in report.artifacts:
        for file, operators in (one.operators or {}).items():
            for operator in operators[:_TOP_OPERATORS]:
                yield {
                    "artifact": names(report)[one.artifact],
                    "graph": file,
                    "operator": operator.kind,
                    "ms": _milliseconds(operator.milliseconds),
                    "share": _percent(operator.share),
                }


def _accuracies(report: BenchReport) -> Iterable[dict[str, str]]:
    for one in report.artifacts:
        if one.accuracy:
            found = one.accuracy
            yield {
                "artifact": names(report)[one.artifact],
                "test side of": found.data,
                "frames": str(found.frames),
                "accuracy": _percent(found.share),
                "95 %, objects": f"{100 * found.low:.1f} to {_percent(found.high)}",
            }


def _budgets(report: BenchReport, board: Board) -> Iterable[dict[str, str]]:
    for name, check in budget_checks(report, board).items():
        yield {
            "artifact": name,
            "peak memory": f"{check.memory_mb:.0f} of {check.memory_budget_mb} MB",
            "threads": f"{check.threads} of {check.cores}",
            "budget": "exceeded: " + "; ".join(check.problems) if check.problems else "kept",
        }
