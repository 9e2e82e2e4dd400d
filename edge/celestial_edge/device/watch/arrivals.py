"""Which files lie in a folder, whole and not yet decided.

What counts is what the folder holds when it is looked at; notices of changes only say where to look first. A notice
that is lost costs time until the next full look, and no file.
"""

from __future__ import annotations

import os
import stat
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from celestialkeras.errors import WatchError
from celestialkeras.lcid.frames import FRAME_SUFFIXES

LARGEST_FILE = 1 << 30
"""Bytes; a calibrated exposure has 168 MB. Larger files are refused before a byte of them is read."""

RESCAN_S = 10.0
"""Seconds between full looks at the folder while notices come."""

POLL_S = 1.0
"""The same without notices."""

_LOOK_S = 0.25
# A full look may take this share of the time.
_SCAN_SHARE = 0.1

Whole = Literal["settled", "renamed", "marker"]
"""How a file shows that it is whole; `WholeRule` says what each means."""


@dataclass(frozen=True)
class WholeRule:
    """When a file is whole.

    Attributes:
        how: `settled`: inode, size and times have not changed for `settle_s`; `renamed`: at first sight, since the
            sender writes under another name and renames; `marker`: as soon as a file NAME + `marker` lies beside it.
        settle_s: Seconds, by a clock that no one can set.
        marker: What the name of a marker adds to that of its file.
    """

    how: Whole = "settled"
    settle_s: float = 2.0
    marker: str = ".done"


