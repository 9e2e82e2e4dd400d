from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from celestialkeras.evaluation.intervals import Interval, ObjectDraws, bootstrap_over_objects, paired_difference, wilson


# Newcombe 1998, Stat. Med. 17, 857, table I, method 3.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_gives_the_published_intervals(successes: int, trials: int, low: float, high: float) -> None:
    interval = wilson(successes, trials)
    assert interval is not None
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)
    assert interval.level == 0.95


def test_wilson_says_which_count_beats_the_published_accuracy() -> None:
    beaten, missed = wilson(1446, 1595), wilson(1445, 1595)
    assert beaten is not None
    assert missed is not None
    assert beaten.low > 1421 / 1595 >= missed.low


def test_wilson_has_exact_ends_and_none_without_trials() -> None:
    assert wilson(0, 0) is None
    none_right, all_right = wilson(0, 7), wilson(7, 7)
    assert none_right is not None
    assert all_right is not None
    assert none_right.low == 0.0
    assert all_right.high == 1.0


@given(st.integers(1, 5000).flatmap(lambda trials: st.tuples(st.integers(0, trials), st.just(trials))))
def test_wilson_holds_its_estimate(counts: tuple[int, int]) -> None:
    interval = wilson(*counts)
    assert interval is not None
    assert 0.0 <= interval.low <= counts[0] / counts[1] <= interval.high <= 1.0


def test_wilson_refuses_impossible_counts_and_levels() -> None:
    with pytest.raises(ValueError, match=r"Received: 3 of 2"):
        wilson(3, 2)
    with pytest.raises(ValueError, match=r"`level` must lie between 0 and 1\. Received: 95"):
        wilson(1, 2, level=95)


# Fagerland, Lydersen and Laake 2014, Stat. Med. 33, 2850: Tango's interval for Bentur et al. and Cavo et al.
@pytest.mark.parametrize(
    ("only_a", "only_b", "trials", "low", "high"),
    [(1, 7, 21, -0.517, -0.026), (6, 16, 161, -0.1240, -0.0054)],
)
def test_paired_difference_gives_the_published_intervals(
    only_a: int, only_b: int, trials: int, low: float, high: float
) -> None:
    interval = paired_difference(only_a, only_b, trials)
    assert interval is not None
    digits = 5e-4 if trials == 21 else 5e-5
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=digits)


def test_ends_of_the_paired_interval_are_where_the_score_test_rejects() -> None:
    only_a, only_b, trials, z = 9, 2, 300, 1.959963984540054
    interval = paired_difference(only_a, only_b, trials)
    assert interval is not None
    for difference in (interval.low, interval.high):
        # The restricted maximum of the likelihood, by search instead of by formula.
        share = np.linspace(max(0.0, -difference), (1 - difference) / 2, 2_000_001)[1:-1]
        likelihood = only_a * np.log(np.maximum(share + difference, 1e-300)) + only_b * np.log(share)
        likelihood += (trials - only_a - only_b) * np.log(1 - 2 * share - difference)
        best = share[likelihood.argmax()]
        statistic = (only_a - only_b - trials * difference) / math.sqrt(
            trials * (2 * best + difference * (1 - difference))
        )
        assert abs(statistic) == pytest.approx(z, rel=1e-4)


def test_paired_interval_without_discordant_frames_has_the_width_of_the_score_test() -> None:
    interval = paired_difference(0, 0, 300)
    assert interval is not None
    z2 = 1.959963984540054**2
    assert (interval.low, interval.high) == pytest.approx((-z2 / (300 + z2), z2 / (300 + z2)))


@given(st.tuples(st.integers(0, 60), st.integers(0, 60), st.integers(0, 400)).filter(any))
def test_paired_interval_holds_its_estimate_and_mirrors(counts: tuple[int, int, int]) -> None:
    only_a, only_b, concordant = counts
    trials = only_a + only_b + concordant
    interval, mirrored = paired_difference(only_a, only_b, trials), paired_difference(only_b, only_a, trials)
    assert interval is not None
    assert mirrored is not None
    assert -1.0 <= interval.low <= (only_a - only_b) / trials <= interval.high <= 1.0
    assert (mirrored.low, mirrored.high) == pytest.approx((-interval.high, -interval.low), abs=1e-7)


