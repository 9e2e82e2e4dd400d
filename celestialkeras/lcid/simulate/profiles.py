"""Shapes that several kinds of object are made of."""

from __future__ import annotations

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray


def rotated(x: FloatArray, y: FloatArray, angle: float) -> tuple[FloatArray, FloatArray]:
    """Coordinates along and across an axis that stands at `angle` radians from +x."""
    cos, sin = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    return x * cos + y * sin, y * cos - x * sin


def sersic(radius: FloatArray, effective: float, index: float) -> FloatArray:
    """Sersic profile, 1 at the effective radius (Ciotti and Bertin 1999 for the constant)."""
    constant = 2.0 * index - 1.0 / 3.0 + 0.009876 / index
    return np.asarray(
        np.exp(-constant * ((radius / np.float32(effective)) ** np.float32(1.0 / index) - 1.0)), dtype=np.float32
    )


def rising(value: FloatArray) -> FloatArray:
    """The logistic step: 0 far below zero, 1 far above; never overflows."""
    return np.asarray(0.5 + 0.5 * np.tanh(np.float32(0.5) * value), dtype=np.float32)
