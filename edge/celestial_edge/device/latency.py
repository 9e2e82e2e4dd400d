"""Times of single frames, summed up: quantiles and a histogram."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_BINS = 40

# Beyond it single outliers, of which a busy machine has some, would squeeze all else into one bin.
_LAST_QUANTILE = 99.5


@dataclass(frozen=True)
class Latency:
    """Quantiles of single-frame times, milliseconds."""

    minimum: float
    p50: float
    p90: float
    p99: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Latency:
        """Quantiles of times in milliseconds, by linear interpolation."""
        p50, p90, p99 = (float(value) for value in np.percentile(times, (50, 90, 99)))
        return cls(float(min(times)), p50, p90, p99)


@dataclass(frozen=True)
class Histogram:
    """How many frames took how long.

    Attributes:
        edges_ms: Edges of the bins, one more than there are bins.
        counts: Frames in each bin.
        beyond: Frames slower than the last edge.
    """

    edges_ms: tuple[float, ...]
    counts: tuple[int, ...]
    beyond: int

    @classmethod
    def of(cls, times: Sequence[float]) -> Histogram:
        """Bins of equal width from the shortest time to the 99.5th percentile of times in milliseconds."""
        values = np.asarray(times, np.float64)
        first, last = float(values.min()), float(np.percentile(values, _LAST_QUANTILE))
        if last <= first:
            last = first + max(1e-3, 0.01 * first)
        counts, edges = np.histogram(values, min(_BINS, max(1, len(values))), (first, last))
        return cls(tuple(edges.tolist()), tuple(counts.tolist()), int((values > last).sum()))
