"""Plots as files and as elements of a page."""

import re
from pathlib import Path
from typing import Any

from celestialkeras.report.drawing import Drawing
from celestialkeras.report.palette import SHADES
from celestialkeras.report.plots import Line, lines, shortened


def _drawing(name: str = "loss", title: str = "epoch") -> Drawing:
    series = [Line("training", (1, 2, 3), (3.0, 2.0, 1.0), (2.5, 1.5, 0.5), (3.5, 2.5, 1.5)), Line("b", (1, 3), (1, 2))]
    return Drawing(name, lines(series, (title, "loss, nats")))


def test_an_inline_plot_follows_the_paper_of_the_page() -> None:
    svg = _drawing().inline_svg("loss falls")
    assert svg.startswith('<svg role="img" aria-label="loss falls"')
    assert "var(--s0)" in svg
    assert "var(--faint)" in svg
    assert not [shade.light for shade in SHADES.values() if shade.light in svg]
    assert "font-family" not in svg
    assert "xmlns" not in svg
    assert "<style" not in svg
    # It is as wide as its place, and as high as its shape asks for.
    assert not re.search(r'<svg [^>]*(width|height)="', svg)
    assert 'viewBox="0 0 ' in svg


def test_ids_of_two_plots_differ_and_every_reference_is_met() -> None:
    found = []
    for name in ("loss", "accuracy"):
        svg = _drawing(name).inline_svg("")
        ids = re.findall(r' id="([^"]+)"', svg)
        assert ids
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', svg)) == set(ids)
        found += ids
    assert len(found) == len(set(found))


def test_text_of_a_plot_is_text_whatever_it_holds() -> None:
    hostile = 'id="x" <b>&#1f6fb4 $\\frac$ url(#p)'
    svg = _drawing(title=hostile).inline_svg('"><script>')
    assert 'id="x" &lt;b&gt;&amp;#1f6fb4 $\\frac$ url(#p)' in svg
    assert "<script>" not in svg
    assert "&quot;&gt;&lt;script&gt;" in svg


def test_files_are_png_and_svg_and_the_same_each_time(tmp_path: Path) -> None:
    first, second = (_drawing().save(tmp_path / name) for name in ("a", "b"))
    assert [path.name for path in first] == ["loss.png", "loss.svg"]
    assert first[0].read_bytes().startswith(b"\x89PNG")
    assert "<svg " in first[1].read_text()
    assert SHADES["s0"].light in first[1].read_text()
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]


def test_bands_are_drawn_from_low_to_high() -> None:
    from matplotlib.figure import Figure

    axes: Any = Figure().add_subplot()
    _drawing().draw(axes)
    (band,) = axes.collections
    heights = band.get_paths()[0].vertices[:, 1]
    assert (heights.min(), heights.max()) == (0.5, 3.5)
    assert [line.get_ydata().tolist() for line in axes.lines] == [[3.0, 2.0, 1.0], [1, 2]]


def test_long_names_lose_their_middle() -> None:
    assert shortened("short") == "short"
    long = shortened("/very/long/folder/of/many/runs/celestialnet_edge, static_wi8_ai8")
    assert len(long) == 34
    assert long.endswith("edge, static_wi8_ai8")
