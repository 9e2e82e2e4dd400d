from __future__ import annotations

import gzip
import importlib.util
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits

from celestialkeras.errors import DatasetError, ManifestError, MissingExtraError
from celestialkeras.files import PARTIAL_PREFIX, sha256_of
from celestialkeras.lcid.build import BuildPlan, build_dataset, plan_build
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.manifest import SPLITS, Observation, write_manifest
from celestialkeras.lcid.stretch import Stretch, encode, estimate_background
from raw_files import RawFile

ROOTNAMES = ("iddt11aaq", "iddt11abq", "iddt11acq")


def row_of(obsid: str, hdu: int, split: str, **changed: Any) -> Observation:
    """A row of the one exposure that all files of these tests are: lower chips are galaxies, upper ones NSCs."""
    row = Observation(
        object_id=f"{('galaxy', 'NSC')[hdu == 4]} {obsid}",
        instrument="WFC3/UVIS",
        obsid=obsid,
        filter="F625W",
        ra=185.4,
        dec=14.6,
        hdu=hdu,
        label=("galaxy", "NSC")[hdu == 4],
        extra={"split": split, "note": "a, b"},
    )
    return replace(row, **changed)


ROWS = tuple(row_of(obsid, hdu, side) for obsid, side in zip(ROOTNAMES, SPLITS, strict=True) for hdu in (1, 4))


@pytest.fixture(scope="session")
def exposure(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A raw file that goes by its file name: without a ROOTNAME card the name counts."""
    return RawFile(primary={"ROOTNAME": ""}).write(tmp_path_factory.mktemp("exposure") / "any.fits")


@pytest.fixture(scope="session")
def frames(exposure: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("frames")
    for obsid in ROOTNAMES:
        (folder / f"{obsid}_raw.fits").hardlink_to(exposure)
    return folder


@pytest.fixture(scope="session")
def unbroken(frames: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The data set of `ROWS`, built in one go in this process. Not to be changed."""
    folder = tmp_path_factory.mktemp("built") / "set"
    build_dataset(plan_build(ROWS, frames), folder)
    return folder


def own_frames(exposure: Path, folder: Path) -> Path:
    """A folder of the same files that a test may spoil."""
    folder.mkdir()
    for obsid in ROOTNAMES:
        (folder / f"{obsid}_raw.fits").hardlink_to(exposure)
    return folder


def contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): sha256_of(path) for path in sorted(folder.rglob("*")) if path.is_file()}


def identity(path: Path) -> tuple[int, int]:
    return path.stat().st_ino, path.stat().st_mtime_ns


def test_a_data_set_holds_every_frame_of_its_manifest(frames: Path, unbroken: Path) -> None:
    dataset = open_dataset(unbroken)
    assert dataset.shape == (2048, 4096)
    assert dataset.bad_frames == []
    assert [tuple(r.observation for r in dataset.records(side)) for side in SPLITS] == [ROWS[0:2], ROWS[2:4], ROWS[4:]]
    for record in dataset.records("train"):
        frame = read_frame(frames / f"{record.observation.obsid}_raw.fits", record.observation.hdu)
        background = estimate_background(frame)
        assert (dataset.codes(record) == encode(frame, Stretch(), background)).all()
        assert record.measured == {
            "sky": background.sky,
            "noise": background.noise,
            "exptime": 350.0,
            "bias_left": frame.bias[0],
            "bias_right": frame.bias[-1],
        }
    assert sorted(path.name for path in (unbroken / "shards").iterdir()) == sorted(
        f"{side}-00000.{suffix}" for side in SPLITS for suffix in ("tfrecord", "json")
    )
    summary = json.loads((unbroken / "dataset.json").read_text())
    assert summary["plan_sha256"] == plan_build(ROWS, frames).digest()
    assert summary["split_seed"] == 0


