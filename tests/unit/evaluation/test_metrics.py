from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest
from sklearn import metrics

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.intervals import wilson
from celestialkeras.evaluation.metrics import ClassScores, Resampling, Timing, score
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.slices import Slice
from celestialkeras.lcid.manifest import Observation

Make = Callable[[Sequence[Any]], Predictions]


def test_every_figure_of_a_small_list(predictions: Make, mixed: list[Any]) -> None:
    found = score(predictions(mixed), Timing(12.5, 3), Resampling(seed=1, resamples=500))
    assert (found.n, found.correct, found.accuracy) == (10, 7, 0.7)
    assert found.accuracy_interval == wilson(7, 10)
    assert found.confusion == ((5, 1), (2, 2))
    galaxy, nsc = found.classes
    assert galaxy == ClassScores("galaxy", 6, 7, pytest.approx(5 / 7), pytest.approx(5 / 6), pytest.approx(10 / 13))
    assert nsc == ClassScores("NSC", 4, 3, pytest.approx(2 / 3), pytest.approx(0.5), pytest.approx(4 / 7))
    assert found.balanced_accuracy == pytest.approx((5 / 6 + 1 / 2) / 2)
    assert found.instrument_balanced_accuracy == pytest.approx((3 / 4 + 4 / 6) / 2)
    assert (found.majority_label, found.majority_accuracy) == ("galaxy", 0.6)
    right, wrong = math.log(1 + math.exp(-2)), math.log(1 + math.exp(2))
    assert found.calibration.log_loss == pytest.approx(0.7 * right + 0.3 * wrong)
    assert found.timing == Timing(12.5, 3)


def test_slices_count_by_object_instrument_and_filter(predictions: Make, mixed: list[Any]) -> None:
    found = score(predictions(mixed))
    assert found.by_object == (
        Slice("M16", 4, 2, (0, 4), 1),
        Slice("NGC1", 4, 3, (4, 0), 1),
        Slice("NGC2", 2, 2, (2, 0), 1),
    )
    assert found.by_instrument == (Slice("ACS/WFC", 4, 3, (2, 2), 2), Slice("WFC3/UVIS", 6, 4, (4, 2), 2))
    assert found.by_filter == (Slice("F606W", 7, 4, (4, 3), 2), Slice("F814W", 3, 3, (2, 1), 2))
    assert [part.label for part in found.by_object] == ["NSC", "galaxy", "galaxy"]
    assert [part.label for part in found.by_instrument] == [None, None]
    assert found.by_instrument[0].accuracy == 0.75
    assert found.by_instrument[0].interval == wilson(3, 4)


def test_object_interval_is_repeated_by_its_seed(predictions: Make, mixed: list[Any]) -> None:
    data = predictions(mixed)
    first, again = (score(data, resampling=Resampling(5, 300)).object_interval for _ in range(2))
    assert first is not None
    assert first == again
    assert first.low < 0.7 < first.high


def test_a_class_without_frames_gives_none_and_no_warning(predictions: Make) -> None:
    found = score(predictions([("NGC1", "ACS/WFC", "F814W", "galaxy", True)] * 3))
    assert found.balanced_accuracy is None
    assert found.object_interval is None
    assert found.classes[1] == ClassScores("NSC", 0, 0, None, None, None)
    assert found.classes[0] == ClassScores("galaxy", 3, 3, 1.0, 1.0, 1.0)
    assert found.instrument_balanced_accuracy == found.accuracy == 1.0
    assert found.majority_accuracy == 1.0


def test_a_class_never_predicted_has_no_precision(predictions: Make) -> None:
    found = score(
        predictions([("NGC1", "ACS/WFC", "F814W", "galaxy", True), ("M16", "ACS/WFC", "F814W", "NSC", False)])
    )
    assert found.classes[1] == ClassScores("NSC", 1, 0, None, 0.0, 0.0)
    assert found.balanced_accuracy == 0.5


