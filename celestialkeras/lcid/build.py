"""Manifest and FITS files -> data set folder: decoded in parallel, resumed where it stopped, past bad frames."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from celestialkeras.errors import (
    DatasetError,
    FrameError,
    FrameNotFoundError,
    MissingExtraError,
)
from celestialkeras.files import PARTIAL_PREFIX, discard_partials, write_text
from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.listed import ListedFiles, read_listed_frame
from celestialkeras.lcid.manifest import SPLITS, Observation
from celestialkeras.lcid.shards import SCHEMA, EncodedFrame, is_finished, write_shard, write_summary
from celestialkeras.lcid.splits import split_by_object
from celestialkeras.lcid.stretch import Stretch, encode, estimate_background
from celestialkeras.workers import Spreading, WorkLostError, spread

# 134 MB of codes a shard: small enough to lose little when a build is stopped, large enough for few files.
_FRAMES_PER_SHARD = 16

RowEncoder = Callable[[Observation, Stretch], EncodedFrame]
"""Makes the codes of one manifest row, or raises a FrameError; a function of a module, since it travels to workers."""


class FrameSource(Protocol):
    """Where the frames of a build come from."""

    def digest(self) -> str:
        """What decides the pixels beside the rows and the stretch; empty where the rows say it all."""
        ...

    def encoders(self, batches: Sequence[Sequence[Observation]]) -> Sequence[RowEncoder]:
        """One encoder for each batch of rows, holding no more than that batch needs; asked for once a build."""
        ...


@dataclass(frozen=True)
class FitsFolder:
    """FITS files in a folder and its subfolders, found by rootname.

    Attributes:
        folder: The folder.
    """

    folder: Path

    def digest(self) -> str:
        """See `FrameSource.digest`."""
        return ""

    def encoders(self, batches: Sequence[Sequence[Observation]]) -> list[RowEncoder]:
        """See `FrameSource.encoders`."""
        files = ListedFiles(self.folder)
        return [
            partial(_encode_file, self.folder, {row.obsid: files.get(row.obsid) for row in batch}) for batch in batches
        ]


@dataclass(frozen=True)
class BuildPlan:
    """What goes into a data set folder.

    Attributes:
        rows: Manifest rows, each with `extra["split"]`.
        source: Where their frames come from.
        stretch: Shape of the stretch.
        seed: Seed of the split, for the record.
    """

    rows: Sequence[Observation]
    source: FrameSource
    stretch: Stretch
    seed: int

    def digest(self) -> str:
        """SHA-256 of all that decides the shards' contents."""
        rows = [asdict(row) for row in self.rows]
        text = json.dumps([SCHEMA, rows, asdict(self.stretch), _FRAMES_PER_SHARD, self.source.digest()])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class _ShardPlan:
    folder: Path
    name: str
    rows: Sequence[Observation]
    encode_row: RowEncoder
    stretch: Stretch


def plan_build(
    rows: Sequence[Observation],
    source: str | Path | FrameSource,
    *,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    stretch: Stretch | None = None,
) -> BuildPlan:
    """Splits a manifest by object and fixes what a build will do.

    Args:
        rows: The manifest; rows with a `split` column keep their side.
        source: Folder of the FITS files, or another source of frames.
        fractions: Shares of train, validation and test.
        seed: Seed of the split.
        stretch: Shape of the stretch; the default one if not given.

    Raises:
        DatasetError: `source` is a path to no folder.
        ManifestError: The rows cannot be split so.
    """
    if isinstance(source, (str, Path)):
        if not Path(source).is_dir():
            raise DatasetError(f"{source}: no such folder of FITS files")
        source = FitsFolder(Path(source))
    return BuildPlan(tuple(split_by_object(rows, fractions, seed)), source, stretch or Stretch(), seed)


