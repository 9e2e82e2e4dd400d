"""A run's data set as the page shows it: its rows by side, and some of its frames as pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celestialkeras.errors import CelestialError, DatasetError
from celestialkeras.lcid.contact_sheet import shades_of
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.lcid.manifest import SPLITS, Observation
from celestialkeras.lcid.preview import draw_tiles, items_of_dataset
from celestialkeras.report.blocks import Picture
from celestialkeras.report.pictures import WIDEST, picture_of_shades
from celestialkeras.report.record import RunRecord

TILES = 12
"""Frames on the contact sheet."""


@dataclass(frozen=True)
class DatasetView:
    """What the page shows of a data set.

    Attributes:
        folder: Its folder.
        digest: Its digest.
        shape: Rows and columns of its frames.
        rows: Its rows, by side.
        bad_frames: What could not be read when it was built.
        pictures: Frames of both classes in turn, each of another object while there are any.
        reason: Why there is nothing of all this; empty where there is.
    """

    folder: Path
    digest: str = ""
    shape: tuple[int, int] = (0, 0)
    rows: Mapping[str, Sequence[Observation]] | None = None
    bad_frames: Sequence[Mapping[str, Any]] = ()
    pictures: Sequence[Picture] = ()
    reason: str = ""

    def every_row(self) -> list[Observation]:
        """The rows of all sides."""
        return [row for rows in (self.rows or {}).values() for row in rows]


def look_at(record: RunRecord, seed: int = 0) -> DatasetView:
    """Opens the data set that a run was trained on.

    Args:
        record: The run.
        seed: Seed of the draw of frames for the contact sheet.

    Returns:
        What the page shows of it; where it is gone or is no longer the run's, why.
    """
    folder = Path(record.options.data)
    try:
        dataset = open_dataset(folder)
        if record.run.provenance()["data_sha256"] != dataset.digest:
            raise DatasetError(f"{folder}: no longer the data set that {record.run.name} was trained on")
        record.remember(folder / "dataset.json", f"celestial data build MANIFEST --to {folder}")
        rows = {side: [one.observation for one in dataset.records(side)] for side in SPLITS}
        pictures = _pictures(dataset, seed)
    except CelestialError as error:
        return DatasetView(folder, reason=str(error))
    return DatasetView(folder, dataset.digest, dataset.shape, rows, dataset.bad_frames, pictures)


def _pictures(dataset: LcidDataset, seed: int) -> list[Picture]:
    rows, columns = dataset.shape
    most = max(1, columns // WIDEST)
    binning = max(side for side in range(1, most + 1) if not rows % side and not columns % side)
    drawn, _ = draw_tiles(items_of_dataset(dataset, SPLITS), TILES, binning, seed)
    return [
        picture_of_shades(
            shades_of(one.tile.codes),
            f"{one.item.label} frame: {', '.join(one.tile.facts)}",
            ", ".join(one.tile.facts),
            one.item.label,
        )
        for one in drawn
    ]
