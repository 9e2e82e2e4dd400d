"""The pulse of a watch: a health file, replaced whole every few seconds, and a word to systemd each time."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from celestial_edge.device.watch.systemd import Systemd
from celestialkeras.errors import WatchError
from celestialkeras.files import write_text

HEALTH_NAME = "health.json"

HEARTBEAT_S = 5.0
"""Seconds between two versions of the health file."""

State = Literal["watching", "stopped", "failed"]


@dataclass(frozen=True)
class Figures:
    """What a watch counts.

    Attributes:
        verdicts: Chips that have a verdict, of all runs.
        refused: Chips that were refused, of all runs.
        waiting: Files that wait, as far as they are remembered.
        notices: Whether changes are noticed by the system's notices; else by looking.
    """

    verdicts: int = 0
    refused: int = 0
    waiting: int = 0
    notices: bool = False


@dataclass(frozen=True)
class Health:
    """How a watch goes.

    Attributes:
        state: What it does; `stopped` after a proper end, `failed` after an error.
        pid: Its process.
        incoming: The watched folder.
        artifact: What classifies, and its SHA-256.
        started: When it started, UTC.
        updated: When this was written, UTC.
        boot: Which boot of the system `clock_s` belongs to.
        clock_s: When this was written, seconds since that boot: tells ages however the time of day is set.
        figures: What it counts.
        error: What ended it.
    """

    state: State
    pid: int
    incoming: str
    artifact: Mapping[str, str]
    started: str
    updated: str
    boot: str
    clock_s: float
    figures: Figures
    error: str = ""

    @property
    def age_s(self) -> float | None:
        """Seconds since it was written; None if that was before the system was last booted."""
        return max(time.monotonic() - self.clock_s, 0.0) if self.boot == boot_id() else None


class Pulse:
    """Writes the health file of a watch, and tells systemd."""

    def __init__(self, results: Path, incoming: Path, artifact: Mapping[str, str]) -> None:
        self._results = results
        self._facts = {"pid": os.getpid(), "incoming": str(incoming), "artifact": dict(artifact), "started": utc_now()}
        self._figures = Figures()
        self._systemd = Systemd()
        watchdog_s = self._systemd.watchdog_s
        self._every_s = min(HEARTBEAT_S, watchdog_s / 3) if watchdog_s else HEARTBEAT_S
        self._due_at = time.monotonic()

    @property
    def due_s(self) -> float:
        """Seconds until the next beat is due."""
        return max(self._due_at - time.monotonic(), 0.0)

    def ready(self, figures: Figures) -> None:
        """The first beat.

        Raises:
            OSError: The health file cannot be written.
        """
        self.beat(figures)
        self._systemd.tell("READY=1", f"STATUS=watching {self._facts['incoming']}")

    def beat(self, figures: Figures) -> None:
        """Tells that the watch is alive.

        Raises:
            OSError: The health file cannot be written.
        """
        self._due_at = time.monotonic() + self._every_s
        self._figures = figures
        self._systemd.tell("WATCHDOG=1")
        self._write("watching", "")

    def end(self, figures: Figures) -> None:
        """Tells that the watch ended as it was asked to.

        Raises:
            OSError: The health file cannot be written.
        """
        self._figures = figures
        self._systemd.tell("STOPPING=1", "STATUS=stopped")
        self._write("stopped", "")

    def fail(self, error: str) -> None:
        """Tells what ended the watch.

        Raises:
            OSError: The health file cannot be written.
        """
        self._systemd.tell("STOPPING=1", f"STATUS={error}")
        self._write("failed", error)

    def _write(self, state: State, error: str) -> None:
        now = {"updated": utc_now(), "boot": boot_id(), "clock_s": time.monotonic(), "figures": asdict(self._figures)}
        told = {"state": state, **self._facts, **now, "error": error}
        write_text(self._results / HEALTH_NAME, json.dumps(told, indent=1) + "\n")


def read_health(folder: Path) -> Health:
    """Reads the health file of a results folder.

    Raises:
        WatchError: There is none, or it is not one.
    """
    path = folder / HEALTH_NAME
    try:
        told: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Health(**{**told, "figures": Figures(**told["figures"])})
    except FileNotFoundError as error:
        raise WatchError(f"{folder}: no results of a watch, there is no {HEALTH_NAME}") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise WatchError(f"{path}: cannot be read ({error}); a running watch writes it anew") from error


def boot_id() -> str:
    """What tells one boot of the system from the next; empty where the system does not."""
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""


def utc_now() -> str:
    """The time of day, UTC, to the millisecond. It may go backwards when a clock is set."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
