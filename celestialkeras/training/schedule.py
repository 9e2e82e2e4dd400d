"""How many steps an epoch has, how fast each learns, and what each class weighs."""

from __future__ import annotations

from collections import Counter

import keras

from celestialkeras.errors import RunError
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import LABELS

# Share of all steps, one epoch's at most, over which the learning rate rises to its height.
_WARM_UP = 0.1

# The cosine ends at this share of its height.
_FINAL_RATE = 0.01


def steps_an_epoch(frames: int, batch_size: int, replicas: int = 1) -> int:
    """Number of batches of one epoch.

    A last batch of one frame is left out when there are others: batch normalisation would take its statistics from
    that frame alone. So is one of fewer frames than replicas. Each epoch's order leaves other frames out.

    Args:
        frames: Training frames.
        batch_size: Frames a batch.
        replicas: Copies of the network that share each batch.

    Returns:
        At least 1.
    """
    if batch_size == 1:
        return frames
    full, left = divmod(frames, batch_size)
    return max(1, full + (left >= max(2, replicas)))


def learning_rate_schedule(height: float, epochs: int, steps: int) -> keras.optimizers.schedules.LearningRateSchedule:
    """A short linear rise, then a cosine down to a hundredth of the height.

    Args:
        height: The highest learning rate.
        epochs: Epochs of the run.
        steps: Steps an epoch.

    Returns:
        The rate as a function of the step. The rise takes a tenth of the run, one epoch at most.
    """
    total = epochs * steps
    rise = min(steps, int(_WARM_UP * total))
    if rise == 0:
        return keras.optimizers.schedules.CosineDecay(height, total, alpha=_FINAL_RATE)
    return keras.optimizers.schedules.CosineDecay(
        height / rise, total - rise, alpha=_FINAL_RATE, warmup_target=height, warmup_steps=rise
    )


def class_weights(dataset: LcidDataset) -> tuple[float, ...]:
    """Weights that give both classes the same say in the loss, whatever their numbers of training frames.

    Args:
        dataset: The data set.

    Returns:
        For each class, in label order, frames / (classes x frames of the class); their mean over the frames is 1.

    Raises:
        RunError: A class has no training frames.
    """
    count = Counter(record.observation.label for record in dataset.records("train"))
    for label in LABELS:
        if not count[label]:
            raise RunError(
                f"{dataset.folder}: the training split has no frames of class {label!r}; build the data set with"
                f" more objects. Received: {dict(count)}"
            )
    return tuple(count.total() / (len(LABELS) * count[label]) for label in LABELS)
