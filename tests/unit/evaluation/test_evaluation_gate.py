from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from celestialkeras.errors import DatasetError
from celestialkeras.evaluation.calibration_error import calibration_of
from celestialkeras.evaluation.gate import Outcome, compare, judge
from celestialkeras.evaluation.intervals import paired_difference
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


def test_comparison_counts_what_the_models_disagree_on(observation: Make) -> None:
    found = compare(*pair(observation, both=80, only_a=9, only_b=4, neither=7))
    assert (found.n, found.only_a, found.only_b) == (100, 9, 4)
    assert (found.accuracy_a, found.accuracy_b, found.drop) == pytest.approx((0.89, 0.84, 0.05))
    assert found.agreement == 0.87
    assert found.interval == paired_difference(9, 4, 100)
    a, b = pair(observation, both=80, only_a=9, only_b=4, neither=7)
    assert (found.calibration_a, found.calibration_b) == (calibration_of(a), calibration_of(b))


def test_a_loss_beyond_chance_fails(observation: Make) -> None:
    comparison = compare(*pair(observation, both=360, only_a=40, only_b=0))
    found = judge(comparison, max_drop=2.0)
    assert found.outcome is Outcome.FAIL
    assert found.judged
    assert found.reason == (
        "a drop of 10.00 points (95 % interval 7.43 to 13.33) on 400 frames lies wholly above the 2 points allowed"
    )


def test_the_lower_end_decides_and_may_just_touch(observation: Make) -> None:
    comparison = compare(*pair(observation, both=360, only_a=40, only_b=0))
    low = 100 * comparison.interval.low
    assert judge(comparison, max_drop=low).outcome is Outcome.PASS
    assert judge(comparison, max_drop=low - 0.01).outcome is Outcome.FAIL


def test_a_pass_says_whether_the_loss_is_excluded(observation: Make) -> None:
    open_question = judge(compare(*pair(observation, both=390, only_a=6, only_b=4)), max_drop=1.0)
    assert open_question.outcome is Outcome.PASS
    assert open_question.reason.endswith("is not shown to exceed the 1 points allowed, nor shown not to")
    settled = judge(compare(*pair(observation, both=400, only_a=0, only_b=0)), max_drop=1.0)
    assert settled.outcome is Outcome.PASS
    assert settled.reason == (
        "a drop of 0.00 points (95 % interval -0.95 to 0.95) on 400 frames lies wholly within the 1 points allowed"
    )


@pytest.mark.parametrize(("frames", "outcome"), [(299, Outcome.NOT_JUDGED), (300, Outcome.FAIL)])
def test_few_frames_are_reported_and_not_judged(observation: Make, frames: int, outcome: Outcome) -> None:
    found = judge(compare(*pair(observation, both=frames - 200, only_a=200, only_b=0)), max_drop=1.0)
    assert found.outcome is outcome
    assert found.judged is (frames == 300)
    if not found.judged:
        assert found.reason.startswith("a drop of 66.89 points (95 % interval ")
        assert found.reason.endswith("on 299 frames is reported, not judged: a verdict takes at least 300 frames")


def test_fewer_frames_may_be_asked_for(observation: Make) -> None:
    comparison = compare(*pair(observation, both=10, only_a=20, only_b=0))
    assert judge(comparison, max_drop=5, minimum_frames=30).outcome is Outcome.FAIL


def test_limits_that_make_no_sense_are_refused(observation: Make) -> None:
    comparison = compare(*pair(observation, both=2, only_a=0, only_b=0))
    with pytest.raises(ValueError, match=r"Received: max_drop=-1, minimum_frames=300"):
        judge(comparison, max_drop=-1)
    with pytest.raises(ValueError, match=r"Received: max_drop=nan"):
        judge(comparison, max_drop=float("nan"))
    with pytest.raises(ValueError, match=r"minimum_frames=0"):
        judge(comparison, max_drop=1, minimum_frames=0)


def test_models_on_different_frames_are_not_compared(observation: Make) -> None:
    a, b = pair(observation, both=3, only_a=1, only_b=0)
    with pytest.raises(DatasetError, match=r"the same frames; .* Received: 4 and 3 frames"):
        compare(a, Predictions(b.observations[:3], b.logits[:3]))
    swapped = (b.observations[1], b.observations[0], *b.observations[2:])
    with pytest.raises(DatasetError, match=r"Received: j00000000 HDU 1 \(galaxy\) and j00000001 HDU 1 .* as frame 0"):
        compare(a, Predictions(swapped, b.logits))
    relabelled = (*b.observations[:3], replace(b.observations[3], label="NSC"))
    with pytest.raises(DatasetError, match=r"\(galaxy\) and j00000003 HDU 1 \(NSC\) as frame 3"):
        compare(a, Predictions(relabelled, b.logits))
