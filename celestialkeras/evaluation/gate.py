"""Whether a compressed model keeps the accuracy of its original, judged on the same frames."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from celestialkeras.evaluation.paired import PairedComparison

MINIMUM_FRAMES = 300
"""Fewest frames that a verdict is given on: below, one frame more or less moves the drop by a third of a point."""


class Outcome(str, Enum):
    """What the gate says."""

    PASS = "pass"  # noqa: S105
    FAIL = "fail"
    NOT_JUDGED = "not judged"


@dataclass(frozen=True)
class Judgement:
    """What the gate says, with what it rests on.

    Attributes:
        outcome: `pass`, `fail` or `not judged`.
        reason: Why, in one sentence with the figures.
        comparison: What was judged.
        max_drop: Drop that was allowed, percentage points.
        minimum_frames: Fewest frames that a verdict was to be given on.
    """

    outcome: Outcome
    reason: str
    comparison: PairedComparison
    max_drop: float
    minimum_frames: int

    @property
    def judged(self) -> bool:
        """Whether there were frames enough for a verdict."""
        return self.outcome is not Outcome.NOT_JUDGED


def judge(comparison: PairedComparison, max_drop: float, minimum_frames: int = MINIMUM_FRAMES) -> Judgement:
    """Says whether the drop in accuracy is beyond what is allowed.

    It fails where even the lower end of the interval of the drop is above `max_drop`: then the loss is shown, not a
    chance of the list. A pass says that no such loss is shown; the reason names the largest drop that is not excluded.

    Args:
        comparison: Two models on the same frames.
        max_drop: Largest drop that is allowed, percentage points.
        minimum_frames: On fewer frames the drop is reported and not judged.

    Returns:
        The outcome and its reason.

    Raises:
        ValueError: `max_drop` is not between 0 and 100, or `minimum_frames` is below 1.
    """
    if not 0 <= max_drop <= 100 or minimum_frames < 1:
        raise ValueError(
            "`max_drop` must be between 0 and 100 points, `minimum_frames` at least 1."
            f" Received: max_drop={max_drop}, minimum_frames={minimum_frames}"
        )
    interval = comparison.interval
    low, high = 100 * interval.low, 100 * interval.high
    measured = (
        f"a drop of {100 * comparison.drop:.2f} points"
        f" ({100 * interval.level:g} % interval {low:.2f} to {high:.2f}) on {comparison.n} frames"
    )
    if comparison.n < minimum_frames:
        outcome = Outcome.NOT_JUDGED
        reason = f"{measured} is reported, not judged: a verdict takes at least {minimum_frames} frames"
    elif low > max_drop:
        outcome = Outcome.FAIL
        reason = f"{measured} lies wholly above the {max_drop:g} points allowed"
    elif high > max_drop:
        outcome = Outcome.PASS
        reason = f"{measured} is not shown to exceed the {max_drop:g} points allowed, nor shown not to"
    else:
        outcome = Outcome.PASS
        reason = f"{measured} lies wholly within the {max_drop:g} points allowed"
    return Judgement(outcome, reason, comparison, max_drop, minimum_frames)
