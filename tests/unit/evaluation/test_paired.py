from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from two_models import Make, pair

from celestialkeras.errors import DatasetError
from celestialkeras.evaluation.calibration_error import calibration_of
from celestialkeras.evaluation.intervals import paired_difference
from celestialkeras.evaluation.metrics import Resampling
from celestialkeras.evaluation.paired import compare, difference_over_objects, mcnemar
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import Observation


def test_comparison_counts_what_the_models_disagree_on(observation: Make) -> None:
    found = compare(*pair(observation, both=80, only_a=9, only_b=4, neither=7))
    assert (found.n, found.only_a, found.only_b) == (100, 9, 4)
    assert (found.accuracy_a, found.accuracy_b, found.drop) == pytest.approx((0.89, 0.84, 0.05))
    assert found.agreement == 0.87
    assert found.interval == paired_difference(9, 4, 100)
    a, b = pair(observation, both=80, only_a=9, only_b=4, neither=7)
    assert (found.calibration_a, found.calibration_b) == (calibration_of(a), calibration_of(b))


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
    with pytest.raises(DatasetError, match=r"Received: 4 and 3 frames"):
        difference_over_objects([a, a], [a, Predictions(b.observations[:3], b.logits[:3])])


@pytest.mark.parametrize(
    ("only_a", "only_b", "p"),
    [
        # (1 + 8) / 2^8 on each side.
        (7, 1, 2 * 9 / 256),
        (1, 7, 2 * 9 / 256),
        # (1 + 10 + 45) / 2^10 on each side.
        (2, 8, 2 * 56 / 1024),
        (3, 3, 1.0),
        (0, 1, 1.0),
        (0, 0, 1.0),
    ],
)
def test_mcnemar_against_sums_of_binomial_coefficients(only_a: int, only_b: int, p: float) -> None:
    assert mcnemar(only_a, only_b) == pytest.approx(p, rel=1e-12)


def test_mcnemar_takes_counts() -> None:
    with pytest.raises(ValueError, match=r"must be counts\. Received: -1 and 4"):
        mcnemar(-1, 4)


def _models(right: list[list[bool]], objects: list[str]) -> list[Predictions]:
    rows = tuple(
        Observation(name, "ACS/WFC", f"j{index:08d}", "F814W", 10.0, -5.0, 1, "galaxy")
        for index, name in enumerate(objects)
    )
    return [Predictions(rows, np.stack([one, ~np.array(one)], axis=1).astype(np.float32)) for one in right]


def test_difference_over_objects_against_every_draw_made_by_hand() -> None:
    objects = ["A", "A", "A", "B", "C", "C"]
    a, b = _models([[True] * 6, [False, True, False, True, False, True]], objects)
    found = difference_over_objects([a], [b], Resampling(seed=4, resamples=500))
    assert found is not None

    ahead = {"A": [1, 0, 1], "B": [0], "C": [1, 0]}
    rng, differences = np.random.default_rng(4), []
    for _ in range(500):
        drawn = [frame for index in rng.integers(3, size=3) for frame in ahead["ABC"[index]]]
        differences.append(sum(drawn) / len(drawn))
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(differences, [0.025, 0.975])))
    turned = difference_over_objects([b], [a], Resampling(seed=4, resamples=500))
    assert turned is not None
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))


def test_trainings_are_averaged_frame_by_frame() -> None:
    objects = ["A", "B", "C", "D"]
    first, second, other = _models([[True, True, False, False], [True, False, True, False], [False] * 4], objects)
    found = difference_over_objects([first, second], [other], Resampling(resamples=200))
    rng, shares = np.random.default_rng(0), np.array([1.0, 0.5, 0.5, 0.0])
    means = [shares[rng.integers(4, size=4)].mean() for _ in range(200)]
    assert found is not None
    assert (found.low, found.high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975])))


def test_one_object_says_nothing_of_objects() -> None:
    a, b = _models([[True, False], [False, False]], ["A", "A"])
    assert difference_over_objects([a], [b]) is None
