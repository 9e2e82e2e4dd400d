from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import os
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from itertools import pairwise
from pathlib import Path

import pytest

from celestial_edge.device.watch import decider as decider_module
from celestial_edge.device.watch import service as service_module
from celestial_edge.device.watch.arrivals import WholeRule
from celestial_edge.device.watch.attempts import LARGEST_ATTEMPTS
from celestial_edge.device.watch.health import read_health
from celestial_edge.device.watch.lock import held, is_held
from celestial_edge.device.watch.service import Watch
from celestial_edge.device.watch.status import read_status, write_csv
from celestialkeras.errors import WatchError
from watched import ARTIFACT, Folders, SmallClassifier, assert_each_chip_once


@pytest.fixture
def folders(tmp_path: Path) -> Folders:
    return Folders(tmp_path)


class Running:
    """A watch at work in a thread, until the block ends."""

    def __init__(self, watch: Watch) -> None:
        self.watch = watch
        self.error: BaseException | None = None
        self._thread = threading.Thread(target=self._run)

    def _run(self) -> None:
        try:
            self.watch.run()
        except BaseException as error:
            self.error = error

    def __enter__(self) -> Running:
        self._thread.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self.watch.stop()
        self._thread.join(120)
        assert not self._thread.is_alive()
        if self.error is not None:
            raise self.error

    def until(self, holds: Callable[[], bool]) -> None:
        end = time.monotonic() + 120
        while not holds():
            assert self._thread.is_alive()
            assert time.monotonic() < end
            time.sleep(0.01)


def written(folders: Folders) -> int:
    """Lines in the results file, the last one whole or not."""
    path = folders.results / "results.jsonl"
    return len(path.read_bytes().splitlines()) if path.exists() else 0


def test_each_chip_that_is_there_gets_a_line(folders: Folders) -> None:
    folders.deliver("a.fits", b"g1")
    folders.deliver("night/b.fits", b"n1")
    summary = folders.drain()
    assert (summary.verdicts, summary.refused, summary.waiting) == ({"galaxy": 2, "NSC": 2}, {}, 0)
    lines = {(line["file"], line["hdu"]): line for line in folders.lines()}
    assert set(lines) == {(name, hdu) for name in ("a.fits", "night/b.fits") for hdu in (1, 4)}
    line = lines["night/b.fits", 4]
    decided = datetime.fromisoformat(line.pop("decided"))
    assert abs(decided - datetime.now(timezone.utc)) < timedelta(hours=1)
    assert line.pop("number") in (2, 4)
    assert line == {
        "file": "night/b.fits",
        "hdu": 4,
        "outcome": "verdict",
        "label": "NSC",
        "probability": 0.75,
        "logits": [1.0, 2.0],
        "quality": {"empty": False},
        "sha256": hashlib.sha256(b"n1").hexdigest(),
        "bytes": 2,
        "artifact": ARTIFACT,
    }


def test_what_was_decided_is_not_decided_again(folders: Folders) -> None:
    path = folders.deliver("a.fits", b"g1")
    folders.drain()
    again = SmallClassifier()
    # The same file, then the same content delivered again, by another inode and at another time.
    folders.drain(again)
    folders.deliver("a.fits", b"g1")
    os.utime(path, (1, 1))
    folders.drain(again)
    assert again.asked == []
    assert len(folders.lines()) == 2


def test_a_file_replaced_by_another_content_is_a_new_arrival(folders: Folders) -> None:
    for content in (b"g1", b"n1", b"g1"):
        folders.deliver("a.fits", content)
        folders.drain()
    assert folders.answers() == [
        ("a.fits", 1, "galaxy"),
        ("a.fits", 4, "galaxy"),
        ("a.fits", 1, "NSC"),
        ("a.fits", 4, "NSC"),
    ]


def test_a_file_that_is_replaced_while_it_is_classified_is_decided_by_its_new_content(folders: Folders) -> None:
    folders.deliver("a.fits", b"g1")
    replaced = []

    def replace_once(source: Path, hdu: int) -> None:
        if hdu == 4 and not replaced:
            replaced.append(folders.deliver("a.fits", b"n1"))

    said: list[str] = []
    Watch(folders.options(), SmallClassifier(before=replace_once), said.append).run()
    # HDU 1 of the first content was decided before it went; HDU 4 of it never was.
    assert folders.answers() == [("a.fits", 1, "galaxy"), ("a.fits", 1, "NSC"), ("a.fits", 4, "NSC")]
    assert said[1] == "'a.fits' changed or went while it was read; it waits again"
    assert read_status(folders.results).unfinished == 1


