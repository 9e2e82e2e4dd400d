from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from celestial_edge.device.watch.journal import Decision, Journal, open_journal
from celestial_edge.device.watch.results import ResultsFile


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with open_journal(tmp_path, tmp_path / "incoming") as opened:
        yield opened


def decide(journal: Journal, *names: str) -> bytes:
    """Decides both chips of files, and gives all lines so far."""
    for name in names:
        arrival = journal.arrive(name, "digest", "look")
        for hdu in arrival.undecided:
            journal.decide(arrival, Decision(hdu, "verdict", "NSC", lambda n, name=name: f"{n} {name}\n".encode()))
    return b"".join(journal.lines_after(0))


def test_lines_are_added_as_they_are_decided(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results = ResultsFile(path, journal)
    results.catch_up()
    assert path.read_bytes() == b""
    for name in ("a", "b"):
        expected = decide(journal, name)
        results.catch_up()
        assert path.read_bytes() == expected
    assert expected == b"1 a\n2 a\n3 b\n4 b\n"


@pytest.mark.parametrize("cut", range(9))
def test_a_file_that_was_torn_anywhere_is_made_whole(cut: int, journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    expected = decide(journal, "a")
    path.write_bytes(expected[:cut])
    ResultsFile(path, journal).catch_up()
    assert path.read_bytes() == expected


@pytest.mark.parametrize("tail", [b"\0\0\0\0", b"\0" * 4096, b"1 a\n2 a\n", b"garbage"])
def test_what_is_not_the_journals_is_cut_off(tail: bytes, journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    expected = decide(journal, "a", "b")
    path.write_bytes(expected[:-4] + tail)
    ResultsFile(path, journal).catch_up()
    assert path.read_bytes() == expected


def test_what_was_right_is_not_written_again(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    expected = decide(journal, "a", "b")
    # A mark in a line before the last intact one shows that nothing before it is touched.
    path.write_bytes(b"X" + expected[1:-2])
    ResultsFile(path, journal).catch_up()
    assert path.read_bytes() == b"X" + expected[1:]


def test_a_file_that_went_or_was_cut_while_the_watch_runs_is_written_again(journal: Journal, tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    results = ResultsFile(path, journal)
    decide(journal, "a")
    results.catch_up()
    path.unlink()
    expected = decide(journal, "b")
    results.catch_up()
    assert path.read_bytes() == expected
    os.truncate(path, 5)
    results.catch_up()
    assert path.read_bytes() == expected


def test_a_disk_that_fills_up_within_a_line_tears_nothing(
    journal: Journal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "results.jsonl"
    results = ResultsFile(path, journal)
    expected = decide(journal, "a", "b")
    room = [6]
    write = os.write

    def short(descriptor: int, data: memoryview) -> int:
        if not room[0]:
            raise OSError(errno.ENOSPC, "No space left on device", str(path))
        count = write(descriptor, data[: min(3, room[0])])
        room[0] -= count
        return count

    monkeypatch.setattr("celestial_edge.device.watch.results.os.write", short)
    with pytest.raises(OSError, match="No space left"):
        results.catch_up()
    assert path.read_bytes() == expected[:6]
    room[0] = 1000
    results.catch_up()
    assert path.read_bytes() == expected
