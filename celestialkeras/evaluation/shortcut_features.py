"""What a frame gives away without what it shows: level, histogram, border and header, as features of classifiers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import LABELS, SPLITS, Observation
from celestialkeras.lcid.shards import Record
from celestialkeras.lcid.stretch import CODES, bin_codes

FEATURES = ("level and spread", "histogram", "border", "header", "all of them")
"""Names of the groups of features, in the order of reports."""

FEATURE_NOTES = (
    "level and spread: mean, spread, skewness, kurtosis and percentiles of a frame's codes",
    "histogram: share of pixels with each code; these two from every 4th row of a frame",
    "border: level, spread, histogram and sides of the outer 1/32 of the height of a frame, binned 4 x 4",
    "header: instrument, filter, HDU, RA and Dec, exposure time, measured sky, noise and biases",
)
"""What the groups hold, in words for whoever reads their results."""

# Every 4th row of 2048: 2 million pixels, which place the share of a code that 1 pixel in 100 has to better than 1 %.
_ROW_STEP = 4

# Averaging beats the noise down to where light too faint for single pixels shows.
_BORDER_BINNING = 4

# 64 rows of a full frame, 16 after binning.
_BORDER_SHARE = 32

_BORDER_CODES = 8
"""Codes in one bin of the border's histogram."""

_PERCENTILES = (1, 5, 25, 50, 75, 95, 99, 99.9)


@dataclass(frozen=True, eq=False)
class ShortcutTable:
    """The features of every frame of a data set.

    Attributes:
        groups: `float64 (n, columns)` by the names of `FEATURES`; what is not known of a frame is NaN.
        labels: `int64 (n,)`, 0 for a galaxy, 1 for an NSC.
        objects: `str (n,)`, the object of each frame.
        on_test: `bool (n,)`, whether a frame stands on the test side.
    """

    groups: Mapping[str, NDArray[np.float64]]
    labels: NDArray[np.int64]
    objects: NDArray[np.str_]
    on_test: NDArray[np.bool_]


def measure_shortcuts(dataset: LcidDataset, on_progress: Callable[[int, int], None] | None = None) -> ShortcutTable:
    """Reads every frame of a data set once, one at a time, and keeps its features.

    Args:
        dataset: The data set.
        on_progress: Called with frames done and frames in all.

    Returns:
        The features, sides one after the other.

    Raises:
        DatasetError: A class has fewer than two objects, an object has two classes, or a shard is missing or altered.
    """
    records = [record for split in SPLITS for record in dataset.records(split)]
    rows = [record.observation for record in records]
    _require_objects(rows)
    pixels: dict[str, list[NDArray[np.float64]]] = {name: [] for name in FEATURES[:3]}
    for done, record in enumerate(records, start=1):
        codes = dataset.codes(record)
        shares = _shares(codes[::_ROW_STEP])
        for name, values in zip(pixels, (_moments(shares), shares, _border(codes)), strict=True):
            pixels[name].append(values)
        if on_progress is not None:
            on_progress(done, len(records))
    groups = {name: np.stack(frames) for name, frames in pixels.items()}
    groups[FEATURES[3]] = _header(records)
    groups[FEATURES[4]] = np.concatenate(list(groups.values()), axis=1)
    return ShortcutTable(
        groups=groups,
        labels=np.array([row.label_code for row in rows], np.int64),
        objects=np.array([row.object_id for row in rows], np.str_),
        on_test=np.array([row.extra["split"] == "test" for row in rows], np.bool_),
    )


def _shares(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    counts = np.zeros(CODES, np.int64)
    # A block at a time: `bincount` widens its input to 64 bits.
    for row in range(0, len(codes), 64):
        counts += np.bincount(codes[row : row + 64].ravel(), minlength=CODES)
    return np.asarray(counts / counts.sum())


def _moments(shares: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean, spread, skewness, kurtosis and percentiles of codes, from the share of each."""
    codes = np.arange(CODES, dtype=np.float64)
    mean = float(shares @ codes)
    spread = float(np.sqrt(shares @ (codes - mean) ** 2))
    scaled = (codes - mean) / spread if spread else np.zeros(CODES)
    percentiles = np.searchsorted(np.cumsum(shares), np.array(_PERCENTILES) / 100)
    return np.array([mean, spread, shares @ scaled**3, shares @ scaled**4, *np.minimum(percentiles, CODES - 1)])


def _border(codes: NDArray[np.uint8]) -> NDArray[np.float64]:
    height, width = (side - side % _BORDER_BINNING for side in codes.shape)
    whole = codes[:height, :width]
    depth = max(1, height // _BORDER_BINNING // _BORDER_SHARE) * _BORDER_BINNING
    between = whole[depth:-depth]
    strips = (whole[:depth], whole[-depth:], between[:, :depth], between[:, -depth:])
    sides = [bin_codes(strip, _BORDER_BINNING).ravel() for strip in strips]
    levels = [side.mean() for side in sides] + [side.std() for side in sides]
    shares = _shares(np.concatenate(sides)[np.newaxis])
    coarse = shares.reshape(-1, _BORDER_CODES).sum(axis=1)
    return np.concatenate([levels, _moments(shares), coarse])


def _header(records: Sequence[Record]) -> NDArray[np.float64]:
    rows = [record.observation for record in records]
    columns: list[list[float]] = []
    # A name becomes a column for each of its values, 1 where a frame has it.
    for values in ([row.instrument for row in rows], [row.filter for row in rows]):
        columns += [[float(value == name) for value in values] for name in sorted(set(values))]
    columns.append([float(row.hdu) for row in rows])
    right_ascension = np.radians([row.ra for row in rows])
    columns += [np.sin(right_ascension).tolist(), np.cos(right_ascension).tolist(), [row.dec for row in rows]]
    for name in sorted({name for record in records for name in record.measured}):
        # Exposure times and skies span decades, and a sky may lie below zero.
        columns.append([float(np.arcsinh(record.measured.get(name, np.nan))) for record in records])
    return np.array(columns, np.float64).T


def _require_objects(rows: Sequence[Observation]) -> None:
    objects = [{row.object_id for row in rows if row.label == label} for label in LABELS]
    both = sorted(objects[0] & objects[1])
    if both:
        raise DatasetError(
            f"each object must have one class, so that folds can keep it whole. Received: {', '.join(both)} with both;"
            " correct the manifest and build again"
        )
    if min(map(len, objects)) < 2:
        counts = ", ".join(f"{len(names)} {label}" for names, label in zip(objects, LABELS, strict=True))
        raise DatasetError(
            "two objects of each class are needed to predict some from others; build from more objects."
            f" Received: {counts}"
        )
