"""How much memory a process takes, from what the system tells without privileges."""

from __future__ import annotations

import resource
import sys
from pathlib import Path


def peak_memory_mb() -> float:
    """The most memory that this process has had resident since it started, MB (1e6 bytes)."""
    # ru_maxrss of a child starts at its parent's size before exec; VmHWM belongs to the new program alone.
    kilobytes = _status_kilobytes("VmHWM")
    if kilobytes is None:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        kilobytes = peak // 1024 if sys.platform == "darwin" else peak
    return kilobytes * 1024 / 1e6


def resident_memory_mb(pid: int | None = None) -> float | None:
    """Memory that a process has resident now, MB (1e6 bytes).

    Args:
        pid: The process; None for this one.

    Returns:
        None where the system does not say, or the process is gone.
    """
    kilobytes = _status_kilobytes("VmRSS", pid)
    return None if kilobytes is None else kilobytes * 1024 / 1e6


def _status_kilobytes(name: str, pid: int | None = None) -> int | None:
    try:
        lines = Path(f"/proc/{pid or 'self'}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(f"{name}:")), None)
