from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from celestialkeras.evaluation.calibration_error import calibration_of, log_loss
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.temperature import FEWEST_FRAMES, fit_temperature
from celestialkeras.lcid.manifest import Observation

Make = Callable[..., Observation]


def sure(observation: Make, margins: Sequence[float], per_object: int = 1) -> Predictions:
    """NSC frames with these margins toward NSC: the negative ones are told wrongly."""
    rows = tuple(observation(i, object_id=f"O{i // per_object}", label="NSC") for i in range(len(margins)))
    return Predictions(rows, np.stack([np.zeros(len(rows)), margins], axis=1).astype(np.float32))


def test_equally_sure_frames_get_the_temperature_that_makes_them_as_sure_as_right(observation: Make) -> None:
    # 90 of 120 right at a margin of 4: the sigmoid of 4 / T must be 3/4, so that T is 4 / log 3.
    data = sure(observation, [4.0] * 90 + [-4.0] * 30)
    found = fit_temperature(data)
    assert found.temperature == found.best == pytest.approx(4 / math.log(3), rel=1e-9)
    assert found.after.expected_error == pytest.approx(0, abs=1e-9)
    assert found.after.brier == pytest.approx(3 / 16)
    assert found.before == calibration_of(data)
    assert found.before.expected_error == pytest.approx(1 / (1 + math.exp(-4)) - 0.75)
    assert (found.frames, found.objects, found.reason) == (120, 120, "")
    # The share of right frames is uncertain by 0.04: 2 of them either way, each turned into a temperature.
    assert found.interval is not None
    assert found.interval.low == pytest.approx(4 / math.log(0.825 / 0.175), rel=0.05)
    assert found.interval.high == pytest.approx(4 / math.log(0.67 / 0.33), rel=0.1)


def test_it_is_the_minimum_of_the_log_loss_of_scipy(observation: Make) -> None:
    rng = np.random.default_rng(5)
    data = sure(observation, rng.normal(3, 4, 200).tolist())
    found = fit_temperature(data)
    best = minimize_scalar(lambda log_t: log_loss(data.at_temperature(math.exp(log_t))), bounds=(-3, 3))
    assert found.best == pytest.approx(math.exp(best.x), rel=1e-3)
    assert found.after.log_loss == pytest.approx(best.fun)
    assert found.after.log_loss < found.before.log_loss


def test_a_hesitant_model_is_made_surer(observation: Make) -> None:
    found = fit_temperature(sure(observation, [0.5] * 190 + [-0.5] * 10))
    assert found.temperature == pytest.approx(0.5 / math.log(19))
    assert found.after.log_loss < found.before.log_loss


def test_what_is_not_shown_to_differ_from_1_stays_1(observation: Make) -> None:
    # The same shares as above, but of three objects, one of them always wrong.
    data = sure(observation, [2.0] * 60 + [-2.0] * 30, per_object=30)
    found = fit_temperature(data)
    assert found.best == pytest.approx(2 / math.log(2))
    assert found.temperature == 1
    assert found.interval is not None
    assert found.interval.low <= 1 <= found.interval.high
    assert found.reason.startswith("2.885 is not shown to differ from 1, 0.010 to 100.000 over 3 objects")
    assert found.after == found.before


@pytest.mark.parametrize(
    ("margins", "per_object", "reason"),
    [
        ([2.0] * (FEWEST_FRAMES - 2) + [-2.0], 1, "29 validation frames are fewer than 30"),
        ([2.0] * 40, 1, "none of 40 validation frames is told wrongly"),
        ([-2.0] * 40, 1, "no temperature between 1/100 and 100 is best"),
        ([2.0] * 30 + [-2.0] * 10, 40, "the validation frames show one object"),
    ],
)
def test_where_nothing_can_be_fitted_it_stays_1_and_says_why(
    observation: Make, margins: list[float], per_object: int, reason: str
) -> None:
    found = fit_temperature(sure(observation, margins, per_object))
    assert (found.temperature, found.interval) == (1.0, None)
    assert found.reason.startswith(reason)
    assert found.after == found.before


def test_the_same_frames_and_seed_give_the_same_fit(observation: Make) -> None:
    data = sure(observation, np.random.default_rng(1).normal(2, 3, 60).tolist(), per_object=2)
    assert fit_temperature(data) == fit_temperature(data)
    assert fit_temperature(data.at_temperature(7.0)) == fit_temperature(data), "it starts from temperature 1"
