"""Which frames of a run one worker of several reads. NumPy alone."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class Share:
    """The part of one worker in every batch of a run.

    A batch is what all workers together take a step on. Each takes neighbouring places of it, the first ones one more
    where they do not come out even: so every frame is read by one worker, and together the workers see the batches
    that one worker alone would see, whatever their number.

    Attributes:
        worker: This one, counted from 0.
        workers: How many there are.
    """

    worker: int = 0
    workers: int = 1

    def size(self, frames: int) -> int:
        """How many of a batch of so many frames this worker takes. More frames never give it fewer."""
        return self._start(frames, self.worker + 1) - self._start(frames, self.worker)

    def places(self, frames: int, batch_size: int) -> npt.NDArray[np.int64]:
        """Where in the order of an epoch this worker's frames stand.

        Args:
            frames: Of the epoch.
            batch_size: Of all workers together; the last batch may be smaller.

        Returns:
            `int64 (own frames,)`, rising; each batch gives `size(batch_size)` of them, and the last one what is left.
        """
        starts = range(0, frames, batch_size)
        parts = [start + self._of_batch(min(batch_size, frames - start)) for start in starts]
        return np.concatenate([np.empty(0, np.int64), *parts])

    def _of_batch(self, frames: int) -> npt.NDArray[np.int64]:
        return np.arange(self._start(frames, self.worker), self._start(frames, self.worker + 1))

    def _start(self, frames: int, worker: int) -> int:
        each, more = divmod(frames, self.workers)
        return worker * each + min(worker, more)
