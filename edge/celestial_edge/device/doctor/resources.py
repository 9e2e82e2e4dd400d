"""What this process may use of the machine: cores, memory, room for temporary files, and a clock that is right."""

from __future__ import annotations

import os
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from celestial_edge.device.memory_limit import cgroups_above

MEMINFO = Path("/proc/meminfo")

_DAY_S = 86_400.0


@dataclass(frozen=True)
class Cores:
    """Processor cores.

    Attributes:
        online: Of the machine.
        allowed: Those that this process may run on, by its affinity.
        quota: How many may be busy at once, by its cgroup; None for no limit.
    """

    online: int
    allowed: int
    quota: float | None

    @property
    def usable(self) -> float:
        """How many can be busy at once."""
        return min(float(self.allowed), self.quota or float(self.allowed))


@dataclass(frozen=True)
class Memory:
    """Memory, MB (1e6 bytes).

    Attributes:
        total_mb: Of the machine.
        available_mb: What the system could give now.
        cgroup_mb: What this process's cgroup may take; None for no limit.
        cgroup_free_mb: What is left of that; None for no limit.
        process_mb: What this process may map or write, by RLIMIT_AS and RLIMIT_DATA; None for no limit.
    """

    total_mb: float
    available_mb: float
    cgroup_mb: float | None
    cgroup_free_mb: float | None
    process_mb: float | None

    @property
    def usable_mb(self) -> float:
        """The least of what is available and what is allowed, MB."""
        limits = (self.available_mb, self.cgroup_free_mb, self.process_mb)
        return min(limit for limit in limits if limit is not None)


@dataclass(frozen=True)
class Room:
    """Room for temporary files.

    Attributes:
        folder: Where they go.
        free_mb: What is free there, MB (1e6 bytes).
    """

    folder: str
    free_mb: float


def read_cores(cgroups: Iterable[Path] | None = None) -> Cores:
    """Counts cores.

    Args:
        cgroups: This process's cgroup and those that it lies in; None to find them.
    """
    online = os.cpu_count() or 1
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else online
    quotas = [_quota(folder) for folder in (cgroups_above() if cgroups is None else cgroups)]
    return Cores(online, allowed, min((quota for quota in quotas if quota is not None), default=None))


def read_memory(meminfo: Path = MEMINFO, cgroups: Iterable[Path] | None = None) -> Memory:
    """Tells how much memory there is for this process.

    Args:
        meminfo: What the kernel tells of memory.
        cgroups: This process's cgroup and those that it lies in; None to find them.

    Raises:
        OSError: The kernel does not tell.
        KeyError: It does not tell what is available.
    """
    entries = dict(line.split(":", 1) for line in meminfo.read_text().splitlines() if ":" in line)
    total, available = (int(entries[name].split()[0]) * 1024 / 1e6 for name in ("MemTotal", "MemAvailable"))
    # What a group may take it shares with those in it: the one that has least left decides.
    held = [_limit(folder) for folder in (cgroups_above() if cgroups is None else cgroups)]
    limits = [limit for limit in held if limit is not None]
    limits = [(limit, free) for limit, free in limits if limit < total]
    return Memory(
        total_mb=total,
        available_mb=available,
        cgroup_mb=min((limit for limit, _ in limits), default=None),
        cgroup_free_mb=min((free for _, free in limits), default=None),
        process_mb=_process_limit(),
    )


def read_room() -> Room:
    """Finds the folder of temporary files, writes one, and tells what is free.

    Raises:
        OSError: There is none that can be written to.
    """
    with tempfile.NamedTemporaryFile() as probe:
        probe.write(b"\0")
        probe.flush()
        folder = Path(probe.name).parent
    return Room(str(folder), shutil.disk_usage(folder).free / 1e6)


def clock_problem(written: Path, now: Callable[[], float] = time.time) -> str:
    """Why the clock must be wrong; empty where nothing speaks against it.

    Boards without a battery begin at a fixed day until they have asked the network.

    Args:
        written: A file of this installation, which was not written in the future.
        now: The clock, seconds since 1970.

    Raises:
        OSError: There is no such file.
    """
    behind = written.stat().st_mtime - now()
    return f"the clock is {behind / _DAY_S:.0f} days before this was installed" if behind > _DAY_S else ""


def _quota(cgroup: Path) -> float | None:
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return None
    return None if quota == "max" else int(quota) / int(period)


def _limit(cgroup: Path) -> tuple[float, float] | None:
    """What a group may take and what is left of it, MB; None for no limit."""
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        if limit == "max":
            return None
        taken = int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):
        return None
    return int(limit) / 1e6, max(0, int(limit) - taken) / 1e6


def _process_limit() -> float | None:
    held = (resource.getrlimit(kind)[0] for kind in (resource.RLIMIT_AS, resource.RLIMIT_DATA))
    return min((limit / 1e6 for limit in held if limit != resource.RLIM_INFINITY), default=None)
