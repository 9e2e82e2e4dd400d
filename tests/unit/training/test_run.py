import json
import os
import re
import shutil
import sys
from pathlib import Path

import pytest

from celestialkeras import __version__
from celestialkeras.errors import RunError
from celestialkeras.training.run import Run, create_run, open_run, point_latest


@pytest.fixture
def runs(tmp_path):
    return tmp_path / "runs"


def test_run_folder_holds_config_and_provenance(options, runs):
    run = create_run(options, "abc123", runs, "first")
    assert run.folder == runs / "first"
    assert sorted(one.name for one in run.folder.iterdir()) == ["config.toml", "versions.json"]
    assert run.options() == options
    held = run.provenance()
    assert held["celestialkeras"] == __version__
    assert held["python"] == ".".join(map(str, sys.version_info[:3]))
    assert {"tensorflow", "keras", "numpy", "created"} <= set(held)
    assert (held["seed"], held["data_sha256"]) == (0, "abc123")
    assert held["machine"]["cores"] == os.cpu_count()


def test_default_name_is_model_and_time(options, runs):
    names = [create_run(options, "d", runs).name for _ in range(2)]
    assert re.fullmatch(r"tiny-\d{8}-\d{6}", names[0])
    assert len(set(names)) == 2
    assert not list(runs.glob(".partial-*"))


def test_folder_has_the_rights_that_the_umask_gives(options, runs):
    before = os.umask(0o027)
    try:
        run = create_run(options, "d", runs, "shared")
    finally:
        os.umask(before)
    assert run.folder.stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("name", ["latest", "a/b", "..", "", ".hidden", "with space"])
def test_names_that_are_no_plain_folder_names_are_refused(options, runs, name):
    with pytest.raises(RunError, match=f"Received: name={re.escape(repr(name))}"):
        create_run(options, "d", runs, name)
    assert not runs.exists()


def test_taken_name_is_refused_and_the_run_untouched(options, runs):
    create_run(options, "old", runs, "first")
    with pytest.raises(RunError, match="first: there is such a run; choose another name"):
        create_run(options, "new", runs, "first")
    assert open_run(runs / "first").provenance()["data_sha256"] == "old"


def test_latest_is_a_relative_link_to_the_newest(options, runs):
    create_run(options, "d", runs, "one")
    create_run(options, "d", runs, "two")
    assert (runs / "latest").readlink() == Path("two")
    assert open_run(runs=runs) == Run(runs / "two")
    assert open_run(runs / "latest") == Run(runs / "two")
    point_latest(runs / "one")
    assert open_run(runs=runs).name == "one"


def test_latest_is_a_text_file_where_links_cannot_be(options, runs, monkeypatch):
    def no_links(*_args, **_kwargs):
        raise OSError("this file system has no links")

    monkeypatch.setattr(Path, "symlink_to", no_links)
    create_run(options, "d", runs, "one")
    assert (runs / "latest").read_text() == "one\n"
    assert open_run(runs=runs) == Run(runs / "one")


def test_latest_that_is_a_folder_is_named_before_a_run_is_made(options, runs):
    first = create_run(options, "d", runs, "first")
    (runs / "latest").unlink()
    shutil.copytree(first.folder, runs / "latest")
    with pytest.raises(RunError, match=r"runs/latest: a folder, .*; rename it, for example to .*runs/latest-copy$"):
        create_run(options, "d", runs, "second")
    with pytest.raises(RunError, match=r"runs/latest: a folder, where a link"):
        point_latest(first.folder)
    assert sorted(path.name for path in runs.iterdir()) == ["first", "latest"]
    (runs / "latest").rename(runs / "latest-copy")
    create_run(options, "d", runs, "second")
    assert open_run(runs=runs).name == "second"
    assert open_run(runs / "latest-copy").options() == options


def test_a_link_that_cannot_be_put_in_place_leaves_nothing(options, runs, monkeypatch):
    create_run(options, "d", runs, "first")
    create_run(options, "d", runs, "second")

    def refuse(*_args):
        raise PermissionError("read-only")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError, match="read-only"):
        point_latest(runs / "first")
    assert sorted(path.name for path in runs.iterdir()) == ["first", "latest", "second"]
    assert (runs / "latest").readlink() == Path("second")


def test_missing_runs_say_which_command_makes_one(options, runs):
    with pytest.raises(RunError, match="latest: no run there; `celestial train` makes one"):
        open_run(runs=runs)
    run = create_run(options, "d", runs, "gone")
    run.config.unlink()
    with pytest.raises(RunError, match="gone: not a run folder, it has no config"):
        open_run(run.folder)
    run.versions.unlink()
    run.folder.rmdir()
    with pytest.raises(RunError, match="gone: no run there"):
        open_run(runs=runs)


def test_a_run_without_a_finished_epoch_has_no_model(options, runs):
    run = create_run(options, "d", runs, "fresh")
    with pytest.raises(RunError, match="no model yet; `celestial train --resume"):
        run.require_model()
    run.model.write_bytes(b"model")
    assert run.require_model() == runs / "fresh" / "model.keras"


def test_damaged_provenance_is_refused(options, runs):
    run = create_run(options, "d", runs, "first")
    run.versions.write_text("{")
    with pytest.raises(RunError, match=r"versions\.json: cannot be read"):
        run.provenance()
    run.versions.write_text(json.dumps({"seed": 1}))
    assert run.provenance() == {"seed": 1}
