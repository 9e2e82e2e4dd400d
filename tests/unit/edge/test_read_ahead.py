"""Chips decided one after another while the next ones are read."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from celestial_edge.device import read_ahead
from celestial_edge.device.quality import FrameQuality
from celestial_edge.device.read_ahead import Chip, decide_many
from celestial_edge.device.verdict import Verdict
from celestialkeras.errors import TruncatedFrameError

GOOD = FrameQuality(0.0, 5.0, False, False)
CHIPS = [Chip(Path(f"{number}.fits"), hdu) for number in range(4) for hdu in (1, 4)]


def decide(frame: object) -> Verdict:
    """Stands for the network: the logits name the chip."""
    path, hdu = frame
    return Verdict.from_logits((float(Path(path).stem), hdu), {"read": 0.0, "stretch": 1.0, "invoke": 1.0}, GOOD)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Path, int]]:
    """Which chips were read; those of `2.fits` are truncated."""
    seen: list[tuple[Path, int]] = []

    def read_frame(path: Path, hdu: int) -> tuple[Path, int]:
        seen.append((path, hdu))
        if path.stem == "2":
            raise TruncatedFrameError(f"{path}: ends early")
        return path, hdu

    monkeypatch.setattr(read_ahead, "read_frame", read_frame)
    return seen


def reading_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "read-ahead"]


def test_order_is_kept_and_bad_frames_are_results(reads: list[tuple[Path, int]]) -> None:
    results = list(decide_many(CHIPS, decide))
    assert [result.chip for result in results] == CHIPS
    for result in results:
        if result.chip.path.stem == "2":
            assert result.verdict is None
            assert isinstance(result.error, TruncatedFrameError)
        else:
            assert result.error is None
            assert result.verdict.logits == (float(result.chip.path.stem), result.chip.hdu)
    assert reading_threads() == []


def test_the_next_chip_is_read_while_one_is_decided(reads: list[tuple[Path, int]]) -> None:
    good = [chip for chip in CHIPS if chip.path.stem != "2"]
    ahead: list[int] = []

    def slow(frame: object) -> Verdict:
        deadline = time.monotonic() + 60
        while len(reads) < min(len(ahead) + 3, len(good)) and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.01)
        ahead.append(len(reads))
        return decide(frame)

    list(decide_many(good, slow))
    assert ahead == [3, 4, 5, 6, 6, 6], "one waits and one is being read, and no more"


def test_an_abandoned_run_stops_reading(reads: list[tuple[Path, int]]) -> None:
    results = decide_many((Chip(Path(f"{number}.fits")) for number in range(100, 200)), decide)
    assert next(results).verdict is not None
    results.close()
    assert len(reads) <= 4
    assert reading_threads() == []


def test_a_result_comes_before_the_next_chip_is_known(reads: list[tuple[Path, int]]) -> None:
    arrived = threading.Event()

    def arriving() -> Iterator[Chip]:
        yield CHIPS[0]
        assert arrived.wait(60), "the first verdict must not wait for the second chip"
        yield CHIPS[1]

    results = decide_many(arriving(), decide)
    first = next(results)
    arrived.set()
    assert [result.chip for result in (first, *results)] == CHIPS[:2]


def test_the_time_of_reading_is_told(reads: list[tuple[Path, int]]) -> None:
    (result,) = decide_many(CHIPS[:1], decide)
    times = result.verdict.milliseconds
    assert times["read"] > 0
    assert times["total"] == pytest.approx(times["read"] + 2.0)


def test_what_gives_the_chips_may_fail_and_is_heard(reads: list[tuple[Path, int]]) -> None:
    def failing() -> Iterator[Chip]:
        yield CHIPS[0]
        raise OSError("the folder is gone")

    results = decide_many(failing(), decide)
    assert next(results).verdict is not None
    with pytest.raises(OSError, match="the folder is gone"):
        next(results)
    assert reading_threads() == []
