from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from astropy.io import fits

from archive_server import ArchiveServer, Fault, chip_file, chip_row, small_file
from celestialkeras.errors import ArchiveError
from celestialkeras.files import sha256_of
from celestialkeras.lcid import archive
from celestialkeras.lcid.archive import FetchOptions, FetchReport, estimate_fetch, fetch_products
from celestialkeras.lcid.archive_ledger import LEDGER_NAME, open_ledger, read_ledger
from celestialkeras.lcid.archive_pace import Patience
from celestialkeras.lcid.archive_plan import Product, plan_products
from celestialkeras.lcid.build import build_dataset, plan_build
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.manifest import Observation

ROOTNAMES = ("j8bt05akq", "j8bt05anq")
CHIPS = {f"{rootname}_raw.fits": chip_file(rootname) for rootname in ROOTNAMES}
FIRST, SECOND = CHIPS
ROWS = [chip_row(rootname) for rootname in ROOTNAMES]
IMPATIENT = Patience(tries=3, connect_s=5, stall_s=1, backoff_s=0.01)


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with ArchiveServer(dict(CHIPS)) as server:
        yield server


def options(server: ArchiveServer, jobs: int = 2) -> FetchOptions:
    return FetchOptions(server.url, jobs, IMPATIENT)


def fetch(server: ArchiveServer, folder: Path, rows: Sequence[Observation] = ROWS, jobs: int = 2) -> FetchReport:
    return fetch_products(plan_products(rows), folder, options(server, jobs))


def reasons(report: FetchReport) -> dict[str, str]:
    return {failure.file: failure.reason for failure in report.failures}


def test_a_fetched_folder_is_whole_noted_and_can_be_built(server: ArchiveServer, tmp_path: Path) -> None:
    progress: list[tuple[int, int]] = []
    folder = tmp_path / "new" / "raw"
    size = sum(map(len, CHIPS.values()))
    report = fetch_products(
        plan_products(ROWS), folder, options(server), lambda done, total: progress.append((done, total))
    )
    assert set(report.fetched) == set(CHIPS)
    assert report == FetchReport(2, report.fetched, (), (), size)
    assert progress[-1] == (size, size)
    assert [done for done, _ in progress] == sorted(done for done, _ in progress)
    assert sorted(path.name for path in folder.iterdir()) == sorted([LEDGER_NAME, *CHIPS])
    for name, content in CHIPS.items():
        assert (folder / name).read_bytes() == content
        entry = read_ledger(folder)[name]
        assert (entry.state, entry.size, entry.sha256) == ("done", len(content), sha256_of(folder / name))
        assert (entry.hdus, entry.summed, entry.checked) == (4, 4, ("1 ACS/WFC F814W",))
        assert entry.url == f"{server.url}?uri=mast:HST/product/{name}"
    build_dataset(plan_build(ROWS, folder, fractions=(1.0, 0.0, 0.0)), tmp_path / "shards")
    built = open_dataset(tmp_path / "shards")
    assert {record.observation.obsid for record in built.records("train")} == set(ROOTNAMES)
    assert not built.bad_frames
    # A second fetch asks for nothing.
    asked = len(server.log)
    assert fetch(server, folder).whole == (FIRST, SECOND)
    assert len(server.log) == asked


