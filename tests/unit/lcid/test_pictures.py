from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from celestialkeras.errors import DatasetError, ManifestError
from celestialkeras.lcid.build import BuildPlan, build_dataset, plan_build
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.manifest import SPLITS
from celestialkeras.lcid.picture_exposure import ExposureRule
from celestialkeras.lcid.pictures import PictureFolder, read_picture_list
from picture_files import picture_set, write_list

RULE = ExposureRule((16, 32))


def plan_of(folder: Path, rule: ExposureRule = RULE) -> BuildPlan:
    return plan_build(read_picture_list(folder / "labels.csv", folder), PictureFolder(folder, rule))


def test_rows_are_observations_that_no_manifest_could_hold(tmp_path: Path) -> None:
    path = write_list(
        tmp_path / "labels.csv",
        [("./a.png", "galaxy", "M51", "pair", "0.1"), ("b/c.png", "NSC", "M42", "M42", "0.2")],
        ("file", "label", "object", "group", "ra"),
    )
    first, second = read_picture_list(path, tmp_path)
    assert (first.object_id, first.obsid, first.label) == ("pair", "a.png", "galaxy")
    assert (second.instrument, second.filter, second.hdu) == ("picture", "unknown", 0)
    assert math.isnan(second.ra)
    assert math.isnan(second.dec)
    assert first.extra == {"object": "M51", "ra": "0.1"}


@pytest.mark.parametrize(
    ("row", "message"),
    [
        (("a.png", "star", "M1"), "row 3, column 'label': must be one of galaxy, NSC. Received: 'star'"),
        (("", "NSC", "M1"), "row 3, column 'file': must be the path of a picture. Received: ''"),
        (("a.png", "NSC", " "), "row 3, column 'group': must be a printable name. Received: ''"),
        (("../a.png", "NSC", "M1"), "row 3, column 'file': must lie in .*in. Received: '../a.png'"),
        (("/etc/hostname", "NSC", "M1"), "column 'file': must lie in .*in. Received: '/etc/hostname'"),
        (("link.png", "NSC", "M1"), "column 'file': must lie in .*in. Received: 'link.png'"),
        (("first.png", "galaxy", "M1"), "row 3 repeats row 2: first.png stands twice"),
        (("a\0.png", "NSC", "M1"), r"column 'file': must be the path of a picture"),
    ],
)
def test_cells_that_are_refused(tmp_path: Path, row: tuple[str, ...], message: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "outside.png").touch()
    (folder / "link.png").symlink_to(tmp_path / "outside.png")
    path = write_list(folder / "labels.csv", [("first.png", "galaxy", "M1"), row])
    with pytest.raises(ManifestError, match=message):
        read_picture_list(path, folder)


def test_lists_that_are_refused(tmp_path: Path) -> None:
    path = write_list(tmp_path / "labels.csv", [("a.png", "NSC")], ("file", "label"))
    with pytest.raises(ManifestError, match="no column 'group' or 'object', which pictures are kept together by"):
        read_picture_list(path, tmp_path)
    with pytest.raises(ManifestError, match=r"none.csv: no such list of pictures"):
        read_picture_list(tmp_path / "none.csv", tmp_path)
    with pytest.raises(DatasetError, match="nowhere: no such folder of pictures"):
        PictureFolder(tmp_path / "nowhere", RULE)


def test_pictures_become_a_data_set_split_by_group(tmp_path: Path) -> None:
    picture_set(tmp_path / "in")
    build_dataset(plan_of(tmp_path / "in"), tmp_path / "set")
    dataset = open_dataset(tmp_path / "set")
    assert dataset.shape == (16, 32)
    groups = {split: {r.observation.object_id for r in dataset.records(split)} for split in SPLITS}
    assert sorted(map(len, groups.values())) == [2, 2, 2]
    assert len(set.union(*groups.values())) == 6
    summary = json.loads((tmp_path / "set" / "dataset.json").read_text())
    assert summary["source"] == "pictures: 16 x 32 pixels binned by 8, fit cover, depth 200, noise seed 0"
    record = dataset.records("train")[0]
    assert record.observation.extra["subtype"] in {"spiral", "globular"}
    assert (record.measured["height"], record.measured["width"]) == (48, 64)
    codes = dataset.codes(record)
    assert codes.shape == (16, 32)
    assert 35 < np.median(codes) < 60


def test_same_bytes_with_any_number_of_workers_and_after_a_stop(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture_set(folder)
    build_dataset(plan_of(folder), tmp_path / "one")
    build_dataset(plan_of(folder), tmp_path / "two", workers=2)
    (tmp_path / "two" / "dataset.json").unlink()
    (tmp_path / "two" / "shards" / "test-00000.json").unlink()
    build_dataset(plan_of(folder), tmp_path / "two")
    names = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*.*"))
    assert len(names) == 8
    for name in names:
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes(), name


def test_a_folder_of_another_rule_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture_set(folder)
    build_dataset(plan_of(folder), tmp_path / "set")
    with pytest.raises(DatasetError, match="holds a data set of another manifest, split or stretch"):
        build_dataset(plan_of(folder, ExposureRule((16, 32), fit="none")), tmp_path / "set")


def test_bad_pictures_are_left_out_listed_and_tried_again(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    picture_set(folder)
    good = (folder / "NSC" / "0-0.png").read_bytes()
    (folder / "NSC" / "0-0.png").write_bytes(good[:90])
    (folder / "galaxy" / "1-1.png").unlink()
    build_dataset(plan_of(folder), tmp_path / "set")
    bad = {entry["obsid"]: entry["reason"] for entry in open_dataset(tmp_path / "set").bad_frames}
    assert bad == {"NSC/0-0.png": "not-a-picture", "galaxy/1-1.png": "not-found"}
    for name in ("NSC/0-0.png", "galaxy/1-1.png"):
        (folder / name).write_bytes(good)
    build_dataset(plan_of(folder), tmp_path / "set")
    assert open_dataset(tmp_path / "set").bad_frames == []
