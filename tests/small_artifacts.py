"""Frames for the small artifacts that the tests of the edge package use."""

from __future__ import annotations

import numpy as np

BINNING = 32
SHAPE = (64, 128)


def some_codes(count: int, seed: int = 0) -> np.ndarray:
    """Frames as codes of very different brightness, so that logits differ: `uint8 (count, 64, 128)`."""
    rng = np.random.default_rng(seed)
    levels = np.linspace(20, 200, count)[:, None, None]
    return np.clip(rng.normal(levels, 15, (count, *SHAPE)), 0, 255).astype(np.uint8)
