from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from celestial_edge.device.watch.journal import JOURNAL_NAME, Decision, open_journal, read_journal
from celestialkeras.errors import WatchError

INCOMING = Path("/incoming")


def decision(hdu: int, outcome: str = "verdict", answer: str = "NSC") -> Decision:
    return Decision(hdu, outcome, answer, lambda number: f"line {number} of HDU {hdu}\n".encode())


def test_each_chip_is_decided_once(tmp_path: Path) -> None:
    with open_journal(tmp_path, INCOMING) as journal:
        arrival = journal.arrive("a.fits", "digest", "as it looks")
        assert arrival.undecided == (1, 4)
        journal.decide(arrival, decision(1))
        assert not journal.is_known("a.fits", "as it looks")
        with pytest.raises(WatchError, match=r"journal.sqlite: cannot be read or written \(UNIQUE constraint failed"):
            journal.decide(arrival, decision(1))
        assert journal.arrive("a.fits", "digest", "as it looks").undecided == (4,)
        journal.decide(arrival, decision(4, "refused", "truncated"))
        assert journal.is_known("a.fits", "as it looks")
        assert journal.totals() == {"verdict": {"NSC": 1}, "refused": {"truncated": 1}}
        assert list(journal.lines_after(0)) == [b"line 1 of HDU 1\n", b"line 2 of HDU 4\n"]


def test_a_content_under_a_name_is_one_arrival(tmp_path: Path) -> None:
    with open_journal(tmp_path, INCOMING) as journal:
        first = journal.arrive("a.fits", "A", "look 1")
        for hdu in first.undecided:
            journal.decide(first, decision(hdu))
        assert journal.arrive("a.fits", "B", "look 2").undecided == (1, 4)
        # The first content again: known, and from now on by its new looks.
        assert journal.arrive("a.fits", "A", "look 3").undecided == ()
        assert journal.is_known("a.fits", "look 3")
        assert not journal.is_known("a.fits", "look 2")
        assert journal.arrive("b.fits", "A", "look 3").undecided == (1, 4)
        assert journal.unfinished() == 2


def test_names_are_bytes(tmp_path: Path) -> None:
    name = os.fsdecode(b"\xff\n\xe6\x98\x9f.fits")
    with open_journal(tmp_path, INCOMING) as journal:
        arrival = journal.arrive(name, "A", "look")
        for hdu in (1, 4):
            journal.decide(arrival, decision(hdu, "refused", "not-fits"))
        assert [due.name for due in journal.to_put_aside()] == [name]
        journal.note_aside(arrival, "copied")
        assert journal.to_put_aside() == []


def test_a_reader_sees_what_is_decided_while_the_journal_is_written(tmp_path: Path) -> None:
    with open_journal(tmp_path, INCOMING) as journal:
        journal.decide(journal.arrive("a.fits", "A", "look"), decision(1))
        with read_journal(tmp_path) as reader:
            journal.decide(journal.arrive("a.fits", "A", "look"), decision(4))
            assert reader.totals()["verdict"] == {"NSC": 2}


def test_the_last_line_within_a_size(tmp_path: Path) -> None:
    with open_journal(tmp_path, INCOMING) as journal:
        assert journal.last_line_within(1000) is None
        arrival = journal.arrive("a.fits", "A", "look")
        for hdu in arrival.undecided:
            journal.decide(arrival, decision(hdu))
        length = len(b"line 1 of HDU 1\n")
        assert journal.last_line_within(length - 1) is None
        assert journal.last_line_within(2 * length - 1).number == 1
        last = journal.last_line_within(2 * length)
        assert (last.number, last.start, last.line) == (2, length, b"line 2 of HDU 4\n")


def test_what_a_kill_left_in_a_transaction_never_was(tmp_path: Path) -> None:
    def die(number: int) -> bytes:
        raise KeyboardInterrupt

    with open_journal(tmp_path, INCOMING) as journal:
        arrival = journal.arrive("a.fits", "A", "look")
        with pytest.raises(KeyboardInterrupt):
            journal.decide(arrival, Decision(1, "verdict", "NSC", die))
        assert journal.arrive("a.fits", "A", "look").undecided == (1, 4)


def test_a_decision_is_synced_and_an_arrival_need_not_be(tmp_path: Path) -> None:
    statements: list[str] = []
    with open_journal(tmp_path, INCOMING) as journal:
        journal._sql.set_trace_callback(statements.append)
        journal.decide(journal.arrive("a.fits", "A", "look"), decision(1))
        levels = [text for text in statements if text.startswith(("PRAGMA", "INSERT"))]
    assert [text.split("(")[0].strip() for text in levels] == [
        "PRAGMA synchronous = NORMAL",
        "INSERT INTO arrivals",
        "PRAGMA synchronous = FULL",
        "INSERT INTO decisions VALUES",
    ]


def test_a_journal_belongs_to_one_watched_folder(tmp_path: Path) -> None:
    with open_journal(tmp_path, INCOMING):
        pass
    with (
        pytest.raises(WatchError, match=r"holds what was decided of /incoming; .* Received: /elsewhere"),
        open_journal(tmp_path, Path("/elsewhere")),
    ):
        pass


def test_a_journal_of_another_schema_is_refused(tmp_path: Path) -> None:
    with open_journal(tmp_path, INCOMING):
        pass
    connection = sqlite3.connect(tmp_path / JOURNAL_NAME)
    connection.execute("UPDATE meta SET value = 9 WHERE key = 'schema'")
    connection.commit()
    connection.close()
    with pytest.raises(WatchError, match=r"schema must be 1\. Received: 9"), read_journal(tmp_path):
        pass


def test_what_is_no_journal_is_named(tmp_path: Path) -> None:
    with pytest.raises(WatchError, match=r"no results of a watch, there is no journal\.sqlite"), read_journal(tmp_path):
        pass
    (tmp_path / JOURNAL_NAME).write_bytes(b"no database" * 100)
    with pytest.raises(WatchError, match="file is not a database"), open_journal(tmp_path, INCOMING):
        pass
