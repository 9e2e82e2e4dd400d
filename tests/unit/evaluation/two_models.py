"""Two models that disagree on so many frames."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import Observation

Make = Callable[..., Observation]


def pair(observation: Make, both: int, only_a: int, only_b: int, neither: int = 0) -> tuple[Predictions, Predictions]:
    """Two models on galaxies, with so many frames right for both, for one only, and for neither."""
    a_right = np.repeat([True, True, False, False], [both, only_a, only_b, neither])
    b_right = np.repeat([True, False, True, False], [both, only_a, only_b, neither])
    rows = tuple(observation(index) for index in range(len(a_right)))

    def said(right: np.ndarray) -> Predictions:
        return Predictions(rows, np.stack([right, ~right], axis=1).astype(np.float32))

    return said(a_right), said(b_right)
