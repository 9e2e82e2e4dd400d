"""What machine this is, from what Linux tells without privileges."""

from __future__ import annotations

import os
import platform
import re
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


def parse_cpus(text: str) -> tuple[int, ...]:
    """Processors as Linux lists them, such as `0,2-3`.

    Args:
        text: Numbers and ranges, with commas between them.

    Returns:
        Each number once, sorted.

    Raises:
        ValueError: It is no such list, or names a processor that this process may not use.
    """
    parts = [re.fullmatch(r"\s*(\d+)(?:-(\d+))?\s*", part) for part in text.split(",")]
    ranges = [(int(part[1]), int(part[2] or part[1])) for part in parts if part is not None]
    if len(ranges) < len(parts):
        raise ValueError(f"must be numbers and ranges of processors, such as 0,2-3. Received: {text!r}")
    usable = os.sched_getaffinity(0)
    # Ends before ranges: a slip of the finger may name billions.
    if any(not {first, last} <= usable or first > last for first, last in ranges):
        raise ValueError(f"must be among the processors {sorted(usable)} of this process. Received: {text!r}")
    found = {number for first, last in ranges for number in range(first, last + 1)}
    return tuple(sorted(found))


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
