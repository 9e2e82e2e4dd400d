"""Watches of small files with a classifier that answers from their first byte, so that hundreds take seconds."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celestial_edge.device.watch.arrivals import WholeRule
from celestial_edge.device.watch.service import Summary, Watch, WatchOptions
from celestialkeras.errors import NotFitsError, TruncatedFrameError

ARTIFACT = {"path": "some/artifact", "card_sha256": "0" * 64}
AT_SIGHT = WholeRule("renamed")


@dataclass(frozen=True)
class SmallVerdict:
    """A verdict of a label and a nested entry."""

    label: str

    def to_json(self) -> Mapping[str, Any]:
        return {"label": self.label, "probability": 0.75, "logits": [1.0, 2.0], "quality": {"empty": False}}


@dataclass
class SmallClassifier:
    """Files that begin with `g` show galaxies and others NSCs; empty files are no FITS, and `t` ends before HDU 4."""

    seconds: float = 0.0
    before: Callable[[Path, int], None] = lambda source, hdu: None
    asked: list[tuple[str, int]] = field(default_factory=list)

    def classify(self, source: Path, hdu: int) -> SmallVerdict:
        self.asked.append((source.name, hdu))
        self.before(source, hdu)
        time.sleep(self.seconds)
        content = source.read_bytes()
        if not content:
            raise NotFitsError(f"{source}: not a FITS file")
        if content[:1] == b"t" and hdu == 4:
            raise TruncatedFrameError(f"{source}: ends before HDU 4")
        return SmallVerdict("galaxy" if content[:1] == b"g" else "NSC")


@dataclass(frozen=True)
class Folders:
    """A watched folder and a results folder."""

    root: Path

    def __post_init__(self) -> None:
        self.incoming.mkdir(parents=True, exist_ok=True)

    @property
    def incoming(self) -> Path:
        return self.root / "incoming"

    @property
    def results(self) -> Path:
        return self.root / "results"

    def options(self, **changes: Any) -> WatchOptions:
        return WatchOptions(
            **{
                "incoming": self.incoming,
                "results": self.results,
                "artifact": ARTIFACT,
                "rule": AT_SIGHT,
                "once": True,
                **changes,
            }
        )

    def deliver(self, name: str, content: bytes = b"g") -> Path:
        """Writes a file under a hidden name and renames it into place."""
        target = self.incoming / name
        target.parent.mkdir(parents=True, exist_ok=True)
        hidden = target.with_name(".on-its-way")
        hidden.write_bytes(content)
        return hidden.rename(target)

    def drain(self, classifier: SmallClassifier | None = None, **changes: Any) -> Summary:
        return Watch(self.options(**changes), classifier or SmallClassifier()).run()

    def lines(self) -> list[dict[str, Any]]:
        """The results, every line of them a whole one."""
        text = (self.results / "results.jsonl").read_text(encoding="utf-8")
        assert text == "" or text.endswith("\n")
        return [json.loads(line) for line in text.splitlines()]

    def answers(self) -> list[tuple[str, int, str]]:
        """File, HDU and label or reason of each line."""
        return [(line["file"], line["hdu"], line.get("label") or line["reason"]) for line in self.lines()]


def assert_each_chip_once(lines: list[dict[str, Any]], names: list[str]) -> None:
    """Every chip of every file has one line, and the lines are numbered from 1 without a gap."""
    chips = Counter((line["file"], line["hdu"]) for line in lines)
    assert chips == {(name, hdu): 1 for name in names for hdu in (1, 4)}
    assert [line["number"] for line in lines] == list(range(1, len(lines) + 1))
