from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from celestialkeras.files import PARTIAL_PREFIX, discard_partials, replacing, sha256_of, write_text


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(params=[0o022, 0o077], ids=["umask 022", "umask 077"])
def umask(request: pytest.FixtureRequest) -> Iterator[int]:
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def test_a_file_appears_under_its_name_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "model.keras"
    with replacing(path) as partial:
        partial.write_bytes(b"weights")
        assert partial.parent == path.parent, "a rename is atomic within one file system only"
        assert partial.suffix == ".keras"
        assert partial.name.startswith(PARTIAL_PREFIX)
        assert not path.exists()
    assert path.read_bytes() == b"weights"
    assert names_in(path.parent) == ["model.keras"]


def test_an_error_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text("old")
    with pytest.raises(FileNotFoundError), replacing(path) as partial:
        partial.write_bytes((tmp_path / "absent").read_bytes())
    assert path.read_text() == "old"
    assert names_in(tmp_path) == ["card.json"]


def test_a_file_has_the_rights_that_the_umask_gives(tmp_path: Path, umask: int) -> None:
    write_text(tmp_path / "a.txt", "")
    assert stat.S_IMODE((tmp_path / "a.txt").stat().st_mode) == 0o666 & ~umask
    assert os.umask(umask) == umask, "the process's mask must not change"


def test_text_is_utf8_with_the_line_ends_it_has(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "M 5 é\nb\r\nc\r")
    assert (tmp_path / "a.txt").read_bytes() == "M 5 é\nb\r\nc\r".encode()


def test_only_partial_files_are_discarded(tmp_path: Path) -> None:
    for name in (f"{PARTIAL_PREFIX}x1.tfrecord", "train-00000.tfrecord", ".hidden"):
        (tmp_path / name).touch()
    discard_partials(tmp_path)
    assert names_in(tmp_path) == [".hidden", "train-00000.tfrecord"]
    discard_partials(tmp_path / "absent")


def test_partial_folders_are_discarded_and_links_not_followed(tmp_path: Path) -> None:
    whole, partial = tmp_path / "run", tmp_path / f"{PARTIAL_PREFIX}run"
    for folder in (whole, partial / "checkpoints"):
        folder.mkdir(parents=True)
        (folder / "config.toml").write_text("seed = 0")
    (tmp_path / f"{PARTIAL_PREFIX}latest-1").symlink_to("run", target_is_directory=True)
    (tmp_path / f"{PARTIAL_PREFIX}latest-2").symlink_to("absent", target_is_directory=True)
    discard_partials(tmp_path)
    assert names_in(tmp_path) == ["run"]
    assert names_in(whole) == ["config.toml"]


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1])
def test_sha256_of_a_file_is_that_of_its_bytes(tmp_path: Path, size: int) -> None:
    content = bytes(index % 251 for index in range(size))
    (tmp_path / "a").write_bytes(content)
    assert sha256_of(tmp_path / "a") == hashlib.sha256(content).hexdigest()
