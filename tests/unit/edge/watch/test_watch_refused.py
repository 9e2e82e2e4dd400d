from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import pytest

from celestial_edge.device.watch import refused as refused_module
from celestial_edge.device.watch.arrivals import sight
from celestial_edge.device.watch.journal import Arrival, Decision, Journal, open_journal
from celestial_edge.device.watch.refused import RefusedFolder
from celestialkeras.files import sha256_of


@pytest.fixture
def incoming(tmp_path: Path) -> Path:
    folder = tmp_path / "incoming"
    folder.mkdir()
    return folder


@pytest.fixture
def journal(tmp_path: Path, incoming: Path) -> Iterator[Journal]:
    with open_journal(tmp_path, incoming) as opened:
        yield opened


def refuse(journal: Journal, incoming: Path, name: str) -> Arrival:
    """Notes a file's second chip as refused."""
    sighting = sight(incoming, name)
    arrival = journal.arrive(name, sha256_of(sighting.path), sighting.signature)
    for hdu, outcome in ((1, "verdict"), (4, "refused")):
        line = json.dumps({"hdu": hdu, "outcome": outcome}).encode() + b"\n"
        journal.decide(arrival, Decision(hdu, outcome, "truncated", lambda number, line=line: line))
    return arrival


def aside(tmp_path: Path) -> dict[str, dict[str, object]]:
    """Contents of `refused/`: file name to reason, by folder."""
    found = {}
    for folder in sorted((tmp_path / "refused").iterdir()):
        names = sorted(path.name for path in folder.iterdir())
        found[folder.name] = {"names": names, **json.loads((folder / "reason.json").read_text())}
    return found


def test_a_refused_file_is_copied_with_its_reason_and_left_in_place(
    journal: Journal, tmp_path: Path, incoming: Path
) -> None:
    (incoming / "night").mkdir()
    (incoming / "night" / "a.fits").write_bytes(b"short")
    refuse(journal, incoming, "night/a.fits")
    RefusedFolder(tmp_path / "refused", incoming, room=1000).catch_up(journal)
    assert aside(tmp_path) == {
        "00000001": {
            "names": ["a.fits", "reason.json"],
            "file": "night/a.fits",
            "copied": True,
            "chips": [{"hdu": 1, "outcome": "verdict"}, {"hdu": 4, "outcome": "refused"}],
        }
    }
    assert (tmp_path / "refused" / "00000001" / "a.fits").read_bytes() == b"short"
    assert (incoming / "night" / "a.fits").read_bytes() == b"short"
    assert journal.to_put_aside() == []


def test_what_changed_since_is_not_taken_for_what_was_decided(journal: Journal, tmp_path: Path, incoming: Path) -> None:
    for name in ("a.fits", "gone.fits"):
        (incoming / name).write_bytes(b"short")
        refuse(journal, incoming, name)
    (incoming / "a.fits").write_bytes(b"now whole")
    (incoming / "gone.fits").unlink()
    RefusedFolder(tmp_path / "refused", incoming, room=1000).catch_up(journal)
    assert [(entry["names"], entry["copied"]) for entry in aside(tmp_path).values()] == [(["reason.json"], False)] * 2


def test_a_file_that_changes_while_it_is_copied_leaves_no_copy(
    journal: Journal, tmp_path: Path, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (incoming / "a.fits").write_bytes(b"short")
    refuse(journal, incoming, "a.fits")
    monkeypatch.setattr(refused_module, "_copied", lambda source, copy: "another digest")
    RefusedFolder(tmp_path / "refused", incoming, room=1000).catch_up(journal)
    assert aside(tmp_path)["00000001"]["names"] == ["reason.json"]


def test_copies_take_no_more_room_than_they_may(journal: Journal, tmp_path: Path, incoming: Path) -> None:
    for name in ("a.fits", "b.fits", "c.fits"):
        (incoming / name).write_bytes(b"x" * 400)
        refuse(journal, incoming, name)
    RefusedFolder(tmp_path / "refused", incoming, room=1000).catch_up(journal)
    assert [entry["copied"] for entry in aside(tmp_path).values()] == [True, True, False]
    # What lies there already counts after a restart.
    (incoming / "d.fits").write_bytes(b"x" * 400)
    refuse(journal, incoming, "d.fits")
    RefusedFolder(tmp_path / "refused", incoming, room=1000).catch_up(journal)
    assert aside(tmp_path)["00000004"]["copied"] is False


def test_a_copy_that_a_kill_or_a_full_disk_cut_short_is_made_again(
    journal: Journal, tmp_path: Path, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (incoming / "a.fits").write_bytes(b"short")
    refuse(journal, incoming, "a.fits")

    def full(source: Path, copy: BinaryIO) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(refused_module, "_copied", full)
        with pytest.raises(OSError, match="No space left"):
            RefusedFolder(tmp_path / "refused", incoming, room=1000).catch_up(journal)
    (tmp_path / "refused" / "00000001" / ".partial-x.fits").write_bytes(b"sho")
    RefusedFolder(tmp_path / "refused", incoming, room=1000).catch_up(journal)
    assert aside(tmp_path)["00000001"]["names"] == ["a.fits", "reason.json"]


def test_a_file_that_can_no_longer_be_read_leaves_its_reason(
    journal: Journal, tmp_path: Path, incoming: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = incoming / "a.fits"
    path.write_bytes(b"short")
    refuse(journal, incoming, "a.fits")
    opened = Path.open

    def forbidden(self: Path, *arguments: object, **options: object) -> object:
        if self == path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return opened(self, *arguments, **options)

    monkeypatch.setattr(Path, "open", forbidden)
    RefusedFolder(tmp_path / "refused", incoming, room=1000).catch_up(journal)
    assert aside(tmp_path)["00000001"]["names"] == ["reason.json"]
