"""Number formats of training: layers that compute in them, and an optimizer that heeds their range."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import keras


@contextmanager
def computing_in(precision: str) -> Iterator[None]:
    """While the block lasts, layers are made that compute in a number format.

    Args:
        precision: One of `PRECISIONS`.
    """
    before: Any = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(precision)
    try:
        yield
    finally:
        keras.mixed_precision.set_dtype_policy(before)


def optimizer_for(
    precision: str, schedule: keras.optimizers.schedules.LearningRateSchedule
) -> keras.optimizers.Optimizer:
    """Adam, with its loss scaled up where gradients would underflow: in half precision."""
    adam = keras.optimizers.Adam(schedule)
    return keras.optimizers.LossScaleOptimizer(adam) if precision == "mixed_float16" else adam