def test_a_missing_exposure_time_is_left_out_of_the_index(tmp_path: Path) -> None:
    hdus = RawFile(primary={"ROOTNAME": ""}).hdus()
    del hdus[0].header["EXPTIME"]
    (tmp_path / "frames").mkdir()
    hdus.writeto(tmp_path / "frames" / "iddt11aaq_raw.fits")
    folder = tmp_path / "set"
    build_dataset(plan_build(ROWS[:1], tmp_path / "frames"), folder)
    (record,) = open_dataset(folder).records("train")
    assert record.measured.keys() == {"sky", "noise", "bias_left", "bias_right"}

    def refuse(constant: str) -> None:
        raise AssertionError(f"{constant} is no JSON")

    for path in folder.rglob("*.json"):
        json.loads(path.read_text(), parse_constant=refuse)


KILLED_BUILD = """
import multiprocessing, os, signal, sys
from celestialkeras.lcid.build import build_dataset, plan_build
from celestialkeras.lcid.manifest import read_manifest

def die_after_the_first_shard(done, total):
    if done:
        print(*(worker.pid for worker in multiprocessing.active_children()), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)

if __name__ == "__main__":
    manifest, frames, folder = sys.argv[1:]
    plan = plan_build(read_manifest(manifest), frames)
    build_dataset(plan, folder, workers=2, on_progress=die_after_the_first_shard)
"""


def is_running(pid: int) -> bool:
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(pid)], capture_output=True, text=True, check=False)
    return state.stdout.strip()[:1] not in ("", "Z")


def test_workers_of_a_killed_build_leave_whole_shards_and_end_and_the_next_build_goes_on(
    frames: Path, unbroken: Path, tmp_path: Path
) -> None:
    write_manifest(ROWS, tmp_path / "manifest.csv")
    (tmp_path / "killed.py").write_text(KILLED_BUILD)
    folder = tmp_path / "set"
    arguments = [tmp_path / "killed.py", tmp_path / "manifest.csv", frames, folder]
    killed = subprocess.run([sys.executable, *map(str, arguments)], capture_output=True, text=True, check=False)
    assert killed.returncode == -signal.SIGKILL, killed.stderr

    workers = [int(pid) for pid in killed.stdout.split()]
    assert len(workers) == 2
    deadline = time.monotonic() + 120
    while any(map(is_running, workers)):
        assert time.monotonic() < deadline, "workers outlive a build that was killed"
        time.sleep(0.05)
    with pytest.raises(DatasetError, match="an unfinished build"):
        open_dataset(folder)
    # A worker may have been killed before the index that it was writing took its name.
    indexes = [path for path in (folder / "shards").glob("*.json") if not path.name.startswith(PARTIAL_PREFIX)]
    finished = {path: identity(path) for path in indexes}
    finished |= {path: identity(path) for path in (path.with_suffix(".tfrecord") for path in finished)}
    assert 2 <= len(finished) < 6
    for path in finished:
        assert sha256_of(path) == sha256_of(unbroken / "shards" / path.name), "workers write what one process does"

    build_dataset(plan_build(ROWS, frames), folder)
    assert contents(folder) == contents(unbroken), "and nothing half-written is left over"
    assert {path: identity(path) for path in finished} == finished, "finished shards are not written again"


def test_a_worker_that_dies_is_reported(frames: Path, tmp_path: Path) -> None:
    def kill_one() -> None:
        # At work and not while it starts: a process that dies then can leave Python 3.11's pool waiting for ever.
        while not (tmp_path / "set/shards").exists():
            time.sleep(0.001)
        multiprocessing.active_children()[0].kill()

    killer = threading.Thread(target=kill_one)
    killer.start()
    with pytest.raises(
        DatasetError, match=rf"{tmp_path}/set: a worker died, out of memory\? Run again with fewer workers"
    ):
        build_dataset(plan_build(ROWS, frames), tmp_path / "set", workers=2)
    killer.join()


