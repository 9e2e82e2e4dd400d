"""What models said at each point of a sweep, kept so that a sweep goes on where it stopped."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from celestialkeras.errors import DatasetError, ModelError, RunError
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.robustness.subset import frames_digest
from celestialkeras.files import write_text
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.degradations import Degradation
from celestialkeras.lcid.shards import Record

POINT_SCHEMA = "celestialkeras.robustness-point/1"
"""Name and version of a point's file; others are refused."""

CLEAR = "clear"
"""Name of the point where frames are as they are, level 0 of every kind."""

BLURRY = "blurry"
"""Name of the point of a list of exposures that are blurry by themselves."""


@dataclass(frozen=True, eq=False)
class Point:
    """Frames that all models are run over.

    Attributes:
        name: `CLEAR`, `BLURRY` or a degradation such as `psf:3`.
        dataset: The data set that gives the frames, degraded.
        records: Which frames of it.
        degradation: What is done to them; None for nothing.
    """

    name: str
    dataset: LcidDataset
    records: Sequence[Record]
    degradation: Degradation | None = None


@dataclass(frozen=True, eq=False)
class Answer:
    """What one model said at one point.

    Attributes:
        predictions: Its logits on the frames.
        milliseconds: Time to read and degrade a frame, median.
    """

    predictions: Predictions
    milliseconds: float


@dataclass(frozen=True)
class PointStore:
    """A folder of answers, one file each.

    Attributes:
        folder: The folder.
    """

    folder: Path

    def read(self, model_sha256: str, point: Point) -> Answer | None:
        """What a model said at a point; None where it was not asked yet.

        Raises:
            RunError: The file is not what was kept.
        """
        path = self._path(model_sha256, point)
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
            if held["schema"] != POINT_SCHEMA:
                raise ValueError(f"its schema is not {POINT_SCHEMA}")
            rows = tuple(record.observation for record in point.records)
            return Answer(Predictions(rows, np.array(held["logits"], np.float32)), float(held["milliseconds"]))
        except FileNotFoundError:
            return None
        except (OSError, KeyError, TypeError, ValueError, DatasetError, ModelError) as error:
            raise RunError(f"{path}: not a point of a sweep ({error}); remove it and sweep again") from error

    def write(self, model_sha256: str, point: Point, answer: Answer) -> None:
        """Keeps what a model said; logits are written in full."""
        held = {
            "schema": POINT_SCHEMA,
            "point": point.name,
            "model_sha256": model_sha256,
            "data_sha256": point.dataset.digest,
            "milliseconds": answer.milliseconds,
            "logits": answer.predictions.logits.tolist(),
        }
        write_text(self._path(model_sha256, point), json.dumps(held, allow_nan=False) + "\n")

    def _path(self, model_sha256: str, point: Point) -> Path:
        # Amounts of a level may change between versions; the data set's digest knows the level alone.
        amount = point.degradation.to_json() if point.degradation else None
        decides = [POINT_SCHEMA, model_sha256, point.dataset.digest, amount, frames_digest(point.records)]
        return self.folder / f"{hashlib.sha256(json.dumps(decides).encode()).hexdigest()[:32]}.json"
