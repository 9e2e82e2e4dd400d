"""`tf.data` over a data set's shards: the batches that a model trains and is validated on.

The order and the augmentation of an epoch are a function of (seed, epoch) alone, so a run that was killed and resumed
sees what an unbroken one sees.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import DatasetError
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.mixture import Mixture
from celestialkeras.lcid.variants import Size, resized_shape

# Frames decoded ahead of the model, at most; at full resolution each is 8 MB of codes and 34 MB of float32.
_PREFETCH_BATCHES = 2


def epoch_order(
    frames: int, shuffle_seed: tuple[int, int] | None, augment: bool
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """In which order an epoch takes the frames, and how it flips each.

    Args:
        frames: How many there are.
        shuffle_seed: (seed, epoch); None keeps the records' order.
        augment: Whether frames are flipped.

    Returns:
        Record of each place, `int64 (frames,)`, and whether rows and columns of the frame in that place are turned
        round, `bool (frames, 2)`.

    Raises:
        ValueError: `augment` without `shuffle_seed`.
    """
    order = np.arange(frames)
    flips = np.zeros((frames, 2), bool)
    if shuffle_seed is not None:
        rng = np.random.default_rng(shuffle_seed)
        order = rng.permutation(order)
        flips = rng.integers(0, 2, flips.shape).astype(bool) if augment else flips
    elif augment:
        raise ValueError("`augment` needs `shuffle_seed`, which its flips are drawn from")
    return order, flips


def batches(
    dataset: LcidDataset | Mixture,
    split: str,
    *,
    size: Size,
    batch_size: int,
    shuffle_seed: tuple[int, int] | None = None,
    augment: bool = False,
    places: npt.NDArray[np.int64] | None = None,
) -> Any:
    """Batches of one epoch.

    Args:
        dataset: The data set.
        split: `train`, `validation` or `test`.
        size: Side of the squares of pixels averaged into one, or rows and columns; 1 for full resolution.
        batch_size: Frames a batch; the last one may be smaller.
        shuffle_seed: (seed, epoch) of the order and the augmentation; None keeps the records' order.
        augment: Whether frames are flipped about either axis or both (a half-turn), each with even odds. A star field
            has no up, and the class does not change. Needs `shuffle_seed`.
        places: Which places of the epoch's order are read, for one of several workers; None for all.

    Returns:
        A `tf.data.Dataset` of (`float32 (n, H, W, 1)` in [0, 1], `int32 (n,)` label codes).

    Raises:
        ValueError: `augment` without `shuffle_seed`.
        DatasetError: Unknown split, a size that frames cannot have, or a shard that is missing. A shard that is
            found altered while iterating shows as `tf.errors.UnknownError` with the message of a `DatasetError`.
    """
    tf = import_tensorflow("reading batches")
    records = dataset.records(split)
    shape = resized_shape(dataset.shape, size)
    for shard in sorted({record.shard for record in records}):
        if not (path := dataset.folder / "shards" / shard).is_file():
            raise DatasetError(f"{path}: no such shard; build the data set again")
    order, flips = epoch_order(len(records), shuffle_seed, augment)
    if places is not None:
        order, flips = order[places], flips[places]
    labels = np.array([record.observation.label_code for record in records], np.int32)[order]

    def load(index: int, flip: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
        codes = dataset.codes(records[index], size)
        return np.ascontiguousarray(codes[:: -1 if flip[0] else 1, :: -1 if flip[1] else 1])

    def decode(index: Any, flip: Any, label: Any) -> tuple[Any, Any]:
        codes = tf.numpy_function(load, [index, flip], tf.uint8, stateful=False)
        return tf.ensure_shape(codes, shape), label

    def scale(codes: Any, labels: Any) -> tuple[Any, Any]:
        return tf.cast(codes[..., tf.newaxis], tf.float32) / 255.0, labels

    options = tf.data.Options()
    # Nothing here is left to tune, and the end of an epoch would wait up to 10 s for the tuner's thread to wake.
    options.autotune.enabled = False
    return (
        tf.data.Dataset.from_tensor_slices((order, flips, labels))
        .map(decode, num_parallel_calls=2, deterministic=True)
        .batch(batch_size)
        .map(scale)
        .prefetch(_PREFETCH_BATCHES)
        .with_options(options)
    )
