"""What a model said of each frame: the record that every figure of an evaluation is computed from."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import DatasetError, ModelError
from celestialkeras.files import write_text
from celestialkeras.lcid.manifest import LABELS, Observation

PREDICTION_COLUMNS = ("object", "obsid", "hdu", "label", "predicted", "p_nsc")
"""Columns of a file of predictions."""


@dataclass(frozen=True, eq=False)
class Predictions:
    """The logits of a list of frames, with what is known of each frame.

    Attributes:
        observations: Object, instrument, filter and label of each frame, n of them.
        logits: `float32 (n, 2)`, in the order galaxy, NSC; kept as a read-only copy.
        measured: What was measured of each frame, by name, n of them; empty where nothing was.
        temperature: What the logits are divided by before the softmax. It leaves the classes as they are.
    """

    observations: tuple[Observation, ...]
    logits: NDArray[np.float32]
    measured: tuple[Mapping[str, float], ...] = ()
    temperature: float = 1.0

    def __post_init__(self) -> None:
        """Checks that the logits can be scored.

        Raises:
            DatasetError: There are no frames.
            ModelError: The logits are not `(n, 2)`, or not all finite: a NaN would silently count as a galaxy.
            ValueError: The temperature is not a finite number above 0, or the measurements are not those of n frames.
        """
        if not 0 < self.temperature < math.inf:
            raise ValueError(f"`temperature` must be a finite number above 0. Received: temperature={self.temperature}")
        if len(self.measured) not in (0, len(self.observations)):
            raise ValueError(
                "`measured` must hold one mapping per frame, or none at all."
                f" Received: {len(self.measured)} for {len(self.observations)} frames"
            )
        if not self.observations:
            raise DatasetError("nothing to evaluate; give a data set with at least one frame. Received: 0 frames")
        logits = np.array(self.logits, dtype=np.float32)
        if logits.shape != (len(self.observations), len(LABELS)):
            raise ModelError(
                f"a predictor must give one logit per class, {(len(self.observations), len(LABELS))}."
                f" Received: {logits.shape}"
            )
        bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
        if len(bad):
            first = self.observations[bad[0]]
            raise ModelError(
                f"{len(bad)} of {len(logits)} frames have logits that are not finite; the model diverged or overflows,"
                f" train or export it again. Received: {logits[bad[0]].tolist()} for {first.obsid} HDU {first.hdu}"
            )
        logits.setflags(write=False)
        object.__setattr__(self, "observations", tuple(self.observations))
        object.__setattr__(self, "measured", tuple(self.measured))
        object.__setattr__(self, "logits", logits)

    def __len__(self) -> int:
        """Number of frames."""
        return len(self.observations)

    @cached_property
    def labels(self) -> NDArray[np.int64]:
        """`int64 (n,)`, true classes: 0 = galaxy, 1 = NSC."""
        return np.array([observation.label_code for observation in self.observations], dtype=np.int64)

    @cached_property
    def predicted(self) -> NDArray[np.int64]:
        """`int64 (n,)`, classes of the larger logit; equal logits, which int8 models do give, count as galaxy."""
        return np.asarray(self.logits.argmax(axis=1), dtype=np.int64)

    @cached_property
    def correct(self) -> NDArray[np.bool_]:
        """`bool (n,)`, whether each frame was classified rightly."""
        return np.asarray(self.predicted == self.labels)

    @cached_property
    def margins(self) -> NDArray[np.float64]:
        """`float64 (n,)`, logit of NSC minus logit of galaxy, divided by the temperature."""
        exact = self.logits.astype(np.float64)
        return np.asarray((exact[:, 1] - exact[:, 0]) / self.temperature)

    @cached_property
    def p_nsc(self) -> NDArray[np.float64]:
        """`float64 (n,)`, softmax probability of NSC."""
        return np.exp(-np.logaddexp(0.0, -self.margins))

    @cached_property
    def confidence(self) -> NDArray[np.float64]:
        """`float64 (n,)`, softmax probability of the more probable class, 1/2 to 1."""
        return np.exp(-np.logaddexp(0.0, -np.abs(self.margins)))

    @property
    def objects(self) -> list[str]:
        """Object of each frame."""
        return [observation.object_id for observation in self.observations]

    def at_temperature(self, temperature: float) -> Predictions:
        """The same predictions with the softmax at another temperature.

        Raises:
            ValueError: It is not a finite number above 0.
        """
        return replace(self, temperature=temperature)

    def write_csv(self, path: str | Path) -> None:
        """Writes one row per frame (`PREDICTION_COLUMNS`), whole or not at all.

        Args:
            path: The CSV file to write or replace.
        """
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(PREDICTION_COLUMNS)
        for row, predicted, p_nsc in zip(self.observations, self.predicted, self.p_nsc, strict=True):
            writer.writerow((row.object_id, row.obsid, row.hdu, row.label, LABELS[predicted], f"{p_nsc:.6g}"))
        write_text(Path(path), text.getvalue())


def join(parts: Sequence[Predictions]) -> Predictions:
    """Puts the predictions of successive batches together, in order; all must be at temperature 1."""
    observations = tuple(observation for part in parts for observation in part.observations)
    measured = tuple(values for part in parts for values in part.measured)
    logits = np.concatenate([part.logits for part in parts]) if parts else np.empty((0, len(LABELS)), np.float32)
    return Predictions(observations, logits, measured)