def test_bad_files_are_listed_and_the_others_come(server: ArchiveServer, tmp_path: Path) -> None:
    names = ("j8bt05aaq", "j8bt05abq", "j8bt05acq", "j8bt05adq", "j8bt05aeq")
    denied, cut, other, page, busy = (f"{name}_raw.fits" for name in names)
    contents = {denied: b"", cut: small_file(names[1])[:-2880], other: small_file("j8bt05zzq"), page: b"", busy: b""}
    server.files |= contents
    server.head_faults[denied] = [Fault(403)]
    server.faults[denied] = [Fault(403)]
    html = {"Content-Type": "text/html"}
    server.faults[page] = [Fault(headers=html, body=b"<html>")] * 9
    server.head_faults[busy] = server.faults[busy] = [Fault(503)] * 9
    absent = "j8bt05azq_raw.fits"
    rows = [chip_row(name) for name in (*names, "j8bt05azq")] + ROWS
    report = fetch(server, tmp_path, rows)
    assert reasons(report) == {
        absent: "not-found",
        denied: "denied",
        cut: "truncated",
        other: "mismatch",
        page: "not-fits",
        busy: "busy",
    }
    assert set(report.fetched) == set(CHIPS)
    entries = read_ledger(tmp_path)
    assert {name: entries[name].reason for name in reasons(report)} == reasons(report)
    assert "ROOTNAME must be j8bt05acq" in entries[other].message
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([LEDGER_NAME, *CHIPS])
    # What was delivered wrongly is asked for again, as often as patience allows.
    assert len(server.asked(cut)) == len(server.asked(other)) == IMPATIENT.tries
    # Mended, they come.
    server.files[absent] = chip_file("j8bt05azq")
    assert fetch(server, tmp_path, [rows[5]]).fetched == (absent,)
    assert (read_ledger(tmp_path)[absent].state, read_ledger(tmp_path)[absent].reason) == ("done", "")


def test_a_delivery_that_is_wrong_once_is_thrown_away(server: ArchiveServer, tmp_path: Path) -> None:
    flipped = bytearray(CHIPS[FIRST])
    flipped[-5000] ^= 1
    server.faults[FIRST] = [Fault(body=bytes(flipped)), Fault(body=small_file("j8bt05zzq"))]
    report = fetch(server, tmp_path, ROWS[:1])
    assert report.fetched == (FIRST,)
    assert (tmp_path / FIRST).read_bytes() == CHIPS[FIRST]


def test_an_interrupted_file_goes_on_in_the_next_fetch(server: ArchiveServer, tmp_path: Path) -> None:
    server.faults[FIRST] = [Fault(stop_after=9_000_000)] + [Fault(500)] * 3
    report = fetch(server, tmp_path, ROWS[:1])
    assert reasons(report) == {FIRST: "busy"}
    part = (tmp_path / f"{FIRST}.part").stat().st_size
    assert 8_900_000 < part <= 9_000_000
    assert read_ledger(tmp_path)[FIRST].state == "failed"
    estimate = estimate_fetch(plan_products(ROWS[:1]), tmp_path, options(server))
    assert estimate.missing_bytes == len(CHIPS[FIRST]) - part
    again = fetch(server, tmp_path, ROWS[:1])
    assert again.received_bytes == len(CHIPS[FIRST]) - part
    assert (tmp_path / FIRST).read_bytes() == CHIPS[FIRST]
    assert len(server.asked(FIRST, "HEAD")) == 1


def test_a_file_killed_before_it_got_its_name_is_not_asked_for(server: ArchiveServer, tmp_path: Path) -> None:
    fetch(server, tmp_path, ROWS[:1])
    lines = (tmp_path / LEDGER_NAME).read_text().splitlines(keepends=True)
    assert [json.loads(line)["state"] for line in lines] == ["sized", "partial", "done"]
    for name in (f"{FIRST}.part", FIRST):
        (tmp_path / FIRST).rename(tmp_path / name)
        (tmp_path / LEDGER_NAME).write_text("".join(lines[:2]))
        server.log.clear()
        assert not fetch(server, tmp_path, ROWS[:1]).failures
        assert server.log == []
        assert read_ledger(tmp_path)[FIRST].state == "done"


def test_files_that_lay_there_are_checked_and_never_replaced(server: ArchiveServer, tmp_path: Path) -> None:
    (tmp_path / FIRST).write_bytes(CHIPS[FIRST])
    (tmp_path / SECOND).write_bytes(CHIPS[SECOND][:10_000_000])
    estimate = estimate_fetch(plan_products(ROWS), tmp_path, options(server))
    assert (estimate.there, estimate.missing_bytes) == (2, 0)
    report = fetch(server, tmp_path)
    assert (report.whole, report.fetched, reasons(report)) == ((FIRST,), (), {SECOND: "truncated"})
    assert "Move this file away to fetch it again" in report.failures[0].message
    assert (tmp_path / SECOND).read_bytes() == CHIPS[SECOND][:10_000_000]
    assert server.log == []
    (tmp_path / SECOND).unlink()
    assert fetch(server, tmp_path).fetched == (SECOND,)


