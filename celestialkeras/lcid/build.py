"""Manifest and FITS files -> data set folder: decoded in parallel, resumed where it stopped, past bad frames."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from celestialkeras.errors import (
    DatasetError,
    FrameError,
    FrameNotFoundError,
    MismatchedFrameError,
    MissingExtraError,
)
from celestialkeras.files import PARTIAL_PREFIX, discard_partials, write_text
from celestialkeras.lcid.frames import FRAME_SUFFIXES, Frame, read_frame
from celestialkeras.lcid.manifest import SPLITS, Observation, split_by_object
from celestialkeras.lcid.shards import SCHEMA, EncodedFrame, is_finished, write_shard, write_summary
from celestialkeras.lcid.stretch import Stretch, encode, estimate_background
from celestialkeras.workers import spread

# 134 MB of codes a shard: small enough to lose little when a build is stopped, large enough for few files.
_FRAMES_PER_SHARD = 16

# Where several products of one exposure lie in a folder, the one that the paper uses comes first.
_PRODUCTS = ("raw", "flc", "flt")


@dataclass(frozen=True)
class BuildPlan:
    """What goes into a data set folder.

    Attributes:
        rows: Manifest rows, each with `extra["split"]`.
        frames: Folder that holds the FITS files, searched with its subfolders.
        stretch: Shape of the stretch.
        seed: Seed of the split, for the record.
    """

    rows: Sequence[Observation]
    frames: Path
    stretch: Stretch
    seed: int

    def digest(self) -> str:
        """SHA-256 of all that decides the shards' contents."""
        rows = [asdict(row) for row in self.rows]
        text = json.dumps([SCHEMA, rows, asdict(self.stretch), _FRAMES_PER_SHARD])
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True)
class _ShardPlan:
    folder: Path
    name: str
    rows: Sequence[Observation]
    paths: Sequence[Path | None]
    frames: Path
    stretch: Stretch


def plan_build(
    rows: Sequence[Observation],
    frames: str | Path,
    *,
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
    stretch: Stretch | None = None,
) -> BuildPlan:
    """Splits a manifest by object and fixes what a build will do.

    Args:
        rows: The manifest; rows with a `split` column keep their side.
        frames: Folder of the FITS files.
        fractions: Shares of train, validation and test.
        seed: Seed of the split.
        stretch: Shape of the stretch; the default one if not given.

    Raises:
        DatasetError: `frames` is no folder.
        ManifestError: The rows cannot be split so.
    """
    frames = Path(frames)
    if not frames.is_dir():
        raise DatasetError(f"{frames}: no such folder of FITS files")
    return BuildPlan(tuple(split_by_object(rows, fractions, seed)), frames, stretch or Stretch(), seed)


def build_dataset(
    plan: BuildPlan,
    folder: str | Path,
    *,
    workers: int = 1,
    on_progress: Callable[[int, int], None] | None = None,
) -> None:
    """Decodes every frame of a plan into shards.

    A build that was stopped goes on with the shards it lacks; shards that met bad frames are tried again.

    Args:
        plan: What to build.
        folder: Where to. A folder that holds another data set is refused.
        workers: Processes that decode at once; 1 decodes in this one.
        on_progress: Called with frames done and frames in all.

    Raises:
        DatasetError: `folder` holds another data set, no frame can be read, or a worker dies.
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
        for shard, _ in spread(_build_shard, todo, workers):
            done += len(shard.rows)
            report(done, total)
    except BrokenProcessPool as error:
        raise DatasetError(f"{folder}: a worker died, out of memory? Run again with fewer workers") from error
    write_summary(
        folder, [shard.name for shard in shards], plan.stretch, plan_sha256=plan.digest(), split_seed=plan.seed
    )


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
    paths = _find_files(plan.frames)
    for split in SPLITS:
        rows = [row for row in plan.rows if row.extra["split"] == split]
        for number, start in enumerate(range(0, len(rows), _FRAMES_PER_SHARD)):
            part = rows[start : start + _FRAMES_PER_SHARD]
            found = [paths.get(row.obsid) for row in part]
            yield _ShardPlan(folder, f"{split}-{number:05d}.tfrecord", part, found, plan.frames, plan.stretch)


def _find_files(frames: Path) -> dict[str, Path]:
    """The FITS file of each rootname below a folder."""
    found: dict[str, tuple[int, Path]] = {}
    for path in sorted(frames.rglob("*")):
        if not path.name.endswith(FRAME_SUFFIXES):
            continue
        rootname, _, rest = path.name.partition("_")
        product = rest.split(".")[0]
        if product in _PRODUCTS:
            candidate = (_PRODUCTS.index(product), path)
            found[rootname] = min(found.get(rootname, candidate), candidate)
    return {rootname: path for rootname, (_, path) in found.items()}


def _build_shard(shard: _ShardPlan) -> None:
    frames: list[EncodedFrame] = []
    bad: list[dict[str, Any]] = []
    for row, path in zip(shard.rows, shard.paths, strict=True):
        try:
            if path is None:
                raise FrameNotFoundError(f"{shard.frames}: no {row.obsid}_raw.fits, _flc.fits or _flt.fits")
            frames.append(_encode_row(row, read_frame(path, row.hdu), path, shard.stretch))
        except FrameError as error:
            bad.append({"obsid": row.obsid, "hdu": row.hdu, "reason": error.reason, "message": str(error)})
    write_shard(shard.folder, shard.name, frames, bad)


def _encode_row(row: Observation, frame: Frame, path: Path, stretch: Stretch) -> EncodedFrame:
    listed = (row.obsid, row.instrument, row.filter.upper())
    found = (frame.obsid, frame.instrument, frame.filter)
    if listed != found:
        raise MismatchedFrameError(f"{path}: the manifest lists {' '.join(listed)}. Received: {' '.join(found)}")
    background = estimate_background(frame)
    codes = encode(frame, stretch, background)
    measured = {
        "sky": background.sky,
        "noise": background.noise,
        "exptime": frame.exptime,
        "bias_left": frame.bias[0],
        "bias_right": frame.bias[1],
    }
    # A header without EXPTIME gives NaN, which JSON does not know.
    return EncodedFrame(row, codes, {name: value for name, value in measured.items() if math.isfinite(value)})
