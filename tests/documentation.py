"""The examples of the documentation: what stands in the fenced blocks of its pages, and where."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

PAGES = [
    *(REPOSITORY / name for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "edge/README.md")),
    *sorted((REPOSITORY / "docs").rglob("*.md")),
]
"""Every page."""

COMMANDS, PYTHON, CHANGE, SHOWN = "commands", "python", "change", "shown"

LANGUAGES = {"": COMMANDS, "sh": COMMANDS, "bash": COMMANDS, "python": PYTHON, "diff": CHANGE}
"""What is in a block, by the word behind its fence."""

SHOWN_LANGUAGES = ("text", "json", "csv", "ini", "toml")
"""Those of blocks that show something, and ask nobody to type it."""

_BLOCK = re.compile(r"^```([^\n]*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_INFO = re.compile(r'(\w*)(?: title="([^"]+)")?')


@dataclass(frozen=True)
class Block:
    """A fenced block.

    Attributes:
        page: Its page, relative to the repository.
        line: Of its fence, from 1.
        kind: `commands`, `python`, `change` or `shown`.
        title: The file that it is, or belongs in; empty where none is named.
        text: What is in it.
    """

    page: str
    line: int
    kind: str
    title: str
    text: str

    def commands(self) -> list[str]:
        """Its commands, each on one line, without comments behind them."""
        lines = self.text.replace("\\\n", " ").splitlines()
        stripped = (re.sub(r"(^|\s+)#.*$", "", line).strip() for line in lines)
        return [re.sub(r"\s+", " ", line) for line in stripped if line]


def blocks(text: str, page: str) -> Iterator[Block]:
    """The fenced blocks of a page.

    Raises:
        ValueError: A block's fence names no language that says whether it is to be typed.
    """
    for match in _BLOCK.finditer(text):
        line = text[: match.start()].count("\n") + 1
        info = _INFO.fullmatch(match[1].strip())
        kind = info and (SHOWN if info[1] in SHOWN_LANGUAGES else LANGUAGES.get(info[1]))
        if not info or kind is None:
            raise ValueError(f"{page}:{line}: a block of {match[1]!r}; say sh, python, diff, or text to show something")
        yield Block(page, line, kind, info[2] or "", match[2])


def blocks_of(page: Path) -> list[Block]:
    """The fenced blocks of a page of the repository."""
    return list(blocks(page.read_text(encoding="utf-8"), str(page.relative_to(REPOSITORY))))
