"""A data set in memory and predictors that count, for sweeps without TensorFlow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from celestialkeras.evaluation.robustness.sweep import Candidate
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.shards import Record
from celestialkeras.lcid.stretch import Stretch

SHAPE = (32, 64)
MEASURED = {"sky": 40.0, "noise": 5.35, "exptime": 300.0, "bias_left": 2516.0, "bias_right": 2505.0}
Reader = Callable[[Path, Record], np.ndarray]


def record(number: int, object_id: str, label: str, instrument: str = "WFC3/UVIS") -> Record:
    row = Observation(object_id, instrument, f"i{number:08d}", "F606W", 10.0, -5.0, 1, label, {"split": "test"})
    return Record(row, "test-00000.tfrecord", number, 1, 0, MEASURED)


def records(galaxies: int = 4, nscs: int = 4, frames: int = 2, instrument: str = "WFC3/UVIS") -> list[Record]:
    """So many objects of each class, each with so many frames."""
    names = [*(("galaxy", n) for n in range(galaxies)), *(("NSC", n) for n in range(nscs))]
    owners = [(f"{label} {n}", label) for label, n in names for _ in range(frames)]
    return [record(number, *owner, instrument) for number, owner in enumerate(owners)]


def dataset(rows: list[Record], name: str = "set", digest: str = "0" * 64) -> LcidDataset:
    summary = {"shape": SHAPE, "stretch": asdict(Stretch()), "data_sha256": digest, "bad_frames": []}
    return LcidDataset(Path(name), summary, rows, 0)


def reader(read: list[str]) -> Reader:
    """Gives frames whose upper left corner holds their number; notes what was read."""

    def codes(folder: Path, one: Record) -> np.ndarray:
        read.append(one.observation.obsid)
        frame = np.random.default_rng(one.offset).integers(40, 60, SHAPE).astype(np.uint8)
        frame[4:8, 4:8] = 100 + one.offset
        return frame

    return codes


class Brightness:
    """Says NSC of frames whose codes are above some value in the mean."""

    def __init__(self, limit: float = 48.0) -> None:
        self.limit = limit
        self.shapes: list[tuple[int, ...]] = []

    def logits(self, codes: np.ndarray) -> np.ndarray:
        self.shapes.append(codes.shape)
        mean = codes.mean(axis=(1, 2)) - self.limit
        return np.stack([-mean, mean], axis=1).astype(np.float32)


def candidate(name: str, predictor: Any = None, size: Any = (16, 32)) -> Candidate:
    return Candidate(name, "run", f"runs/{name}/model.keras", name.ljust(64, "0"), predictor or Brightness(), size)
