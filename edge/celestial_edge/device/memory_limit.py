"""A limit on a process's memory that holds: by a cgroup where one can be made, else by its data segment.

A cgroup (version 2) counts what is resident, as a small board would run out of it, and kills what goes beyond. Where
none can be made - no right to, or a system without the memory controller, which Raspberry Pi OS switches off unless
`cgroup_enable=memory` is on the kernel's command line - RLIMIT_DATA refuses the process more private writable memory.
That counts pages never touched, such as the stacks of threads, and leaves out the mapped model: beside it goes the
resident peak that was measured.
"""

from __future__ import annotations

import os
import re
import resource
import subprocess
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

CGROUPS = Path("/sys/fs/cgroup")
"""Where Linux mounts its cgroups."""

CGROUP = "cgroup v2"
DATA_SEGMENT = "RLIMIT_DATA and the measured resident peak"

_OWN_CGROUP = Path("/proc/self/cgroup")
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30}


def parse_bytes(text: str) -> int:
    """An amount of memory as Docker and systemd take it: K, M and G are powers of 1024.

    Args:
        text: Such as `512M`.

    Returns:
        Bytes.

    Raises:
        ValueError: It is no such amount.
    """
    match = re.fullmatch(r"(\d+)([KMG]?)", text.strip().upper())
    if match is None or not int(match[1]):
        raise ValueError(f"must be a whole number of bytes, or of K, M or G, such as 512M. Received: {text!r}")
    return int(match[1]) * _UNITS[match[2]]


@dataclass(frozen=True)
class MemoryLimit:
    """A limit, and what holds it.

    Attributes:
        limit: Bytes that one process may take.
        parent: The cgroup in which one is made for each process; None where the data segment is limited.
    """

    limit: int
    parent: Path | None

    @property
    def enforced_by(self) -> str:
        """What holds it, in words."""
        return CGROUP if self.parent else DATA_SEGMENT

    def entry(self, name: str) -> dict[str, Any]:
        """What the process `name` must do first, for `enter_limit`."""
        if self.parent is None:
            return {"data_segment": self.limit}
        folder = self.parent / name
        _make_cgroup(folder, self.limit)
        return {"cgroup": str(folder)}

    def leave(self, name: str) -> None:
        """Removes what `entry` made, once the process has ended."""
        if self.parent is not None:
            # The kernel may still be ending it; an empty cgroup that stays takes nothing.
            with suppress(OSError):
                (self.parent / name).rmdir()


def choose_limit(limit: int, cgroups: Path = CGROUPS, own: Path = _OWN_CGROUP) -> MemoryLimit:
    """Finds out what can hold a limit here.

    Args:
        limit: Bytes.
        cgroups: Where cgroups are mounted.
        own: The file that tells this process's cgroup.
    """
    return MemoryLimit(limit, _writable_cgroup(limit, cgroups, own))


def cgroups_above(cgroups: Path = CGROUPS, own: Path = _OWN_CGROUP) -> tuple[Path, ...]:
    """This process's cgroup (version 2) and those that it lies in, from the nearest to the root.

    Args:
        cgroups: Where cgroups are mounted.
        own: The file that tells this process's cgroup.

    Returns:
        Their folders; none where the system has no such cgroups.
    """
    try:
        lines = own.read_text().splitlines()
    except OSError:
        return ()
    path = next((line[len("0::/") :] for line in lines if line.startswith("0::/")), None)
    if path is None:
        return ()
    nearest = cgroups / path
    return (nearest, *(folder for folder in nearest.parents if folder.is_relative_to(cgroups)))


def enter_limit(entry: Mapping[str, Any]) -> None:
    """Puts this process under a limit; to be called before it takes memory, for what was taken is not moved.

    Args:
        entry: What `MemoryLimit.entry` gave; empty for no limit.
    """
    if "cgroup" in entry:
        (Path(entry["cgroup"]) / "cgroup.procs").write_text("0")
    if "data_segment" in entry:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (entry["data_segment"], hard))
    # Whoever runs out of memory on purpose leaves no core behind.
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _writable_cgroup(limit: int, cgroups: Path, own: Path) -> Path | None:
    """The cgroup nearest to this process in which limited ones can be made, and entered."""
    return next((folder for folder in cgroups_above(cgroups, own) if _takes_limits(folder, limit)), None)


def _takes_limits(folder: Path, limit: int) -> bool:
    probe = folder / f"celestial-probe-{os.getpid()}"
    try:
        # A group that holds processes itself hands no controllers on, so that its parents are asked next.
        if "memory" not in (folder / "cgroup.subtree_control").read_text().split():
            return False
        _make_cgroup(probe, limit)
        # To make a group is one right, to move a process into it another.
        enter = ["/bin/sh", "-c", 'echo 0 > "$1"', "sh", str(probe / "cgroup.procs")]
        entered = subprocess.run(enter, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
    finally:
        with suppress(OSError):
            probe.rmdir()
    return entered


def _make_cgroup(folder: Path, limit: int) -> None:
    folder.mkdir(exist_ok=True)
    (folder / "memory.max").write_text(str(limit))
    # Memory that went to a disk would be no limit. Kernels without swap have no such file.
    with suppress(OSError):
        (folder / "memory.swap.max").write_text("0")