@dataclass(frozen=True)
class Refusal:
    """Why a chip gets no verdict: a stable short word and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True)
class Sighting:
    """A file as it was when it was looked at.

    Attributes:
        name: Its path within the folder; bytes that are not UTF-8 are kept as surrogates.
        path: Where to read it.
        signature: Changes when the file is written to or replaced.
        size: Bytes.
        refusal: Why it is not to be opened; None for a file that may be.
    """

    name: str
    path: Path
    signature: str
    size: int
    refusal: Refusal | None = None


@dataclass
class _Candidate:
    sighting: Sighting
    since: float


class Arrivals:
    """The files of one folder, its subfolders included, that are to be decided. Holds at most `limit` at a time.

    What does not fit is found again by a later look.
    """

    def __init__(
        self,
        folder: Path,
        rule: WholeRule,
        is_known: Callable[[str, str], bool],
        limit: int = 256,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepares; nothing is looked at yet.

        Args:
            folder: The folder, an absolute path without links.
            rule: When a file is whole.
            is_known: Tells from name and signature whether a file was decided.
            limit: Most files that are remembered while they wait.
            clock: Seconds that only go forward.
        """
        self._folder = folder
        self._rule = rule
        self._is_known = is_known
        self._limit = limit
        self._clock = clock
        self._candidates: dict[str, _Candidate] = {}
        self._ready: deque[Sighting] = deque()
        self._hints: set[str] = set()
        self._left_out = False
        self._scan_at = self._look_at = clock()
        self.poll_s = POLL_S

    @property
    def waiting(self) -> int:
        """Files that are not decided yet, as far as they are remembered."""
        return len(self._candidates) + len(self._ready)

    def hint(self, names: Iterable[str]) -> None:
        """Names that something happened to; of more than can be remembered the next full look finds the rest."""
        for name in names:
            if len(self._hints) >= self._limit:
                self._left_out = True
                return
            self._hints.add(name.removesuffix(self._rule.marker) if self._rule.how == "marker" else name)

    def look(self, everywhere: bool = False) -> None:
        """Looks again at the files that wait, at the hints, and from time to time at the whole folder.

        Args:
            everywhere: Look at the whole folder now.

        Raises:
            WatchError: The folder is gone.
        """
        now = self._clock()
        if now < self._look_at and not everywhere:
            return
        self._look_at = now + _LOOK_S
        for name in list(self._candidates):
            self._look_again(name, now)
        hints, self._hints = self._hints, set()
        for name in hints:
            self._consider(name, now)
        # What found no room is looked for again once there is plenty.
        if everywhere or now >= self._scan_at or (self._left_out and self.waiting <= self._limit // 2):
            self._scan(now)

    def take(self) -> Sighting | None:
        """The file that has waited longest of those that are whole; None if there is none."""
        return self._ready.popleft() if self._ready else None

    def next_look_s(self) -> float:
        """Seconds until there may be something to see without a notice."""
        at = self._look_at if self._candidates or self._hints else max(self._look_at, self._scan_at)
        return max(at - self._clock(), 0.0)

    def _scan(self, now: float) -> None:
        if not self._folder.is_dir():
            raise WatchError(f"{self._folder}: no such folder any more; bring it back and start again")
        self._left_out = False
        for name in frame_names(self._folder):
            if self.waiting >= self._limit:
                self._left_out = True
                break
            self._consider(name, now)
        end = self._clock()
        self._scan_at = end + max(self.poll_s, (end - now) / _SCAN_SHARE)

    def _consider(self, name: str, now: float) -> None:
        if name in self._candidates or not is_frame_name(name) or self.waiting >= self._limit:
            return
        sighting = sight(self._folder, name)
        if sighting is None or self._is_known(name, sighting.signature):
            return
        if any(ready.name == name for ready in self._ready):
            return
        if self._rule.how == "marker" and not self._has_marker(name):
            return
        self._candidates[name] = _Candidate(sighting, now)
        self._look_again(name, now)

    def _look_again(self, name: str, now: float) -> None:
        candidate = self._candidates[name]
        sighting = sight(self._folder, name)
        if sighting is None:
            del self._candidates[name]
            return
        if sighting.signature != candidate.sighting.signature:
            candidate.sighting, candidate.since = sighting, now
        if self._is_whole(candidate, now):
            del self._candidates[name]
            self._ready.append(candidate.sighting)

    def _is_whole(self, candidate: _Candidate, now: float) -> bool:
        if self._rule.how == "renamed":
            return True
        if self._rule.how == "marker":
            return self._has_marker(candidate.sighting.name)
        return now - candidate.since >= self._rule.settle_s

    def _has_marker(self, name: str) -> bool:
        return (self._folder / (name + self._rule.marker)).is_file()


def is_frame_name(name: str) -> bool:
    """Whether a path within a folder is taken for a FITS file: by its ending, and with no part hidden by a dot."""
    parts = name.split("/")
    return parts[-1].lower().endswith(FRAME_SUFFIXES) and not any(part.startswith(".") for part in parts)


def frame_names(folder: Path) -> Iterator[str]:
    """Paths within a folder of what is named like a FITS file; links to folders are not followed."""
    folders = [""]
    while folders:
        inner = folders.pop()
        try:
            with os.scandir(folder / inner) as entries:
                for entry in entries:
                    name = f"{inner}/{entry.name}" if inner else entry.name
                    if entry.is_dir(follow_symlinks=False):
                        if not entry.name.startswith("."):
                            folders.append(name)
                    elif is_frame_name(name):
                        yield name
        # A subfolder that went, or that is not ours to read, hides its own files and no others.
        except OSError:
            continue


def sight(folder: Path, name: str) -> Sighting | None:
    """Looks at a file without opening it.

    Args:
        folder: The folder, an absolute path without links.
        name: Path of the file within it.

    Returns:
        What is there; None for nothing, for a folder, and for a link to nothing within the folder.
    """
    path = folder / name
    try:
        found = path.lstat()
        if stat.S_ISDIR(found.st_mode):
            return None
        signature, refusal = _signature(found), None
        if stat.S_ISLNK(found.st_mode):
            target = Path(os.path.realpath(path))
            if not target.is_relative_to(folder):
                message = f"{name!r} is a link that leaves the folder; deliver the file itself. Received: {target}"
                return Sighting(name, path, signature, 0, Refusal("symlink", message))
            found = target.lstat()
            signature = f"{signature}>{_signature(found)}"
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        message = f"{name!r} cannot be looked at ({error.strerror})"
        return Sighting(name, path, f"error {error.errno}", 0, Refusal("unreadable", message))
    if not stat.S_ISREG(found.st_mode):
        # Sizes and times of pipes and devices change with every use of them.
        signature = f"{found.st_ino} no file"
        refusal = Refusal("not-a-file", f"{name!r} is no regular file, and reading it might never end")
    elif found.st_size > LARGEST_FILE:
        refusal = Refusal(
            "too-large", f"{name!r} is larger than {LARGEST_FILE} bytes, as no exposure is. Received: {found.st_size}"
        )
    return Sighting(name, path, signature, found.st_size, refusal)


def _signature(found: os.stat_result) -> str:
    return f"{found.st_ino} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
