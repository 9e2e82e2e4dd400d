"""Intervals for figures: over frames, of two models on the same frames, and over objects."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Confidence level of every interval that is reported."""

# Draws that are worked on at once.
_BLOCK = 500


@dataclass(frozen=True)
class Interval:
    """A confidence interval.

    Attributes:
        low: Lower end.
        high: Upper end.
        level: Confidence level in (0, 1).
    """

    low: float
    high: float
    level: float = LEVEL


def wilson(successes: int, trials: int, level: float = LEVEL) -> Interval | None:
    """Score interval of a proportion (Wilson 1927, JASA 22, 209), without continuity correction.

    It treats the trials as independent. Frames of one object are not: beside it goes `bootstrap_over_objects`.

    Args:
        successes: How many of the trials succeeded.
        trials: How many there were.
        level: Confidence level in (0, 1).

    Returns:
        The interval, within [0, 1]; None without trials.

    Raises:
        ValueError: The successes do not lie between 0 and the trials.
    """
    if not 0 <= successes <= trials:
        raise ValueError(f"`successes` must lie between 0 and `trials`. Received: {successes} of {trials}")
    if trials == 0:
        return None
    z = _quantile(level)
    share = successes / trials
    widened = 1 + z * z / trials
    centre = (share + z * z / (2 * trials)) / widened
    half = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials)) / widened
    # At 0 and at `trials` an end is exact; floating point would miss it by a last bit.
    low = 0.0 if successes == 0 else centre - half
    high = 1.0 if successes == trials else centre + half
    return Interval(low, high, level)


def paired_difference(only_a: int, only_b: int, trials: int, level: float = LEVEL) -> Interval | None:
    """Score interval of the difference of two paired proportions, A minus B (Tango 1998, Stat. Med. 17, 891).

    The interval holds every difference that the score test does not reject. It keeps its coverage for few
    discordant pairs, and has a width where there are none, as for a quantized model that agrees with its original on
    every frame; it is among the intervals that Fagerland, Lydersen and Laake (2014, Stat. Med. 33, 2850) recommend.
    Like Wilson's it treats the frames as independent.

    Args:
        only_a: Frames that A has right and B wrong.
        only_b: Frames that B has right and A wrong.
        trials: All frames, concordant ones included.
        level: Confidence level in (0, 1).

    Returns:
        The interval, within [-1, 1]; None without frames.

    Raises:
        ValueError: A count is negative, or the discordant frames are more than all frames.
    """
    if min(only_a, only_b) < 0 or only_a + only_b > trials:
        raise ValueError(
            "`only_a` and `only_b` must be counts whose sum does not exceed `trials`."
            f" Received: {only_a} and {only_b} of {trials}"
        )
    if trials == 0:
        return None
    z = _quantile(level)
    estimate = (only_a - only_b) / trials

    def rejected(difference: float) -> bool:
        # Restricted maximum-likelihood estimate of the probability that only B is right (Tango 1998, eq. 14).
        linear = -only_a - only_b + (2 * trials - only_a + only_b) * difference
        constant = -only_b * difference * (1 - difference)
        root = math.sqrt(max(linear * linear - 8 * trials * constant, 0.0))
        only_b_share = (root - linear) / (4 * trials)
        variance = max(trials * (2 * only_b_share + difference * (1 - difference)), 0.0)
        return (only_a - only_b - trials * difference) ** 2 > z * z * variance

    def edge(outside: float) -> float:
        if not rejected(outside):
            return outside
        inside = estimate
        while abs(outside - inside) > 1e-12:
            middle = (inside + outside) / 2
            if rejected(middle):
                outside = middle
            else:
                inside = middle
        return inside

    return Interval(edge(-1.0), edge(1.0), level)


