"""Tables as a person sees them, on terminals of several widths and in a pipe."""

from __future__ import annotations

import io

import pytest

from celestial_cli.tables import print_table
from terminals import Terminal

COLUMNS = ("network", "parameters", "what it is", "ms")
ROWS = [
    ["celestialnet_edge", "724,866", "an early-striding stem and seven layers", "11.0"],
    ["alexnet", "21,567,522", "", "-"],
]
WORDS = {"celestialnet_edge", "724,866", "early-striding", "layers", "11.0", "alexnet", "21,567,522", "-"}


def printed(monkeypatch: pytest.MonkeyPatch, stdout: io.StringIO, width: int) -> list[str]:
    """The lines of a table, without what is blank at their ends."""
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr("sys.stdout", stdout)
    print_table("Networks", COLUMNS, ROWS)
    plain = stdout.plain() if isinstance(stdout, Terminal) else stdout.getvalue()
    return [line.rstrip() for line in plain.splitlines() if line.strip()]


def test_a_wide_terminal_has_a_line_for_each_row(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = printed(monkeypatch, Terminal(), 100)
    assert lines[0] == "Networks"
    assert lines[1].split() == ["network", "parameters", "what", "it", "is", "ms"]
    assert len(lines) == 5
    assert lines[3].endswith("  11.0")
    assert lines[4].endswith("     -"), "figures end alike"


@pytest.mark.parametrize("width", range(30, 121, 5))
def test_no_word_is_broken_on_any_terminal(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    lines = printed(monkeypatch, Terminal(), width)
    assert {word for line in lines for word in line.split()} >= WORDS
    assert max(map(len, lines)) <= width


def test_a_terminal_too_narrow_has_a_line_for_each_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, Terminal(), 50) == [
        "Networks",
        "network     celestialnet_edge",
        "parameters  724,866",
        "what it is  an early-striding stem and seven",
        "            layers",
        "ms          11.0",
        "network     alexnet",
        "parameters  21,567,522",
        "ms          -",
    ]


def test_a_pipe_is_as_wide_as_its_words_whatever_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    assert printed(monkeypatch, io.StringIO(), 20) == printed(monkeypatch, Terminal(), 140)
    out = io.StringIO()
    monkeypatch.setattr("sys.stdout", out)
    columns = [f"column {number:02d} {'x' * 8}" for number in range(12)]
    print_table("Wide", columns, [["1"] * 12])
    assert all(name in out.getvalue().splitlines()[2] for name in columns)


def test_long_words_such_as_paths_may_be_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setattr("sys.stdout", out := Terminal())
    path = "/".join(["folder"] * 12)
    print_table("Files", ("file", "frames"), [[path, "12"]])
    lines = out.getvalue().splitlines()
    assert "".join(line.split()[0] for line in lines[4:] if line.split()) == path
    assert lines[4].rstrip().endswith("12")


def test_names_are_shown_to_the_letter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout", out := io.StringIO())
    print_table("Files of [runs]", ("file", "object"), [["a[b]:star:.fits", "[red]M 16[/red]"]])
    assert "Files of [runs]" in out.getvalue()
    assert out.getvalue().splitlines()[4].split() == ["a[b]:star:.fits", "[red]M", "16[/red]"]
