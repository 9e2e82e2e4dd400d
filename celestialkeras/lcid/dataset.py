"""A data set folder, opened: its frames by side, each read when it is asked for."""

from __future__ import annotations

import copy
import hashlib
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.degradations import Degradation
from celestialkeras.lcid.degradations.degrade import degrade_codes
from celestialkeras.lcid.manifest import SPLITS
from celestialkeras.lcid.shards import SCHEMA, Record, data_digest, read_codes, read_index
from celestialkeras.lcid.stretch import Stretch
from celestialkeras.lcid.variants import Size, resize_codes


class LcidDataset:
    """An opened data set folder. Safe to read from several threads.

    Attributes:
        folder: The folder.
        shape: Rows and columns of its frames at full resolution.
        stretch: Shape of the stretch that its codes were made with.
        digest: SHA-256 of its rows, sides, pixels and stretch, and of what is done to them as they are read.
        bad_frames: What could not be read when it was built: rootname, HDU, reason, message.
    """

    def __init__(
        self,
        folder: Path,
        summary: Mapping[str, Any],
        records: Sequence[Record],
        cache_bytes: int,
    ) -> None:
        self.folder = folder
        self.shape: tuple[int, int] = (int(summary["shape"][0]), int(summary["shape"][1]))
        self.stretch = Stretch(**summary["stretch"])
        self.digest = str(summary["data_sha256"])
        self.bad_frames: list[dict[str, Any]] = list(summary["bad_frames"])
        self._records = {
            split: [record for record in records if record.observation.extra["split"] == split] for split in SPLITS
        }
        self._degradation: tuple[Degradation, int] | None = None
        self._start_cache(cache_bytes)

    def degraded(self, degradation: Degradation, seed: int = 0) -> LcidDataset:
        """The same frames, made worse as they are read; nothing is written.

        Args:
            degradation: What is done to each.
            seed: Of what is drawn, together with the frame's own name: a frame is always degraded alike.

        Returns:
            A data set with a cache and a digest of its own; this one at level 0.

        Raises:
            DatasetError: The frames are degraded already.
        """
        if self._degradation is not None:
            raise DatasetError(
                f"{self.folder}: frames are degraded once, from the stored ones. Received: {degradation} after"
                f" {self._degradation[0]}"
            )
        if degradation.level == 0:
            return self
        view = copy.copy(self)
        view._degradation = (degradation, seed)
        view.digest = hashlib.sha256(f"{self.digest} {degradation} {seed}".encode()).hexdigest()
        view._start_cache(self._cache_bytes)
        return view

    def records(self, split: str) -> Sequence[Record]:
        """The records of `train`, `validation` or `test`, in a fixed order."""
        if split not in SPLITS:
            raise DatasetError(f"`split` must be one of {', '.join(SPLITS)}. Received: split={split!r}")
        return self._records[split]

    def codes(self, record: Record, size: Size = 1) -> npt.NDArray[np.uint8]:
        """Reads one frame at a size; smaller frames than the stored ones are kept in memory while the cache has room.

        Args:
            record: One of this data set's records.
            size: Side of the squares averaged into one pixel, or rows and columns; 1 for full resolution.

        Returns:
            `uint8 (rows, columns)`, read-only.

        Raises:
            DatasetError: The shard is missing or altered, or frames of this size cannot be had.
        """
        key = (record.shard, record.offset, size)
        with self._lock:
            if key in self._cache:
                return self._cache[key]
        try:
            codes = resize_codes(self._read(record), size)
        except DatasetError as error:
            raise DatasetError(f"{self.folder}: {error}") from error
        codes.flags.writeable = False
        if codes.shape != self.shape:
            with self._lock:
                if key not in self._cache and codes.nbytes <= self._cache_free:
                    self._cache[key] = codes
                    self._cache_free -= codes.nbytes
        return codes

    def _read(self, record: Record) -> npt.NDArray[np.uint8]:
        codes = read_codes(self.folder, record)
        if self._degradation is None:
            return codes
        degradation, seed = self._degradation
        return degrade_codes(codes, self.stretch, record.observation, record.measured, degradation, seed)

    def _start_cache(self, size: int) -> None:
        self._cache: dict[tuple[str, int, Size], npt.NDArray[np.uint8]] = {}
        self._cache_bytes = self._cache_free = size
        self._lock = threading.Lock()


def open_dataset(folder: str | Path, cache_bytes: int = 2 << 30) -> LcidDataset:
    """Opens a data set folder.

    Args:
        folder: What `celestial data build` wrote.
        cache_bytes: Memory that binned frames may keep.

    Returns:
        The data set; frames are read when asked for.

    Raises:
        DatasetError: No data set there, an unfinished one, one of another schema, or an index that is missing or not
            the one that the data set was finished with.
    """
    folder = Path(folder)
    summary_path = folder / "dataset.json"
    try:
        summary = json.loads(summary_path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        unfinished = "an unfinished build" if (folder / "shards").is_dir() else "no data set"
        raise DatasetError(f"{folder}: {unfinished}; run `celestial data build MANIFEST --to {folder}`") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"{summary_path}: cannot be read ({error})") from error
    schema = summary.get("schema") if isinstance(summary, dict) else None
    if schema != SCHEMA:
        raise DatasetError(f"{summary_path}: schema must be {SCHEMA}. Received: {schema!r}; build again")
    try:
        records = [record for name in summary["shards"] for record in read_index(folder, name)]
        dataset = LcidDataset(folder, summary, records, cache_bytes)
    except (IndexError, KeyError, TypeError, ValueError) as error:
        raise DatasetError(f"{summary_path}: not what a build wrote ({error!r}); build the data set again") from error
    if data_digest(records, dataset.stretch) != dataset.digest:
        raise DatasetError(f"{folder}: the shards' indexes are not those of dataset.json; build the data set again")
    return dataset
