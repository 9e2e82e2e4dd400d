"""`celestial data import-images` and `celestial data preview`, called as a person does."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from matplotlib.image import imread

from celestial_cli.data import data
from celestialkeras.errors import CelestialError, ManifestError
from celestialkeras.lcid.manifest import Observation, write_manifest
from picture_files import picture_set


def run(*arguments: object) -> Result:
    return CliRunner().invoke(data, list(map(str, arguments)))


def shape_of(picture: Path) -> tuple[int, ...]:
    return imread(picture).shape[:2]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    labels = picture_set(folder / "in")
    done = run(
        "import-images", folder / "in", "--labels", labels, "--to", folder / "set", "--size", "16x32", "--workers", 1
    )
    assert done.exit_code == 0, done.output
    assert "train" in done.stdout
    assert f"next: celestial train --data {folder / 'set'} --size full" in done.stderr
    return folder


def test_an_import_that_is_done_says_so_again(imported: Path) -> None:
    arguments = ("--labels", imported / "in" / "labels.csv", "--to", imported / "set", "--size", "16x32", "--json")
    done = run("import-images", imported / "in", *arguments)
    report = json.loads(done.stdout)
    assert report["frames"] == {"train": 4, "validation": 4, "test": 4}
    assert report["bad_frames"] == []


def test_bad_pictures_end_with_exit_code_1(imported: Path, tmp_path: Path) -> None:
    labels = picture_set(tmp_path / "in")
    (tmp_path / "in" / "NSC" / "0-1.png").write_text("no picture")
    done = run(
        "import-images",
        tmp_path / "in",
        "--labels",
        labels,
        "--to",
        tmp_path / "set",
        "--size",
        "16x32",
        "--workers",
        1,
    )
    assert done.exit_code == 1
    assert "1 frames left out" in done.stdout
    assert "not-a-picture" in done.stdout


@pytest.mark.parametrize("size", ["512", "512 x 1024", "axb", "16x32x1"])
def test_sizes_that_are_none(size: str, tmp_path: Path) -> None:
    done = run("import-images", tmp_path, "--labels", "a.csv", "--to", tmp_path / "set", "--size", size)
    assert done.exit_code == 2
    assert "must be ROWSxCOLUMNS such as 512x1024" in done.stderr


def test_preview_of_imported_pictures(imported: Path, tmp_path: Path) -> None:
    done = run("preview", imported / "set", "--to", tmp_path / "a.png", "--frames", 5, "--columns", 3, "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert [row["label"] for row in report["frames"]] == ["galaxy", "NSC", "galaxy", "NSC", "galaxy"]
    assert {row["hdu"] for row in report["frames"]} == {0}
    # 16 x 32 codes enlarged eightfold, two rows of three.
    assert shape_of(tmp_path / "a.png") == (2 * (128 + 40) + 6, 3 * (256 + 6) + 6)
    done = run(
        "preview", imported / "set", "--to", tmp_path / "b.png", "--subtype", "spiral", "--split", "test", "--json"
    )
    assert {row["label"] for row in json.loads(done.stdout)["frames"]} == {"galaxy"}


def test_preview_of_a_manifest_and_its_folder(uvis_raw: Path, tmp_path: Path) -> None:
    row = Observation("NGC4298", "WFC3/UVIS", "iddt11fxq", "F625W", 185.4, 14.6, 1, "galaxy", {"split": "test"})
    write_manifest([replace(row, label="")], tmp_path / "list.csv")
    picture = tmp_path / "a.png"
    done = run("preview", tmp_path / "list.csv", "--frames-in", uvis_raw.parent, "--split", "test", "--to", picture)
    assert done.exit_code == 0, done.output
    assert shape_of(picture) == (256 + 34 + 12, 512 + 12)
    done = run("preview", uvis_raw.parent, "--binning", 4, "--to", picture, "--columns", 1)
    assert done.exit_code == 0, done.output
    assert shape_of(picture) == (2 * (512 + 34 + 6) + 6, 1024 + 12)
    assert imread(picture).std() > 0.02


def test_frames_that_cannot_be_read_are_listed(uvis_raw: Path, tmp_path: Path) -> None:
    row = Observation("NGC4298", "WFC3/UVIS", "iddt11fxq", "F625W", 185.4, 14.6, 1, "galaxy")
    missing = Observation("M42", "WFC3/UVIS", "iddt11aaq", "F625W", 83.8, -5.4, 1, "NSC")
    write_manifest([row, missing], tmp_path / "list.csv")
    done = run("preview", tmp_path / "list.csv", "--frames-in", uvis_raw.parent, "--to", tmp_path / "a.png")
    assert done.exit_code == 1
    assert "1 frames left out" in done.stdout
    assert (tmp_path / "a.png").is_file()


def test_options_that_do_not_fit_what_is_shown(tmp_path: Path) -> None:
    done = run("preview", tmp_path, "--split", "test")
    assert done.exit_code == 2
    assert "--split goes with a data set or a manifest" in done.stderr
    assert "--frames-in goes with a manifest" in run("preview", tmp_path, "--frames-in", tmp_path).stderr
    done = run("preview", tmp_path / "nowhere")
    assert isinstance(done.exception, CelestialError)
    (tmp_path / "list.csv").write_text("a,b\n1,2\n")
    assert isinstance(run("preview", tmp_path / "list.csv").exception, ManifestError)
