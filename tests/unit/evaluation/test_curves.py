"""Curves and their areas, held against scikit-learn."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
import pytest
from sklearn import metrics

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.curves import precision_recall_curve, roc_curve
from celestialkeras.evaluation.intervals import ObjectDraws
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import Observation

Make = Callable[..., Observation]


def ranked(observation: Make, count: int = 60, per_object: int = 3, seed: int = 3) -> Predictions:
    """Frames of objects of both classes, NSC higher on the whole; margins are rounded, so that some are equal."""
    rng = np.random.default_rng(seed)
    rows = tuple(
        observation(i, object_id=f"O{i // per_object}", label=("galaxy", "NSC")[i // per_object % 2])
        for i in range(count)
    )
    margins = np.round([rng.normal(2 * row.label_code - 1, 1.5) for row in rows], 1)
    return Predictions(rows, np.stack([np.zeros(count), margins], axis=1).astype(np.float32))


def draws_of(predictions: Predictions, resamples: int = 200) -> ObjectDraws:
    return ObjectDraws(predictions.objects, np.random.default_rng(0), resamples)


def by_scikit_learn(predictions: Predictions, draws: ObjectDraws, code: int) -> np.ndarray:
    """ROC area and average precision of each draw, with frames weighted by how often they were drawn."""
    positive = predictions.labels == code
    scores = predictions.margins if code == 1 else -predictions.margins
    found = []
    for weights in draws.frame_weights():
        for row in weights:
            area = metrics.roc_auc_score(positive, scores, sample_weight=row)
            found.append((area, metrics.average_precision_score(positive, scores, sample_weight=row)))
    return np.array(found)


def test_roc_is_scikit_learns_with_an_interval_over_objects(observation: Make) -> None:
    data = ranked(observation)
    draws = draws_of(data)
    found = roc_curve(data, draws)
    assert found is not None
    false, true, _ = metrics.roc_curve(data.labels, data.p_nsc)
    np.testing.assert_allclose(found.false_positives, false)
    np.testing.assert_allclose(found.true_positives, true)
    assert found.area == pytest.approx(metrics.roc_auc_score(data.labels, data.p_nsc))
    expected = draws.interval(by_scikit_learn(data, draws, 1)[:, 0])
    assert expected is not None
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))
    assert found.interval.low < found.area < found.interval.high


@pytest.mark.parametrize("code", [0, 1])
def test_average_precision_is_scikit_learns_for_either_class(observation: Make, code: int) -> None:
    data = ranked(observation, count=66)
    draws = draws_of(data, 60)
    found = precision_recall_curve(data, code, draws)
    assert found is not None
    scores = data.p_nsc if code else 1 - data.p_nsc
    precision, recall, _ = metrics.precision_recall_curve(data.labels == code, scores)
    np.testing.assert_allclose(found.precision, precision)
    np.testing.assert_allclose(found.recall, recall)
    assert found.area == pytest.approx(metrics.average_precision_score(data.labels == code, scores))
    assert found.base_rate == pytest.approx(np.mean(data.labels == code))
    expected = draws.interval(by_scikit_learn(data, draws, code)[:, 1])
    assert expected is not None
    assert found.interval is not None
    assert (found.interval.low, found.interval.high) == pytest.approx((expected.low, expected.high))
    assert found.label == ("galaxy", "NSC")[code]


def test_area_by_hand_with_a_tie(observation: Make) -> None:
    # Of four pairs of an NSC and a galaxy two are won, one is a tie, one is lost.
    rows = tuple(observation(i, f"O{i}", label=label) for i, label in enumerate(("NSC", "NSC", "galaxy", "galaxy")))
    data = Predictions(rows, np.array([[0, 3], [0, 1], [0, 1], [0, 2]], np.float32))
    found = roc_curve(data, draws_of(data))
    assert found is not None
    assert found.area == (2 + 0.5) / 4


def test_one_class_has_no_curves_and_one_object_no_interval(observation: Make) -> None:
    rows = tuple(observation(i) for i in range(3))
    galaxies = Predictions(rows, np.zeros((3, 2), np.float32))
    assert roc_curve(galaxies, draws_of(galaxies)) is None
    assert precision_recall_curve(galaxies, 0, draws_of(galaxies)) is None
    assert precision_recall_curve(galaxies, 1, draws_of(galaxies)) is None
    rows = (observation(0, "one"), observation(1, "one", label="NSC"))
    both = Predictions(rows, np.array([[0, 1], [0, 2]], np.float32))
    found = roc_curve(both, draws_of(both))
    assert found is not None
    assert (found.area, found.interval) == (1.0, None)


def test_without_scikit_learn_the_extra_is_named(observation: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    data = ranked(observation, 6)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(MissingExtraError, match=r"Drawing curves needs the extra `train`"):
        roc_curve(data, draws_of(data))