def test_figures_are_those_of_scikit_learn(observation: Callable[..., Observation]) -> None:
    rng = np.random.default_rng(8)
    labels = ["galaxy" if i % 5 < 3 else "NSC" for i in range(90)]
    rows = tuple(
        observation(i, f"O{i % 30}", ("ACS/WFC", "WFC3/UVIS", "CSST/MSC")[i % 7 % 3], label=labels[i])
        for i in range(90)
    )
    data = Predictions(rows, rng.normal(0, 2, (90, 2)).astype(np.float32) + np.eye(2)[[r.label_code for r in rows]])
    found = score(data, resampling=Resampling(0, 200))
    true, told = data.labels, data.predicted
    assert found.accuracy == pytest.approx(metrics.accuracy_score(true, told))
    assert found.balanced_accuracy == pytest.approx(metrics.balanced_accuracy_score(true, told))
    assert found.calibration.brier == pytest.approx(metrics.brier_score_loss(true, data.p_nsc))
    assert found.calibration.log_loss == pytest.approx(metrics.log_loss(true, data.p_nsc))
    for code, scores in enumerate(found.classes):
        assert scores.f1 == pytest.approx(metrics.f1_score(true, told, pos_label=code))
    for of, figure in (("instrument", "instrument_balanced_accuracy"), ("object_id", "object_balanced_accuracy")):
        groups = np.array([getattr(row, of) for row in rows])
        parts = [metrics.accuracy_score(true[groups == one], told[groups == one]) for one in np.unique(groups)]
        assert getattr(found, figure) == pytest.approx(np.mean(parts))


def test_intervals_over_objects_are_those_of_the_figures_of_each_draw(predictions: Make) -> None:
    cases = [
        (f"O{i}", ("ACS/WFC", "WFC3/UVIS")[frame % 2], "F814W", ("galaxy", "NSC")[i % 2], (i * frame) % 5 != 1)
        for i in range(12)
        for frame in range(1 + i % 3)
    ]
    data = predictions(cases)
    found = score(data, resampling=Resampling(3, 300))
    draws = Resampling(3, 300).draws(data)
    instruments = np.array([row.instrument for row in data.observations])
    objects = np.array(data.objects)
    expected: dict[str, list[float]] = {name: [] for name in found.object_intervals}
    for weights in np.concatenate(list(draws.frame_weights())):
        drawn = np.repeat(np.arange(len(data)), weights.astype(int))
        true, told, right = data.labels[drawn], data.predicted[drawn], data.correct[drawn]
        if len(np.unique(true)) == 2:
            expected["balanced_accuracy"].append(metrics.balanced_accuracy_score(true, told))
        for code, label in enumerate(("galaxy", "NSC")):
            if code in true or code in told:
                expected[f"{label} f1"].append(metrics.f1_score(true, told, pos_label=code, zero_division=0))
            if code in true:
                expected[f"{label} recall"].append(metrics.recall_score(true, told, pos_label=code))
            if code in told:
                expected[f"{label} precision"].append(metrics.precision_score(true, told, pos_label=code))
        if len(np.unique(instruments[drawn])) == 2:
            parts = [right[instruments[drawn] == name].mean() for name in np.unique(instruments)]
            expected["instrument_balanced_accuracy"].append(float(np.mean(parts)))
        # An object that was drawn twice counts twice.
        times = {name: weights[objects == name][0] for name in np.unique(objects)}
        shares = [times[name] * data.correct[objects == name].mean() for name in times]
        expected["object_balanced_accuracy"].append(sum(shares) / sum(times.values()))
        expected["brier"].append(metrics.brier_score_loss(true, data.p_nsc[drawn]))
        expected["log_loss"].append(metrics.log_loss(true, data.p_nsc[drawn], labels=[0, 1]))
    for name, interval in found.object_intervals.items():
        wanted = draws.interval(np.array(expected[name]))
        assert interval is not None
        assert wanted is not None
        assert (interval.low, interval.high) == pytest.approx((wanted.low, wanted.high)), name


def test_log_loss_of_a_certain_error_is_its_margin(observation: Callable[..., Observation]) -> None:
    found = score(Predictions((observation(),), np.array([[-400, 600]], np.float32)))
    assert found.calibration.log_loss == 1000.0


def test_scoring_without_scikit_learn_names_the_extra(
    predictions: Make, mixed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(MissingExtraError, match=r"Scoring predictions needs the extra `train`"):
        score(predictions(mixed))
