"""A benchmark as one HTML page: no script, nothing fetched, light and dark."""

from __future__ import annotations

from html import escape

from celestial_edge.device.bench_report import BenchReport, Measured
from celestial_edge.device.bench_tables import Table, heading, names, tables
from celestial_edge.device.boards import Board
from celestial_edge.device.charts import SERIES, Line, histogram_svg, lines_svg

_STYLE = """
:root { color-scheme: light dark; --paper: #fdfdfb; --ink: #1d2126; --faint: #5c6670; --rule: #d9dde1;
  --s0: #1f6fb4; --s1: #c4511b; --s2: #1a7f5a; --s3: #8a4fbf; --s4: #96770a; --s5: #b03060; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181c; --ink: #e4e7ea; --faint: #97a1ab; --rule: #333b43;
  --s0: #6cb1ea; --s1: #f0905f; --s2: #5cc79c; --s3: #bf92ea; --s4: #d6b84a; --s5: #ec7fa5; } }
body { margin: 2rem auto; max-width: 62rem; padding: 0 1rem; background: var(--paper); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.05rem; margin: 2rem 0 .5rem; } p.how { color: var(--faint); }
.wide { overflow-x: auto; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: 13px; }
th, td { padding: .25rem .7rem .25rem 0; border-bottom: 1px solid var(--rule); text-align: left; vertical-align: top; }
th { color: var(--faint); font-weight: 600; white-space: nowrap; }
td.figure, th.figure { text-align: right; white-space: nowrap; }
figure { margin: 0 0 1rem; } figcaption { font-size: 13px; color: var(--faint); }
.grid-of-charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(22rem, 1fr)); gap: 1rem; }
svg { width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; } svg .axis { fill: var(--faint); } svg .label { fill: var(--ink); }
svg .grid { stroke: var(--rule); } svg .tick { stroke: var(--faint); }
svg .quantile { stroke: var(--ink); stroke-dasharray: 3 3; } svg .line { fill: none; stroke-width: 2; }
.key { display: inline-block; width: .8em; height: .8em; margin: 0 .4em 0 1em; border-radius: 2px; }
"""


def page(report: BenchReport, board: Board | None = None) -> str:
    """The page.

    Args:
        report: The benchmark.
        board: A board whose budget is checked; None for none.

    Returns:
        HTML, whole in itself.
    """
    called = names(report)
    measured: list[tuple[str, Measured]] = [(called[one.artifact], one) for one in report.artifacts]
    measured += [(rival.runtime, rival) for rival in report.rivals]
    body = [f"<h1>Benchmark</h1><p class='how'>{escape(heading(report))}</p>"]
    found = tables(report, board)
    # The first table has every process; the charts show the same.
    body += [_table(table) for table in found[:1]]
    if measured:
        body += [_latencies(measured), _memory(measured, report)]
    body += [_table(table) for table in found[1:]]
    series = "".join(f".s{n}.bar{{fill:var(--s{n})}}.s{n}.line{{stroke:var(--s{n})}}" for n in range(SERIES))
    title = "celestial bench"
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{_STYLE}{series}</style></head>\n<body>\n" + "\n".join(body) + "\n</body></html>\n"
    )


def _table(table: Table) -> str:
    figures = [
        index > 0 and all(not row[index] or row[index][0].isdigit() for row in table.rows)
        for index in range(len(table.columns))
    ]

    def row(tag: str, cells: tuple[str, ...]) -> str:
        kinds = (' class="figure"' if figure else "" for figure in figures)
        return "".join(f"<{tag}{kind}>{escape(cell)}</{tag}>" for cell, kind in zip(cells, kinds, strict=True))

    rows = "".join(f"<tr>{row('td', cells)}</tr>" for cells in table.rows)
    head = f"<thead><tr>{row('th', table.columns)}</tr></thead>"
    return f"<h2>{escape(table.title)}</h2><div class='wide'><table>{head}<tbody>{rows}</tbody></table></div>"


def _latencies(measured: list[tuple[str, Measured]]) -> str:
    charts = []
    for number, (name, one) in enumerate(measured):
        beyond = f"; {one.histogram.beyond} slower than shown" if one.histogram.beyond else ""
        caption = f"<figcaption>{escape(name)}: {one.frames} frames{beyond}</figcaption>"
        charts.append(f"<figure>{histogram_svg(name, one.histogram, one.invoke, number)}{caption}</figure>")
    return f"<h2>Latency of single frames</h2><div class='grid-of-charts'>{''.join(charts)}</div>"


def _memory(measured: list[tuple[str, Measured]], report: BenchReport) -> str:
    lines = [Line(name, one.memory_over_time) for name, one in measured if one.memory_over_time]
    if not lines:
        return ""
    limit = report.memory_limit["bytes"] / 1e6 if report.memory_limit else None
    chart = lines_svg(
        "resident memory over time", lines, ("seconds since the process was started", "MB resident"), limit
    )
    keys = "".join(
        f'<span class="key" style="background:var(--s{number % SERIES})"></span>{escape(line.name)}'
        for number, line in enumerate(lines)
    )
    return f"<h2>Memory over time</h2><figure>{chart}<figcaption>{keys}</figcaption></figure>"
