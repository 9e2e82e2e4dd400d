"""Whole frames, 2048 x 4096, through the compact network: one training epoch, an int8 artifact, its memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.compress.quantize import QuantizeOptions, quantize_int8
from celestial_edge.device.bench import BenchOptions, bench
from celestial_edge.device.runtime import Classifier
from celestialkeras.evaluation.predictor import KerasPredictor
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.stretch import Stretch, encode
from small_datasets import SmallSplit

pytestmark = pytest.mark.slow


def test_whole_frames_train_quantize_and_decide(
    make_dataset: Any, tmp_path: Path, uvis_raw: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from celestialkeras.training.loop import start_run, train
    from celestialkeras.training.options import TrainOptions

    monkeypatch.chdir(tmp_path)
    pair = SmallSplit(1, 1)
    data = make_dataset(shape=(2048, 4096), sizes=(SmallSplit(2, 2), pair, pair))
    run = start_run(TrainOptions(data=data, size="full", epochs=1, batch_size=2), runs=tmp_path / "runs")
    assert train(run).epochs == 1

    result = quantize_int8(run.model, open_dataset(data), tmp_path / "artifacts", QuantizeOptions(calibration_frames=2))
    report = bench([result.artifact], BenchOptions(frames=3, warmup=1, threads=2, fits=uvis_raw))
    (entry,) = report.artifacts
    assert entry.input == (2048, 4096)
    assert entry.file_mb < 1.0
    # 203 MB measured; XNNPACK's pointers, 8 bytes x 64 kernel places x 131,072 pixels of the stem, make 67 of them.
    assert entry.peak_memory_mb < 230

    codes = encode(read_frame(uvis_raw, 1), Stretch())
    classifier = Classifier(result.artifact)
    from_fits = np.float32(classifier.classify(uvis_raw, 1).logits)
    np.testing.assert_array_equal(from_fits, classifier.logits(codes[None])[0])
    by_keras = KerasPredictor(run.model).logits(codes[None])[0]
    assert np.abs(from_fits - by_keras).max() < 0.25 * max(1.0, np.abs(by_keras).max())
