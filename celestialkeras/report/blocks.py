"""What chapters are made of: text, facts, tables, plots, pictures and cards."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from celestialkeras.report.drawing import Drawing

SCALE = "0 to 100\N{NO-BREAK SPACE}%"
"""Heading of a column of bars."""


@dataclass(frozen=True)
class Bar:
    """A share of 1 with its interval, drawn on a line from 0 to 1.

    Attributes:
        value: The share; None where there is none.
        low: Lower end of its interval; None without one.
        high: Upper end.
    """

    value: float | None
    low: float | None = None
    high: float | None = None

    @property
    def text(self) -> str:
        """Value and interval in words, for those who hear the page."""
        if self.value is None:
            return "not known"
        if self.low is None or self.high is None:
            return f"{100 * self.value:.1f} %"
        return f"{100 * self.value:.1f} %, interval {100 * self.low:.1f} to {100 * self.high:.1f} %"


Cell = str | Bar


@dataclass(frozen=True)
class Note:
    """A paragraph; `warns` where it says what to beware of."""

    kind: ClassVar[str] = "note"
    text: str
    warns: bool = False


@dataclass(frozen=True)
class Missing:
    """What is not there, and the command that makes it."""

    kind: ClassVar[str] = "missing"
    what: str
    command: str


@dataclass(frozen=True)
class Facts:
    """Names and values, a line each."""

    kind: ClassVar[str] = "facts"
    pairs: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Table:
    """A table.

    Attributes:
        title: What it shows, units included.
        columns: Names of its columns.
        rows: As many cells each.
        note: What to know of it; empty for nothing.
        compact: Whether it fits a phone; others scroll within their own frame.
    """

    kind: ClassVar[str] = "table"
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    note: str = ""
    compact: bool = False

    @property
    def figures(self) -> tuple[bool, ...]:
        """Which columns hold figures, which stand right-aligned."""
        return tuple(
            number > 0 and all(isinstance(row[number], str) and _is_figure(row[number]) for row in self.rows)
            for number in range(len(self.columns))
        )


def _is_figure(cell: Cell) -> bool:
    return isinstance(cell, str) and (not cell or cell[0].isdigit() or cell[0] in "+-\N{MINUS SIGN}")


@dataclass(frozen=True)
class Plot:
    """A plot with its caption.

    Attributes:
        drawing: The plot; its name is that of its files and of its place on the page.
        caption: What it shows and how it was made, units included.
        described: What one sees, for those who hear the page.
        command: What made the figures behind it.
    """

    drawing: Drawing
    caption: str
    described: str
    command: str


@dataclass(frozen=True)
class Plots:
    """Plots side by side where there is room."""

    kind: ClassVar[str] = "plots"
    plots: Sequence[Plot]


@dataclass(frozen=True)
class Picture:
    """A picture, kept in the page.

    Attributes:
        data: `data:` address of its bytes.
        width: Pixels.
        height: Pixels.
        described: What it shows, for those who do not see it.
        caption: The line below; empty for none.
        label: Class named above the line, in the class's colour; empty for none.
    """

    data: str
    width: int
    height: int
    described: str
    caption: str = ""
    label: str = ""


@dataclass(frozen=True)
class Sheet:
    """Pictures side by side: a contact sheet."""

    kind: ClassVar[str] = "sheet"
    pictures: Sequence[Picture]
    caption: str


@dataclass(frozen=True)
class Card:
    """A frame that was told wrongly.

    Attributes:
        title: Its object.
        label: True class.
        predicted: What the model said.
        says: How sure it was, and the likely cause.
        pictures: The frame and where the model looked.
        facts: What is known and was measured of it.
    """

    title: str
    label: str
    predicted: str
    says: str
    pictures: Sequence[Picture]
    facts: Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Cards:
    """Cards side by side where there is room."""

    kind: ClassVar[str] = "cards"
    cards: Sequence[Card]


@dataclass(frozen=True)
class Code:
    """Text to the letter, such as a configuration."""

    kind: ClassVar[str] = "code"
    title: str
    text: str


@dataclass(frozen=True)
class Fold:
    """Blocks behind a line that opens them."""

    kind: ClassVar[str] = "fold"
    summary: str
    blocks: Sequence[Block]


@dataclass(frozen=True)
class Chart:
    """A chart that came drawn, in the colours of the page's style sheet by class; `keys` name its series."""

    svg: str
    caption: str
    keys: Sequence[str] = ()


@dataclass(frozen=True)
class Charts:
    """Charts side by side where there is room."""

    kind: ClassVar[str] = "charts"
    charts: Sequence[Chart]


Block = Note | Missing | Facts | Table | Plots | Sheet | Cards | Code | Fold | Charts
