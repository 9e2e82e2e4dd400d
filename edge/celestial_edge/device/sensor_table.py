"""Rows that show what sensors said before, during and after a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from statistics import fmean

from celestial_edge.device.bench_report import SensorLog
from celestial_edge.device.sensors import Reading

Figures = Callable[[Reading], Mapping[str, float]]


def sensor_rows(log: SensorLog) -> Iterable[dict[str, str]]:
    """One row a sensor, with lowest, mean and highest value while processes ran.

    Args:
        log: What the sensors said.
    """
    yield from _rows(log, lambda reading: reading.temperatures_c, "°C")
    yield from _rows(log, lambda reading: reading.clocks_mhz, "MHz")
    yield from _rows(log, lambda reading: reading.power_w, "W")
    for name in log.before.governors:
        yield _words(log, f"{name}, governor", partial(_governor, name=name))
    if any(reading.throttling or reading.throttled_since_boot for reading in (log.before, *log.during, log.after)):
        yield _words(log, "throttling", lambda reading: reading.throttling)
        yield _words(log, "throttled since boot", lambda reading: reading.throttled_since_boot)


def _governor(reading: Reading, name: str) -> Sequence[str]:
    return (reading.governors.get(name, ""),)


def _rows(log: SensorLog, figures: Figures, unit: str) -> Iterable[dict[str, str]]:
    for name in figures(log.before):
        during = [figures(reading)[name] for reading in log.during if name in figures(reading)]
        span = f"{min(during):.1f}, {fmean(during):.1f}, {max(during):.1f}" if during else ""
        before, after = (f"{figures(one)[name]:.1f}" if name in figures(one) else "" for one in (log.before, log.after))
        yield _row(f"{name}, {unit}", before, span, after)


def _words(log: SensorLog, title: str, words: Callable[[Reading], Sequence[str]]) -> dict[str, str]:
    """A row of what was said at any time, each word once."""
    before, during, after = (
        "; ".join(dict.fromkeys(word for reading in readings for word in words(reading) if word)) or "none"
        for readings in ((log.before,), log.during, (log.after,))
    )
    return _row(title, before, during, after)


def _row(sensor: str, before: str, during: str, after: str) -> dict[str, str]:
    return {"sensor": sensor, "before": before, "during: lowest, mean, highest": during, "after": after}
