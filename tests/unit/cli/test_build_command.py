"""`celestial data build --test-list`, called as a person does."""

from __future__ import annotations

import json
from pathlib import Path

from click.testing import CliRunner, Result

from archive_server import chip_file, chip_row
from celestial_cli.data import data
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.manifest import write_manifest


def build(folder: Path, *arguments: str) -> Result:
    lists = [str(folder / "list.csv"), "--test-list", str(folder / "test.csv"), "--workers", "1"]
    return CliRunner().invoke(data, ["build", *lists, *arguments])


def test_a_published_test_list_is_the_test_side(tmp_path: Path) -> None:
    shared = [chip_row(f"j8bt05a{letter}q", object_id="NGC 4298") for letter in "ab"]
    free = [chip_row(f"j8bt05a{letter}q", object_id=f"M{letter}") for letter in "cd"]
    write_manifest([shared[0], *free], tmp_path / "list.csv")
    write_manifest([chip_row("j8bt05abq", object_id="NGC4298")], tmp_path / "test.csv")
    for row in (shared[1], *free):
        (tmp_path / f"{row.obsid}_raw.fits").write_bytes(chip_file(row.obsid))

    done = build(tmp_path, "--to", str(tmp_path / "shards"), "--json")
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert report["frames"] == {"train": 1, "validation": 1, "test": 1}
    assert report["left_out"] == {"NGC 4298": 1}
    (record,) = open_dataset(tmp_path / "shards").records("test")
    assert record.observation.obsid == "j8bt05abq"

    table = build(tmp_path, "--to", str(tmp_path / "shards"))
    assert "Left out for what they share with the test list" in table.stdout
    assert "NGC 4298 1" in " ".join(table.stdout.split())
