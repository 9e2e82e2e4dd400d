"""What the chapters are written from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celestialkeras.report.blocks import Block, Note
from celestialkeras.report.dataset_view import DatasetView
from celestialkeras.report.record import NotThereError, RunRecord

SIDE = "test"
"""The side that the page judges by: objects that training never saw."""

EVALUATION = f"evaluation-{SIDE}.json"
"""What `celestial evaluate` leaves of it."""


@dataclass(frozen=True, eq=False)
class Material:
    """A run with all that belongs to it.

    Attributes:
        record: Its folder.
        dataset: The data set that it was trained on.
        lineage: How its network was made, and its artifacts; empty where that is not known.
        benches: Benchmarks, drawn.
        comparison: Folder of a comparison; None without one.
    """

    record: RunRecord
    dataset: DatasetView
    lineage: Sequence[Block] = ()
    benches: Sequence[Block] = ()
    comparison: Path | None = None

    @property
    def evaluate(self) -> str:
        """The command that judges the run."""
        return self.record.command("evaluate")

    def evaluation(self) -> Mapping[str, Any]:
        """What the evaluation says.

        Raises:
            NotThereError: There is none.
        """
        return self.record.json(EVALUATION, self.evaluate)

    def artifact_json(self, pattern: str, verb: str) -> dict[str, Mapping[str, Any]]:
        """What JSON files of the run's artifacts hold; one that cannot be read is left out.

        Args:
            pattern: Names of the files in the folder of artifacts, each in a folder of its own.
            verb: What makes them.

        Returns:
            By the name of the file's folder.
        """
        folder, found = self.record.run.folder, {}
        for path in sorted((folder / "artifacts").glob(pattern)):
            with suppress(NotThereError):
                found[path.parent.name] = self.record.json(str(path.relative_to(folder)), self.record.command(verb))
        return found

    def of_another_model(self, held: Mapping[str, Any], command: str) -> list[Note]:
        """A warning where figures are of an earlier model of the run; else nothing."""
        if not self.record.is_stale(held):
            return []
        return [Note(f"These figures are of an earlier model of this run; `{command}` makes them anew.", warns=True)]