def test_paired_difference_refuses_impossible_counts() -> None:
    assert paired_difference(0, 0, 0) is None
    with pytest.raises(ValueError, match=r"Received: 4 and 3 of 6"):
        paired_difference(4, 3, 6)
    with pytest.raises(ValueError, match=r"Received: -1 and 3 of 6"):
        paired_difference(-1, 3, 6)


def test_bootstrap_repeats_with_its_seed_and_follows_objects_not_frames() -> None:
    # One of four objects is all wrong: the frames are many, what they say of objects is little.
    correct = np.repeat([True, True, True, False], 500)
    objects = np.repeat(["a", "b", "c", "d"], 500).tolist()
    first = bootstrap_over_objects(correct, objects, np.random.default_rng(3), resamples=2000)
    again = bootstrap_over_objects(correct, objects, np.random.default_rng(3), resamples=2000)
    assert first == again == Interval(0.25, 1.0)
    over_frames = wilson(1500, 2000)
    assert over_frames is not None
    assert over_frames.high - over_frames.low < 0.05


def test_bootstrap_agrees_with_every_possible_draw() -> None:
    # Of two objects there are four draws: aa 1.0, ab and ba 3/4, bb 0.0.
    correct = np.array([True, True, True, False])
    interval = bootstrap_over_objects(correct, ["a", "a", "a", "b"], np.random.default_rng(0), 4000, level=0.4)
    assert interval == Interval(0.75, 0.75, 0.4)


def test_bootstrap_of_one_object_says_nothing() -> None:
    assert bootstrap_over_objects(np.array([True, False]), ["a", "a"], np.random.default_rng(0)) is None


def test_bootstrap_refuses_unequal_lengths_and_no_draws() -> None:
    with pytest.raises(ValueError, match=r"Received: 1 objects for 2 frames, resamples=10000"):
        bootstrap_over_objects(np.array([True, False]), ["a"], np.random.default_rng(0))
    with pytest.raises(ValueError, match="resamples=0"):
        bootstrap_over_objects(np.array([True, False]), ["a", "b"], np.random.default_rng(0), resamples=0)


def test_draws_give_sums_weights_and_intervals_of_one_and_the_same_objects() -> None:
    objects = ["b", "a", "b", "c"]
    draws = ObjectDraws(objects, np.random.default_rng(3), 700)
    values = np.array([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0], [4.0, 40.0]])
    weights = np.concatenate(list(draws.frame_weights()))
    assert weights.shape == (700, 4)
    # As many objects as there are, and frames of one object together.
    assert set((weights[:, 0] + weights[:, 1] + weights[:, 3]).tolist()) == {3.0}
    assert (weights[:, 0] == weights[:, 2]).all()
    np.testing.assert_allclose(draws.sums(values), weights @ values)
    # The draws are those of the generator, one object at a time.
    rng = np.random.default_rng(3)
    first = np.bincount(rng.integers(3, size=3), minlength=3)
    assert weights[0, [1, 0, 3]].tolist() == first.tolist()
    figures = np.array([np.nan, *np.arange(101.0)])
    interval = draws.interval(figures)
    assert interval is not None
    assert (interval.low, interval.high, interval.level) == pytest.approx((2.5, 97.5, 0.95))
    assert draws.interval(np.array([np.nan])) is None


def test_one_object_gives_no_draws() -> None:
    draws = ObjectDraws(["a", "a"], np.random.default_rng(0), 10)
    assert draws.sums(np.ones((2, 3))).shape == (0, 3)
    assert list(draws.frame_weights()) == []
    assert draws.interval(np.empty(0)) is None
