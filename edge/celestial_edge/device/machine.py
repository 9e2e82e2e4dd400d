"""What machine this is and how much memory this process takes, from what Linux tells without privileges."""

from __future__ import annotations

import os
import platform
import resource
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any


def describe_machine() -> dict[str, Any]:
    """Processor, cores, memory (MB), system and the versions that matter to a benchmark."""
    return {
        "board": _first_line(Path("/proc/device-tree/model")) or None,
        "processor": _processor(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_mb": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1_000_000,
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "litert": version("ai-edge-litert"),
    }


def peak_memory_mb() -> float:
    """The most memory that this process has had resident since it started, MB (1e6 bytes)."""
    # ru_maxrss of a child starts at its parent's size before exec; VmHWM belongs to the new program alone.
    kilobytes = _status_kilobytes("VmHWM")
    if kilobytes is None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kilobytes = peak // 1024 if sys.platform == "darwin" else peak
    return kilobytes * 1024 / 1e6


def resident_memory_mb() -> float | None:
    """Memory that this process has resident now, MB (1e6 bytes); None where the system does not say."""
    kilobytes = _status_kilobytes("VmRSS")
    return None if kilobytes is None else kilobytes * 1024 / 1e6


def _status_kilobytes(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    for line in lines:
        name, _, value = line.partition(":")
        if name.strip() in ("model name", "Model", "Hardware"):
            return value.strip()
    return platform.processor() or platform.machine()


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip("\0\n")
    except OSError:
        return ""
