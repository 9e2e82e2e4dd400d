"""How the chapters put figures and notes: cells of tables, bars and sentences."""

from __future__ import annotations

from collections.abc import Mapping

from celestialkeras.evaluation.report import ABSENT
from celestialkeras.report.blocks import Bar


def number(value: float | None, form: str = ".4g") -> str:
    """A figure in a format of Python's, `-` for None."""
    return ABSENT if value is None else format(value, form)


def bar(value: float | None, interval: Mapping[str, float | None] | None) -> Bar:
    """A share with its interval, which is given by its ends `low` and `high`; None without one."""
    return Bar(value, interval["low"], interval["high"]) if interval else Bar(value)


def sentence(text: str) -> str:
    """A note that begins small and ends open, as a sentence; nothing for an empty one."""
    return f"{text[0].upper()}{text[1:]}." if text else ""
