"""All probes together, and what follows from them."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path
from typing import Any

import celestialkeras
from celestial_edge.device.doctor.installation import BARE, PACKAGE, Extra, installed_extras
from celestial_edge.device.doctor.readiness import JobReadiness, VerbReadiness, job_readiness, verb_readiness
from celestial_edge.device.doctor.resources import clock_problem, read_cores, read_memory, read_room
from celestial_edge.device.doctor.runtime_check import check_runtime, visible_gpus
from celestial_edge.device.machine import describe_kernels
from celestial_edge.device.sensors import Sensors

DOCTOR_SCHEMA = "celestialkeras.doctor/1"
"""Name of the JSON report."""

OK, WARNING, BAD, UNKNOWN = "ok", "warning", "bad", "unknown"

_OLDEST_PYTHON = (3, 10)
_SMALLEST_ROOM_MB = 1000.0

# What multiplies and adds several bytes in one instruction, by the names of `describe_kernels`.
_BYTE_PRODUCTS = ("amx_int8", "avx512_vnni", "avx_vnni", "i8mm", "asimddp")


@dataclass(frozen=True)
class Finding:
    """What one probe found.

    Attributes:
        name: Of the probe.
        state: `ok`; `warning`, which stops nothing; `bad`; or `unknown`, where the probe itself failed.
        told: What was found, in words, or why the probe failed.
        figures: The same as plain JSON values; empty where the probe failed.
    """

    name: str
    state: str
    told: str
    figures: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Examination:
    """What was found.

    Attributes:
        findings: One of each probe, by name.
        extras: The bare install and the extras; empty where they could not be looked at.
        verbs: What will work.
        jobs: What fits the memory.
    """

    findings: Mapping[str, Finding]
    extras: tuple[Extra, ...]
    verbs: tuple[VerbReadiness, ...]
    jobs: tuple[JobReadiness, ...]

    @property
    def is_well(self) -> bool:
        """Whether the essentials work: Python, the bare install, the runtime, and a folder for temporary files."""
        return all(self.findings[name].state in (OK, WARNING) for name in ESSENTIALS)

    def to_json(self) -> dict[str, Any]:
        """The report, as plain JSON values."""
        return {
            "schema": DOCTOR_SCHEMA,
            "is_well": self.is_well,
            "findings": [asdict(finding) for finding in self.findings.values()],
            "extras": [{**asdict(extra), "complete": extra.complete} for extra in self.extras],
            "verbs": [asdict(verb) for verb in self.verbs],
            "jobs": [asdict(job) for job in self.jobs],
        }


ESSENTIALS = ("python", "packages", "runtime", "temporary files")
"""Probes without which nothing works."""


def examine(full: bool = False) -> Examination:
    """Looks at everything; no probe's failure stops the others.

    Args:
        full: Whether to ask TensorFlow for GPUs, which takes seconds.
    """
    extras: list[Extra] = []
    probes: dict[str, Callable[[], Finding]] = {
        "python": _python,
        "packages": lambda: _packages(extras),
        "runtime": _runtime,
        "instructions": _instructions,
        "cores": _cores,
        "memory": _memory,
        "temporary files": _room,
        "clock": _clock,
        "sensors": _sensors,
        **({"gpu": _gpu} if full else {}),
    }
    # The runtime's process works while the others look about.
    with ThreadPoolExecutor(len(probes)) as pool:
        found = dict(zip(probes, pool.map(_probe, probes, probes.values()), strict=True))
    complete = {extra.name for extra in extras if extra.complete} if extras else None
    runtime = found["runtime"]
    usable_mb = found["memory"].figures.get("usable_mb")
    return Examination(
        findings=found,
        extras=tuple(extras),
        verbs=verb_readiness(complete, "" if runtime.state in (OK, WARNING) else f"runtime: {runtime.told}"),
        jobs=job_readiness(complete, usable_mb),
    )


def _probe(name: str, look: Callable[[], Finding]) -> Finding:
    try:
        return look()
    except Exception as error:
        # A probe looks at what is not known to work: whatever it raises is what was found.
        return Finding(name, UNKNOWN, f"{type(error).__name__}: {error}")


def _python() -> Finding:
    told = f"{platform.python_version()} on {platform.system()} {platform.machine()}, {sys.executable}"
    figures = {"version": platform.python_version(), "executable": sys.executable, "prefix": sys.prefix}
    if sys.version_info < _OLDEST_PYTHON:
        return Finding("python", BAD, f"{told}; {'.'.join(map(str, _OLDEST_PYTHON))} is the oldest that works", figures)
    return Finding("python", OK, told, figures)


def _packages(extras: list[Extra]) -> Finding:
    extras += installed_extras()
    bare = next(extra for extra in extras if extra.name == BARE)
    figures = {"version": version(PACKAGE), "folder": str(Path(celestialkeras.__file__).parent)}
    told = f"{PACKAGE} {figures['version']} in {figures['folder']}"
    if not bare.complete:
        return Finding("packages", BAD, f"{told}; missing: {', '.join(bare.missing)}; {bare.install}", figures)
    return Finding("packages", OK, told, figures)


def _runtime() -> Finding:
    check = check_runtime()
    figures = asdict(check)
    speed = f"{check.frames} golden frames, {check.invoke_ms:.1f} ms each, loaded in {check.load_ms:.0f} ms"
    if not check.agrees:
        return Finding("runtime", BAD, f"logits differ from where the model was made ({check.rule}); {speed}", figures)
    same = "the same to the bit" if check.identical else f"within the rule ({check.rule})"
    if check.undelegated:
        return Finding("runtime", WARNING, f"XNNPACK left {', '.join(check.undelegated)}; {speed}; {same}", figures)
    return Finding("runtime", OK, f"LiteRT {version('ai-edge-litert')}, XNNPACK takes all; {speed}; {same}", figures)


def _instructions() -> Finding:
    kernels = describe_kernels()
    held = [name for name in _BYTE_PRODUCTS if name in kernels["instructions"]]
    figures = {**kernels, "byte_products": held}
    if not kernels["instructions"]:
        return Finding("instructions", UNKNOWN, "the system does not tell", figures)
    if not held:
        return Finding("instructions", WARNING, "none for products of bytes: int8 gains less in speed", figures)
    return Finding("instructions", OK, f"products of bytes: {', '.join(held)}", figures)


def _cores() -> Finding:
    cores = read_cores()
    figures = {**asdict(cores), "usable": cores.usable}
    quota = "" if cores.quota is None else f", {cores.quota:g} by the cgroup's quota"
    told = f"{cores.allowed} of {cores.online} allowed{quota}"
    state = WARNING if cores.usable < cores.allowed else OK
    return Finding("cores", state, told, figures)


def _memory() -> Finding:
    memory = read_memory()
    limits = {"cgroup": memory.cgroup_mb, "RLIMIT": memory.process_mb}
    told = (
        f"{memory.usable_mb / 1e3:.1f} GB usable; {memory.available_mb / 1e3:.1f} of {memory.total_mb / 1e3:.1f} free"
    )
    held = "".join(f"; {name} allows {limit / 1e3:.1f}" for name, limit in limits.items() if limit is not None)
    return Finding("memory", OK, told + held, {**asdict(memory), "usable_mb": memory.usable_mb})


def _room() -> Finding:
    room = read_room()
    told = f"{room.free_mb / 1e3:.1f} GB free in {room.folder}"
    return Finding("temporary files", OK if room.free_mb >= _SMALLEST_ROOM_MB else WARNING, told, asdict(room))


def _clock() -> Finding:
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    problem = clock_problem(Path(celestialkeras.__file__))
    return Finding("clock", WARNING if problem else OK, f"{now}{problem and f'; {problem}'}", {"now": now})


def _sensors() -> Finding:
    reading = Sensors().read()
    held = {
        "temperatures": len(reading.temperatures_c),
        "clocks": len(reading.clocks_mhz),
        "power": len(reading.power_w),
        "energy": len(reading.energy_j),
    }
    told = ", ".join(f"{count} {name}" for name, count in held.items() if count)
    slowed = "; now " + ", ".join(reading.throttling) if reading.throttling else ""
    state = WARNING if slowed else OK
    return Finding("sensors", state, (told or "none: `celestial bench` tells times and memory alone") + slowed, held)


def _gpu() -> Finding:
    gpus = visible_gpus()
    # The variable hides GPUs from every program.
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES")
    note = f"; CUDA_VISIBLE_DEVICES is {hidden!r}" if hidden is not None else ""
    told = ", ".join(gpus) or "TensorFlow sees none: training is on the processor"
    return Finding("gpu", OK, told + note, {"gpus": gpus})
