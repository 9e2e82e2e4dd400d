"""Charts as inline SVG, drawn by hand so that a board needs no plotting library.

Colours come from the page's style sheet, by class: `s0`, `s1` and so on for series, `axis` and `grid` for the rest.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from celestial_edge.device.latency import Histogram, Latency

SERIES = 6
"""Colours that there are; further series take them again, with dashes."""

_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 16.0, 14.0, 40.0
_TICKS = 5


@dataclass(frozen=True)
class Line:
    """A series of a line chart.

    Attributes:
        name: What it is called.
        points: Pairs of x and y.
    """

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class _Plane:
    """Where values lie in a drawing of this size."""

    width: float
    height: float
    x: tuple[float, float]
    y: tuple[float, float]

    def across(self, value: float) -> float:
        share = (value - self.x[0]) / (self.x[1] - self.x[0])
        return round(_LEFT + share * (self.width - _LEFT - _RIGHT), 2)

    def down(self, value: float) -> float:
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return round(self.height - _BOTTOM - share * (self.height - _TOP - _BOTTOM), 2)

    def svg(self, described: str, x_title: str, y_title: str, marks: Sequence[str]) -> str:
        parts = [f'<svg viewBox="0 0 {self.width:g} {self.height:g}" role="img" aria-label="{escape(described)}">']
        for value in ticks(*self.y):
            y = self.down(value)
            parts.append(f'<line class="grid" x1="{_LEFT}" x2="{self.width - _RIGHT}" y1="{y}" y2="{y}"/>')
            parts.append(f'<text class="axis" x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{value:g}</text>')
        foot = self.height - _BOTTOM
        for value in ticks(*self.x):
            x = self.across(value)
            parts.append(f'<line class="tick" x1="{x}" x2="{x}" y1="{foot}" y2="{foot + 4}"/>')
            parts.append(f'<text class="axis" x="{x}" y="{foot + 16}" text-anchor="middle">{value:g}</text>')
        parts.append(f'<line class="tick" x1="{_LEFT}" x2="{self.width - _RIGHT}" y1="{foot}" y2="{foot}"/>')
        middle = (_LEFT + self.width - _RIGHT) / 2
        parts.append(f'<text class="axis" x="{middle}" y="{self.height - 6}" text-anchor="middle">{x_title}</text>')
        turned = f"rotate(-90 12 {foot / 2})"
        parts.append(
            f'<text class="axis" x="12" y="{foot / 2}" text-anchor="middle" transform="{turned}">{y_title}</text>'
        )
        return "".join([*parts, *marks, "</svg>"])


def histogram_svg(name: str, histogram: Histogram, latency: Latency, series: int = 0) -> str:
    """How many frames took how long, with the median and the 90th percentile.

    Args:
        name: What was timed, for those who hear the page.
        histogram: The counts.
        latency: Its quantiles.
        series: Number of its colour.
    """
    edges, counts = histogram.edges_ms, histogram.counts
    plane = _Plane(460, 220, (edges[0], edges[-1]), (0.0, 1.08 * max(*counts, 1)))
    marks = []
    for left, right, count in zip(edges[:-1], edges[1:], counts, strict=True):
        x, top = plane.across(left), plane.down(count)
        # A hair of the background between bars.
        width = max(0.5, round(plane.across(right) - x - 1, 2))
        height = round(plane.down(0) - top, 2)
        said = f"{left:.3g} to {right:.3g} ms: {count}"
        bar = f'<rect class="s{series % SERIES} bar" x="{x}" y="{top}" width="{width}" height="{height}">'
        marks.append(f"{bar}<title>{said}</title></rect>")
    for label, value in (("p50", latency.p50), ("p90", latency.p90)):
        x = plane.across(min(value, edges[-1]))
        # Beside its line, on the side where there is room.
        anchor, shift = ("end", -4) if x > plane.width / 2 else ("start", 4)
        marks.append(f'<line class="quantile" x1="{x}" x2="{x}" y1="{_TOP}" y2="{plane.down(0)}"/>')
        height = _TOP + (8 if label == "p50" else 22)
        text = f"{label} {value:.3g}"
        marks.append(f'<text class="label" x="{x + shift}" y="{height}" text-anchor="{anchor}">{text}</text>')
    return plane.svg(f"latency histogram of {name}", "milliseconds a frame", "frames", marks)


def lines_svg(described: str, lines: Sequence[Line], titles: tuple[str, str], limit: float | None = None) -> str:
    """A line chart.

    Args:
        described: What it shows, for those who hear the page.
        lines: The series, each with at least one point.
        titles: Of the x and the y axis.
        limit: A y value to draw a line at; None for none.
    """
    last = max(x for line in lines for x, _ in line.points)
    highest = max(y for line in lines for _, y in line.points)
    plane = _Plane(940, 300, (0.0, last or 1.0), (0.0, 1.08 * max(highest, limit or 0.0, 1e-9)))
    marks = []
    for number, line in enumerate(lines):
        points = " ".join(f"{plane.across(x)},{plane.down(y)}" for x, y in line.points)
        dashes = ' stroke-dasharray="6 4"' if number >= SERIES else ""
        shape = f'<polyline class="s{number % SERIES} line" points="{points}"{dashes}>'
        marks.append(f"{shape}<title>{escape(line.name)}</title></polyline>")
    if limit is not None:
        y = plane.down(limit)
        marks.append(f'<line class="quantile" x1="{_LEFT}" x2="{plane.width - _RIGHT}" y1="{y}" y2="{y}"/>')
        marks.append(
            f'<text class="label" x="{plane.width - _RIGHT}" y="{y - 4}" text-anchor="end">limit {limit:.0f}</text>'
        )
    return plane.svg(described, *titles, marks)


def ticks(first: float, last: float) -> list[float]:
    """Round numbers from `first` to `last`, about five."""
    raw = (last - first) / _TICKS
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw)
    return [round(number * step, 12) for number in range(math.ceil(first / step), math.floor(last / step) + 1)]
