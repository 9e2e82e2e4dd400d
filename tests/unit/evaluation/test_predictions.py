from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from celestialkeras.errors import DatasetError, ModelError
from celestialkeras.evaluation.predictions import Predictions, join
from celestialkeras.lcid.manifest import Observation

Make = Callable[..., Observation]


def test_classes_and_probabilities_follow_the_logits(observation: Make) -> None:
    rows = (observation(0), observation(1, label="NSC"), observation(2, label="NSC"))
    found = Predictions(rows, np.array([[1, 3], [-2, 2], [5, 5]], np.float32))
    assert found.labels.tolist() == [0, 1, 1]
    # Equal logits count as galaxy.
    assert found.predicted.tolist() == [1, 1, 0]
    assert found.correct.tolist() == [False, True, False]
    assert found.p_nsc == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-4)), 0.5])


def test_extreme_logits_give_probabilities_without_overflow(observation: Make) -> None:
    rows = (observation(0), observation(1))
    found = Predictions(rows, np.array([[3e38, -3e38], [-3e38, 3e38]], np.float32))
    assert found.p_nsc.tolist() == [0.0, 1.0]


def test_logits_are_a_read_only_copy(observation: Make) -> None:
    given = np.array([[1, 0]], np.float32)
    found = Predictions((observation(),), given)
    given[0, 1] = 9
    assert found.logits.tolist() == [[1.0, 0.0]]
    with pytest.raises(ValueError, match="read-only"):
        found.logits[0, 0] = 2


def test_logits_that_cannot_be_scored_are_refused(observation: Make) -> None:
    rows = (observation(0), observation(1))
    with pytest.raises(ModelError, match=r"one logit per class, \(2, 2\)\. Received: \(2, 3\)"):
        Predictions(rows, np.zeros((2, 3), np.float32))
    with pytest.raises(ModelError, match=r"1 of 2 frames .* Received: \[nan, 0\.0\] for j00000001 HDU 1"):
        Predictions(rows, np.array([[0, 1], [np.nan, 0]], np.float32))
    with pytest.raises(DatasetError, match="nothing to evaluate"):
        join([])


def test_a_temperature_changes_how_sure_a_model_is_and_nothing_else(observation: Make) -> None:
    rows = (observation(0), observation(1, label="NSC"))
    plain = Predictions(rows, np.array([[1, 5], [2, 0]], np.float32))
    soft = plain.at_temperature(2.0)
    assert soft.p_nsc == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.exp(1))])
    assert soft.confidence == pytest.approx([1 / (1 + math.exp(-2)), 1 / (1 + math.exp(-1))])
    assert soft.predicted.tolist() == plain.predicted.tolist() == [1, 0]
    assert soft.logits.tolist() == plain.logits.tolist()
    for temperature in (0.0, math.inf):
        with pytest.raises(ValueError, match="`temperature` must be a finite number above 0"):
            plain.at_temperature(temperature)


def test_what_was_measured_stays_with_its_frame(observation: Make) -> None:
    parts = [
        Predictions((observation(i),), np.array([[1, 2]], np.float32), ({"signal_to_noise": float(i)},))
        for i in range(2)
    ]
    assert [values["signal_to_noise"] for values in join(parts).measured] == [0.0, 1.0]
    with pytest.raises(ValueError, match=r"one mapping per frame, or none at all\. Received: 1 for 2 frames"):
        Predictions((observation(0), observation(1)), np.zeros((2, 2), np.float32), ({},))


def test_batches_are_joined_in_order(observation: Make) -> None:
    parts = [
        Predictions((observation(0),), np.array([[1, 2]], np.float32)),
        Predictions((observation(1), observation(2)), np.array([[3, 4], [5, 6]], np.float32)),
    ]
    whole = join(parts)
    assert [row.obsid for row in whole.observations] == ["j00000000", "j00000001", "j00000002"]
    assert whole.logits.tolist() == [[1, 2], [3, 4], [5, 6]]


def test_predictions_are_written_frame_by_frame(observation: Make, tmp_path: Path) -> None:
    rows = (observation(0), observation(1, object_id="Orion, core", label="NSC"), observation(2))
    path = tmp_path / "run" / "predictions.csv"
    Predictions(rows, np.array([[2, 0], [0, 0], [0, 30]], np.float32)).write_csv(path)
    assert path.read_text(encoding="utf-8") == (
        "object,obsid,hdu,label,predicted,p_nsc\n"
        "NGC4298,j00000000,1,galaxy,galaxy,0.119203\n"
        '"Orion, core",j00000001,1,NSC,galaxy,0.5\n'
        "NGC4298,j00000002,1,galaxy,NSC,1\n"
    )
    assert [entry.name for entry in path.parent.iterdir()] == ["predictions.csv"]
