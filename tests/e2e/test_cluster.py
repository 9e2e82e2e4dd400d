"""Two Dask workers of this machine: what a killed one costs, and that what they build is what one process builds."""

from __future__ import annotations

import importlib
import os
import shutil
import signal
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import dask
import pyarrow.parquet
import pytest

from celestial_cli.data import data
from celestial_edge.cluster.chips import FileChips
from celestial_edge.cluster.job import Job, Plan
from celestial_edge.cluster.predict import predict_all
from celestial_edge.device.runtime import Classifier
from celestialkeras.cluster import Cluster, ClusterAddress, open_cluster
from celestialkeras.files import PARTIAL_PREFIX, sha256_of
from celestialkeras.lcid.manifest import Observation, write_manifest
from celestialkeras.workers import WorkLostError
from raw_files import RawFile
from verbs import invoke

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    # Its defaults must stand before one of them is changed: what is put back afterwards is what stood there.
    importlib.import_module("distributed")
    with (
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
        open_cluster(ClusterAddress.parse("local:2")) as cluster,
    ):
        yield cluster


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Ten exposures, the last of them cut off."""
    folder = tmp_path_factory.mktemp("frames")
    exposure = RawFile(primary={"ROOTNAME": ""}).write(folder / "iddt11aaq_raw.fits")
    files = [exposure, *(Path(shutil.copy(exposure, folder / f"iddt11a{letter}q_raw.fits")) for letter in "bcdefghij")]
    os.truncate(files[-1], 1_000_000)
    return files


@dataclass
class Killer:
    """Kills a worker that is at work, once some chips are done."""

    cluster: Cluster
    killed: int | None = None

    def __call__(self, done: int, total: int) -> None:
        if self.killed is None and 0 < done < total:
            busy = next(worker for worker, tasks in self.cluster.client.processing().items() if tasks)
            self.killed = self.cluster.client.run(os.getpid, workers=[busy])[busy]
            os.kill(self.killed, signal.SIGKILL)


def test_a_killed_worker_costs_no_chip_and_doubles_none(
    cluster: Cluster, files: list[Path], built_artifacts: dict[str, Path], tmp_path: Path
) -> None:
    artifact = built_artifacts["static_wi8_ai8"]
    chips = FileChips(tuple(files), (1, 4))
    plan = Plan(chips.count, chips.digest, Classifier(artifact).card_sha256, None, 2)
    killer = Killer(cluster)
    outcome = predict_all(chips, Job(tmp_path / "out", artifact, 1, plan), cluster.spread, killer)
    assert killer.killed is not None
    assert (outcome.lost, outcome.bad, outcome.classified) == ({}, 2, 20)
    held = pyarrow.parquet.read_table(tmp_path / "out").to_pylist()
    assert [(row["file"], row["hdu"]) for row in held] == [(str(file), hdu) for file in files for hdu in (1, 4)]
    assert [row["reason"] for row in held[-2:]] == ["truncated", "truncated"]
    assert not list((tmp_path / "out").glob(f"{PARTIAL_PREFIX}*"))


def kills_at_three(number: int) -> int:
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def test_what_kills_every_worker_is_named_and_the_rest_goes_on(cluster: Cluster) -> None:
    done: list[int] = []
    with pytest.raises(WorkLostError) as caught:
        done.extend(item for item, _ in cluster.spread(kills_at_three, range(12)))
    assert caught.value.lost == [(3, "killed every worker that it was given to")]
    assert sorted(done) == [0, 1, 2, *range(4, 12)]
    cluster.client.wait_for_workers(2, timeout=120)


def test_a_data_set_is_the_same_to_the_byte(files: list[Path], tmp_path: Path) -> None:
    rows = [
        Observation(f"{label} {file.name[:9]}", "WFC3/UVIS", file.name[:9], "F625W", 185.4, 14.6, hdu, label)
        for file in files
        for hdu, label in ((1, "galaxy"), (4, "NSC"))
    ]
    write_manifest(rows, files[0].parent / "list.csv")
    common = ("build", files[0].parent / "list.csv", "--to")
    assert invoke(data, *common, tmp_path / "here", "--workers", "1", "--json").exit_code == 1
    assert invoke(data, *common, tmp_path / "there", "--cluster", "local:2", "--json").exit_code == 1
    here, there = (
        {path.relative_to(tmp_path / name): sha256_of(path) for path in (tmp_path / name).rglob("*") if path.is_file()}
        for name in ("here", "there")
    )
    assert here == there
    assert Path("dataset.json") in here
