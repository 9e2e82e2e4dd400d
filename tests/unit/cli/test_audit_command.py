"""`celestial data audit`: what it prints of lists and data set folders, and what it refuses."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import pytest
from click.testing import CliRunner, Result

from celestial_cli.data import data
from celestialkeras.errors import CelestialError, DatasetError, ManifestError
from celestialkeras.evaluation import shortcuts
from celestialkeras.evaluation.intervals import bootstrap_over_objects
from celestialkeras.lcid.manifest import Observation, write_manifest
from celestialkeras.lcid.shards import EncodedFrame, write_shard, write_summary
from celestialkeras.lcid.stretch import Stretch
from small_datasets import DatasetFactory


def audit(*arguments: object) -> Result:
    """Runs the verb; the project's errors come out as they are, which `main` would turn into a line."""
    result = CliRunner().invoke(data, ["audit", *map(str, arguments)])
    if isinstance(result.exception, CelestialError):
        raise result.exception
    return result


def rows(names: str, label: str, instrument: str) -> list[Observation]:
    return [
        Observation(name, instrument, f"j{name.lower():x<7}{hdu}", "F814W", 10.0, 5.0, hdu, label)
        for name in names
        for hdu in (1, 4)
    ]


@pytest.fixture
def list_csv(tmp_path: Path) -> Path:
    path = tmp_path / "list.csv"
    write_manifest([*rows("ABC", "galaxy", "WFC3/UVIS"), *rows("DE", "NSC", "ACS/WFC")], path)
    return path


@pytest.fixture
def small_effort(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shortcuts, "TREES", 10)
    monkeypatch.setattr(shortcuts, "bootstrap_over_objects", lambda *given: bootstrap_over_objects(*given[:3], 50))


def test_a_list_is_shown_with_its_rules_and_how_they_are_made(list_csv: Path) -> None:
    result = audit(list_csv)
    assert result.exit_code == 0
    assert f"{list_csv}: 10 frames of 10 exposures and 5 objects, no frame twice" in result.stdout
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert "galaxy 6 6 3 6 0" in lines
    assert "WFC3/UVIS 6 6 3 6 0" in lines
    assert "majority 1 60.00 % 60.00 % 60.00 % 10" in lines
    assert any(line.startswith("instrument 2 100.00 % ") and line.endswith(" 100.00 % 10") for line in lines)
    assert "galaxy 6 3 3.0 100.00 % A (2), B (2), C (2)" in lines
    assert "held out: the frames of each object are predicted from the frames of all other objects." in lines
    assert (
        "a value that no other object has takes the larger class of the remaining frames; a tie goes to galaxy."
        in lines
    )
    assert any(line.startswith(f"Warning: {list_csv}: guessing by instrument is right for 100.00 %") for line in lines)
    assert "In two lists" not in result.stdout


def test_a_reported_accuracy_is_held_against_the_rules(list_csv: Path) -> None:
    result = audit(list_csv, "--reported", "89.09")
    assert "above the reported 89.09 %" in result.stdout
    assert result.exit_code == 0


