"""A `.keras` model that classifies FITS chips, for comparing it with its artifact on the workstation."""

from __future__ import annotations

import time
from pathlib import Path

from celestial_edge.device.runtime import Verdict
from celestialkeras.evaluation.predictor import KerasPredictor, binning_of, load_model
from celestialkeras.lcid.detectors import CHIP_SHAPE
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.stretch import Stretch, bin_codes, encode


class KerasClassifier:
    """Reads, stretches and scores one chip at a time, as `celestial_edge.device.runtime.Classifier` does."""

    def __init__(self, path: Path) -> None:
        model = load_model(path)
        self._binning = binning_of(model, CHIP_SHAPE)
        self._predictor = KerasPredictor(model)

    def classify(self, source: Path, hdu: int) -> Verdict:
        """Classifies one chip of a FITS file.

        Raises:
            FrameError: The file or chip cannot be used.
        """
        marks = [time.perf_counter()]
        frame = read_frame(source, hdu)
        marks.append(time.perf_counter())
        codes = bin_codes(encode(frame, Stretch()), self._binning)
        marks.append(time.perf_counter())
        logits = self._predictor.logits(codes[None])[0]
        marks.append(time.perf_counter())
        stages = zip(("read", "stretch", "invoke"), marks, marks[1:], strict=False)
        return Verdict.from_logits(logits.tolist(), {stage: 1e3 * (end - begin) for stage, begin, end in stages})
