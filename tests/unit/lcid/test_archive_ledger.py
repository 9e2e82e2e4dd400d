from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from celestialkeras.errors import ArchiveError
from celestialkeras.lcid.archive_ledger import LEDGER_NAME, Entry, open_ledger, read_ledger

PART = Entry("a_raw.fits", "partial", "http://host/a", 100, '"v1"')
WHOLE = replace(PART, state="done", sha256="ab", hdus=7, summed=2, checked=("1 ACS/WFC F814W",))


def test_the_last_entry_of_a_file_counts_and_says_when(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        for entry in (PART, Entry("b_raw.fits", "failed", reason="denied", message="no"), WHOLE):
            ledger.note(entry)
        assert ledger.get("c_raw.fits") is None
    entries = read_ledger(tmp_path)
    assert replace(entries["a_raw.fits"], time="") == WHOLE
    assert entries["b_raw.fits"].reason == "denied"
    assert all(entry.time.endswith("+00:00") for entry in entries.values())
    assert len((tmp_path / LEDGER_NAME).read_text().splitlines()) == 3


def test_a_torn_last_line_does_not_count_and_does_not_spoil_the_next(tmp_path: Path) -> None:
    with open_ledger(tmp_path) as ledger:
        ledger.note(PART)
    path = tmp_path / LEDGER_NAME
    path.write_text(path.read_text() + '{"file": "a_raw.fits", "sta')
    assert read_ledger(tmp_path)["a_raw.fits"].state == "partial"
    with open_ledger(tmp_path) as ledger:
        ledger.note(WHOLE)
    assert [json.loads(line)["state"] for line in path.read_text().splitlines()] == ["partial", "done"]


@pytest.mark.parametrize("line", ["no JSON", "[1]", '{"file": "a", "state": "done", "colour": "red"}', '{"file": "a"}'])
def test_a_line_that_is_no_entry_is_named(tmp_path: Path, line: str) -> None:
    (tmp_path / LEDGER_NAME).write_text(f'{{"file": "a", "state": "sized"}}\n{line}\n')
    with pytest.raises(ArchiveError, match=r"fetch\.jsonl: line 2 is no entry of a ledger.*move the ledger away"):
        read_ledger(tmp_path)


def test_one_fetch_at_a_time(tmp_path: Path) -> None:
    refused = pytest.raises(ArchiveError, match="another fetch works in this folder")
    with open_ledger(tmp_path), refused, open_ledger(tmp_path):
        pass
    with open_ledger(tmp_path) as ledger:
        assert ledger.get("a_raw.fits") is None
