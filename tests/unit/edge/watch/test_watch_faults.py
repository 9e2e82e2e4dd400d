from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from watched import Folders, assert_each_chip_once

TESTS = Path(__file__).parents[3]


def run(program: str, *arguments: object) -> list[object]:
    """Runs one of the programs beside the tests, and gives what it prints."""
    command = [sys.executable, str(TESTS / program), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(("kills", "files"), [(10, 100), pytest.param(100, 1000, marks=pytest.mark.slow)])
def test_kills_at_random_moments_lose_no_chip_and_decide_none_twice(kills: int, files: int, tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    # One file in ten is refused, so that putting aside is interrupted as well.
    names = [f"{number:03d}_raw.fits" for number in range(files)]
    for number, name in enumerate(names):
        folders.deliver(name, (b"t" if number % 10 == 0 else b"g") + name.encode())
    killed_at = run("watch_kills.py", tmp_path, kills, 2 * files)
    assert len(killed_at) == kills
    # Two kills fall on one line only where the draw let the second watch live for no chip.
    assert len(set(killed_at)) > kills / 2
    before = (folders.results / "results.jsonl").read_bytes()
    folders.drain()
    assert_each_chip_once(folders.lines(), names)
    whole = before[: before.rfind(b"\n") + 1]
    assert (folders.results / "results.jsonl").read_bytes().startswith(whole)
    assert not list(folders.results.rglob(".partial-*"))
    reasons = sorted((folders.results / "refused").glob("*/reason.json"))
    assert sorted(json.loads(reason.read_text())["file"] for reason in reasons) == names[::10]
    assert all(sorted(path.name for path in reason.parent.iterdir())[1] == "reason.json" for reason in reasons)


def test_a_full_disk_stops_the_watch_and_with_room_it_goes_on(tmp_path: Path) -> None:
    folders = Folders(tmp_path)
    names = [f"{number:02d}_raw.fits" for number in range(30)]
    for number, name in enumerate(names):
        folders.deliver(name, b"t" * 9000 if number % 10 == 0 else b"g")
    rooms = [100, 2_000, 6_000, 20_000, 60_000, 80_000, 100_000, 150_000, 10**9]
    *full, last = run("watch_full_disk.py", tmp_path, *rooms)
    assert last == ""
    for message in full:
        assert "cannot be read or written (" in message or "cannot be written (" in message
        assert "start again: what was decided stays so" in message
    assert_each_chip_once(folders.lines(), names)
    assert len(list((folders.results / "refused").glob("*/*_raw.fits"))) == 3
