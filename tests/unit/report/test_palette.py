"""Whether the colours of the page can be read, by the rules of WCAG 2.2 (1.4.3 text, 1.4.11 graphics)."""

from __future__ import annotations

from itertools import product

import pytest

from celestialkeras.report.palette import SERIES, SHADES, by_name, style_variables

TEXT, GRAPHICS = 4.5, 3.0
PAPERS = ("paper", "panel")


def _luminance(colour: str) -> float:
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return sum(weight * value for weight, value in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first: str, second: str) -> float:
    darker, lighter = sorted((_luminance(first), _luminance(second)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_is_that_of_black_on_white() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("paper", PAPERS)
@pytest.mark.parametrize("dark", [False, True])
def test_letters_and_lines_stand_out_on_every_paper(paper: str, dark: bool) -> None:
    # Links and open lines take the first colour of the series.
    least = dict.fromkeys(("ink", "faint", "warning", "galaxy", "nsc", "s0"), TEXT)
    least = {**dict.fromkeys(SERIES, GRAPHICS), **least}
    found = {name: contrast(SHADES[name][dark], SHADES[paper][dark]) for name in least}
    assert {name: ratio for name, ratio in found.items() if ratio < least[name]} == {}


def test_no_two_light_colours_are_one_and_each_is_found_by_name() -> None:
    assert len({shade.light for shade in SHADES.values()}) == len(SHADES)
    for name, shade in SHADES.items():
        assert by_name(f"fill: {shade.light}") == f"fill: var(--{name})"
    for (name, shade), dark in product(SHADES.items(), (False, True)):
        assert f"--{name}: {shade[dark]};" in style_variables(dark)