def test_bad_frames_are_passed_over_listed_and_tried_again(exposure: Path, unbroken: Path, tmp_path: Path) -> None:
    frames = own_frames(exposure, tmp_path / "frames")
    (frames / "iddt11abq_raw.fits").unlink()
    (frames / "iddt11abq_raw.fits").write_bytes(exposure.read_bytes()[:-1_000_000])
    (frames / "iddt11acq_raw.fits").unlink()
    folder = tmp_path / "set"
    progress: list[tuple[int, int]] = []
    plan = plan_build(ROWS, frames)
    build_dataset(plan, folder, on_progress=lambda *p: progress.append(p))

    assert progress[-1] == (6, 6)
    dataset = open_dataset(folder)
    assert [len(dataset.records(side)) for side in SPLITS] == [2, 1, 0]
    assert [(bad["obsid"], bad["hdu"], bad["reason"]) for bad in dataset.bad_frames] == [
        ("iddt11abq", 4, "truncated"),
        ("iddt11acq", 1, "not-found"),
        ("iddt11acq", 4, "not-found"),
    ]
    assert dataset.bad_frames[0]["message"].startswith(f"{frames}/iddt11abq_raw.fits: ends ")
    assert dataset.bad_frames[1]["message"] == f"{frames}: no iddt11acq_raw.fits, _flc.fits or _flt.fits"

    whole = folder / "shards" / "train-00000.tfrecord"
    before = identity(whole)
    for obsid in ROOTNAMES[1:]:
        (frames / f"{obsid}_raw.fits").unlink(missing_ok=True)
        (frames / f"{obsid}_raw.fits").hardlink_to(exposure)
    progress.clear()
    build_dataset(plan, folder, on_progress=lambda *p: progress.append(p))
    assert progress == [(2, 6), (4, 6), (6, 6)]
    assert identity(whole) == before
    assert contents(folder) == contents(unbroken)


def stop_after(done: int) -> Callable[[int, int], None]:
    def report(now: int, total: int) -> None:
        if now >= done:
            raise KeyboardInterrupt

    return report


def test_a_data_set_that_is_built_again_is_unfinished_meanwhile(exposure: Path, tmp_path: Path) -> None:
    frames = own_frames(exposure, tmp_path / "frames")
    for obsid in ROOTNAMES[:2]:
        (frames / f"{obsid}_raw.fits").unlink()
    plan = plan_build(ROWS, frames)
    build_dataset(plan, tmp_path / "set")
    assert len(open_dataset(tmp_path / "set").records("test")) == 2
    (frames / "iddt11aaq_raw.fits").hardlink_to(exposure)
    with pytest.raises(KeyboardInterrupt):
        build_dataset(plan, tmp_path / "set", on_progress=stop_after(4))
    with pytest.raises(DatasetError, match="an unfinished build"):
        open_dataset(tmp_path / "set")
    build_dataset(plan, tmp_path / "set")
    assert len(open_dataset(tmp_path / "set").records("train")) == 2


