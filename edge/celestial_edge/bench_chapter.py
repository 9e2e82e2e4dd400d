"""Benchmarks as the report shows them: the tables and charts of `celestial bench`, in the report's blocks."""

from __future__ import annotations

from celestial_edge.device.bench_report import BenchReport, Measured
from celestial_edge.device.bench_tables import heading, names, tables
from celestial_edge.device.charts import Line, histogram_svg, lines_svg
from celestialkeras.report.blocks import Block, Chart, Charts, Note, Table


def bench_blocks(report: BenchReport) -> list[Block]:
    """A benchmark's machine, tables and charts.

    Args:
        report: The benchmark.

    Returns:
        The blocks, in the order of `celestial bench`: measurements, latencies, memory over time, the rest.
    """
    called = names(report)
    measured: list[tuple[str, Measured]] = [(called[one.artifact], one) for one in report.artifacts]
    measured += [(rival.runtime, rival) for rival in report.rivals]
    found: list[Block] = [Table(one.title, one.columns, one.rows) for one in tables(report)]
    latencies = Charts([_latency(name, one, number) for number, (name, one) in enumerate(measured)])
    return [Note(f"{heading(report)}."), *found[:1], latencies, *_memory(measured, report), *found[1:]]


def _latency(name: str, one: Measured, number: int) -> Chart:
    beyond = f"; {one.histogram.beyond} slower than shown" if one.histogram.beyond else ""
    caption = f"Latency of single frames, {name}: {one.frames} frames{beyond}."
    return Chart(histogram_svg(name, one.histogram, one.invoke, number), caption)


def _memory(measured: list[tuple[str, Measured]], report: BenchReport) -> list[Block]:
    lines = [Line(name, one.memory_over_time) for name, one in measured if one.memory_over_time]
    if not lines:
        return []
    limit = report.memory_limit["bytes"] / 1e6 if report.memory_limit else None
    titles = ("seconds since the process was started", "MB resident")
    svg = lines_svg("resident memory over time", lines, titles, limit)
    return [Charts([Chart(svg, "Memory over time.", [line.name for line in lines])])]