def test_a_file_that_shrank_after_it_was_done_is_noticed(server: ArchiveServer, tmp_path: Path) -> None:
    fetch(server, tmp_path, ROWS[:1])
    with (tmp_path / FIRST).open("rb+") as file:
        file.truncate(1_000_000)
    assert reasons(fetch(server, tmp_path, ROWS[:1])) == {FIRST: "truncated"}


def test_a_whole_file_that_is_not_as_listed_is_kept_and_not_fetched_again(
    server: ArchiveServer, tmp_path: Path
) -> None:
    def shrink(hdus: fits.HDUList) -> None:
        hdus[0].header["SUBARRAY"] = True

    server.files[SECOND] = chip_file("j8bt05anq", shrink)
    wrong = [replace(ROWS[0], filter="F606W"), ROWS[1]]
    report = fetch(server, tmp_path, wrong)
    assert reasons(report) == {FIRST: "mismatch", SECOND: "unsupported-readout"}
    assert (
        f"kept as {FIRST}.refused: mend the list, or remove it" in {f.file: f.message for f in report.failures}[FIRST]
    )
    asked = len(server.log)
    # The list is mended, so the file that is here will do; the other one is what it is.
    again = fetch(server, tmp_path)
    assert (again.whole, reasons(again)) == ((FIRST,), {SECOND: "unsupported-readout"})
    assert len(server.log) == asked
    assert (tmp_path / FIRST).exists()


def test_another_chip_of_a_known_file_is_looked_at_not_fetched(server: ArchiveServer, tmp_path: Path) -> None:
    fetch(server, tmp_path, ROWS[:1])
    asked = len(server.log)
    report = fetch(server, tmp_path, [ROWS[0], chip_row(ROOTNAMES[0], hdu=4)])
    assert reasons(report) == {FIRST: "wrong-hdu"}
    assert len(server.log) == asked
    assert (tmp_path / FIRST).exists()


def test_a_small_disk_is_refused_before_anything_comes(
    server: ArchiveServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 0, 270 * 10**6))
    with pytest.raises(
        ArchiveError, match=r"0\.03 GB are to come, and 0\.26 GB must stay free.*Received: 0\.27 GB free"
    ):
        fetch(server, tmp_path)
    assert server.sent == 0
    assert archive.estimate_fetch(plan_products(ROWS), tmp_path, options(server)).free_bytes == 270 * 10**6


def test_an_archive_that_is_down_is_not_asked_for_a_thousand_files(tmp_path: Path) -> None:
    rows = [chip_row(f"j8bt{number:05d}") for number in range(100)]
    products: list[Product] = plan_products(rows)
    report = fetch_products(products, tmp_path, FetchOptions("http://127.0.0.1:9/", 4, IMPATIENT))
    found = list(reasons(report).values())
    assert len(found) == 100
    assert 8 <= found.count("interrupted") < 20
    assert found.count("interrupted") + found.count("not-tried") == 100


def test_an_estimate_writes_nothing(server: ArchiveServer, tmp_path: Path) -> None:
    rows = [*ROWS, chip_row("j8bt05azq")]
    estimate = estimate_fetch(plan_products(rows), tmp_path / "new", options(server))
    assert (estimate.files, estimate.there, estimate.unsized) == (3, 0, 0)
    assert estimate.missing_bytes == sum(map(len, CHIPS.values()))
    assert [failure.reason for failure in estimate.failures] == ["not-found"]
    assert not (tmp_path / "new").exists()
    assert server.sent == 0


def test_one_fetch_a_folder(server: ArchiveServer, tmp_path: Path) -> None:
    with open_ledger(tmp_path), pytest.raises(ArchiveError, match="another fetch works in this folder"):
        fetch(server, tmp_path)
