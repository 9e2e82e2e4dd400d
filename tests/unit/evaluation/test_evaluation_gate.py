from __future__ import annotations

import pytest
from two_models import Make, pair

from celestialkeras.evaluation.gate import Outcome, judge
from celestialkeras.evaluation.paired import compare


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
