from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from celestialkeras.errors import DatasetError, ModelError
from celestialkeras.evaluation import evaluate as module
from celestialkeras.evaluation.evaluate import FrameBatch, evaluate
from celestialkeras.lcid.manifest import Observation

Make = Callable[..., Observation]


class BrightIsGalaxy:
    """A predictor that goes by the mean code."""

    def __init__(self) -> None:
        self.batches: list[tuple[int, ...]] = []

    def logits(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.batches.append(codes.shape)
        brightness = codes.mean(axis=(1, 2)) / 255
        return np.stack([brightness, 1 - brightness], axis=1).astype(np.float32)


def batch(observation: Make, codes: list[int], labels: list[str], start: int = 0) -> FrameBatch:
    frames = np.broadcast_to(np.array(codes, np.uint8)[:, None, None], (len(codes), 4, 8))
    return FrameBatch(frames, [observation(start + i, label=label) for i, label in enumerate(labels)])


def test_frames_are_scored_in_order(observation: Make) -> None:
    predictor = BrightIsGalaxy()
    batches = [
        batch(observation, [255, 0], ["galaxy", "NSC"]),
        batch(observation, [0, 255], ["galaxy", "galaxy"], start=2),
        batch(observation, [51], ["NSC"], start=4),
    ]
    found = evaluate(predictor, iter(batches))
    assert predictor.batches == [(2, 4, 8), (2, 4, 8), (1, 4, 8)]
    assert found.predictions.predicted.tolist() == [0, 1, 1, 0, 1]
    assert [row.obsid[-1] for row in found.predictions.observations] == ["0", "1", "2", "3", "4"]
    assert found.accuracy == 0.8
    assert found.predictions.logits[4].tolist() == pytest.approx([0.2, 0.8])


def test_time_is_the_median_a_frame_without_the_first_batch_of_each_size(
    observation: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Seconds that the clock shows before and after each call: 9 (warm-up), 0.2, 0.6, 0.4, 5 (a new size).
    ticks = iter([0.0, 9.0, 10.0, 10.2, 20.0, 20.6, 30.0, 30.4, 40.0, 45.0])
    monkeypatch.setattr(module.time, "perf_counter", lambda: next(ticks))
    pairs = [batch(observation, [255, 0], ["galaxy", "NSC"], start=2 * i) for i in range(4)]
    found = evaluate(BrightIsGalaxy(), [*pairs, batch(observation, [0], ["NSC"], start=8)])
    assert found.timing.milliseconds == pytest.approx(200.0)
    assert found.timing.batches == 3


def test_one_batch_gives_no_time(observation: Make) -> None:
    found = evaluate(BrightIsGalaxy(), [batch(observation, [255], ["galaxy"])])
    assert (found.timing.milliseconds, found.timing.batches) == (None, 0)


def test_no_frames_are_refused() -> None:
    with pytest.raises(DatasetError, match=r"nothing to evaluate; .* Received: 0 frames"):
        evaluate(BrightIsGalaxy(), [])


def test_a_predictor_that_drops_frames_is_refused(observation: Make) -> None:
    class Lossy:
        def logits(self, codes: NDArray[np.uint8]) -> NDArray[np.float32]:
            return np.zeros((len(codes) - 1, 2), np.float32)

    with pytest.raises(ModelError, match=r"\(2, 2\)\. Received: \(1, 2\)"):
        evaluate(Lossy(), [batch(observation, [1, 2], ["galaxy", "NSC"])])


@pytest.mark.parametrize(
    ("codes", "message"),
    [
        (np.zeros((1, 4, 8), np.float32), r"Received: float32 \(1, 4, 8\)"),
        (np.zeros((4, 8), np.uint8), r"Received: uint8 \(4, 8\)"),
        (np.zeros((0, 4, 8), np.uint8), r"Received: uint8 \(0, 4, 8\)"),
        (np.zeros((2, 4, 8), np.uint8), r"Received: 2 frames and 1 observations"),
    ],
)
def test_batches_that_do_not_fit_are_refused(observation: Make, codes: NDArray[Any], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        FrameBatch(codes, [observation()])
