"""Losses against labels, by hand: logits (log 3, 0) give the classes 3/4 and 1/4."""

from __future__ import annotations

import math

import numpy as np
import pytest
import tensorflow as tf

from celestialkeras.errors import RunError
from celestialkeras.training.loss import LabelLoss

LABELS = np.array([0, 1, 1], np.int32)
LOGITS = np.array([[math.log(3), 0.0], [math.log(3), 0.0], [0.0, 0.0]], np.float32)


def losses(**numbers: float) -> list[float]:
    found: list[float] = LabelLoss(**numbers).losses(LABELS, LOGITS).numpy().tolist()
    return found


def test_cross_entropy_is_that_of_tensorflow_to_the_bit() -> None:
    expected = tf.nn.sparse_softmax_cross_entropy_with_logits(LABELS, LOGITS).numpy()
    np.testing.assert_array_equal(losses(), expected)
    assert losses() == pytest.approx([-math.log(0.75), -math.log(0.25), math.log(2)], rel=1e-6)


def test_focal_loss_counts_sure_frames_less() -> None:
    # (1 - p)^2 times the cross-entropy, p = 3/4, 1/4, 1/2.
    expected = [-math.log(0.75) / 16, -math.log(0.25) * 9 / 16, math.log(2) / 4]
    assert losses(focal_gamma=2.0) == pytest.approx(expected, rel=1e-6)
    expected = [-math.log(0.75) / 2, -math.log(0.25) * math.sqrt(0.75), math.log(2) * math.sqrt(0.5)]
    assert losses(focal_gamma=0.5) == pytest.approx(expected, rel=1e-6)


def test_smoothed_labels_give_the_other_class_its_share() -> None:
    # With 0.1 the labels are 0.95 and 0.05.
    expected = [
        -0.95 * math.log(0.75) - 0.05 * math.log(0.25),
        -0.95 * math.log(0.25) - 0.05 * math.log(0.75),
        math.log(2),
    ]
    assert losses(label_smoothing=0.1) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("gamma", [0.5, 1.0, 2.0])
def test_frames_that_are_told_for_certain_have_a_gradient(gamma: float) -> None:
    logits = tf.Variable([[200.0, 0.0], [0.0, 200.0]])
    with tf.GradientTape() as tape:
        loss = tf.reduce_sum(LabelLoss(focal_gamma=gamma).losses(np.array([0, 0], np.int32), logits))
    gradient = tape.gradient(loss, logits).numpy()
    assert float(loss) == pytest.approx(200.0)
    np.testing.assert_allclose(gradient, [[0, 0], [-1, 1]], atol=1e-6)


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        ({"focal_gamma": -1.0}, r"`focal_gamma` must be a finite number of at least 0.* Received: focal_gamma=-1\.0"),
        ({"focal_gamma": math.inf}, "`focal_gamma` must be a finite number"),
        ({"focal_gamma": True}, "`focal_gamma` must be a finite number"),
        ({"label_smoothing": 1.0}, r"`label_smoothing` must be .* below 1\. Received: label_smoothing=1\.0"),
        ({"label_smoothing": "much"}, "`label_smoothing` must be a number"),
        ({"focal_gamma": 2.0, "label_smoothing": 0.1}, "are two losses; give one of them"),
    ],
)
def test_senseless_numbers_are_refused(numbers: dict[str, float], message: str) -> None:
    with pytest.raises(RunError, match=message):
        LabelLoss(**numbers)
