"""Plots: drawn by matplotlib, as PNG and SVG on light paper, and as SVG that follows the paper of the page."""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from celestialkeras.errors import MissingExtraError
from celestialkeras.files import replacing
from celestialkeras.report.palette import by_name, light

PLOT_SIZE = (4.5, 3.1)
"""Width and height of a plot, inches: at this width its letters are legible on a phone, where it fills the screen."""

_DPI = 200
_LETTERS = 9.0

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": _LETTERS,
    # Names of objects may hold a dollar sign.
    "text.parse_math": False,
    "text.color": light("ink"),
    "axes.edgecolor": light("faint"),
    "axes.labelcolor": light("faint"),
    "axes.linewidth": 0.8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.facecolor": "none",
    "grid.color": light("rule"),
    "grid.linewidth": 0.6,
    "xtick.color": light("faint"),
    "ytick.color": light("faint"),
    "xtick.labelcolor": light("faint"),
    "ytick.labelcolor": light("faint"),
    "lines.linewidth": 1.7,
    "legend.frameon": False,
    "legend.fontsize": 8.0,
    "legend.labelcolor": light("ink"),
    "svg.fonttype": "none",
}

_PROLOGUE = re.compile(r"^.*?(?=<svg )", re.DOTALL)
# The style sheet that matplotlib puts into each plot would hold for the whole page, whose own says the same of plots.
_LEFT_OUT = re.compile(r"<metadata>.*?</metadata>|<defs>\s*<style.*?</style>\s*</defs>|<!--.*?-->", re.DOTALL)
_TAG = re.compile(r"<[^>]*>")
_OUTER = re.compile(r' (?:xmlns(?::\w+)?|width|height|version)="[^"]*"')
_FONT_FAMILY = re.compile(r"font-family: [^;\"]*;? ?")
_REFERENCE = re.compile(r'(url\(#|href="#)([\w.-]+)')
_IDENTITY = re.compile(r' id="([\w.-]+)"')


@dataclass(frozen=True, eq=False)
class Drawing:
    """A plot.

    Attributes:
        name: Stem of its files, such as `roc`; no two plots of a page share one.
        draw: Draws it on the axes of matplotlib that it is given.
        size: Width and height, inches.
    """

    name: str
    draw: Callable[[Any], None]
    size: tuple[float, float] = PLOT_SIZE

    def inline_svg(self, described: str) -> str:
        """The plot as an SVG element for a page that has the palette's variables.

        Args:
            described: What one sees, for those who hear the page.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        drawn = io.StringIO()
        with self._drawn() as figure:
            figure.savefig(drawn, format="svg", transparent=True, metadata={"Date": None})
        return _for_page(drawn.getvalue(), self.name, described)

    def save(self, folder: Path) -> list[Path]:
        """Writes the plot as `NAME.png` and `NAME.svg` on light paper; the same plot gives the same bytes.

        Args:
            folder: Where to; made if it is missing.

        Returns:
            The two files.

        Raises:
            MissingExtraError: matplotlib is not installed.
        """
        paths = [folder / f"{self.name}.{suffix}" for suffix in ("png", "svg")]
        with self._drawn() as figure:
            for path, metadata in zip(paths, ({"Software": None}, {"Date": None}), strict=True):
                with replacing(path) as partial:
                    figure.savefig(partial, dpi=_DPI, facecolor="white", metadata=metadata)
        return paths

    @contextmanager
    def _drawn(self) -> Iterator[Any]:
        try:
            import matplotlib
            from matplotlib.figure import Figure
        except ModuleNotFoundError as error:
            raise MissingExtraError("train", "drawing plots") from error
        with warnings.catch_warnings(), matplotlib.rc_context({**_STYLE, "svg.hashsalt": self.name}):
            # A name in a script that the font lacks is drawn as boxes; that is no reason to warn about every letter.
            warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
            # Made directly: pyplot would keep global state and choose a backend for the whole process.
            figure = Figure(figsize=self.size, layout="constrained")
            self.draw(figure.add_subplot())
            yield figure


def _for_page(svg: str, name: str, described: str) -> str:
    """A file of matplotlib's as an element: without a size of its own, its ids apart from those of other plots."""
    svg = _LEFT_OUT.sub("", _PROLOGUE.sub("", svg))
    referred = {identity for _, identity in _REFERENCE.findall(svg)}

    def identity(found: re.Match[str]) -> str:
        return f' id="{name}-{found[1]}"' if found[1] in referred else ""

    def tag(found: re.Match[str]) -> str:
        text = found[0]
        if text.startswith("<svg "):
            return f'<svg role="img" aria-label="{escape(described)}"{_OUTER.sub("", text)[4:]}'
        text = _REFERENCE.sub(rf"\1{name}-\2", _IDENTITY.sub(identity, text.replace("xlink:href", "href")))
        return by_name(_FONT_FAMILY.sub("", text))

    # Tag by tag: what stands between them is text, which may hold anything.
    return _TAG.sub(tag, svg).strip()
