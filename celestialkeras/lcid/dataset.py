"""A data set folder, opened: its frames by side, each read when it is asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.manifest import SPLITS
from celestialkeras.lcid.shards import SCHEMA, Record, data_digest, read_codes, read_index
from celestialkeras.lcid.stretch import Stretch, bin_codes


class LcidDataset:
    """An opened data set folder. Safe to read from several threads.

    Attributes:
        folder: The folder.
        shape: Rows and columns of its frames at full resolution.
        stretch: Shape of the stretch that its codes were made with.
        digest: SHA-256 of its rows, sides, pixels and stretch.
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
        self._cache: dict[tuple[str, int, int], npt.NDArray[np.uint8]] = {}
        self._cache_free = cache_bytes
        self._lock = threading.Lock()

    def records(self, split: str) -> Sequence[Record]:
        """The records of `train`, `validation` or `test`, in a fixed order."""
        if split not in SPLITS:
            raise DatasetError(f"`split` must be one of {', '.join(SPLITS)}. Received: split={split!r}")
        return self._records[split]

    def codes(self, record: Record, binning: int = 1) -> npt.NDArray[np.uint8]:
        """Reads one frame, binned; binned frames are kept in memory while the cache has room.

        Args:
            record: One of this data set's records.
            binning: Side of the squares averaged into one pixel; 1 for full resolution.

        Returns:
            `uint8 (H / binning, W / binning)`, read-only.

        Raises:
            DatasetError: The shard is missing or altered.
        """
        key = (record.shard, record.offset, binning)
        with self._lock:
            if key in self._cache:
                return self._cache[key]
        try:
            codes = bin_codes(read_codes(self.folder, record), binning)
        except ValueError as error:
            raise DatasetError(f"{self.folder}: {error}") from error
        codes.flags.writeable = False
        if binning > 1:
            with self._lock:
                if key not in self._cache and codes.nbytes <= self._cache_free:
                    self._cache[key] = codes
                    self._cache_free -= codes.nbytes
        return codes


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
