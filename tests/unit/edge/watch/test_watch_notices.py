from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from celestial_edge.device.watch.notices import Notices, Wakeup


@pytest.fixture
def wakeup() -> Iterator[Wakeup]:
    made = Wakeup()
    yield made
    made.close()


def wait_for(notices: Notices, wakeup: Wakeup, name: str, change: Callable[[], object]) -> None:
    """Changes the folder until it is heard of: when the thread begins to listen, nothing tells."""
    heard: set[str] = set()
    end = time.monotonic() + 60
    while name not in heard:
        assert time.monotonic() < end, f"not heard of {name!r}, only {heard}"
        change()
        wakeup.wait(1)
        heard.update(notices.take())


def test_what_changes_is_heard_of_by_name(tmp_path: Path, wakeup: Wakeup) -> None:
    (tmp_path / "sub").mkdir()
    first, second = tmp_path / "sub" / "星\n1.fits", tmp_path / "b.fits"
    with Notices(tmp_path, wakeup.wake) as notices:
        wait_for(notices, wakeup, "sub/星\n1.fits", lambda: first.write_bytes(b"1"))
        first.rename(second)
        wait_for(notices, wakeup, "b.fits", lambda: None)
        assert notices.failure is None


def test_a_folder_that_cannot_be_listened_to_is_told(tmp_path: Path, wakeup: Wakeup) -> None:
    with Notices(tmp_path / "nowhere", wakeup.wake) as notices:
        end = time.monotonic() + 60
        while notices.failure is None:
            assert time.monotonic() < end
            wakeup.wait(1)
    assert notices.failure == "No path was found."


def test_without_watchfiles_there_are_no_notices(
    tmp_path: Path, wakeup: Wakeup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "watchfiles", None)
    with Notices(tmp_path, wakeup.wake) as notices:
        wakeup.wait(20)
    assert "watchfiles" in notices.failure


def test_a_call_before_the_wait_ends_it_and_many_are_one(wakeup: Wakeup) -> None:
    for _ in range(100_000):
        wakeup.wake()
    begin = time.monotonic()
    wakeup.wait(20)
    assert time.monotonic() - begin < 10
    wakeup.close()
    wakeup.wake()
