"""A `.keras` model that classifies FITS chips, for comparing it with its artifact on the workstation."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from celestial_edge.device.quality import judge_frame
from celestial_edge.device.read_ahead import Chip, ChipResult, decide_many
from celestial_edge.device.verdict import Verdict
from celestialkeras.evaluation.predictor import KerasPredictor, binning_of, load_model
from celestialkeras.lcid.detectors import CHIP_SHAPE
from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.stretch import Stretch, bin_codes, encode, estimate_background
from celestialkeras.training.calibration import read_temperature


class KerasClassifier:
    """Reads, stretches and scores one chip at a time, as `celestial_edge.device.runtime.Classifier` does.

    The softmax has the temperature that is kept in the model's run, or 1.

    Attributes:
        abstain: Least probability that decides; None decides always.
    """

    def __init__(self, path: Path, abstain: float | None = None) -> None:
        model = load_model(path)
        self._binning = binning_of(model, CHIP_SHAPE)
        self._predictor = KerasPredictor(model)
        self._temperature = read_temperature(path) or 1.0
        self.abstain = abstain

    def classify_many(self, chips: Iterable[Chip]) -> Iterator[ChipResult]:
        """Classifies chips one after another; see `celestial_edge.device.runtime.Classifier.classify_many`."""
        return decide_many(chips, self._classify)

    def _classify(self, frame: Frame) -> Verdict:
        marks = [time.perf_counter()]
        background = estimate_background(frame)
        quality = judge_frame(frame, background)
        codes = bin_codes(encode(frame, Stretch(), background), self._binning)
        marks.append(time.perf_counter())
        logits = self._predictor.logits(codes[None])[0] / self._temperature
        marks.append(time.perf_counter())
        stages = zip(("stretch", "invoke"), marks, marks[1:], strict=False)
        milliseconds = {stage: 1e3 * (end - begin) for stage, begin, end in stages}
        return Verdict.from_logits(logits.tolist(), {"read": 0.0, **milliseconds}, quality, self.abstain)
