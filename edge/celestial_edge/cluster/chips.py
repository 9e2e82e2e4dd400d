"""Lists of chips that may be longer than memory: counted once, then walked partition by partition."""

from __future__ import annotations

import hashlib
import json
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Protocol

import numpy as np

from celestial_edge.device.read_ahead import Chip
from celestialkeras.errors import ManifestError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.detectors import CHIP_HDUS
from celestialkeras.lcid.listed import ListedFiles
from celestialkeras.lcid.manifest import walk_manifest


class ChipList(Protocol):
    """Chips in an order that does not change.

    Attributes:
        count: How many they are.
        digest: SHA-256 of what decides which they are and in which order.
    """

    @property
    def count(self) -> int:
        """See the class."""
        ...

    @property
    def digest(self) -> str:
        """See the class."""
        ...

    def __iter__(self) -> Iterator[Chip]:
        """The chips."""
        ...


@dataclass(frozen=True)
class ListedChips:
    """The chips that a manifest lists. Its rows are read as they are asked for.

    Attributes:
        manifest: The manifest.
        folder: Folder of its files and those in subfolders.
        hdus: HDUs of the chips that are taken.
        count: See `ChipList`.
        digest: See `ChipList`: the manifest's bytes, the folder's path and the HDUs.
    """

    manifest: Path
    folder: Path
    hdus: tuple[int, ...]
    count: int
    digest: str

    @classmethod
    def of(cls, manifest: Path, folder: Path, hdus: Sequence[int]) -> ListedChips:
        """Walks through a manifest once, to check and to count it; eight bytes a row are kept meanwhile.

        Raises:
            ManifestError: See `read_manifest`.
        """
        keys = array("q")
        for _, row in walk_manifest(manifest, unlabelled=True):
            if row.hdu in hdus:
                keys.append(len(CHIP_HDUS) * int(row.obsid, 36) + CHIP_HDUS.index(row.hdu))
        _require_distinct(keys, manifest)
        content = [sha256_of(manifest), str(folder), list(hdus)]
        digest = hashlib.sha256(json.dumps(content).encode()).hexdigest()
        return cls(manifest, folder, tuple(hdus), len(keys), digest)

    def __iter__(self) -> Iterator[Chip]:
        """The chips in the order of the rows."""
        files = ListedFiles(self.folder)
        for _, row in walk_manifest(self.manifest, unlabelled=True):
            if row.hdu in self.hdus:
                yield Chip(files.get(row.obsid) or self.folder / f"{row.obsid}_raw.fits", row.hdu, row)


@dataclass(frozen=True)
class FileChips:
    """The chips of FITS files, of which no more is known than their names.

    Attributes:
        files: The files.
        hdus: HDUs of the chips of each.
    """

    files: Sequence[Path]
    hdus: tuple[int, ...]

    @property
    def count(self) -> int:
        """See `ChipList`."""
        return len(self.files) * len(self.hdus)

    @property
    def digest(self) -> str:
        """See `ChipList`: the files' paths and the HDUs."""
        digest = hashlib.sha256(json.dumps(self.hdus).encode())
        for file in self.files:
            digest.update(b"\0" + bytes(file))
        return digest.hexdigest()

    def __iter__(self) -> Iterator[Chip]:
        """The chips, file by file."""
        return (Chip(file, hdu) for file in self.files for hdu in self.hdus)


@dataclass(frozen=True)
class Partition:
    """Chips that are classified together.

    Attributes:
        name: Name of their Parquet file.
        chips: The chips.
    """

    name: str
    chips: tuple[Chip, ...]


def partition_name(number: int) -> str:
    """Name of the Parquet file of a partition, counted from 0."""
    return f"part-{number:06d}.parquet"


def partitions(chips: ChipList, size: int) -> Iterator[Partition]:
    """Divides a list, in its order, into partitions of `size` chips and a rest."""
    remaining = iter(chips)
    number = 0
    while batch := tuple(islice(remaining, size)):
        yield Partition(partition_name(number), batch)
        number += 1


def _require_distinct(keys: array[int], manifest: Path) -> None:
    ordered = np.sort(np.frombuffer(keys, np.int64)) if keys else np.zeros(0, np.int64)
    repeated = ordered[1:][ordered[1:] == ordered[:-1]]
    if len(repeated):
        rootname, chip = divmod(int(repeated[0]), len(CHIP_HDUS))
        obsid = np.base_repr(rootname, 36).lower().zfill(9)
        raise ManifestError(f"{manifest}: {obsid} HDU {CHIP_HDUS[chip]} stands twice")
