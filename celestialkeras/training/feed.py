"""What the steps of training and validation are given: frames, labels and, from a teacher, logits."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt
import tensorflow as tf

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.degradations import parse_degradation
from celestialkeras.lcid.mixture import Mixture
from celestialkeras.lcid.pipeline import batches, epoch_order
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.schedule import steps_an_epoch
from celestialkeras.training.share import Share
from celestialkeras.training.teacher import SoftTargets


class Feed:
    """The batches of a run, or one worker's part of them.

    Args:
        dataset: Its data set.
        options: Its options.
        taught: The teacher's logits, in a run that has a teacher.
        share: Which worker of how many reads them; None for all of them.
        replicas: Copies of the network in all workers together.

    Attributes:
        train_frames: Frames of the training split, for all workers.
        validation_frames: Frames of the validation split, likewise; may be 0.
        steps: Training batches an epoch.
    """

    def __init__(
        self,
        dataset: LcidDataset,
        options: TrainOptions,
        taught: SoftTargets | None,
        share: Share | None = None,
        replicas: int = 1,
    ) -> None:
        degraded = bool(options.degrade)
        self._clear = dataset
        # Made once: it keeps the frames that it has degraded.
        self._worse = dataset.degraded(parse_degradation(options.degrade), options.seed) if degraded else dataset
        self._options = options
        self._taught = taught
        self._share = share or Share()
        self.train_frames = len(dataset.records("train"))
        self.validation_frames = len(dataset.records("validation"))
        self.steps = steps_an_epoch(self.train_frames, options.batch_size, replicas)

    def training(self, epoch: int) -> Iterator[tuple[Any, ...]]:
        """Batches as `Steps.train` takes them, a function of (seed, epoch)."""
        seed, augment = (self._options.seed, epoch), self._options.augment
        places = self._share.places(self.train_frames, self._options.batch_size)
        found = self._batches("train", epoch, places, shuffle_seed=seed, augment=augment)
        if self._taught is not None:
            logits = self._taught.of(*epoch_order(self.train_frames, seed, augment))[places]
            size = self._share.size(self._options.batch_size)
            parts = (logits[start : start + size] for start in range(0, len(logits), size))
            found = ((*batch, part) for batch, part in zip(found, parts, strict=True))
        return islice(found, self.steps)

    def validation(self) -> Iterator[tuple[Any, ...]]:
        """Batches as `Steps.validate` takes them."""
        # Their sums do not depend on how they are batched: each worker has its part in one piece.
        places = self._share.places(self.validation_frames, self.validation_frames)
        # Those of no epoch: losses of different epochs compare.
        return self._batches("validation", 0, places)

    def _batches(
        self, split: str, epoch: int, places: npt.NDArray[np.int64], **order: Any
    ) -> Iterator[tuple[Any, ...]]:
        options = self._options
        dataset: LcidDataset | Mixture = self._worse
        if options.degrade_share < 1:
            dataset = Mixture(self._clear, self._worse, options.degrade_share, (options.seed, epoch))
        size = self._share.size(options.batch_size)
        try:
            yield from batches(dataset, split, size=options.reading_size, batch_size=size, places=places, **order)
        except tf.errors.UnknownError as error:
            # What the reader raises in TensorFlow's threads comes out as text, a traceback after its first line.
            _, found, message = error.message.partition(f"{DatasetError.__name__}: ")
            if not found:
                raise
            raise DatasetError(message.partition("\n")[0]) from error