def test_lists_are_compared(list_csv: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    write_manifest(rows("AF", "galaxy", "WFC3/UVIS"), other)
    result = audit(list_csv, other)
    assert f"Warning: {list_csv} and {other} share 1 object(s), 2 exposure(s) and 2 chip(s)" in result.stdout
    assert "In two lists" in result.stdout


def test_long_tables_say_what_they_leave_out(tmp_path: Path) -> None:
    path = tmp_path / "long.csv"
    write_manifest(rows("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "galaxy", "ACS/WFC"), path)
    assert f"{path}: by object, 1 more with --json" in audit(path).stdout
    assert len(json.loads(audit(path, "--json").stdout)["lists"][0]["by_object"]) == 26


def test_json(list_csv: Path) -> None:
    result = audit(list_csv, "--json", "--reported", "89.09")
    report = json.loads(result.stdout)
    assert report["schema"] == "celestialkeras.audit/1"
    assert report["lists"][0]["name"] == str(list_csv)
    assert report["lists"][0]["rules"][1]["fitted"] == {"correct": 10, "accuracy": 1.0}
    assert report["lists"][0]["rules"][1]["held_out"] == {"correct": 10, "accuracy": 1.0}
    assert any("above the reported 89.09 %" in text for text in report["warnings"])
    assert "pixels" not in report


def test_a_data_set_folder_is_audited_from_its_records(make_dataset: DatasetFactory) -> None:
    folder = make_dataset()
    report = json.loads(audit(folder, "--json").stdout)
    (part,) = report["lists"]
    assert (part["name"], part["frames"], part["objects"]) == (str(folder), 24, 14)


def test_a_data_sets_measured_exposure_times_make_a_rule(tmp_path: Path) -> None:
    def encoded(row: Observation, exptime: float) -> EncodedFrame:
        return EncodedFrame(replace(row, extra={"split": "train"}), np.zeros((8, 8), np.uint8), {"exptime": exptime})

    frames = [encoded(row, 30.0) for row in rows("AB", "galaxy", "ACS/WFC")]
    frames += [encoded(row, 700.0) for row in rows("CD", "NSC", "ACS/WFC")]
    write_shard(tmp_path, "train-00000.tfrecord", frames)
    write_summary(tmp_path, ["train-00000.tfrecord"], Stretch())
    found = {rule["name"]: rule for rule in json.loads(audit(tmp_path, "--json").stdout)["lists"][0]["rules"]}
    assert found["exposure time"]["held_out"] == {"correct": 8, "accuracy": 1.0}
    assert found["majority"]["held_out"] == {"correct": 0, "accuracy": 0.0}


@pytest.mark.usefixtures("small_effort")
def test_pixels_of_a_data_set(make_dataset: DatasetFactory) -> None:
    folder = make_dataset()
    result = audit("--pixels", folder)
    assert result.exit_code == 0
    title = f"{folder}: plain classifiers on shortcuts, 24 frames of 14 objects, 6 of 4 on the test side"
    assert title in result.stdout
    lines = [" ".join(line.split()) for line in result.stdout.splitlines()]
    # NSC frames of the small set have bright pixels that galaxies lack.
    assert any(line.startswith("histogram random forest 256 100.00 %") for line in lines)
    assert any(line.startswith("border logistic regression 52 ") for line in lines)
    assert "read: 24 of 24 frames" in result.stderr
    assert "train: 10 of 10 classifiers" in result.stderr
    report = json.loads(audit("--pixels", folder, "--json", "--reported", "99").stdout)
    found = report["pixels"][str(folder)]["shortcuts"]
    assert [(part["features"], part["classifier"]) for part in found[:2]] == [
        ("level and spread", "random forest"),
        ("level and spread", "logistic regression"),
    ]
    assert len(found) == 10
    assert any("on the test side, above the reported 99.00 %" in text for text in report["warnings"])


def test_pixels_need_a_data_set_folder(list_csv: Path) -> None:
    result = audit("--pixels", list_csv)
    assert result.exit_code == 2
    assert f"--pixels reads a data set folder, and {list_csv} is none; `celestial data build" in result.stderr


def test_slips(list_csv: Path, tmp_path: Path) -> None:
    assert "Missing argument 'LISTS...'" in audit().stderr
    assert "must be given once, or once for each of 1 lists. Received: 2 values" in (
        audit(list_csv, "--reported", "1", "--reported", "2").stderr
    )
    assert "each list must be named once" in audit(list_csv, list_csv).stderr
    assert audit(list_csv, "--reported", "101").exit_code == 2
    with pytest.raises(ManifestError, match=r"none\.csv: no such manifest"):
        audit("none.csv")
    with pytest.raises(DatasetError, match="no data set; run `celestial data build"):
        audit(tmp_path)


def test_the_verb_has_help_and_json() -> None:
    assert isinstance(data, click.Group)
    result = audit("--help")
    assert result.exit_code == 0
    for option in ("--reported", "--pixels", "--json"):
        assert option in result.stdout
