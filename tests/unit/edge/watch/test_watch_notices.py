from __future__ import annotations

import time
from pathlib import Path

import pytest

from celestial_edge.device.watch.notices import Notices, Wakeup


def wait_for(notices: Notices, wakeup: Wakeup, name: str) -> None:
    heard: set[str] = set()
    end = time.monotonic() + 20
    while name not in heard:
        assert time.monotonic() < end, f"not heard of {name!r}, only {heard}"
        wakeup.wait(1)
        heard.update(notices.take())


def test_what_changes_is_heard_of_by_name(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    wakeup = Wakeup()
    with Notices(tmp_path, wakeup.wake) as notices:
        time.sleep(0.3)
        (tmp_path / "sub" / "星\n1.fits").write_bytes(b"1")
        wait_for(notices, wakeup, "sub/星\n1.fits")
        (tmp_path / "sub" / "星\n1.fits").rename(tmp_path / "b.fits")
        wait_for(notices, wakeup, "b.fits")
        assert notices.failure is None
    wakeup.close()


def test_a_folder_that_cannot_be_listened_to_is_told(tmp_path: Path) -> None:
    wakeup = Wakeup()
    with Notices(tmp_path / "nowhere", wakeup.wake) as notices:
        end = time.monotonic() + 20
        while notices.failure is None:
            assert time.monotonic() < end
            wakeup.wait(1)
    assert notices.failure == "No path was found."
    wakeup.close()


def test_without_watchfiles_there_are_no_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "watchfiles", None)
    wakeup = Wakeup()
    with Notices(tmp_path, wakeup.wake) as notices:
        wakeup.wait(20)
    assert "watchfiles" in notices.failure
    wakeup.close()


def test_a_call_before_the_wait_ends_it_and_many_are_one() -> None:
    wakeup = Wakeup()
    for _ in range(100_000):
        wakeup.wake()
    begin = time.monotonic()
    wakeup.wait(20)
    assert time.monotonic() - begin < 10
    wakeup.close()
    wakeup.wake()
