from __future__ import annotations

import math
import sys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.intervals import wilson
from celestialkeras.evaluation.metrics import ClassScores, Resampling, Slice, Timing, score
from celestialkeras.evaluation.predictions import Predictions
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
    assert found.by_object == (Slice("M16", 4, 2, (0, 4)), Slice("NGC1", 4, 3, (4, 0)), Slice("NGC2", 2, 2, (2, 0)))
    assert found.by_instrument == (Slice("ACS/WFC", 4, 3, (2, 2)), Slice("WFC3/UVIS", 6, 4, (4, 2)))
    assert found.by_filter == (Slice("F606W", 7, 4, (4, 3)), Slice("F814W", 3, 3, (2, 1)))
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


def test_an_empty_slice_has_neither_accuracy_nor_interval() -> None:
    empty = Slice("F555W", 0, 0, (0, 0))
    assert (empty.accuracy, empty.interval, empty.label) == (None, None, None)


def test_log_loss_of_a_certain_error_is_its_margin(observation: Callable[..., Observation]) -> None:
    found = score(Predictions((observation(),), np.array([[-400, 600]], np.float32)))
    assert found.calibration.log_loss == 1000.0


def test_scoring_without_scikit_learn_names_the_extra(
    predictions: Make, mixed: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.metrics", None)
    with pytest.raises(MissingExtraError, match=r"Scoring predictions needs the extra `train`"):
        score(predictions(mixed))
