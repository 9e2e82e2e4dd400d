from __future__ import annotations

import mmap
from pathlib import Path

import pytest

from celestial_edge.device import pages
from celestial_edge.device.pages import release_pages
from celestialkeras.process_memory import resident_memory_mb


def test_pages_of_a_mapped_file_are_given_back_and_can_be_read_again(tmp_path: Path) -> None:
    path = tmp_path / "with a space.bin"
    path.write_bytes(bytes(range(256)) * 80_000)
    with path.open("rb") as source, mmap.mmap(source.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        assert sum(mapped[:: mmap.PAGESIZE]) >= 0
        before = resident_memory_mb()
        released = release_pages(path)
        after = resident_memory_mb()
        assert released >= path.stat().st_size
        assert before is not None
        assert after is not None
        assert before - after > 15
        assert mapped[1000] == 1000 % 256


def test_files_that_nothing_mapped_and_systems_that_do_not_tell_release_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "unmapped.bin"
    path.write_bytes(b"x")
    assert release_pages(path) == 0

    class NoFiles(type(path)):  # type: ignore[misc]
        def read_text(self, *arguments: object, **options: object) -> str:
            raise FileNotFoundError(self)

    monkeypatch.setattr(pages, "Path", NoFiles)
    assert release_pages(path) == 0
