"""What can be looked at - manifests, folders of FITS files, data sets - as frames to draw for a contact sheet."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError, FrameError, ManifestError, WrongHduError
from celestialkeras.lcid.build import FitsFolder, RowEncoder
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.detectors import CHIP_HDUS
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.listed import find_frame_files
from celestialkeras.lcid.manifest import LABELS, Observation
from celestialkeras.lcid.pictures import PICTURE
from celestialkeras.lcid.shards import Record
from celestialkeras.lcid.stretch import Stretch, bin_codes, encode

SUBTYPE = "subtype"
"""The extra column that names kinds within a class."""


@dataclass(frozen=True, eq=False)
class Tile:
    """One frame as it is drawn.

    Attributes:
        codes: `uint8 (H, W)`, row 0 at the bottom.
        facts: What is known of it, for the line below its class.
    """

    codes: npt.NDArray[np.uint8]
    facts: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class PreviewItem:
    """A frame that can be drawn, not yet read.

    Attributes:
        name: What tells it from all others: file name or rootname.
        hdu: HDU index of the chip; 0 for pictures.
        label: `galaxy` or `NSC`; empty where nobody says.
        object_id: What it shows; frames of one object take turns with those of others.
        subtype: Kind within the class; empty where nobody says.
        tile: Reads it, binned by the given factor; None where the file has no such chip. Raises `FrameError` or
            `DatasetError`.
    """

    name: str
    hdu: int
    label: str
    object_id: str
    subtype: str
    tile: Callable[[int], Tile | None]


@dataclass(frozen=True, eq=False)
class DrawnTile:
    """A frame on the sheet."""

    item: PreviewItem
    tile: Tile


def items_of_dataset(dataset: LcidDataset, splits: Iterable[str]) -> list[PreviewItem]:
    """The frames of an opened data set.

    Args:
        dataset: The data set.
        splits: Which sides.
    """
    return [
        _item(record.observation, partial(_dataset_tile, dataset, record))
        for split in splits
        for record in dataset.records(split)
    ]


def items_of_manifest(rows: Sequence[Observation], frames: str | Path) -> list[PreviewItem]:
    """The frames of a manifest.

    Args:
        rows: The manifest.
        frames: Folder of their FITS files.

    Raises:
        DatasetError: `frames` is no folder.
    """
    frames = Path(frames)
    if not frames.is_dir():
        raise DatasetError(f"{frames}: no such folder of FITS files")
    encoders = FitsFolder(frames).encoders([[row] for row in rows])
    return [_item(row, partial(_manifest_tile, row, encoder)) for row, encoder in zip(rows, encoders, strict=True)]


def items_of_folder(folder: str | Path) -> list[PreviewItem]:
    """Both chips of every FITS file in a folder and its subfolders; a file of one chip gives one.

    Args:
        folder: The folder. Nothing but the files is needed, so nothing is known of their classes.

    Raises:
        DatasetError: No such folder, or no FITS files in it.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise DatasetError(f"{folder}: no such manifest, folder of FITS files or data set")
    paths = find_frame_files(folder)
    if not paths:
        raise DatasetError(f"{folder}: no FITS files and no data set; name a manifest, or the folder of its files")
    return [
        PreviewItem(str(path.relative_to(folder)), hdu, "", str(path), "", partial(_file_tile, path, hdu))
        for path in paths
        for hdu in CHIP_HDUS
    ]


def with_subtype(items: Sequence[PreviewItem], subtype: str) -> list[PreviewItem]:
    """The frames of one subtype.

    Args:
        items: All frames.
        subtype: Its name, in either case.

    Raises:
        ManifestError: No frame is of it.
    """
    kept = [item for item in items if item.subtype.lower() == subtype.lower()]
    if not kept:
        known = ", ".join(sorted({item.subtype for item in items} - {""})) or "none"
        raise ManifestError(f"no frame of the subtype {subtype!r}; known: {known}")
    return kept


def draw_tiles(
    items: Sequence[PreviewItem], count: int, binning: int, seed: int = 0
) -> tuple[list[DrawnTile], list[FrameError]]:
    """Draws and reads frames of both classes in turn, each of another object while there are any.

    A frame that cannot be read is told of and the next one takes its place.

    Args:
        items: What can be drawn.
        count: How many, at most.
        binning: Side of the squares of pixels averaged into one.
        seed: Seed of the draw.

    Returns:
        The frames, galaxy and NSC and those without a class in turn, and why frames are missing.

    Raises:
        DatasetError: There are no frames, none can be read, or `binning` does not divide their sides.
    """
    if not items:
        raise DatasetError("there are no frames to draw; choose another side or another folder")
    drawn: list[DrawnTile] = []
    bad: list[FrameError] = []
    for item in _in_turn(items, seed):
        if len(drawn) == count:
            break
        try:
            tile = item.tile(binning)
        except FrameError as error:
            bad.append(error)
            continue
        if tile is not None:
            drawn.append(DrawnTile(item, tile))
    if not drawn:
        raise DatasetError(f"none of {len(items)} frames can be read; the first: {bad[0]}")
    return drawn, bad


def _in_turn(items: Sequence[PreviewItem], seed: int) -> Iterable[PreviewItem]:
    seen: dict[str, int] = defaultdict(int)
    turns: list[tuple[int, PreviewItem]] = []
    for index in np.random.default_rng(seed).permutation(len(items)):
        item = items[index]
        turns.append((seen[item.object_id], item))
        seen[item.object_id] += 1
    queues: dict[str, list[PreviewItem]] = {label: [] for label in (*LABELS, "")}
    for _, item in sorted(turns, key=lambda turn: turn[0]):
        queues[item.label].append(item)
    return (item for turn in itertools.zip_longest(*queues.values()) for item in turn if item is not None)


def _item(row: Observation, tile: Callable[[int], Tile | None]) -> PreviewItem:
    return PreviewItem(row.obsid, row.hdu, row.label, row.object_id, row.extra.get(SUBTYPE, ""), tile)


def _facts(row: Observation, exptime: float | None) -> tuple[str, ...]:
    exposure = f"{exptime:.0f} s" if exptime is not None else ""
    taken = (row.obsid,) if row.instrument == PICTURE else (row.instrument, row.filter)
    known = (row.object_id, row.extra.get(SUBTYPE, ""), *taken, exposure)
    return tuple(filter(None, known))


def _dataset_tile(dataset: LcidDataset, record: Record, binning: int) -> Tile:
    return Tile(dataset.codes(record, binning), _facts(record.observation, record.measured.get("exptime")))


def _manifest_tile(row: Observation, encode_row: RowEncoder, binning: int) -> Tile:
    frame = encode_row(row, Stretch())
    return Tile(_binned(frame.codes, binning), _facts(row, frame.measured.get("exptime")))


def _file_tile(path: Path, hdu: int, binning: int) -> Tile | None:
    try:
        frame = read_frame(path, hdu)
    except WrongHduError:
        # A window of a larger detector is the only chip of its file.
        if hdu == CHIP_HDUS[0]:
            raise
        return None
    exposure = f"{frame.exptime:.0f} s" if np.isfinite(frame.exptime) else ""
    known = (frame.target or frame.obsid, frame.instrument, frame.filter, exposure, f"HDU {hdu}")
    return Tile(_binned(encode(frame, Stretch()), binning), tuple(filter(None, known)))


def _binned(codes: npt.NDArray[np.uint8], binning: int) -> npt.NDArray[np.uint8]:
    try:
        return bin_codes(codes, binning)
    except ValueError as error:
        raise DatasetError(str(error)) from error
