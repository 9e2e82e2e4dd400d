"""What a folder of predictions is made of, fixed before the first chip: no other job can mix in.

The folder holds `_plan.json` and `part-NNNNNN.parquet` for each partition that is done; readers of Parquet folders pass
over names that begin with an underscore.
"""

from __future__ import annotations

import hashlib
import json
import platform
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from celestialkeras.errors import ClusterError
from celestialkeras.files import PARTIAL_PREFIX, write_text

PLAN_NAME = "_plan.json"

# How they are named when they are what differs from the job that a folder holds.
_WORDS = {
    "chips": "number of chips",
    "chips_sha256": "list of chips",
    "card_sha256": "artifact",
    "abstain": "--abstain",
    "partition": "--partition",
}


@dataclass(frozen=True)
class Plan:
    """What decides the rows of a job and how they are divided.

    Attributes:
        chips: How many chips there are.
        chips_sha256: Digest of their list.
        card_sha256: SHA-256 of the artifact's card.
        abstain: Least probability that decides; None for any.
        partition: Chips of a partition.
    """

    chips: int
    chips_sha256: str
    card_sha256: str
    abstain: float | None
    partition: int

    @property
    def partitions(self) -> int:
        """How many partitions there are."""
        return -(-self.chips // self.partition)

    @property
    def sha256(self) -> str:
        """SHA-256 of the plan."""
        return hashlib.sha256(json.dumps(asdict(self), sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True)
class Job:
    """What each worker is told.

    Attributes:
        folder: Where the partitions' files go; absolute, and the same on every worker.
        artifact: The artifact's folder; absolute, and the same on every worker.
        threads: Threads of each interpreter.
        plan: The plan.
    """

    folder: Path
    artifact: Path
    threads: int
    plan: Plan

    def claim(self) -> None:
        """Makes the folder this job's, or finds that it is.

        Raises:
            ClusterError: It holds another job, or something else.
        """
        path = self.folder / PLAN_NAME
        if path.exists():
            self._require_same(_read_plan(path))
            return
        if self.folder.exists() and not self.folder.is_dir():
            raise ClusterError(f"{self.folder}: not a folder; choose another one with --to")
        if self.folder.exists() and any(not entry.name.startswith(PARTIAL_PREFIX) for entry in self.folder.iterdir()):
            raise ClusterError(f"{self.folder}: not empty and no predictions; choose another folder with --to")
        write_text(path, json.dumps(asdict(self.plan), indent=1) + "\n")

    def require_in_sight(self) -> None:
        """Refuses to work where the folder is not this job's: there would otherwise be a folder that nobody sees.

        Raises:
            ClusterError: The plan is not there, or another one is.
        """
        path = self.folder / PLAN_NAME
        if not path.is_file():
            raise ClusterError(
                f"{platform.node()}: does not see {path}; workers of other machines need frames, artifact and --to "
                f"under the same paths, on a file system that all share"
            )
        self._require_same(_read_plan(path))

    def _require_same(self, held: Mapping[str, Any]) -> None:
        wanted = asdict(self.plan)
        differing = [word for key, word in _WORDS.items() if held.get(key) != wanted[key]]
        if differing:
            raise ClusterError(
                f"{self.folder}: holds predictions of another job, they differ in {', '.join(differing)}; choose "
                f"another folder with --to, or give the same again"
            )


def _read_plan(path: Path) -> dict[str, Any]:
    try:
        held = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ClusterError(f"{path}: cannot be read ({error}); choose another folder with --to") from error
    return held if isinstance(held, dict) else {}
