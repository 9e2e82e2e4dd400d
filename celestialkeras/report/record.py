"""What a run's folder says, read file by file, with what each file was and which command made it."""

from __future__ import annotations

import csv
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from celestialkeras.files import sha256_of
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run


class NotThereError(Exception):
    """A chapter has nothing to show. Never leaves the report.

    Attributes:
        what: What is not there, or what is wrong with it.
        command: What makes it.
    """

    def __init__(self, what: str, command: str) -> None:
        super().__init__(what)
        self.what = what
        self.command = command


@dataclass(frozen=True)
class Source:
    """A file that the page was made from.

    Attributes:
        name: Its path, in the run's folder where it lies there.
        sha256: SHA-256 of its bytes.
        command: What wrote it.
    """

    name: str
    sha256: str
    command: str


class RunRecord:
    """A run's folder, read for the page. Remembers what was read.

    Attributes:
        run: The run.
        sources: The files that were read, by name.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.sources: dict[str, Source] = {}

    @cached_property
    def options(self) -> TrainOptions:
        """What the run was made with."""
        return self.run.options()

    @cached_property
    def model_sha256(self) -> str | None:
        """SHA-256 of the run's model; None where there is none yet."""
        return sha256_of(self.run.model) if self.run.model.is_file() else None

    def command(self, verb: str) -> str:
        """A verb of this run, as it is typed."""
        return f"celestial {verb} {self.run.folder}"

    def json(self, name: str, command: str) -> Mapping[str, Any]:
        """Reads a JSON file of the run.

        Args:
            name: Path in the run's folder.
            command: What makes it.

        Returns:
            What it holds.

        Raises:
            NotThereError: It is missing, or is not JSON with names.
        """
        return self.outside_json(self.run.folder / name, command, name)

    def outside_json(self, path: Path, command: str, name: str | None = None) -> Mapping[str, Any]:
        """Reads a JSON file that lies elsewhere; otherwise as `json`."""
        name = name or str(path)
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise NotThereError(f"{name} is not there yet", command) from None
        except (OSError, ValueError) as error:
            raise NotThereError(f"{name} cannot be read ({error})", command) from error
        if not isinstance(held, dict):
            raise NotThereError(f"{name} is not what the command writes", command)
        self.remember(path, command, name)
        return held

    def rows(self, name: str, command: str) -> list[dict[str, str]]:
        """Reads a CSV file of the run, row by row; otherwise as `json`."""
        path = self.run.folder / name
        try:
            with path.open(newline="", encoding="utf-8") as source:
                rows = list(csv.DictReader(source))
        except FileNotFoundError:
            raise NotThereError(f"{name} is not there yet", command) from None
        except (OSError, UnicodeDecodeError, csv.Error) as error:
            raise NotThereError(f"{name} cannot be read ({error})", command) from error
        if not rows:
            raise NotThereError(f"{name} has no rows yet", command)
        self.remember(path, command, name)
        return rows

    def remember(self, path: Path, command: str, name: str | None = None) -> None:
        """Notes a file that the page shows something of."""
        name = name or str(path)
        self.sources[name] = Source(name, sha256_of(path), command)

    def is_stale(self, held: Mapping[str, Any]) -> bool:
        """Whether figures are of another model than the run's, such as an earlier one."""
        found = held.get("model_sha256")
        return found is not None and self.model_sha256 is not None and found != self.model_sha256
