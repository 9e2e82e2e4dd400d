"""Tables on a terminal of any width: no word and no figure is broken to make one fit."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table

# A pipe has no width of its own: rich would fold tables at 80 columns in logs and files.
_PIPE_WIDTH = 140

# Longer words, paths mostly, may be broken.
_LONGEST_WORD = 24


def print_table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table to stdout, right-aligned in columns of figures.

    On a terminal that is too narrow for its words, each row becomes a block of lines, one for each cell.

    Args:
        title: What stands above it.
        columns: Names of the columns.
        rows: The cells, as many in each row as there are columns.
    """
    cells = [[name, *(row[index] for row in rows)] for index, name in enumerate(columns)]
    least = [max(map(_longest_word, column)) for column in cells]
    full = [max(map(_longest_line, column)) for column in cells]
    # What edges take, and gaps.
    frame = 3 * len(columns) - 1
    # File names may hold brackets and words between colons, which are no markup and no emoji.
    console = Console(highlight=False, markup=False, emoji=False)
    if not sys.stdout.isatty():
        # What reads a pipe looks for names of columns.
        least = [max(width, cell_len(name)) for width, name in zip(least, columns, strict=True)]
        console.width = max(_PIPE_WIDTH, sum(least) + frame)
    console.print(title, style="bold", soft_wrap=True)
    if sum(least) + frame > console.width:
        for row in rows:
            console.print(_block(columns, row))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for name, width, column in zip(columns, _fit(full, least, console.width - frame), cells, strict=True):
        figures = column is not cells[0] and all(map(_is_figure, column[1:]))
        table.add_column(name, width=width, justify="right" if figures else "left", overflow="fold")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def _fit(full: Sequence[int], least: Sequence[int], room: int) -> list[int]:
    """Widths of columns: all that they would fill, the widest narrowed first until they fit the room."""
    widths = list(full)
    while sum(widths) > room:
        _, widest = max((width, index) for index, width in enumerate(widths) if width > least[index])
        widths[widest] -= 1
    return widths


def _block(columns: Sequence[str], row: Sequence[str]) -> Table:
    """One row, a line for each cell that is not empty."""
    block = Table(box=None, pad_edge=False, show_header=False)
    block.add_column(style="dim")
    block.add_column(overflow="fold")
    for name, cell in zip(columns, row, strict=True):
        if cell:
            block.add_row(name, cell)
    block.add_row()
    return block


def _is_figure(cell: str) -> bool:
    return not cell or cell[0].isdigit() or cell[0] in "-+"


def _longest_word(text: str) -> int:
    return min(max(map(cell_len, text.split()), default=0), _LONGEST_WORD)


def _longest_line(text: str) -> int:
    return max(map(cell_len, text.splitlines()), default=0)
