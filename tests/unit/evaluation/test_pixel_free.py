from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from celestialkeras.evaluation.intervals import ObjectDraws, wilson
from celestialkeras.evaluation.metrics import Resampling
from celestialkeras.evaluation.paired import difference_over_objects
from celestialkeras.evaluation.pixel_free import score_rules
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import Observation

Make = Callable[..., Observation]


@pytest.fixture
def fitted(observation: Make) -> list[Observation]:
    """Training rows in which ACS is NSC and UVIS is galaxy, and galaxies are more."""
    galaxies = [observation(i, "G", "WFC3/UVIS", "F606W", "galaxy") for i in range(5)]
    return [*galaxies, *(observation(10 + i, "N", "ACS/WFC", "F814W", "NSC") for i in range(3))]


def test_rules_are_fitted_on_training_rows_and_compared_on_the_models_frames(
    observation: Make, fitted: list[Observation]
) -> None:
    rows = (
        observation(20, "A", "WFC3/UVIS", "F606W", "galaxy"),
        observation(21, "B", "ACS/WFC", "F606W", "NSC"),
        observation(22, "C", "ACS/WFC", "F606W", "galaxy"),
        observation(23, "D", "ACS/WFC", "F814W", "NSC"),
    )
    data = Predictions(rows, np.eye(2, dtype=np.float32)[[0, 1, 0, 0]])
    assert data.correct.tolist() == [True, True, True, False]
    draws = ObjectDraws(data.objects, np.random.default_rng(0), 400)
    found = {score.name: score for score in score_rules(data, "set", fitted, draws)}
    # The instrument tells all but the galaxy on ACS; the filter all but the NSC in F606W.
    assert {name: score.correct for name, score in found.items()} == {
        "instrument": 3,
        "filter": 3,
        "instrument and filter": 3,
        "majority": 2,
        "HDU": 2,
    }
    assert found["majority"].lead == 0.25
    assert found["instrument"].interval == wilson(3, 4)
    rule = Predictions(rows, np.eye(2, dtype=np.float32)[[0, 0, 0, 0]])
    assert found["majority"].lead_interval == difference_over_objects([data], [rule], Resampling(0, 400))


def test_without_training_rows_there_are_no_rules(observation: Make) -> None:
    data = Predictions((observation(),), np.array([[1, 0]], np.float32))
    assert score_rules(data, "set", [], ObjectDraws(data.objects, np.random.default_rng(0), 10)) == ()


def test_the_best_rule_comes_first(observation: Make, fitted: list[Observation]) -> None:
    data = Predictions((fitted[0], fitted[7]), np.array([[1, 0], [1, 0]], np.float32))
    found = score_rules(data, "set", fitted, ObjectDraws(data.objects, np.random.default_rng(0), 50))
    assert [score.accuracy for score in found] == sorted((score.accuracy for score in found), reverse=True)
    assert found[0].accuracy == 1.0
    assert found[0].lead == -0.5