def test_a_file_that_is_written_to_while_it_is_hashed_is_not_decided_half(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folders.deliver("a.fits", b"g")
    hash_of = decider_module.sha256_of

    def grow_once(source: Path) -> str:
        digest = hash_of(source)
        path.write_bytes(b"g and the rest")
        monkeypatch.setattr(decider_module, "sha256_of", hash_of)
        return digest

    monkeypatch.setattr(decider_module, "sha256_of", grow_once)
    folders.drain()
    assert {line["sha256"] for line in folders.lines()} == {hashlib.sha256(b"g and the rest").hexdigest()}
    assert_each_chip_once(folders.lines(), ["a.fits"])


def test_a_file_that_goes_while_it_is_classified_leaves_no_line(folders: Folders) -> None:
    path = folders.deliver("a.fits")
    folders.drain(SmallClassifier(before=lambda source, hdu: path.unlink(missing_ok=True)))
    assert folders.lines() == []
    folders.deliver("a.fits")
    folders.drain()
    assert_each_chip_once(folders.lines(), ["a.fits"])


def test_bad_files_are_refused_put_aside_and_stop_nothing(folders: Folders, tmp_path: Path) -> None:
    (tmp_path / "secret.fits").write_bytes(b"g")
    folders.deliver("empty.fits", b"")
    folders.deliver("truncated.fits", b"t")
    folders.deliver("good.fits")
    (folders.incoming / "link.fits").symlink_to(tmp_path / "secret.fits")
    os.mkfifo(folders.incoming / "pipe.fits")
    classifier = SmallClassifier()
    summary = folders.drain(classifier)
    assert summary.refused == {"not-fits": 2, "truncated": 1, "symlink": 2, "not-a-file": 2}
    assert sorted(folders.answers()) == [
        ("empty.fits", 1, "not-fits"),
        ("empty.fits", 4, "not-fits"),
        ("good.fits", 1, "galaxy"),
        ("good.fits", 4, "galaxy"),
        ("link.fits", 1, "symlink"),
        ("link.fits", 4, "symlink"),
        ("pipe.fits", 1, "not-a-file"),
        ("pipe.fits", 4, "not-a-file"),
        ("truncated.fits", 1, "NSC"),
        ("truncated.fits", 4, "truncated"),
    ]
    assert {name for name, _ in classifier.asked} == {"empty.fits", "good.fits", "truncated.fits"}
    aside = {}
    for reason in sorted((folders.results / "refused").glob("*/reason.json")):
        told = json.loads(reason.read_text())
        aside[told["file"]] = (told["copied"], [chip.get("reason") for chip in told["chips"]])
        assert (reason.parent / told["file"]).exists() == told["copied"]
    assert aside == {
        "empty.fits": (True, ["not-fits", "not-fits"]),
        "truncated.fits": (True, [None, "truncated"]),
        "link.fits": (False, ["symlink", "symlink"]),
        "pipe.fits": (False, ["not-a-file", "not-a-file"]),
    }
    # Nothing is ever taken from the watched folder.
    assert len(list(folders.incoming.iterdir())) == 5
    folders.drain()
    assert len(folders.lines()) == 10


def test_a_file_without_the_right_to_read_is_refused_until_it_is_given(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = folders.deliver("a.fits")
    hash_of = decider_module.sha256_of

    def forbidden(source: Path) -> str:
        if not source.stat().st_mode & 0o400:
            raise PermissionError(13, "Permission denied", str(source))
        return hash_of(source)

    # Tests may run as root, whom no missing right stops.
    monkeypatch.setattr(decider_module, "sha256_of", forbidden)
    path.chmod(0)
    folders.drain()
    folders.drain()
    assert folders.answers() == [("a.fits", 1, "unreadable"), ("a.fits", 4, "unreadable")]
    assert folders.lines()[0]["message"] == "'a.fits' cannot be read (Permission denied)"
    assert folders.lines()[0]["sha256"] is None
    path.chmod(0o600)
    folders.drain()
    assert folders.answers()[2:] == [("a.fits", 1, "galaxy"), ("a.fits", 4, "galaxy")]


def test_names_of_any_script_and_of_no_text_at_all(folders: Folders) -> None:
    names = [
        "line\nbreak.fits",
        "星雲 ngc.fits",
        "туманность.FITS",
        os.fsdecode(b"\xff\xfe.fits"),
        "-rf.fits",
        '"q,u".fits',
    ]
    for name in names:
        folders.deliver(name)
    folders.drain()
    assert_each_chip_once(folders.lines(), names)
    folders.drain()
    assert len(folders.lines()) == 2 * len(names)


def test_files_are_noticed_as_they_arrive(folders: Folders) -> None:
    with Running(Watch(folders.options(once=False), SmallClassifier())) as running:
        running.until(lambda: (folders.results / "health.json").exists())
        for number in range(3):
            folders.deliver(f"{number}.fits")
            running.until(lambda number=number: written(folders) == 2 * number + 2)
        assert read_health(folders.results).figures.notices
    assert_each_chip_once(folders.lines(), ["0.fits", "1.fits", "2.fits"])


def test_files_are_found_without_notices(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "watchfiles", None)
    said: list[str] = []
    with Running(Watch(folders.options(once=False), SmallClassifier(), said.append)) as running:
        running.until(lambda: bool(said))
        folders.deliver("a.fits")
        running.until(lambda: written(folders) == 2)
    assert said[0].startswith("no notices of changes (")
    assert said[0].endswith("); looking every 1 s instead")


def test_a_file_that_grows_is_decided_once_it_stands_still(folders: Folders) -> None:
    options = folders.options(once=False, rule=WholeRule("settled", settle_s=0.5))
    with Running(Watch(options, SmallClassifier())) as running:
        with (folders.incoming / "a.fits").open("wb", buffering=0) as growing:
            for _ in range(15):
                growing.write(b"g" * 100)
                time.sleep(0.1)
        running.until(lambda: written(folders) == 2)
    assert_each_chip_once(folders.lines(), ["a.fits"])
    assert folders.lines()[0]["bytes"] == 1500


def test_stop_comes_after_the_chip_at_hand(folders: Folders) -> None:
    for number in range(5):
        folders.deliver(f"{number}.fits")
    watch: Watch

    def stop_at_the_third(source: Path, hdu: int) -> None:
        if len(classifier.asked) == 3:
            watch.stop()

    classifier = SmallClassifier(before=stop_at_the_third)
    watch = Watch(folders.options(), classifier)
    watch.run()
    assert len(classifier.asked) == len(folders.lines()) == 3
    assert read_status(folders.results).state == "stopped"
    folders.drain()
    assert_each_chip_once(folders.lines(), [f"{number}.fits" for number in range(5)])


def test_a_watch_that_was_stopped_before_it_ran_decides_nothing(folders: Folders) -> None:
    folders.deliver("a.fits")
    watch = Watch(folders.options(once=False), SmallClassifier())
    watch.stop()
    watch.run()
    assert folders.lines() == []


def test_the_rate_is_kept(folders: Folders) -> None:
    for number in range(3):
        folders.deliver(f"{number}.fits")
    at: list[float] = []
    folders.drain(SmallClassifier(before=lambda source, hdu: at.append(time.monotonic())), max_rate=10.0)
    assert all(later - earlier >= 0.1 for earlier, later in pairwise(at))
    assert len(at) == 6


def test_the_time_of_day_may_jump_back(folders: Folders, monkeypatch: pytest.MonkeyPatch) -> None:
    days = iter(range(1000, 0, -1))
    past = lambda: (datetime(2000, 1, 1, tzinfo=timezone.utc) + timedelta(days=next(days))).isoformat()  # noqa: E731
    monkeypatch.setattr(decider_module, "utc_now", past)
    monkeypatch.setattr(time, "time", lambda: float(next(days)))
    names = [f"{number}.fits" for number in range(5)]
    # What is delivered bears ever earlier times, too, as the sender's clock jumped.
    for number, name in enumerate(names):
        os.utime(folders.deliver(name), (10**9 - number * 10**7,) * 2)
        folders.drain(rule=WholeRule("settled", settle_s=0.1))
    lines = folders.lines()
    assert_each_chip_once(lines, names)
    assert [line["file"] for line in lines] == [name for name in names for _ in range(2)]
    assert [line["decided"] for line in lines] == sorted((line["decided"] for line in lines), reverse=True)


def test_a_second_watch_of_the_same_results_refuses(folders: Folders) -> None:
    with Running(Watch(folders.options(once=False), SmallClassifier())) as running:
        running.until(lambda: (folders.results / "health.json").exists())
        before = (folders.results / "health.json").read_bytes()
        with pytest.raises(WatchError, match=rf"another watch writes these results, process {os.getpid()}; stop it"):
            folders.drain()
        assert json.loads(before)["state"] == json.loads((folders.results / "health.json").read_bytes())["state"]
    folders.drain()


def test_results_belong_to_one_watched_folder(folders: Folders, tmp_path: Path) -> None:
    folders.drain()
    (tmp_path / "other").mkdir()
    with pytest.raises(WatchError, match="give each watched folder results of its own"):
        folders.drain(incoming=tmp_path / "other")
    assert read_status(folders.results).state == "failed"


def test_folders_that_cannot_be_watched(folders: Folders, tmp_path: Path) -> None:
    with pytest.raises(WatchError, match="results must not lie within the watched folder"):
        folders.drain(results=folders.incoming / "results")
    with pytest.raises(WatchError, match="nowhere: no such folder to watch"):
        folders.drain(incoming=tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(WatchError, match="file: cannot be written"):
        folders.drain(results=tmp_path / "file")


def test_an_error_that_is_no_frames_fault_ends_the_watch(folders: Folders) -> None:
    folders.deliver("a.fits")

    def fail(source: Path, hdu: int) -> None:
        raise RuntimeError("the interpreter is broken")

    with pytest.raises(RuntimeError, match="interpreter is broken"):
        folders.drain(SmallClassifier(before=fail))
    status = read_status(folders.results)
    assert (status.state, status.is_well) == ("failed", False)
    assert status.health.error == "RuntimeError: the interpreter is broken"
    folders.drain()
    assert_each_chip_once(folders.lines(), ["a.fits"])


def test_a_chip_that_ends_the_watch_each_time_is_refused_and_the_others_go_on(folders: Folders) -> None:
    folders.deliver("a.fits")
    folders.deliver("b.fits")

    def fail(source: Path, hdu: int) -> None:
        if (source.name, hdu) == ("a.fits", 4):
            raise MemoryError

    for _ in range(LARGEST_ATTEMPTS):
        with pytest.raises(MemoryError):
            folders.drain(SmallClassifier(before=fail))
    folders.drain(SmallClassifier(before=fail))
    assert sorted(folders.answers()) == [
        ("a.fits", 1, "galaxy"),
        ("a.fits", 4, "fatal"),
        ("b.fits", 1, "galaxy"),
        ("b.fits", 4, "galaxy"),
    ]
    (message,) = (line["message"] for line in folders.lines() if line["outcome"] == "refused")
    assert message == "'a.fits': HDU 4 ended the watch 5 times in a row while it was classified"


def test_status_and_csv_tell_of_all_runs(folders: Folders, tmp_path: Path) -> None:
    folders.deliver("a\nb.fits", b"t")
    folders.drain()
    folders.deliver("c.fits", b"g")
    folders.drain()
    status = read_status(folders.results)
    assert (status.state, status.is_well, status.unfinished) == ("stopped", True, 0)
    assert (status.verdicts, status.refused) == ({"NSC": 1, "galaxy": 2}, {"truncated": 1})
    assert (status.health.figures.verdicts, status.health.figures.refused) == (3, 1)
    with (tmp_path / "out.csv").open("w", newline="") as out:
        write_csv(folders.results, out)
    header, *rest = (tmp_path / "out.csv").read_text().split("\n")
    assert header == (
        "number,file,hdu,outcome,label,probability,logits.0,logits.1,quality.empty,sha256,bytes,decided,artifact.path,"
        "artifact.card_sha256,reason,message"
    )
    first = folders.lines()[0]
    assert rest[0] == '1,"a'
    assert rest[1].startswith(f'b.fits",1,verdict,NSC,0.75,1.0,2.0,False,{first["sha256"]},1,{first["decided"]},some/')
    with (tmp_path / "out.csv").open(newline="") as out:
        rows = list(csv.DictReader(out))
    assert [(row["file"], row["hdu"], row["label"] or row["reason"]) for row in rows] == [
        ("a\nb.fits", "1", "NSC"),
        ("a\nb.fits", "4", "truncated"),
        ("c.fits", "1", "galaxy"),
        ("c.fits", "4", "galaxy"),
    ]


def test_a_watch_that_was_killed_is_gone_and_one_that_is_not_heard_of_is_silent(
    folders: Folders, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_module.Pulse, "end", lambda self, figures: None)
    folders.drain()
    assert (read_status(folders.results).state, read_status(folders.results).is_well) == ("gone", False)
    health = folders.results / "health.json"
    told = json.loads(health.read_text())
    with held(folders.results):
        assert (read_status(folders.results).state, read_status(folders.results).is_well) == ("watching", True)
        health.write_text(json.dumps({**told, "clock_s": told["clock_s"] - 100}))
        assert (read_status(folders.results).state, read_status(folders.results).is_well) == ("silent", False)
        health.write_text(json.dumps({**told, "boot": "an earlier one"}))
        assert (read_status(folders.results).state, read_status(folders.results).age_s) == ("silent", None)


def test_asking_how_it_goes_keeps_no_watch_from_starting(folders: Folders) -> None:
    folders.drain()
    with (folders.results / "lock").open() as asking:
        fcntl.flock(asking, fcntl.LOCK_SH)
        threading.Timer(0.1, fcntl.flock, (asking, fcntl.LOCK_UN)).start()
        folders.drain()
    assert not is_held(folders.results)
    assert not is_held(folders.incoming)
