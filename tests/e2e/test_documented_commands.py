"""Every `celestial` command of the documentation is one that can be typed: its verb, options and values are known."""

from __future__ import annotations

import re
import shlex
from itertools import takewhile
from pathlib import Path

import click
import pytest

from celestial_cli.main import celestial

# What of a line is the shell's.
OPERATORS = {">", ">>", "|", "&&", ";"}
REPOSITORY = Path(__file__).parents[2]
PAGES = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md")), REPOSITORY / "edge" / "README.md"]


def commands(page: Path) -> list[str]:
    """The commands in the fenced blocks of a page, each on one line."""
    blocks = re.findall(r"^```\w*\n(.*?)^```", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [line.strip() for line in lines if line.strip().startswith("celestial ")]


DOCUMENTED = [(page.relative_to(REPOSITORY), line) for page in PAGES for line in commands(page)]


def test_commands_are_found() -> None:
    assert len(DOCUMENTED) > 50


@pytest.mark.parametrize(("page", "line"), DOCUMENTED, ids=lambda value: str(value))
def test_a_documented_command_can_be_typed(page: Path, line: str) -> None:
    command: click.Command = celestial
    words = list(takewhile(lambda word: word not in OPERATORS, shlex.split(line, comments=True)))
    context = click.Context(command, info_name=words.pop(0))
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, f"{page}: no verb {name!r}"
        command = found
        context = click.Context(command, parent=context, info_name=name)
    # Parses, and refuses what is unknown, missing or out of range; nothing is run.
    command.make_context(command.name, words, parent=context.parent)
