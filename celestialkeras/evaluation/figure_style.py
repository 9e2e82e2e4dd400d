"""What the figures of an evaluation share: colours that anybody tells apart, pages, and how they are written."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

from celestialkeras.errors import MissingExtraError
from celestialkeras.files import replacing
from celestialkeras.lcid.manifest import LABELS

COLOURS = {LABELS[0]: "#0072B2", LABELS[1]: "#E69F00", None: "#7F7F7F"}
"""Of each class, and of frames of both. Two colours of Okabe and Ito's palette: told apart with any colour vision, and
by lightness when printed in grey. The markers differ as well."""

MARKERS = {LABELS[0]: "o", LABELS[1]: "s", None: "D"}
"""Of each class, and of frames of both."""

INK = "#222222"
"""What is to be read."""

WRONG = "#B03060"
"""What was told wrongly."""

QUIET = "#666666"
"""Labels, and lines to compare with."""

GRID = "#DDDDDD"
"""Lines of a grid."""

DASHES = (0, (4, 3))
"""Of lines to compare with."""

LONGEST_TITLE = 60
"""Letters of a title, at most."""


def new_page(width: float, height: float) -> Any:
    """An empty white figure.

    Args:
        width: Inches.
        height: Inches.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "Drawing figures") from error
    # Figure and canvas are made directly: pyplot would keep global state and choose a backend for the whole process.
    figure = Figure(figsize=(width, height), facecolor="white")
    FigureCanvasAgg(figure)
    return figure


def save_page(figure: Any, path: str | Path, dpi: int = 150) -> None:
    """Writes a figure, whole or not at all; the same figure gives the same bytes.

    Args:
        figure: The figure.
        path: The file to write or replace; its ending, `.png` or `.svg`, says how.
        dpi: Pixels an inch of a PNG.
    """
    import matplotlib as mpl

    path = Path(path)
    kind = path.suffix.lstrip(".")
    metadata = {"Software": None} if kind == "png" else {"Date": None, "Creator": None}
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": "celestialkeras"}), replacing(path) as partial:
        # A name in a script that the font lacks is drawn as boxes; that is no reason to warn about every letter.
        warnings.filterwarnings("ignore", message=r"Glyph .* missing from")
        figure.savefig(partial, format=kind, dpi=dpi, metadata=metadata)


def open_panel(axes: Any, heading: str, across: str, up: str) -> None:
    """Gives a panel its heading, what its axes say with their units, a grid, and no more of a frame than it needs."""
    axes.set_title(heading, fontsize=10, color=INK, loc="left", weight="bold")
    axes.set_xlabel(across, fontsize=9, color=QUIET)
    axes.set_ylabel(up, fontsize=9, color=QUIET)
    axes.tick_params(labelsize=8)
    axes.grid(color=GRID, linewidth=0.6, zorder=0)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def plain(name: str, longest: int) -> str:
    """A name of at most so many letters, without the dollar signs that would begin mathematics."""
    # Names of one survey often differ at their ends only: the middle goes.
    tail = longest // 3
    short = name if len(name) <= longest else name[: longest - tail - 1] + "\N{HORIZONTAL ELLIPSIS}" + name[-tail:]
    return verbatim(short)


def verbatim(text: str) -> str:
    """A text as it is written: a dollar sign would begin mathematics."""
    return text.replace("$", r"\$")
