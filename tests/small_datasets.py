"""Sizes of the small data sets that tests make."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class SmallSplit:
    """Frames of one side of a small data set."""

    galaxies: int
    nscs: int
