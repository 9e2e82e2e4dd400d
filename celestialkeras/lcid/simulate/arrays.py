"""The one array type that scenes are made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

FloatArray = NDArray[np.float32]
"""Single precision throughout: 24 bits are more than photon noise leaves, at half the memory and time."""


def single(values: ArrayLike) -> FloatArray:
    """Values in single precision; what already is so is not copied."""
    return np.asarray(values, dtype=np.float32)
