"""Boards that models are meant for, and the memory that one process may take there."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Board:
    """A board and its budget.

    Attributes:
        title: Name that its maker gave it.
        cores: Processor cores.
        memory_mb: Memory that it is sold with, MB (1e6 bytes).
        budget_mb: What is left for one process beside the operating system, MB, rounded down.
        source: Where the budget comes from.
    """

    title: str
    cores: int
    memory_mb: int
    budget_mb: int
    source: str


_RASPBERRY_PI_OS = (
    "estimate: Raspberry Pi OS Lite (64 bits, Debian 12) left 292 of 512 MiB available after boot on a Pi Zero 2 W "
    "(docs.printercow.com/guide/32bit-vs-64bit.html), hence 220 MiB for firmware, kernel and services; rounded down"
)

BOARDS = {
    "pi4-1gb": Board("Raspberry Pi 4 Model B, 1 GB", 4, 1074, 750, _RASPBERRY_PI_OS),
    "pi5-4gb": Board("Raspberry Pi 5, 4 GB", 4, 4295, 3800, _RASPBERRY_PI_OS),
    "jetson-orin-nano": Board(
        "Jetson Orin Nano, 8 GB",
        6,
        8590,
        5500,
        "estimate: the system takes 1.5 to 2 GB before inference (edgeaistack.app/engines/memory-estimator), firmware "
        "and kernel keep some of the rest, and processor and GPU share one memory; rounded down",
    ),
}
"""By the name that `--device` takes. None of the budgets was measured here; `free -m` on a board tells its own."""
