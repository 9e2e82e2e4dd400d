"""Sizes of the small data sets that tests make."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

DatasetFactory = Callable[..., Path]
"""What the fixture `make_dataset` is: called with a shape, sizes and a name, gives the folder."""


@dataclass(frozen=True)
class SmallSplit:
    """Frames of one side of a small data set."""

    galaxies: int
    nscs: int
