"""An artifact at work: FITS chip in, verdict out, by LiteRT alone."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.card import Card, read_card
from celestial_edge.device.chain import Chain
from celestial_edge.recipes import INT16_STEPS
from celestialkeras.errors import ArtifactError
from celestialkeras.lcid.frames import Frame, read_frame
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.stretch import bin_codes, encode

# What an integer input must carry, scale and zero point, for `code - 128` in int8 and `code * 128` in int16 to mean
# `code / 255`.
_INPUT_QUANTIZATION = {"int8": (1 / 255, -128), "int16": (1 / (255 * INT16_STEPS), 0)}


@dataclass(frozen=True)
class Verdict:
    """What a model says of one chip, or of an exposure.

    Attributes:
        label: `galaxy` or `NSC`, whichever is more probable.
        probability: Probability of that label.
        logits: The two logits, galaxy first, after the temperature.
        milliseconds: Time by stage: `read`, `stretch`, `invoke`, and their sum `total`.
    """

    label: str
    probability: float
    logits: tuple[float, float]
    milliseconds: Mapping[str, float]

    @classmethod
    def from_logits(cls, logits: Sequence[float], milliseconds: Mapping[str, float]) -> Verdict:
        """Softmax of two logits."""
        galaxy, nsc = map(float, logits)
        p_nsc = 1 / (1 + math.exp(min(galaxy - nsc, 700.0)))
        code = int(nsc > galaxy)
        total = sum(milliseconds.values())
        return cls(LABELS[code], (1 - p_nsc, p_nsc)[code], (galaxy, nsc), {**milliseconds, "total": total})


def combine(chips: Sequence[Verdict]) -> Verdict:
    """The verdict on an exposure: the mean of its chips' logits, that is the geometric mean of their odds.

    The chips lie side by side on one sky and share its target, so their odds are averaged and not multiplied, which
    would count the same evidence twice.

    Args:
        chips: Verdicts of the exposure's chips, at least one.

    Returns:
        The verdict, its times the sums over the chips.
    """
    galaxy, nsc = (sum(chip.logits[code] for chip in chips) / len(chips) for code in range(len(LABELS)))
    stages = [stage for stage in chips[0].milliseconds if stage != "total"]
    return Verdict.from_logits((galaxy, nsc), {stage: sum(c.milliseconds[stage] for c in chips) for stage in stages})


class Classifier:
    """An artifact loaded for inference. Not for several threads at once.

    It satisfies `celestialkeras.evaluation.predictor.Predictor`, so the workstation evaluates the very code that runs
    on the board.

    Attributes:
        card: The artifact's card.
    """

    def __init__(self, artifact: str | Path, threads: int | None = None) -> None:
        """Checks the artifact's hashes and loads it.

        Args:
            artifact: The artifact folder.
            threads: Threads of the interpreter; None leaves it to LiteRT, which takes one.

        Raises:
            ArtifactError: The artifact is missing, altered, or not what its card says.
        """
        folder = Path(artifact)
        self.card: Card = read_card(folder)
        self._chain = Chain(folder, self.card.segments, (*self.card.input.model_shape, 1), threads)
        _check_contract(self._chain.input, self._chain.output, self.card, folder)

    def classify(self, source: str | Path | Frame, hdu: int = 1) -> Verdict:
        """Classifies one chip.

        Args:
            source: A FITS file, or a frame that was read from one.
            hdu: HDU of the chip in the file, 1 or 4; of no account for a frame.

        Returns:
            The verdict with its time by stage; `read` is 0 for a frame.

        Raises:
            FrameError: The file or chip cannot be used; its kinds say why.
        """
        begin = time.perf_counter()
        frame = source if isinstance(source, Frame) else read_frame(source, hdu)
        after_read = time.perf_counter()
        self._set_frame(frame)
        after_stretch = time.perf_counter()
        logits = self._run() / self.card.temperature
        end = time.perf_counter()
        stages = {"read": after_read - begin, "stretch": after_stretch - after_read, "invoke": end - after_stretch}
        return Verdict.from_logits(logits.tolist(), {stage: 1e3 * seconds for stage, seconds in stages.items()})

    def logits(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Logits of frames given as codes.

        Args:
            codes: `uint8 (n, H, W)` at the model's input size.

        Returns:
            `float32 (n, 2)`, galaxy first, before the temperature.

        Raises:
            ArtifactError: The frames are of another size.
        """
        if codes.shape[1:] != self.card.input.model_shape:
            raise ArtifactError(
                f"frames must be uint8 (n, {self.card.input.model_shape[0]}, {self.card.input.model_shape[1]}). "
                f"Received: {codes.dtype} {codes.shape}"
            )
        out = np.empty((len(codes), len(LABELS)), np.float32)
        for row, frame in zip(out, codes, strict=True):
            self._set_codes(frame)
            row[:] = self._run()
        return out

    @property
    def logit_step(self) -> float:
        """What a logit differs by from one stored code to the next; 0 where logits are stored as floats."""
        return float(self._chain.output["quantization"][0])

    def undelegated(self) -> list[str]:
        """Convolutions and dense layers that XNNPACK did not take, as `FILE: OPERATOR`; none is as it should be."""
        return self._chain.undelegated()

    def _set_frame(self, frame: Frame) -> None:
        contract = self.card.input
        if contract.dtype == "int8" and contract.binning == 1:
            # Straight into the memory that the first graph reads: no copy of the frame is made.
            encode(frame, contract.stretch, out=self._input_view())
        else:
            self._set_codes(bin_codes(encode(frame, contract.stretch), contract.binning))

    def _set_codes(self, codes: npt.NDArray[np.uint8]) -> None:
        if self.card.input.dtype == "int8":
            np.bitwise_xor(codes, np.uint8(0x80), out=self._input_view().view(np.uint8))
        elif self.card.input.dtype == "int16":
            np.multiply(codes, INT16_STEPS, out=self._input_view(), dtype=np.int16)
        else:
            # The same two roundings as the training pipeline: to float32, then the division.
            np.divide(codes, np.float32(255), out=self._input_view(), dtype=np.float32)

    def _input_view(self) -> npt.NDArray[Any]:
        # The view must not outlive the call: LiteRT refuses to invoke while one is held.
        return self._chain.frame()[:, :, 0]

    def _run(self) -> npt.NDArray[np.float32]:
        stored = self._chain.run()
        scale, zero_point = self._chain.output["quantization"]
        if np.issubdtype(stored.dtype, np.integer):
            return np.asarray((stored.astype(np.float32) - np.float32(zero_point)) * np.float32(scale))
        return np.asarray(stored, np.float32)


def _check_contract(entry: Mapping[str, Any], output: Mapping[str, Any], card: Card, folder: Path) -> None:
    expected = (1, *card.input.model_shape, 1)
    if tuple(entry["shape"]) != expected or np.dtype(entry["dtype"]).name != card.input.dtype:
        raise ArtifactError(
            f"{folder}: the card promises an input {card.input.dtype} {expected}. "
            f"Received: {np.dtype(entry['dtype']).name} {tuple(entry['shape'])}"
        )
    if card.input.dtype in _INPUT_QUANTIZATION:
        (scale, zero_point), (wanted, wanted_zero) = entry["quantization"], _INPUT_QUANTIZATION[card.input.dtype]
        if not math.isclose(scale, wanted, rel_tol=1e-6) or zero_point != wanted_zero:
            raise ArtifactError(
                f"{folder}: an {card.input.dtype} input must have scale 1/{round(1 / wanted)} and zero point "
                f"{wanted_zero}. Received: {scale}, {zero_point}"
            )
    if tuple(output["shape"]) != (1, len(LABELS)):
        raise ArtifactError(f"{folder}: the output must be (1, 2) logits. Received: {tuple(output['shape'])}")
