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


@dataclass(frozen=True)
class BudgetCheck:
    """Whether something keeps a board's budget; nothing here says how fast it would be there.

    Attributes:
        board: The board's title.
        memory_mb: The most that was resident, MB.
        memory_budget_mb: What one process may take there.
        threads: Threads that were used.
        cores: Cores of the board.
    """

    board: str
    memory_mb: float
    memory_budget_mb: int
    threads: int
    cores: int

    @property
    def problems(self) -> tuple[str, ...]:
        """What the budget does not allow, in words; empty where it is kept."""
        found = []
        if self.memory_mb > self.memory_budget_mb:
            found.append(f"{self.memory_mb:.0f} of {self.memory_budget_mb} MB")
        if self.threads > self.cores:
            found.append(f"{self.threads} threads on {self.cores} cores")
        return tuple(found)


def check_budget(board: Board, memory_mb: float, threads: int) -> BudgetCheck:
    """Holds a measured resident peak (MB, 1e6 bytes) and a number of threads against a board's budget."""
    return BudgetCheck(board.title, memory_mb, board.budget_mb, threads, board.cores)