def build_dataset(
    plan: BuildPlan,
    folder: str | Path,
    *,
    workers: int = 1,
    spreading: Spreading | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Decodes every frame of a plan into shards.

    A build that was stopped goes on with the shards it lacks; shards that met bad frames are tried again.

    Args:
        plan: What to build.
        folder: Where to. A folder that holds another data set is refused.
        workers: Processes that decode at once; 1 decodes in this one.
        spreading: Decodes elsewhere instead, such as `celestialkeras.cluster.Cluster.spread`; the folders must be
            absolute then, and the same there as here. Bytes do not depend on where they are made.
        on_progress: Called with frames done and frames in all.

    Raises:
        DatasetError: `folder` holds another data set, no frame can be read, a worker dies, or one elsewhere does not
            see the folder.
        MissingExtraError: TensorFlow is not installed.
    """
    # Asked for here, since a worker could only say that it died.
    if importlib.util.find_spec("tensorflow") is None:
        raise MissingExtraError("train", "building a data set")
    folder = Path(folder)
    _claim(folder, plan)
    shards = list(_shards(plan, folder))
    todo = [shard for shard in shards if not is_finished(folder, shard.name)]
    total = len(plan.rows)
    done = total - sum(len(shard.rows) for shard in todo)
    report = on_progress or (lambda done, total: None)
    report(done, total)
    if todo:
        # Until the end the folder is an unfinished build, also when it was finished before but for some bad frames.
        (folder / "dataset.json").unlink(missing_ok=True)
        discard_partials(folder / "shards")
    try:
        for shard, _ in spreading(_build_shard, todo) if spreading else spread(_build_shard, todo, workers):
            done += len(shard.rows)
            report(done, total)
    except BrokenProcessPool as error:
        raise DatasetError(f"{folder}: a worker died, out of memory? Run again with fewer workers") from error
    except WorkLostError as error:
        lost = "; ".join(f"{shard.name}: {reason}" for shard, reason in error.lost)
        raise DatasetError(f"{folder}: no data set yet, for want of {len(error.lost)} shards ({lost})") from error
    # A worker that was killed while others took its work over leaves a half-written file.
    discard_partials(folder / "shards")
    write_summary(
        folder,
        [shard.name for shard in shards],
        plan.stretch,
        source=plan.source.digest(),
        plan_sha256=plan.digest(),
        split_seed=plan.seed,
    )


def encode_frame(row: Observation, frame: Frame, stretch: Stretch) -> EncodedFrame:
    """Stretches a frame and notes what was measured on the way.

    Args:
        row: Its manifest row.
        frame: The frame.
        stretch: Shape of the stretch.
    """
    background = estimate_background(frame)
    codes = encode(frame, stretch, background)
    measured = {
        "sky": background.sky,
        "noise": background.noise,
        "exptime": frame.exptime,
        "bias_left": frame.bias[0],
        "bias_right": frame.bias[-1],
    }
    # A header without EXPTIME gives NaN, which JSON does not know.
    return EncodedFrame(row, codes, {name: value for name, value in measured.items() if math.isfinite(value)})


def _claim(folder: Path, plan: BuildPlan) -> None:
    path = folder / "plan.json"
    wanted = {"plan_sha256": plan.digest()}
    if path.exists():
        try:
            held = json.loads(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise DatasetError(f"{path}: cannot be read ({error}); choose another folder") from error
        if held != wanted:
            raise DatasetError(f"{folder}: holds a data set of another manifest, split or stretch; choose another one")
        return
    if folder.exists() and not folder.is_dir():
        raise DatasetError(f"{folder}: not a folder; choose another one")
    if folder.exists() and any(not entry.name.startswith(PARTIAL_PREFIX) for entry in folder.iterdir()):
        raise DatasetError(f"{folder}: not empty and no data set; choose another folder")
    write_text(path, json.dumps(wanted) + "\n")


def _shards(plan: BuildPlan, folder: Path) -> Iterator[_ShardPlan]:
    batches: list[tuple[str, Sequence[Observation]]] = []
    for split in SPLITS:
        side = [row for row in plan.rows if row.extra["split"] == split]
        for number, start in enumerate(range(0, len(side), _FRAMES_PER_SHARD)):
            batches.append((f"{split}-{number:05d}.tfrecord", side[start : start + _FRAMES_PER_SHARD]))
    encoders = plan.source.encoders([rows for _, rows in batches])
    for (name, rows), encode_row in zip(batches, encoders, strict=True):
        yield _ShardPlan(folder, name, rows, encode_row, plan.stretch)


def _build_shard(shard: _ShardPlan) -> None:
    if not (shard.folder / "plan.json").is_file():
        raise DatasetError(
            f"{platform.node()}: does not see {shard.folder}; workers of other machines need the folders of frames and "
            f"shards on a file system that all share"
        )
    frames: list[EncodedFrame] = []
    bad: list[dict[str, Any]] = []
    for row in shard.rows:
        try:
            frames.append(shard.encode_row(row, shard.stretch))
        except FrameError as error:
            bad.append({"obsid": row.obsid, "hdu": row.hdu, "reason": error.reason, "message": str(error)})
    write_shard(shard.folder, shard.name, frames, bad)


def _encode_file(folder: Path, paths: Mapping[str, Path | None], row: Observation, stretch: Stretch) -> EncodedFrame:
    path = paths[row.obsid]
    if path is None:
        raise FrameNotFoundError(f"{folder}: no {row.obsid}_raw.fits, _flc.fits or _flt.fits")
    return encode_frame(row, read_listed_frame(path, row), stretch)
