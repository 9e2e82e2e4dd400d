from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from celestialkeras.evaluation.calibration_error import (
    BINS,
    Calibration,
    brier_score,
    calibration_of,
    expected_calibration_error,
    log_loss,
    reliability,
)
from celestialkeras.evaluation.intervals import wilson
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import Observation

Make = Callable[..., Observation]


def said(observation: Make, p_nsc: Sequence[float], labels: Sequence[str]) -> Predictions:
    """A model that gives these probabilities of NSC to frames of these classes."""
    rows = tuple(observation(index, label=label) for index, label in enumerate(labels))
    p = np.array(p_nsc)
    return Predictions(rows, np.stack([np.zeros(len(p)), np.log(p / (1 - p))], axis=1).astype(np.float32))


def test_error_is_the_distance_of_confidence_and_accuracy_weighed_by_frames(observation: Make) -> None:
    # Two bins of the ten: three frames at 0.75 of which two are right, one frame at 0.95 that is wrong.
    model = said(observation, [0.75, 0.75, 0.25, 0.95], ["NSC", "galaxy", "galaxy", "galaxy"])
    expected = 3 / 4 * abs(2 / 3 - 0.75) + 1 / 4 * abs(0 - 0.95)
    assert expected_calibration_error(model, bins=10) == pytest.approx(expected, abs=1e-6)
    # In one bin the frames stand for one another.
    assert expected_calibration_error(model, bins=1) == pytest.approx(abs(2 / 4 - (3 * 0.75 + 0.95) / 4), abs=1e-6)


def test_bins_are_closed_above(observation: Make) -> None:
    # Three frames right at a confidence of exactly one half, the upper edge of the first of two bins.
    model = said(observation, [0.5, 0.5, 0.5, 0.9], ["galaxy"] * 4)
    assert expected_calibration_error(model, bins=2) == pytest.approx((3 * 0.5 + 0.9) / 4)


def test_fifteen_bins_by_default(observation: Make) -> None:
    # One bin of fifteen, 0.73 to 0.8, holds both; of twenty, two do.
    model = said(observation, [0.74, 0.79], ["NSC", "galaxy"])
    assert expected_calibration_error(model) == pytest.approx(abs(1 - 0.74 - 0.79) / 2, abs=1e-6)
    assert expected_calibration_error(model, bins=20) == pytest.approx((1 - 0.74 + 0.79) / 2, abs=1e-6)


def test_a_calibrated_model_has_no_error_and_a_hesitant_one_half(observation: Make) -> None:
    calibrated = said(observation, [0.75] * 4, ["NSC", "NSC", "NSC", "galaxy"])
    assert expected_calibration_error(calibrated) == pytest.approx(0, abs=1e-7)
    hesitant = said(observation, [0.5] * 4, ["NSC", "galaxy", "galaxy", "galaxy"])
    # Equal logits count as galaxy, so that three of four are right at a confidence of one half.
    assert expected_calibration_error(hesitant) == pytest.approx(0.25)
    assert brier_score(hesitant) == 0.25
    assert log_loss(hesitant) == pytest.approx(math.log(2))


def test_brier_and_log_loss_by_hand(observation: Make) -> None:
    model = said(observation, [0.9, 0.2], ["NSC", "NSC"])
    assert brier_score(model) == pytest.approx((0.1**2 + 0.8**2) / 2, rel=1e-6)
    assert log_loss(model) == pytest.approx(-(math.log(0.9) + math.log(0.2)) / 2, rel=1e-6)
    assert calibration_of(model) == Calibration(expected_calibration_error(model), brier_score(model), log_loss(model))


def test_certainty_is_counted_and_does_not_overflow(observation: Make) -> None:
    rows = tuple(observation(i, label="NSC") for i in range(2))
    found = calibration_of(Predictions(rows, np.array([[0, 1000], [1000, 0]], np.float32)))
    assert found == Calibration(expected_error=0.5, brier=0.5, log_loss=500.0)


def test_reliability_by_hand_and_by_scikit_learn(observation: Make) -> None:
    model = said(observation, [0.75, 0.75, 0.25, 0.95], ["NSC", "galaxy", "galaxy", "galaxy"])
    bins = reliability(model, bins=10)
    assert [(part.low, part.high, part.frames, part.correct) for part in bins if part.frames] == [
        (0.7, 0.8, 3, 2),
        (0.9, 1.0, 1, 0),
    ]
    assert bins[7].confidence == pytest.approx(0.75)
    assert (bins[7].accuracy, bins[7].interval) == (2 / 3, wilson(2, 3))
    assert (bins[0].accuracy, bins[0].confidence, bins[0].interval) == (None, None, None)

    rng = np.random.default_rng(4)
    labels = rng.choice(["galaxy", "NSC"], 200).tolist()
    random = said(observation, rng.uniform(0.01, 0.99, 200).tolist(), labels)
    right, sure = calibration_curve(random.correct, random.confidence, n_bins=BINS)
    filled = [part for part in reliability(random) if part.frames]
    assert [part.accuracy for part in filled] == pytest.approx(right.tolist())
    assert [part.confidence for part in filled] == pytest.approx(sure.tolist())


def test_figures_are_those_of_the_softmax_at_the_temperature(observation: Make) -> None:
    model = said(observation, [0.9, 0.2], ["NSC", "NSC"]).at_temperature(2.0)
    # Odds of 9 and 1/4 become 3 and 1/2.
    assert model.p_nsc == pytest.approx([0.75, 1 / 3], rel=1e-6)
    assert brier_score(model) == pytest.approx((0.25**2 + (2 / 3) ** 2) / 2, rel=1e-6)
    assert log_loss(model) == pytest.approx(-(math.log(0.75) + math.log(1 / 3)) / 2, rel=1e-6)


def test_no_bins_are_refused(observation: Make) -> None:
    with pytest.raises(ValueError, match=r"`bins` must be at least 1. Received: bins=0"):
        expected_calibration_error(said(observation, [0.6], ["NSC"]), bins=0)
