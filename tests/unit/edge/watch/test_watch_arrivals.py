from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from celestial_edge.device.watch import arrivals as arrivals_module
from celestial_edge.device.watch.arrivals import RESCAN_S, Arrivals, WholeRule, frame_names, is_frame_name, sight
from celestialkeras.errors import WatchError


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Looking:
    """Arrivals of a folder with a clock of their own; what is taken is known from then on."""

    def __init__(self, folder: Path, rule: WholeRule, limit: int = 256) -> None:
        self.clock = Clock()
        self.known: set[tuple[str, str]] = set()
        self.arrivals = Arrivals(folder, rule, lambda *file: file in self.known, limit, self.clock)

    def after(self, seconds: float) -> list[str]:
        """Looks once, so much later, and takes what is whole."""
        self.clock.now += seconds
        self.arrivals.look()
        taken = []
        while sighting := self.arrivals.take():
            self.known.add((sighting.name, sighting.signature))
            taken.append(sighting.name)
        return taken


def test_a_file_is_whole_once_it_has_settled(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_bytes(b"1")
    looking = Looking(tmp_path, WholeRule("settled", settle_s=2))
    assert looking.after(0) == []
    assert looking.arrivals.waiting == 1
    assert looking.after(1.9) == []
    assert looking.after(0.3) == ["a.fits"]
    assert looking.after(60) == []
    assert looking.arrivals.waiting == 0


def test_a_file_that_grows_for_a_minute_is_taken_once_and_whole(tmp_path: Path) -> None:
    looking = Looking(tmp_path, WholeRule("settled", settle_s=2))
    with (tmp_path / "a.fits").open("wb", buffering=0) as growing:
        for _ in range(60):
            growing.write(b"x" * 2880)
            assert looking.after(1) == []
    assert looking.after(1.5) == []
    assert looking.after(1) == ["a.fits"]
    assert {int(signature.split()[1]) for _, signature in looking.known} == {60 * 2880}


def test_a_file_that_is_written_to_in_place_without_growing_has_not_settled(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(b"00")
    looking = Looking(tmp_path, WholeRule("settled", settle_s=2))
    looking.after(0)
    for number in range(3):
        os.utime(path, ns=(number, number))
        assert looking.after(1.5) == []
    assert looking.after(2) == ["a.fits"]


def test_a_file_that_is_renamed_into_place_is_whole_at_sight(tmp_path: Path) -> None:
    (tmp_path / ".a.fits.x7").write_bytes(b"1")
    (tmp_path / "a.fits.part").write_bytes(b"1")
    looking = Looking(tmp_path, WholeRule("renamed"))
    assert looking.after(0) == []
    (tmp_path / ".a.fits.x7").rename(tmp_path / "a.fits")
    assert looking.after(1.1) == ["a.fits"]


def test_a_file_is_whole_when_its_marker_lies_beside_it(tmp_path: Path) -> None:
    (tmp_path / "a.fits").write_bytes(b"1")
    looking = Looking(tmp_path, WholeRule("marker", marker=".ok"))
    assert looking.after(0) == []
    assert looking.after(3600) == []
    (tmp_path / "a.fits.ok").touch()
    looking.arrivals.hint(["a.fits.ok"])
    assert looking.after(0.3) == ["a.fits"]


def test_a_replaced_file_is_taken_again_and_one_that_went_is_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "a.fits"
    path.write_bytes(b"1")
    looking = Looking(tmp_path, WholeRule("settled", settle_s=1))
    looking.after(0)
    assert looking.after(1) == ["a.fits"]
    (tmp_path / "new").write_bytes(b"2")
    (tmp_path / "new").rename(path)
    assert looking.after(1) == []
    path.unlink()
    assert looking.after(1) == []
    assert looking.arrivals.waiting == 0


def test_hints_are_looked_at_without_a_full_look(tmp_path: Path) -> None:
    looking = Looking(tmp_path, WholeRule("renamed"))
    looking.arrivals.poll_s = RESCAN_S
    assert looking.after(0) == []
    for name in ("a.fits", "b.fits"):
        (tmp_path / name).write_bytes(b"1")
    looking.arrivals.hint(["a.fits", "gone.fits", "a.fits.part", "../a.fits"])
    assert looking.after(0.3) == ["a.fits"]
    assert looking.after(RESCAN_S) == ["b.fits"]


def test_what_finds_no_room_is_found_later(tmp_path: Path) -> None:
    names = {f"{number}.fits" for number in range(10)}
    for name in names:
        (tmp_path / name).write_bytes(b"1")
    looking = Looking(tmp_path, WholeRule("renamed"), limit=4)
    taken: list[str] = []
    for _ in range(4):
        looking.arrivals.look()
        assert looking.arrivals.waiting <= 4
        taken += looking.after(0.3)
    assert sorted(taken) == sorted(names)


def test_more_hints_than_can_be_remembered_lead_to_a_full_look(tmp_path: Path) -> None:
    looking = Looking(tmp_path, WholeRule("renamed"), limit=4)
    looking.arrivals.poll_s = RESCAN_S
    looking.after(0)
    (tmp_path / "a.fits").write_bytes(b"1")
    looking.arrivals.hint([f"{number}.fits" for number in range(9)])
    assert looking.after(0.3) == ["a.fits"]


@pytest.mark.parametrize(
    "name",
    [
        "a.fits",
        "a.FITS",
        "a.fits.gz",
        "a.fits.fz",
        "night 1/a.fits",
        "星雲_туманность.fits",
        "line\nbreak.fits",
        "-x.fits",
    ],
)
def test_names_of_frames(name: str) -> None:
    assert is_frame_name(name)


@pytest.mark.parametrize(
    "name", ["a.fit", "a.fits.part", ".a.fits", ".hidden/a.fits", "../a.fits", "fits", "a.fits.done"]
)
def test_other_names(name: str) -> None:
    assert not is_frame_name(name)


def test_any_bytes_are_a_name_and_subfolders_are_looked_into(tmp_path: Path) -> None:
    names = {"a.fits", "night/b.fits", "night/line\nbreak.fits", os.fsdecode(b"\xff\xfe.fits"), "星雲.fits"}
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"1")
    (tmp_path / ".cache").mkdir()
    (tmp_path / ".cache" / "c.fits").write_bytes(b"1")
    assert set(frame_names(tmp_path)) == names


def test_links_out_of_the_folder_are_refused_and_links_within_are_not(tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    (folder / "sub").mkdir(parents=True)
    (tmp_path / "secret.fits").write_bytes(b"1")
    (folder / "b.fits").write_bytes(b"1")
    (folder / "a.fits").symlink_to(tmp_path / "secret.fits")
    (folder / "loop.fits").symlink_to("loop.fits")
    (folder / "sub" / "c.fits").symlink_to("../b.fits")
    (folder / "away").symlink_to(tmp_path)
    (folder / "later.fits").symlink_to("not-there-yet.fits")
    refusal = sight(folder, "a.fits").refusal
    assert refusal.reason == "symlink"
    assert (
        refusal.message
        == f"'a.fits' is a link that leaves the folder; deliver the file itself. Received: {tmp_path}/secret.fits"
    )
    assert sight(folder, "sub/c.fits").refusal is None
    assert sight(folder, "later.fits") is None
    assert sight(folder, "loop.fits").refusal.reason == "not-a-file"
    # A link to a folder is not followed, so nothing in it has a name here.
    assert set(frame_names(folder)) == {"a.fits", "b.fits", "later.fits", "loop.fits", "sub/c.fits"}


def test_the_target_of_a_link_counts_for_its_signature(tmp_path: Path) -> None:
    (tmp_path / "b.fits").write_bytes(b"1")
    (tmp_path / "a.fits").symlink_to("b.fits")
    before = sight(tmp_path, "a.fits").signature
    (tmp_path / "b.fits").write_bytes(b"12")
    assert sight(tmp_path, "a.fits").signature != before


def test_what_is_no_regular_file_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    os.mkfifo(tmp_path / "pipe.fits")
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind("socket.fits")
        reasons = {name: sight(tmp_path, name).refusal.reason for name in ("pipe.fits", "socket.fits")}
    assert reasons == {"pipe.fits": "not-a-file", "socket.fits": "not-a-file"}
    before = sight(tmp_path, "pipe.fits").signature
    os.utime(tmp_path / "pipe.fits", (1, 1))
    assert sight(tmp_path, "pipe.fits").signature == before
    (tmp_path / "folder.fits").mkdir()
    assert sight(tmp_path, "folder.fits") is None


def test_a_file_larger_than_any_exposure_is_refused_unread(tmp_path: Path) -> None:
    with (tmp_path / "a.fits").open("wb") as sparse:
        sparse.truncate(arrivals_module.LARGEST_FILE + 1)
    refusal = sight(tmp_path, "a.fits").refusal
    assert refusal.reason == "too-large"
    assert refusal.message.endswith("Received: 1073741825")
    # While it grows it is not refused time and again.
    looking = Looking(tmp_path, WholeRule("settled", settle_s=2))
    for _ in range(3):
        assert looking.after(1.5) == []
        with (tmp_path / "a.fits").open("ab") as growing:
            growing.write(b"x")
    looking.after(0.5)
    assert looking.after(2) == ["a.fits"]


def test_a_folder_that_goes_ends_the_watch(tmp_path: Path) -> None:
    folder = tmp_path / "incoming"
    folder.mkdir()
    looking = Looking(folder, WholeRule())
    looking.after(0)
    folder.rmdir()
    with pytest.raises(WatchError, match="incoming: no such folder any more; bring it back"):
        looking.after(2)


def test_waiting_takes_no_time_from_the_processor(tmp_path: Path) -> None:
    looking = Looking(tmp_path, WholeRule("settled", settle_s=2))
    looking.arrivals.poll_s = RESCAN_S
    looking.after(0)
    assert looking.arrivals.next_look_s() == pytest.approx(RESCAN_S)
    (tmp_path / "a.fits").write_bytes(b"1")
    looking.arrivals.hint(["a.fits"])
    looking.after(0.25)
    assert looking.arrivals.next_look_s() == pytest.approx(0.25)
