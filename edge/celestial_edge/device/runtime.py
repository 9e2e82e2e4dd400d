"""An artifact at work: FITS chip in, verdict out, by LiteRT alone."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.card import Card, open_artifact
from celestial_edge.device.chain import Chain
from celestial_edge.device.quality import judge_frame
from celestial_edge.device.read_ahead import Chip, ChipResult, decide_many
from celestial_edge.device.shipped import is_shipped
from celestial_edge.device.trial import try_out
from celestial_edge.device.verdict import Verdict, combine
from celestial_edge.recipes import INT16_STEPS
from celestial_edge.trust import Trust
from celestialkeras.errors import ArtifactError
from celestialkeras.lcid.frames import Frame, read_frame
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.stretch import Background, bin_codes, encode, estimate_background

__all__ = ["Chip", "ChipResult", "Classifier", "Verdict", "combine"]

# What an integer input must carry, scale and zero point, for `code - 128` in int8 and `code * 128` in int16 to mean
# `code / 255`.
_INPUT_QUANTIZATION = {"int8": (1 / 255, -128), "int16": (1 / (255 * INT16_STEPS), 0)}


class Classifier:
    """An artifact loaded for inference. Not for several threads at once.

    It satisfies `celestialkeras.evaluation.predictor.Predictor`, so the workstation evaluates the very code that runs
    on the board.

    Attributes:
        card: The artifact's card.
        card_sha256: SHA-256 of the card's bytes.
        abstain: Least probability that decides; None decides always.
    """

    def __init__(
        self,
        artifact: str | Path,
        threads: int | None = None,
        trust: Trust | None = None,
        abstain: float | None = None,
    ) -> None:
        """Checks the artifact and loads it; what is loaded are the bytes that were checked.

        One that is neither pinned nor signed, nor the shipped one, is first loaded and run in a process of its own
        (`trial.try_out`), unless `trust` says otherwise.

        Args:
            artifact: The artifact folder.
            threads: Threads of the interpreter; None leaves it to LiteRT, which takes one.
            trust: What the artifact must prove; None for nothing beside that its files are those of its card.
            abstain: Least probability that decides, 0.5 to 1; None for what the card says.

        Raises:
            ArtifactError: The artifact is missing, altered, not trusted, or not what its card says.
            DeadlyArtifactError: The process in which it was tried did not outlive it.
            MissingExtraError: A signature is asked for and cryptography is not installed.
        """
        with open_artifact(artifact, trust) as opened:
            self.card: Card = opened.card
            self.card_sha256 = opened.card_sha256
            if not (trust and trust.takes_untried) and not is_shipped(opened.folder):
                try_out(opened, threads)
            self._chain = Chain(opened.graphs, self.card.input.model_shape, threads)
            _check_contract(self._chain.input, self._chain.output, self.card, opened.folder)
        self.abstain = self.card.abstain if abstain is None else abstain

    def classify(self, source: str | Path | Frame, hdu: int = 1) -> Verdict:
        """Classifies one chip.

        Args:
            source: A FITS file, or a frame that was read from one.
            hdu: HDU of the chip in the file, 1 or 4; of no account for a frame.

        Returns:
            The verdict with its time by stage; `read` is 0 for a frame. It is `undecided` where there is nothing to
            decide by, or less probable than `abstain`.

        Raises:
            FrameError: The file or chip cannot be used; its kinds say why.
        """
        begin = time.perf_counter()
        frame = source if isinstance(source, Frame) else read_frame(source, hdu)
        after_read = time.perf_counter()
        background = estimate_background(frame)
        quality = judge_frame(frame, background)
        self._set_frame(frame, background)
        after_stretch = time.perf_counter()
        logits = self._run() / self.card.temperature
        end = time.perf_counter()
        seconds = {"read": after_read - begin, "stretch": after_stretch - after_read, "invoke": end - after_stretch}
        milliseconds = {stage: 1e3 * taken for stage, taken in seconds.items()}
        return Verdict.from_logits(logits.tolist(), milliseconds, quality, self.abstain)

    def classify_many(self, chips: Iterable[str | Path | Chip]) -> Iterator[ChipResult]:
        """Classifies chips one after another; the next one is read while the present one is decided.

        Args:
            chips: The chips; a path stands for the chip of its HDU 1, as in `classify`.

        Yields:
            One result a chip, in their order; the error is the result of a chip that cannot be read, and the others
            go on. At most three frames are in memory.
        """
        asked = (chip if isinstance(chip, Chip) else Chip(Path(chip)) for chip in chips)
        return decide_many(asked, self.classify)

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
            self._chain.put(frame)
            row[:] = self._run()
        return out

    @property
    def logit_step(self) -> float:
        """What a logit differs by from one stored code to the next; 0 where logits are stored as floats."""
        return float(self._chain.output["quantization"][0])

    @property
    def parts_ms(self) -> Mapping[str, float]:
        """Milliseconds of each graph over all its strips in the newest frame, by file."""
        return self._chain.milliseconds

    def undelegated(self) -> list[str]:
        """Convolutions and dense layers that XNNPACK did not take, as `FILE: OPERATOR`; none is as it should be."""
        return self._chain.undelegated()

    def _set_frame(self, frame: Frame, background: Background) -> None:
        contract = self.card.input
        if contract.dtype == "int8" and contract.binning == 1:
            # Straight into the memory that the first graph reads: no copy of the frame is made.
            # The view must not outlive the call: LiteRT refuses to invoke while one is held.
            encode(frame, contract.stretch, background, out=self._chain.frame()[:, :, 0])
        else:
            self._chain.put(bin_codes(encode(frame, contract.stretch, background), contract.binning))

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
