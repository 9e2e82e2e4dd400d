"""`celestial data fetch`, called as a person does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from archive_server import ArchiveServer, chip_file, chip_row
from celestial_cli.data import data
from celestialkeras.errors import MissingExtraError
from celestialkeras.lcid.manifest import read_manifest, write_manifest

WHOLE = chip_file("j8bt05akq")
NAME = "j8bt05akq_raw.fits"


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def server() -> Iterator[ArchiveServer]:
    with ArchiveServer({NAME: WHOLE}) as server:
        yield server


@pytest.fixture
def manifest(tmp_path: Path) -> Path:
    write_manifest([chip_row("j8bt05akq"), chip_row("j8bt05azq")], tmp_path / "list.csv")
    return tmp_path / "list.csv"


def fetch(*arguments: object) -> Result:
    return CliRunner().invoke(data, ["fetch", *map(str, arguments)])


def test_a_dry_run_tells_the_size_and_what_is_not_there(server: ArchiveServer, manifest: Path, tmp_path: Path) -> None:
    done = fetch(manifest, "--to", tmp_path / "raw", "--base-url", server.url, "--dry-run", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert (report["files"], report["there"], report["missing_bytes"]) == (2, 0, len(WHOLE))
    assert [(failure["file"], failure["reason"]) for failure in report["failures"]] == [
        ("j8bt05azq_raw.fits", "not-found")
    ]
    table = fetch(manifest, "--to", tmp_path / "raw", "--base-url", server.url, "--dry-run", "--limit", 1)
    assert table.exit_code == 0
    assert "to come 0.017 GB" in " ".join(table.stdout.split())
    assert not (tmp_path / "raw").exists()
    assert server.sent == 0


def test_a_fetch_goes_past_bad_files_and_lists_them(server: ArchiveServer, manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "raw"
    done = fetch(manifest, "--to", folder, "--base-url", f"{server.url}/hst/{{file}}", "--json")
    assert done.exit_code == 1
    report = json.loads(done.stdout)
    assert (report["fetched"], report["received_bytes"]) == ([NAME], len(WHOLE))
    assert (report["failures"][0]["reason"], report["ledger"]) == ("not-found", str(folder / "fetch.jsonl"))
    assert (folder / NAME).read_bytes() == WHOLE
    assert "fetch: 18 of 18 MB" in done.stderr
    table = fetch(manifest, "--to", folder, "--base-url", server.url)
    assert table.exit_code == 1
    assert "1 files not to be had" in table.stdout
    assert "j8bt05azq_raw.fits not-found" in " ".join(table.stdout.split())
    clean = fetch(manifest, "--to", folder, "--base-url", server.url, "--limit", 1)
    assert clean.exit_code == 0
    assert f"next: celestial data build {manifest} --frames-in {folder}" in clean.stderr
    write_manifest([replace(row, label="") for row in read_manifest(manifest)], manifest)
    unlabelled = fetch(manifest, "--to", folder, "--base-url", server.url, "--limit", 1)
    assert f"next: celestial predict {manifest} --frames-in {folder}" in unlabelled.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--jobs", "9"], "9 is not in the range 1<=x<=8"),
        (["--limit", "0"], "0 is not in the range x>=1"),
        (["--product", "drz"], "'drz' is not one of 'raw', 'flt', 'flc'"),
        (["--base-url", "ftp://host"], "must begin with https:// or http://. Received: 'ftp://host'"),
    ],
)
def test_slips_are_usage_errors(manifest: Path, tmp_path: Path, arguments: list[str], message: str) -> None:
    done = fetch(manifest, "--to", tmp_path / "raw", *arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.stderr.split())


def test_without_requests_the_extra_is_named(manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    done = fetch(manifest, "--to", tmp_path / "raw")
    assert isinstance(done.exception, MissingExtraError)
    assert str(done.exception).startswith("fetching from the archive needs the extra `data`")
