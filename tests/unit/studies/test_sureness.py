"""The rule by which a difference is sure, leaning, open or untold, and its words."""

from __future__ import annotations

import pytest

from celestialkeras.evaluation.intervals import Interval
from celestialkeras.studies.sureness import Difference, Sureness, interval_over_seeds

AWAY = Interval(0.01, 0.06)
ACROSS = Interval(-0.02, 0.05)


@pytest.mark.parametrize(
    ("by_seed", "over_objects", "expected"),
    [
        ((0.02, 0.03, 0.04), AWAY, Sureness.SURE),
        ((-0.02, -0.03, -0.04), Interval(-0.06, -0.01), Sureness.SURE),
        ((0.02, 0.04), AWAY, Sureness.LEANING),
        ((0.02, 0.03, -0.01), AWAY, Sureness.LEANING),
        ((0.02, 0.03, 0.0), AWAY, Sureness.LEANING),
        ((0.02, 0.03, 0.04), ACROSS, Sureness.LEANING),
        ((0.02, 0.03, 0.04), Interval(0.0, 0.06), Sureness.LEANING),
        ((0.02, 0.03, -0.04), ACROSS, Sureness.OPEN),
        ((0.0, 0.0, 0.0), Interval(0.0, 0.0), Sureness.OPEN),
        ((0.03,), AWAY, Sureness.UNTOLD),
        ((0.02, 0.03, 0.04), None, Sureness.UNTOLD),
    ],
)
def test_the_rule(by_seed: tuple[float, ...], over_objects: Interval | None, expected: Sureness) -> None:
    assert Difference(sum(by_seed) / len(by_seed), by_seed, over_objects, None).sureness is expected


@pytest.mark.parametrize(
    ("difference", "sentence"),
    [
        (Difference(0.03, (0.02, 0.03, 0.04), AWAY, None), "B is 3.0 points ahead of A: sure."),
        (
            Difference(-0.03, (-0.02, -0.03, -0.04), ACROSS, None),
            "B is 3.0 points behind A: leaning, since its interval over objects holds 0.",
        ),
        (
            Difference(0.01, (0.03, 0.02, -0.02), AWAY, None),
            "B is 1.0 points ahead of A: leaning, since the seeds disagree.",
        ),
        (Difference(0.03, (0.03, 0.03), AWAY, None), "B is 3.0 points ahead of A: leaning, since two seeds are few."),
        (
            Difference(0.01, (0.03, 0.02, -0.02), ACROSS, None),
            (
                "B is 1.0 points ahead of A: open, since its interval over objects holds 0 and the seeds disagree; a"
                " difference of up to 5.0 points is not ruled out."
            ),
        ),
        (
            Difference(0.0, (0.0,), AWAY, None),
            "B is level with A: untold, since one seed cannot say how sure that is.",
        ),
        (
            Difference(0.02, (0.01, 0.03), None, None),
            "B is 2.0 points ahead of A: untold, since one object cannot say how sure that is.",
        ),
    ],
)
def test_the_words(difference: Difference, sentence: str) -> None:
    assert difference.describe("B", "A") == sentence


def test_the_interval_over_three_seeds_is_students() -> None:
    # Standard deviation 0.02, two degrees of freedom: 4.3027 of a table, times 0.02 over the root of 3.
    found = interval_over_seeds([0.82, 0.84, 0.86])
    assert found is not None
    assert (found.low, found.high) == pytest.approx((0.84 - 0.049683, 0.84 + 0.049683), abs=1e-6)
    assert interval_over_seeds([0.9]) is None
