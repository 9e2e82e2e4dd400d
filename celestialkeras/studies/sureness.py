"""How sure a difference between two arms is, by one stated rule, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.intervals import LEVEL, Interval

FEWEST_SEEDS = 3
"""With fewer, that all seeds agree is said too easily: of two equal arms, two seeds agree every other time."""

RULE = (
    "sure: the 95 % interval over objects of the mean difference leaves out 0, and all seeds, three or more, agree in"
    " its sign; leaning: one of these holds, or both with two seeds; open: neither holds; untold: one seed, or one"
    " object"
)
"""The rule, for people."""


class Sureness(str, Enum):
    """What `RULE` says of a difference."""

    SURE = "sure"
    LEANING = "leaning"
    OPEN = "open"
    UNTOLD = "untold"


@dataclass(frozen=True)
class Difference:
    """How far an arm is ahead of the first one, on the same frames, paired by seed.

    Attributes:
        mean: Accuracy of the arm minus that of the first, mean over seeds, a fraction of 1.
        by_seed: The same of each seed.
        over_objects: Bootstrap interval of the mean, whole objects drawn anew; None with one object.
        over_seeds: Student's interval of the mean, seeds taken as independent; None with one seed.
    """

    mean: float
    by_seed: tuple[float, ...]
    over_objects: Interval | None
    over_seeds: Interval | None

    @property
    def leaves_out_zero(self) -> bool:
        """Whether the interval over objects does."""
        return self.over_objects is not None and not self.over_objects.low <= 0 <= self.over_objects.high

    @property
    def seeds_agree(self) -> bool:
        """Whether the arm is ahead with every seed, or behind with every seed."""
        return all(one > 0 for one in self.by_seed) or all(one < 0 for one in self.by_seed)

    @property
    def sureness(self) -> Sureness:
        """What `RULE` says."""
        if self.over_objects is None or len(self.by_seed) < 2:
            return Sureness.UNTOLD
        if self.leaves_out_zero and self.seeds_agree:
            return Sureness.SURE if len(self.by_seed) >= FEWEST_SEEDS else Sureness.LEANING
        return Sureness.LEANING if self.leaves_out_zero or self.seeds_agree else Sureness.OPEN

    def describe(self, arm: str, first: str) -> str:
        """A sentence on the difference and how sure it is.

        Args:
            arm: Name of the arm.
            first: Name of the one that it is held against.
        """
        points = f"{abs(100 * self.mean):.1f} points"
        side = "level with" if self.mean == 0 else f"{points} {'ahead of' if self.mean > 0 else 'behind'}"
        match self.sureness:
            case Sureness.SURE:
                return f"{arm} is {side} {first}: sure."
            case Sureness.LEANING:
                return f"{arm} is {side} {first}: leaning, since {self._doubt()}."
            case Sureness.OPEN:
                assert self.over_objects is not None
                room = 100 * max(abs(self.over_objects.low), abs(self.over_objects.high))
                return (
                    f"{arm} is {side} {first}: open, since its interval over objects holds 0 and the seeds disagree; a"
                    f" difference of up to {room:.1f} points is not ruled out."
                )
            case _:
                few = "one seed" if len(self.by_seed) < 2 else "one object"
                return f"{arm} is {side} {first}: untold, since {few} cannot say how sure that is."

    def _doubt(self) -> str:
        if not self.leaves_out_zero:
            return "its interval over objects holds 0"
        return "the seeds disagree" if not self.seeds_agree else "two seeds are few"


def interval_over_seeds(values: Sequence[float], level: float = LEVEL) -> Interval | None:
    """Student's interval of the mean of some trainings that differ in their seed alone.

    It takes their outcomes as independent and normal. Of three it reaches 2.5 of their standard deviations to either
    side of the mean: that is how little three trainings say.

    Args:
        values: A figure of each.
        level: Confidence level in (0, 1).

    Returns:
        The interval; None with fewer than two.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    if len(values) < 2:
        return None
    try:
        from scipy.stats import t
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "An interval over seeds") from error
    mean = float(np.mean(values))
    half = float(t.ppf((1 + level) / 2, len(values) - 1) * np.std(values, ddof=1) / np.sqrt(len(values)))
    return Interval(mean - half, mean + half, level)
