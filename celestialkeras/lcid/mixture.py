"""Frames of which some are worse than the others: which ones is drawn anew for every epoch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt

from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.shards import Record
from celestialkeras.lcid.variants import Size

# Keeps these draws apart from those of an epoch's order and flips, which have its (seed, epoch) too.
_STREAM = 1


class Mixture:
    """A data set whose frames are read from one of its views or from the other.

    Args:
        clear: The frames as they are.
        worse: The same frames, degraded.
        share: Of the frames that are read from `worse`, each drawn by itself, 0 to 1.
        seed: (seed, epoch) of the draws.

    Attributes:
        folder: The data set's folder.
        shape: Rows and columns of its frames at full resolution.
    """

    def __init__(self, clear: LcidDataset, worse: LcidDataset, share: float, seed: tuple[int, int]) -> None:
        self.folder: Path = clear.folder
        self.shape: tuple[int, int] = clear.shape
        self._clear = clear
        self._worse = worse
        self._share = share
        self._seed = seed

    def records(self, split: str) -> Sequence[Record]:
        """The records of `train`, `validation` or `test`, in a fixed order."""
        return self._clear.records(split)

    def codes(self, record: Record, size: Size = 1) -> npt.NDArray[np.uint8]:
        """Reads one frame at a size, as `LcidDataset.codes`; each view keeps its frames in memory by itself."""
        return (self._worse if self.is_worse(record) else self._clear).codes(record, size)

    def is_worse(self, record: Record) -> bool:
        """Whether a frame is one of the degraded ones."""
        place = (*record.shard.encode(), record.offset)
        return bool(np.random.default_rng((_STREAM, *self._seed, *place)).random() < self._share)