def bootstrap_over_objects(
    correct: NDArray[np.bool_] | NDArray[np.float64],
    objects: Sequence[str],
    rng: np.random.Generator,
    resamples: int = 10_000,
    level: float = LEVEL,
) -> Interval | None:
    """Percentile interval of the accuracy when whole objects are drawn anew, with replacement.

    Frames of one object share its morphology, its fields and often its filter, so that what varies between samples is
    the objects. Each draw takes as many objects as there are, each with all its frames. With fewer than about
    twenty objects the interval is still too narrow (the percentile bootstrap of a small sample), and it has no width
    where every object has the same accuracy.

    Args:
        correct: `bool (n,)`, whether each frame was classified rightly; or `float64 (n,)`, such as the share of several
            models that have it right, or how far one model is ahead of another there.
        objects: Object of each frame, n names.
        rng: Source of the draws; the same state gives the same interval.
        resamples: Number of draws.
        level: Confidence level in (0, 1).

    Returns:
        The interval; None with fewer than two objects, which say nothing of how objects differ.

    Raises:
        ValueError: There are not as many objects as frames, or there are no draws to make.
    """
    if len(objects) != len(correct):
        raise ValueError(
            "`objects` must name the object of each frame."
            f" Received: {len(objects)} objects for {len(correct)} frames, resamples={resamples}"
        )
    draws = ObjectDraws(objects, rng, resamples)
    right, frames = draws.sums(np.stack([correct, np.ones(len(correct))], axis=1)).T
    return draws.interval(right / frames, level)


class ObjectDraws:
    """Whole objects drawn anew, with replacement: one set of draws for every figure of a list of frames.

    A figure that is made of sums over frames - a recall, a balanced accuracy, a Brier score - gets its percentile
    interval from the sums of each draw.
    """

    def __init__(self, objects: Sequence[str], rng: np.random.Generator, resamples: int = 10_000) -> None:
        """Draws as many objects as there are, each with all its frames, so many times.

        Args:
            objects: Object of each frame, n names.
            rng: Source of the draws; the same state gives the same ones.
            resamples: Number of draws. There are none where one object says nothing of how objects differ.

        Raises:
            ValueError: There are no draws to make.
        """
        if resamples < 1:
            raise ValueError(f"`resamples` must be at least 1. Received: resamples={resamples}")
        names, self._object_of_frame = np.unique(np.asarray(objects, dtype=np.str_), return_inverse=True)
        count = len(names)
        # How often each object was drawn: 16 bits hold the number of objects.
        self._times = np.zeros((resamples if count > 1 else 0, count), np.uint16)
        for start in range(0, len(self._times), _BLOCK):
            block = self._times[start : start + _BLOCK]
            drawn = rng.integers(count, size=block.shape) + count * np.arange(len(block))[:, np.newaxis]
            block[:] = np.bincount(drawn.ravel(), minlength=block.size).reshape(block.shape)

    def sums(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Sums of values over the frames of each draw.

        Args:
            values: `float64 (n, k)`, k values of each frame.

        Returns:
            `float64 (resamples, k)`; no rows with fewer than two objects.
        """
        by_object = np.zeros((self._times.shape[1], values.shape[1]))
        np.add.at(by_object, self._object_of_frame, values)
        return np.concatenate([np.empty((0, values.shape[1])), *(times @ by_object for times in self._blocks())])

    def frame_weights(self) -> Iterator[NDArray[np.float64]]:
        """How often each frame was drawn, `float64 (rows, n)`, some draws at a time."""
        return (times[:, self._object_of_frame] for times in self._blocks())

    def interval(self, figures: NDArray[np.float64], level: float = LEVEL) -> Interval | None:
        """Percentile interval of a figure.

        Args:
            figures: `float64 (resamples,)`, what it came to in each draw; NaN where it had none, as the recall of a
                class that was not drawn. Such draws are left out.
            level: Confidence level in (0, 1).

        Returns:
            The interval; None where no draw has the figure, as with fewer than two objects.
        """
        known = figures[np.isfinite(figures)]
        if not known.size:
            return None
        low, high = np.quantile(known, [(1 - level) / 2, (1 + level) / 2])
        return Interval(float(low), float(high), level)

    def _blocks(self) -> Iterator[NDArray[np.float64]]:
        # As floats all draws at once would take four times the memory that they are kept in.
        return (self._times[start : start + _BLOCK].astype(np.float64) for start in range(0, len(self._times), _BLOCK))


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1. Received: {level}")
    return NormalDist().inv_cdf((1 + level) / 2)
