"""The colours of the page and its plots: one name each, a value for light paper and one for dark."""

from __future__ import annotations

from typing import NamedTuple


class Shade(NamedTuple):
    """A colour on light and on dark paper."""

    light: str
    dark: str


SHADES = {
    "paper": Shade("#fdfdfb", "#12161a"),
    "panel": Shade("#f3f4f1", "#1b2127"),
    "ink": Shade("#1d2126", "#e4e7ea"),
    "faint": Shade("#57616b", "#9aa5b0"),
    "rule": Shade("#d8dce0", "#343d46"),
    "warning": Shade("#8a4b00", "#f2b366"),
    "galaxy": Shade("#a25f00", "#f0b45a"),
    "nsc": Shade("#0f6ea8", "#6fc4f5"),
    "s0": Shade("#1f6fb4", "#6cb1ea"),
    "s1": Shade("#c4511b", "#f0905f"),
    "s2": Shade("#1a7f5a", "#5cc79c"),
    "s3": Shade("#8a4fbf", "#bf92ea"),
    "s4": Shade("#96770a", "#d6b84a"),
    "s5": Shade("#b03060", "#ec7fa5"),
}
"""By name. No light value stands twice: plots are drawn in them, and the page puts the names in their place."""

SERIES = ("s0", "s1", "s2", "s3", "s4", "s5")
"""Names of the colours of series, in the order of use; further series take them again, with dashes."""


def light(name: str) -> str:
    """The colour `name` on light paper."""
    return SHADES[name].light


def series(number: int) -> str:
    """The colour of series `number` on light paper."""
    return light(SERIES[number % len(SERIES)])


def style_variables(dark: bool) -> str:
    """The colours as declarations of a style sheet's variables."""
    return " ".join(f"--{name}: {shade.dark if dark else shade.light};" for name, shade in SHADES.items())


def by_name(text: str) -> str:
    """Puts variables in the place of light values, so that what was drawn follows the page's paper."""
    for name, shade in SHADES.items():
        text = text.replace(shade.light, f"var(--{name})")
    return text
