"""Folders that hold what the pages of the documentation take for granted, under the names that they use."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from archive_server import ArchiveServer
from celestial_cli.data import build, simulate
from celestial_cli.quantize import quantize
from celestial_cli.train import train
from celestialkeras.lcid.manifest import read_manifest, write_manifest
from picture_files import picture_set
from raw_files import RawFile
from verbs import invoke

SMALL_TRAINING = ("--size", "16", "--width", "0.25", "--epochs", "1", "--batch-size", "4")


@dataclass(frozen=True)
class Story:
    """A folder that was trained in, from which worlds take copies.

    Attributes:
        folder: `fits`, `LIST.csv`, `shards`, `runs/second` and `runs/first` with its int8 artifact.
        archive: Gives the files of `fits`, as MAST would.
    """

    folder: Path
    archive: ArchiveServer


def tell_story(folder: Path) -> Iterator[Story]:
    """Simulates eight exposures of both cameras of Hubble, trains a small network on them and quantizes it."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        cameras = ("--instrument", "ACS/WFC", "--instrument", "WFC3/UVIS")
        invoke(simulate, "--preset", "tiny", "--folder", "fits", *cameras)
        (folder / "fits/manifest.csv").rename(folder / "LIST.csv")
        invoke(build, "LIST.csv", "--frames-in", "fits", "--to", "shards", "--split", "50/25/25")
        invoke(train, "--data", "shards", "--name", "second", "--seed", "1", *SMALL_TRAINING)
        invoke(train, "--data", "shards", "--name", "first", *SMALL_TRAINING)
        invoke(quantize, "--int8", "--calibration-frames", "4")
    finally:
        os.chdir(before)
    with ArchiveServer({path.name: path.read_bytes() for path in sorted((folder / "fits").glob("*.fits"))}) as archive:
        yield Story(folder, archive)


def linked(source: Path, target: Path) -> None:
    """Copies a file or a folder; the bytes are shared, as everything that writes replaces files whole."""
    if source.is_dir():
        shutil.copytree(source, target, symlinks=True, copy_function=os.link)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        os.link(source, target)


def nothing(story: Story, folder: Path) -> None:
    """An empty folder."""


def a_list(story: Story, folder: Path) -> None:
    """A list of observations, and nothing else."""
    linked(story.folder / "LIST.csv", folder / "LIST.csv")


def a_model(story: Story, folder: Path) -> None:
    """A Keras model, the data set that it was trained on, and a file to be classified."""
    linked(story.folder / "runs/first/model.keras", folder / "model.keras")
    linked(story.folder / "shards", folder / "shards")
    raw_file(folder / "iddt11fxq_raw.fits")


def everything(story: Story, folder: Path) -> None:
    """Data, runs and artifacts under all names that the reference pages use."""
    for name in ("shards", "celestial-data/demo/shards", "celestial-data/bench/shards"):
        linked(story.folder / "shards", folder / name)
    for name in ("fits", "FITS_FOLDER"):
        linked(story.folder / "fits", folder / name)
    for name in ("first", "a", "big", "edge"):
        linked(story.folder / "runs/first", folder / "runs" / name)
    for name in ("b", "hr", "resnet18"):
        linked(story.folder / "runs/second", folder / "runs" / name)
    (folder / "runs/latest").symlink_to("first")
    for name in ("HR/plain", "HR/whole", "HR/strips", "EDGE"):
        linked(story.folder / "runs/first/artifacts/static_wi8_ai8", folder / name)
    for name in ("LIST.csv", "OTHER.csv"):
        linked(story.folder / "LIST.csv", folder / name)
    raw_file(folder / "iddt11fxq_raw.fits")
    picture_set(folder / "DIR", objects=6).rename(folder / "CSV")
    (folder / "incoming").mkdir()


def the_lists(story: Story, folder: Path) -> None:
    """The lists of the paper's story: one to train on, one to test on, one of blurry frames."""
    rows = read_manifest(story.folder / "LIST.csv")
    objects = sorted({(row.label, row.object_id) for row in rows})
    tested = {objects[0][1], objects[-1][1]}
    write_manifest([row for row in rows if row.object_id in tested], folder / "LCID_test.csv")
    write_manifest([row for row in rows if row.object_id in tested], folder / "blurry_validation.csv")
    write_manifest(rows, folder / "train.csv")


def a_file(artifact: Path, folder: Path) -> None:
    """A file to be classified."""
    raw_file(folder / "iddt11fxq_raw.fits")


def a_workstation(artifact: Path, folder: Path) -> None:
    """A run whose artifact is to be brought to a board, and the files that wait there."""
    linked(artifact, folder / "runs/latest/artifacts/static_wi8_ai8")
    (folder / "runs/latest/config.toml").touch()
    raw_file(folder / "iddt11fxq_raw.fits")
    (folder / "frames").mkdir()
    os.link(folder / "iddt11fxq_raw.fits", folder / "frames/iddt11fxq_raw.fits")


def a_board(artifact: Path, folder: Path) -> None:
    """Two artifacts on a board, and the folder where files will arrive."""
    for name in ("artifact", "new"):
        linked(artifact, folder / name)
    (folder / "incoming").mkdir()
    raw_file(folder / "incoming/iddt11fxq_raw.fits")


def raw_file(path: Path) -> None:
    """A raw file of WFC3/UVIS with nothing but sky on it."""
    RawFile().write(path)


World = Callable[[Story, Path], None]
"""Fills a folder from what was trained."""

Board = Callable[[Path, Path], None]
"""Fills a folder around an artifact."""
