"""`--cluster` at the command line, its workers played by this process."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
from click.testing import Result

from celestial_cli.data import data
from celestial_cli.predict import predict
from celestialkeras.cluster import flight
from celestialkeras.errors import ArtifactError, ClusterError, MissingExtraError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.manifest import Observation, write_manifest
from celestialkeras.workers import WorkLostError
from verbs import invoke


class ThisProcess:
    """A cluster of one."""

    threads = 1
    dashboard = "http://127.0.0.1:8787/status"

    def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
        for item in items:
            yield item, work(item)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    @contextmanager
    def open_here(address: object, on_absence: Callable[[], None]) -> Iterator[ThisProcess]:
        yield ThisProcess()

    monkeypatch.setattr("celestialkeras.cluster.open_cluster", open_here)


@pytest.fixture
def listed(tmp_path: Path, exposed_raw: Path) -> Path:
    """A manifest of an exposure that is there and one that is not."""
    (tmp_path / "frames").mkdir()
    shutil.copy(exposed_raw, tmp_path / "frames" / "iddt11fxq_raw.fits")
    rows = [
        Observation(f"{label} {obsid}", "WFC3/UVIS", obsid, "F625W", 185.4, 14.6, hdu, label, {"split": "train"})
        for obsid in ("iddt11fxq", "iddt11fzq")
        for hdu, label in ((1, "galaxy"), (4, "NSC"))
    ]
    write_manifest(rows, tmp_path / "frames" / "list.csv")
    return tmp_path / "frames" / "list.csv"


def ask(listed: Path, built_artifacts: dict[str, Path], *arguments: object) -> Result:
    model = built_artifacts["static_wi8_ai8"]
    common = ("--model", model, "--cluster", "local:2", "--to", listed.parents[1] / "out", "--partition", "3")
    return invoke(predict, listed, *common, *arguments)


def test_a_summary_is_printed_and_bad_frames_count(
    here: None, listed: Path, built_artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 8)
    done = ask(listed, built_artifacts, "--json")
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert told["schema"] == "celestialkeras.cluster-prediction/1"
    assert (told["chips"], told["partitions"], told["found"], told["classified"]) == (4, 2, 0, 4)
    assert (told["counts"]["bad"], told["lost"], told["threads"], told["cluster"]) == (2, [], 4, "local:2")
    assert "workers: 1 at local:2, dashboard: http://127.0.0.1:8787/status" in done.stderr
    assert "2 of 4 chips could not be used; their rows say why" in done.stderr
    assert pyarrow.parquet.read_table(listed.parents[1] / "out").num_rows == 4
    again = ask(listed, built_artifacts, "--threads", "3")
    assert again.exit_code == 1, "the chips are still bad"
    assert "in partitions" in again.stdout
    assert "2 of 2" in again.stdout
    assert "classified now" not in again.stdout


def test_all_chips_of_files_and_good_ones_end_well(
    here: None, exposed_raw: Path, built_artifacts: dict[str, Path], tmp_path: Path
) -> None:
    common = ("--model", built_artifacts["static_wi8_ai8"], "--cluster", "tcp://head:8786", "--to", tmp_path / "out")
    done = invoke(predict, exposed_raw, exposed_raw.parent, *common, "--json")
    assert done.exit_code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["chips"], told["threads"]) == (2, 2), "a file that is named twice is classified once"


def test_lost_partitions_are_said(
    listed: Path, built_artifacts: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deadly(ThisProcess):
        def spread(self, work: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
            first, *others = items
            yield from super().spread(work, others)
            raise WorkLostError([(first, "killed every worker that it was given to")])

    @contextmanager
    def open_deadly(address: object, on_absence: Callable[[], None]) -> Iterator[Deadly]:
        yield Deadly()

    monkeypatch.setattr("celestialkeras.cluster.open_cluster", open_deadly)
    done = ask(listed, built_artifacts, "--json")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["lost"] == [
        {"partition": "part-000000.parquet", "reason": "killed every worker that it was given to"}
    ]
    assert "lost: part-000000.parquet (killed every worker that it was given to); the same command" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--cluster", "local:two", "--to", "out"), "must be local:N"),
        (("--cluster", "local:2"), "--cluster writes Parquet files: it needs --to FOLDER"),
        (("--cluster", "local:2", "--to", "out", "--csv"), "knows no --csv"),
        (("--to", "out"), "name the workers with --cluster"),
        (("b.csv", "--cluster", "local:2", "--to", "out"), "--cluster takes one manifest, or files and folders"),
    ],
)
def test_slips_are_told(arguments: tuple[str, ...], words: str, tmp_path: Path) -> None:
    refused = invoke(predict, tmp_path / "a.csv", *arguments)
    assert refused.exit_code == 2
    assert words in " ".join(refused.stderr.replace("│", " ").split())


def test_workers_run_artifacts_only(listed: Path, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="workers run artifacts; make one with `celestial quantize --int8`"):
        invoke(predict, listed, "--model", tmp_path / "a.keras", "--cluster", "local:2", "--to", tmp_path / "out")


def test_without_dask_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'celestialkeras\[cluster\]'"):
        flight.open_cluster(flight.ClusterAddress.parse("local:2")).__enter__()


def test_a_scheduler_that_does_not_answer_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flight, "_CONNECT_S", 0.2)
    with pytest.raises(ClusterError, match=r"tcp://127.0.0.1:1: no scheduler with workers answers within 0.2 s"):
        flight.open_cluster(flight.ClusterAddress.parse("tcp://127.0.0.1:1")).__enter__()


def test_a_data_set_of_a_cluster_is_the_same_to_the_byte(here: None, listed: Path, tmp_path: Path) -> None:
    assert invoke(data, "build", listed, "--to", tmp_path / "plain", "--workers", "1", "--json").exit_code == 1
    assert invoke(data, "build", listed, "--to", tmp_path / "spread", "--cluster", "local:2", "--json").exit_code == 1
    plain, spread = (
        {path.relative_to(tmp_path / name): sha256_of(path) for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("plain", "spread")
    )
    assert plain == spread
    assert Path("dataset.json") in plain
