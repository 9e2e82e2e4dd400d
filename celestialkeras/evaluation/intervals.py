"""Intervals for accuracies: of one list of frames, of two models on the same frames, and over objects."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

LEVEL = 0.95
"""Confidence level of every interval that is reported."""


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
    if len(objects) != len(correct) or resamples < 1:
        raise ValueError(
            "`objects` must name the object of each frame, `resamples` be at least 1."
            f" Received: {len(objects)} objects for {len(correct)} frames, resamples={resamples}"
        )
    names, index = np.unique(np.asarray(objects, dtype=np.str_), return_inverse=True)
    if len(names) < 2:
        return None
    frames = np.bincount(index, minlength=len(names))
    right = np.bincount(index, weights=correct, minlength=len(names))
    accuracies = np.empty(resamples)
    for draw in range(resamples):
        drawn = rng.integers(len(names), size=len(names))
        accuracies[draw] = right[drawn].sum() / frames[drawn].sum()
    low, high = np.quantile(accuracies, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level)


def _quantile(level: float) -> float:
    if not 0 < level < 1:
        raise ValueError(f"`level` must lie between 0 and 1. Received: {level}")
    return NormalDist().inv_cdf((1 + level) / 2)
