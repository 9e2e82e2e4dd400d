"""Runs a predictor over batches of frames, timing it, and scores what it says."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import DatasetError
from celestialkeras.evaluation.frame_signal import SIGNAL_TO_NOISE, signal_to_noise
from celestialkeras.evaluation.metrics import Evaluation, Resampling, Timing, score
from celestialkeras.evaluation.predictions import Predictions, join
from celestialkeras.evaluation.predictor import Predictor
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.shards import Record
from celestialkeras.lcid.variants import Size, resized_shape

# Eight frames binned by 4; of HR-CelestialNet one whole frame alone takes 3 GB.
_BATCH_PIXELS = 8 * 512 * 1024


@dataclass(frozen=True, eq=False)
class FrameBatch:
    """Frames that are scored together.

    Attributes:
        codes: `uint8 (n, H, W)`, stretched 8-bit codes, n > 0.
        observations: What is known of each frame, n of them, in the same order.
        measured: What was measured of each frame, by name, in the same order; empty where nothing was.
    """

    codes: NDArray[np.uint8]
    observations: Sequence[Observation]
    measured: Sequence[Mapping[str, float]] = ()

    def __post_init__(self) -> None:
        """Checks that codes and observations belong together.

        Raises:
            DatasetError: The codes are not `uint8 (n, H, W)` with n > 0, or there are not n observations.
        """
        if self.codes.dtype != np.uint8 or self.codes.ndim != 3 or len(self.codes) == 0:
            raise DatasetError(
                "a batch must hold 8-bit codes, uint8 (n, H, W), of at least one frame; stretch the frames first."
                f" Received: {self.codes.dtype} {self.codes.shape}"
            )
        if len(self.observations) != len(self.codes):
            raise DatasetError(
                "a batch must hold one observation per frame; build the data set again."
                f" Received: {len(self.codes)} frames and {len(self.observations)} observations"
            )


def frame_batches(
    dataset: LcidDataset, records: Sequence[Record], size: Size, batch_size: int | None = None
) -> Iterator[FrameBatch]:
    """Frames of a data set in batches for `evaluate`, read as they are asked for.

    Args:
        dataset: The data set.
        records: Which of its frames, in this order.
        size: Side of the squares of pixels averaged into one, or rows and columns; 1 for full resolution.
        batch_size: Frames a batch; the last one may be smaller. By default as many as have the pixels of half a
            whole frame, at least one: memory grows with them.

    Yields:
        Batches with codes `uint8 (n, rows, columns)`; the signal of each frame is measured on them.
    """
    rows, columns = resized_shape(dataset.shape, size)
    batch_size = batch_size or max(1, _BATCH_PIXELS // (rows * columns))
    for start in range(0, len(records), batch_size):
        part = records[start : start + batch_size]
        codes = np.stack([dataset.codes(record, size) for record in part])
        measured = [
            {**record.measured, SIGNAL_TO_NOISE: signal_to_noise(frame, dataset.stretch)}
            for record, frame in zip(part, codes, strict=True)
        ]
        yield FrameBatch(codes, [record.observation for record in part], measured)


def evaluate(predictor: Predictor, frames: Iterable[FrameBatch], resampling: Resampling | None = None) -> Evaluation:
    """Scores every frame once and computes every figure.

    Only the predictor is timed, not the reading of frames. The first batch of each size is warm-up and not timed, since
    frameworks compile a graph for a size when they first meet it: so a list of one batch gives no time at all.

    Args:
        predictor: What to evaluate.
        frames: Batches; each is dropped when it has been scored.
        resampling: How objects are drawn for the bootstrap interval.

    Returns:
        The evaluation, with the prediction for each frame in the order of the batches.

    Raises:
        DatasetError: There are no frames.
        ModelError: The predictor refuses the frames, or its logits are not finite `(n, 2)`.
        MissingExtraError: scikit-learn is not installed.
    """
    parts: list[Predictions] = []
    milliseconds: list[float] = []
    warm: set[tuple[int, ...]] = set()
    for batch in frames:
        start = time.perf_counter()
        logits = predictor.logits(batch.codes)
        elapsed = time.perf_counter() - start
        if batch.codes.shape in warm:
            milliseconds.append(1000 * elapsed / len(batch.codes))
        warm.add(batch.codes.shape)
        parts.append(Predictions(tuple(batch.observations), logits, tuple(batch.measured)))
    timing = Timing(median(milliseconds) if milliseconds else None, len(milliseconds))
    return score(join(parts), timing, resampling)
