from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from celestialkeras.evaluation.intervals import ObjectDraws, wilson
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.risk_coverage import risk_at, risk_curve, risk_points
from celestialkeras.lcid.manifest import Observation

Make = Callable[..., Observation]


def told(observation: Make, probabilities: Sequence[float], wrong: Sequence[int]) -> Predictions:
    """Galaxies, each told so with this probability, but for those that are told to be NSC with it."""
    rows = tuple(observation(i, f"O{i}") for i in range(len(probabilities)))
    p = np.array(probabilities)
    margins = np.log(p / (1 - p)) * np.where(np.isin(np.arange(len(p)), wrong), 1, -1)
    return Predictions(rows, np.stack([np.zeros(len(p)), margins], axis=1).astype(np.float32))


def draws_of(predictions: Predictions) -> ObjectDraws:
    return ObjectDraws(predictions.objects, np.random.default_rng(0), 500)


@pytest.fixture
def twenty(observation: Make) -> Predictions:
    """Twenty frames of 0.51, 0.53 ... 0.89; the first, the second and the fifth are wrong."""
    return told(observation, np.arange(0.51, 0.9, 0.02).tolist(), [0, 1, 4])


def test_the_least_sure_shares_are_left_out(twenty: Predictions) -> None:
    points = risk_points(twenty, draws_of(twenty), (0.0, 0.05, 0.10, 0.20))
    assert [(point.decided, point.correct) for point in points] == [(20, 17), (19, 17), (18, 17), (16, 15)]
    assert [point.accuracy for point in points] == pytest.approx([17 / 20, 17 / 19, 17 / 18, 15 / 16])
    assert [point.coverage for point in points] == pytest.approx([1, 0.95, 0.9, 0.8])
    # Half way between the last undecided frame and the first decided one.
    assert [point.threshold for point in points] == pytest.approx([0.5, 0.52, 0.54, 0.58])
    assert points[3].interval == wilson(15, 16)
    interval = points[3].object_interval
    assert interval is not None
    assert interval.low < 15 / 16 < interval.high == 1.0


def test_frames_of_one_probability_stand_or_fall_together(observation: Make) -> None:
    data = told(observation, [0.6] * 5 + [0.9] * 5, [0, 1, 2])
    points = risk_points(data, draws_of(data), (0.2, 0.5, 0.6))
    assert [point.decided for point in points] == [10, 5, 5]
    assert [point.threshold for point in points] == pytest.approx([0.5, 0.75, 0.75])
    assert points[1].accuracy == 1.0


def test_a_threshold_decides_as_on_the_device(twenty: Predictions) -> None:
    found = risk_at(twenty, 0.70, draws_of(twenty))
    assert found.decided == int(np.sum(np.maximum(twenty.p_nsc, 1 - twenty.p_nsc) >= 0.70)) == 10
    assert found.accuracy == 1.0
    nothing = risk_at(twenty, 0.95, draws_of(twenty))
    assert (nothing.decided, nothing.coverage, nothing.accuracy, nothing.interval) == (0, 0, None, None)
    assert nothing.object_interval is None


def test_the_temperature_counts(twenty: Predictions) -> None:
    sharper = twenty.at_temperature(0.5)
    assert risk_at(sharper, 0.70, draws_of(twenty)).decided > 10
    # The order of the frames is the same, and so is what a share of them gives.
    points = (risk_points(data, draws_of(twenty)) for data in (twenty, sharper))
    assert len({tuple(point.correct for point in part) for part in points}) == 1


def test_the_curve_has_a_point_for_each_probability(observation: Make) -> None:
    data = told(observation, [0.9, 0.6, 0.6, 0.8], [1, 3])
    found = risk_curve(data)
    assert found.thresholds == pytest.approx([0.6, 0.8, 0.9], abs=1e-6)
    assert found.coverage.tolist() == [1.0, 0.5, 0.25]
    assert found.accuracy.tolist() == [0.5, 0.5, 1.0]
