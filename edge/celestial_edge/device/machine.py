"""What machine this is and how much memory this process takes, from what Linux tells without privileges."""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Collection
from importlib.metadata import version
from pathlib import Path
from typing import Any

# By the names that Linux gives them: what XNNPACK's float and integer kernels for x86 and Arm are chosen by.
_INSTRUCTIONS = {
    *("sse4_1", "avx", "f16c", "fma", "avx2", "avx_vnni", "avx512f", "avx512bw", "avx512vl", "avx512vbmi"),
    *("avx512_vnni", "avx512_fp16", "amx_int8"),
    *("asimd", "asimdhp", "asimddp", "i8mm", "bf16", "sve", "sve2", "sme", "sme2", "neon", "vfpv4"),
}


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


def describe_kernels() -> dict[str, Any]:
    """What decides which of XNNPACK's kernels run here, and so how they round.

    Returns:
        `system`, such as `Linux x86_64`; `instructions`, those of the processor that kernels are written for, sorted,
        none where the system does not tell; and `litert`, its version.
    """
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "instructions": sorted(_INSTRUCTIONS & set(_processor_entry(("flags", "Features")).split())),
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
    named = _processor_entry(("model name", "Model", "Hardware"))
    return named or platform.processor() or platform.machine()


def _processor_entry(names: Collection[str]) -> str:
    """The first entry of `/proc/cpuinfo` under one of these names; empty where there is none."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return ""
    entries = (line.partition(":") for line in lines)
    return next((value.strip() for name, _, value in entries if name.strip() in names), "")


def _first_line(path: Path) -> str:
    try:
        return path.read_text().strip("\0\n")
    except OSError:
        return ""