@pytest.mark.parametrize("damage", ["index", "shard cut short", "shard gone"])
def test_a_damaged_shard_is_built_again(frames: Path, unbroken: Path, tmp_path: Path, damage: str) -> None:
    folder = tmp_path / "set"
    for path in (path for path in unbroken.rglob("*") if path.is_file()):
        copy = folder / path.relative_to(unbroken)
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.hardlink_to(path)
    shard = folder / "shards" / "validation-00000.tfrecord"
    other = identity(folder / "shards" / "train-00000.tfrecord")
    damaged = shard.with_suffix(".json") if damage == "index" else shard
    half = damaged.read_bytes()[: damaged.stat().st_size // 2]
    damaged.unlink()
    if damage != "shard gone":
        damaged.write_bytes(half)
    (folder / "shards" / f"{PARTIAL_PREFIX}left.tfrecord").write_bytes(b"half")
    build_dataset(plan_build(ROWS, frames), folder)
    assert contents(folder) == contents(unbroken)
    assert identity(folder / "shards" / "train-00000.tfrecord") == other


def test_a_finished_data_set_stays_as_it_is(frames: Path, unbroken: Path) -> None:
    shards = {path: identity(path) for path in (unbroken / "shards").iterdir()}
    before, progress = contents(unbroken), []
    build_dataset(plan_build(ROWS, frames), unbroken, workers=2, on_progress=lambda *p: progress.append(p))
    assert progress == [(6, 6)]
    assert contents(unbroken) == before
    assert {path: identity(path) for path in shards} == shards


@pytest.mark.parametrize(
    ("changed", "listed"),
    [
        ({"filter": "F814W"}, "iddt11aaq WFC3/UVIS F814W"),
        ({"instrument": "ACS/WFC"}, "iddt11aaq ACS/WFC F625W"),
    ],
)
def test_a_file_that_is_not_what_the_manifest_lists(
    frames: Path, tmp_path: Path, changed: dict[str, str], listed: str
) -> None:
    rows = [row_of("iddt11aaq", 1, "train", **changed), row_of("iddt11abq", 1, "train", filter="f625w")]
    build_dataset(plan_build(rows, frames), tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert [(bad["obsid"], bad["reason"]) for bad in dataset.bad_frames] == [("iddt11aaq", "mismatch")]
    assert dataset.bad_frames[0]["message"] == (
        f"{frames}/iddt11aaq_raw.fits: the manifest lists {listed}. Received: iddt11aaq WFC3/UVIS F625W"
    )
    assert [record.observation.filter for record in dataset.records("train")] == ["f625w"], "case does not matter"


def test_a_file_of_another_exposure(uvis_raw: Path, frames: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "iddt11aaq_raw.fits").hardlink_to(uvis_raw)
    (folder / "iddt11abq_raw.fits").hardlink_to(frames / "iddt11abq_raw.fits")
    build_dataset(plan_build([row_of(obsid, 1, "train") for obsid in ROOTNAMES[:2]], folder), tmp_path / "set")
    (bad,) = open_dataset(tmp_path / "set").bad_frames
    assert bad["reason"] == "mismatch"
    assert bad["message"].endswith("lists iddt11aaq WFC3/UVIS F625W. Received: iddt11fxq WFC3/UVIS F625W")


def test_compressed_files_are_found_in_folders_below(exposure: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    (folder / "gz" / "deep").mkdir(parents=True)
    (folder / "fz").mkdir()
    (folder / "gz" / "deep" / "iddt11aaq_raw.fits.gz").write_bytes(gzip.compress(exposure.read_bytes(), 1))
    with fits.open(exposure) as hdus:
        packed = [h if h.data is None else fits.CompImageHDU(h.data, h.header, compression_type="RICE_1") for h in hdus]
        fits.HDUList(packed).writeto(folder / "fz" / "iddt11abq_raw.fits.fz")
    (folder / "iddt11acq_raw.fits").hardlink_to(exposure)
    build_dataset(plan_build([row_of(obsid, 4, "train") for obsid in ROOTNAMES], folder), tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert dataset.bad_frames == []
    codes = [dataset.codes(record) for record in dataset.records("train")]
    assert (codes[0] == codes[2]).all()
    assert (codes[1] == codes[2]).all()


def test_raw_is_preferred_to_flc_and_flc_to_flt(exposure: Path, tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    (folder / "a").mkdir(parents=True)
    (folder / "iddt11aaq_raw.fits").hardlink_to(exposure)
    for obsid, product in [
        ("iddt11aaq", "flc"),
        ("iddt11aaq", "flt"),
        ("iddt11abq", "flc"),
        ("iddt11abq", "flt"),
        ("iddt11acq", "flt"),
        ("iddt11acq", "drz"),
        ("iddt11acq", "spt"),
    ]:
        (folder / "a" / f"{obsid}_{product}.fits").write_text("no FITS")
    (folder / "a" / "iddt11abq_raw.txt").touch()
    build_dataset(plan_build([row_of(obsid, 1, "train") for obsid in ROOTNAMES], folder), tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert [record.observation.obsid for record in dataset.records("train")] == ["iddt11aaq"]
    files = [bad["message"].partition(":")[0] for bad in dataset.bad_frames]
    assert files == [f"{folder}/a/iddt11abq_flc.fits", f"{folder}/a/iddt11acq_flt.fits"]
    assert {bad["reason"] for bad in dataset.bad_frames} == {"not-fits"}


CHANGES: dict[str, Callable[[BuildPlan], BuildPlan]] = {
    "stretch": lambda plan: replace(plan, stretch=Stretch(white=900.0)),
    "side": lambda plan: replace(plan, rows=(*plan.rows[:-1], row_of("iddt11acq", 4, "train"))),
    "rows": lambda plan: replace(plan, rows=plan.rows[:-1]),
    "extra column": lambda plan: replace(
        plan, rows=(*plan.rows[:-1], row_of("iddt11acq", 4, "test", extra={"split": "test", "note": "c"}))
    ),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES.keys())
def test_a_folder_with_another_data_set_is_refused(
    frames: Path, unbroken: Path, change: Callable[[BuildPlan], BuildPlan]
) -> None:
    before = contents(unbroken)
    with pytest.raises(DatasetError, match=rf"{unbroken}: holds a data set of another manifest, split or stretch"):
        build_dataset(change(plan_build(ROWS, frames)), unbroken)
    assert contents(unbroken) == before


def test_folders_that_are_no_place_for_a_data_set(frames: Path, tmp_path: Path) -> None:
    plan = plan_build(ROWS, frames)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter.tex").write_text("x")
    with pytest.raises(DatasetError, match=rf"{tmp_path}/thesis: not empty and no data set; choose another folder"):
        build_dataset(plan, tmp_path / "thesis")
    assert contents(tmp_path / "thesis").keys() == {"chapter.tex"}
    with pytest.raises(DatasetError, match=r"chapter.tex: not a folder"):
        build_dataset(plan, tmp_path / "thesis" / "chapter.tex")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "plan.json").write_text("{")
    with pytest.raises(DatasetError, match=r"plan.json: cannot be read .*; choose another folder"):
        build_dataset(plan, tmp_path / "set")


def test_a_build_that_was_killed_before_its_plan_was_written_may_start_again(frames: Path, tmp_path: Path) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    (folder / f"{PARTIAL_PREFIX}x.json").touch()
    build_dataset(plan_build(ROWS[:1], frames), folder)
    assert len(open_dataset(folder).records("train")) == 1


def test_no_frame_at_all(tmp_path: Path) -> None:
    (tmp_path / "frames").mkdir()
    with pytest.raises(DatasetError, match=r"none of 6 frames could be read; the first: .*no iddt11aaq_raw.fits"):
        build_dataset(plan_build(ROWS, tmp_path / "frames"), tmp_path / "set")
    with pytest.raises(DatasetError, match="an unfinished build"):
        open_dataset(tmp_path / "set")


def test_a_missing_tensorflow_is_named(frames: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"building a data set needs the extra `train`: pip install"):
        build_dataset(plan_build(ROWS, frames), tmp_path / "set", workers=2)
    assert not (tmp_path / "set").exists()


def test_plan_splits_by_object_and_keeps_given_sides(frames: Path) -> None:
    plain = [replace(row, extra={}) for row in ROWS]
    plan = plan_build(plain, frames, fractions=(0.4, 0.3, 0.3), seed=5)
    assert {row.extra["split"] for row in plan.rows} == set(SPLITS)
    assert plan == plan_build(plain, str(frames), fractions=(0.4, 0.3, 0.3), seed=5)
    assert plan.digest() == plan_build(plain, frames, fractions=(0.4, 0.3, 0.3), seed=5).digest()
    assert plan_build(ROWS, frames, seed=9).rows == ROWS
    assert plan.stretch == Stretch()


def test_plans_that_cannot_be(frames: Path, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=rf"{tmp_path}/none: no such folder of FITS files"):
        plan_build(ROWS, tmp_path / "none")
    with pytest.raises(ManifestError, match="too few for the sides"):
        plan_build([replace(row, extra={}) for row in ROWS[:4]], frames)


def test_a_build_leaves_no_process_behind(unbroken: Path) -> None:
    assert open_dataset(unbroken).bad_frames == []
    children = [process for process in multiprocessing.active_children() if process.pid != os.getpid()]
    assert children == []
