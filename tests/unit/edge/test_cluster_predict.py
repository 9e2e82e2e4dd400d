"""Partitions of an archive: rows, plans, and what is not done twice."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from celestial_edge.cluster import predict
from celestial_edge.cluster.chips import FileChips, ListedChips, partitions
from celestial_edge.cluster.job import PLAN_NAME, Job, Plan
from celestial_edge.cluster.predict import Outcome, Task, predict_all, predict_partition
from celestial_edge.cluster.table import COLUMNS, read_written
from celestial_edge.device.runtime import Classifier
from celestialkeras.errors import ClusterError, ManifestError
from celestialkeras.files import PARTIAL_PREFIX
from celestialkeras.lcid.manifest import Observation, write_manifest
from celestialkeras.workers import WorkLostError


class Here:
    """Does partitions in this process and remembers which."""

    def __init__(self, lost: str = "") -> None:
        self.done: list[str] = []
        self.lost = lost

    def __call__(self, work: Callable[[Task], Any], items: Iterable[Task]) -> Iterator[tuple[Task, Any]]:
        lost = []
        for task in items:
            if task.partition.name == self.lost:
                lost.append((task, "killed every worker that it was given to"))
                continue
            self.done.append(task.partition.name)
            yield task, work(task)
        if lost:
            raise WorkLostError(lost)


@pytest.fixture
def artifact(built_artifacts: dict[str, Path]) -> Path:
    return built_artifacts["static_wi8_ai8"]


@pytest.fixture
def files(tmp_path: Path, exposed_raw: Path, uvis_raw: Path) -> list[Path]:
    """One with light, one without, and a truncated one."""
    folder = tmp_path / "frames"
    folder.mkdir()
    (folder / "cut_raw.fits").write_bytes(exposed_raw.read_bytes()[:1_000_000])
    return [Path(shutil.copy(path, folder)) for path in (exposed_raw, uvis_raw)] + [folder / "cut_raw.fits"]


@pytest.fixture
def chips(files: list[Path]) -> FileChips:
    return FileChips(tuple(files), (1, 4))


@pytest.fixture
def job(chips: FileChips, artifact: Path, tmp_path: Path) -> Job:
    card = Classifier(artifact).card_sha256
    return Job(tmp_path / "out", artifact, 1, Plan(chips.count, chips.digest, card, None, 2))


def rows(folder: Path) -> list[dict[str, Any]]:
    return list(pyarrow.parquet.read_table(folder).to_pylist())


def test_each_chip_is_a_row_bad_ones_too(job: Job, chips: FileChips, files: list[Path], artifact: Path) -> None:
    progress: list[tuple[int, int]] = []
    outcome = predict_all(chips, job, Here(), lambda done, total: progress.append((done, total)))
    assert progress == [(0, 6), (2, 6), (4, 6), (6, 6)]
    assert (outcome.counts["undecided"], outcome.bad, outcome.classified, outcome.lost) == (2, 2, 6, {})
    held = rows(job.folder)
    assert [(Path(row["file"]), row["hdu"]) for row in held] == [(file, hdu) for file in files for hdu in (1, 4)]
    for row, hdu in zip(held[:2], (1, 4), strict=True):
        verdict = Classifier(artifact).classify(files[0], hdu)
        assert (row["label"], row["probability"]) == (verdict.label, verdict.probability)
        assert (row["logit_galaxy"], row["logit_nsc"]) == verdict.logits
        assert row["light"] == verdict.quality.light
        assert math.isclose(row["total_ms"], row["read_ms"] + row["stretch_ms"] + row["invoke_ms"])
    assert [(row["label"], row["empty"]) for row in held[2:4]] == [("undecided", True)] * 2
    assert [row["reason"] for row in held[2:4]] == ["empty: nothing stands out of the noise"] * 2
    for row in held[4:]:
        assert (row["label"], row["probability"], row["read_ms"]) == (None, None, None)
        assert row["reason"] == "truncated"
        assert "cut_raw.fits: ends" in row["message"]


def test_columns_keep_their_types_in_a_partition_of_bad_frames(job: Job, chips: FileChips) -> None:
    predict_all(chips, job, Here())
    for part in job.folder.glob("*.parquet"):
        schema = pyarrow.parquet.read_schema(part)
        assert {field.name: field.type for field in schema} == {
            name: pyarrow.type_for_alias(kind) for name, kind in COLUMNS.items()
        }
        assert schema.metadata[b"schema"] == b"celestialkeras.chip-verdicts/1"
        assert schema.metadata[b"card_sha256"].decode() == job.plan.card_sha256
        assert (schema.metadata[b"model"], schema.metadata[b"recipe"]) == (b"small", b"static_wi8_ai8")


def test_only_partitions_that_are_missing_are_done(job: Job, chips: FileChips) -> None:
    first = Here()
    whole = predict_all(chips, job, first)
    assert first.done == ["part-000000.parquet", "part-000001.parquet", "part-000002.parquet"]
    (job.folder / "part-000001.parquet").unlink()
    (job.folder / f"{PARTIAL_PREFIX}of-a-killed-worker.parquet").write_bytes(b"PAR1")
    kept = (job.folder / "part-000000.parquet").stat().st_mtime_ns
    again = Here()
    progress: list[tuple[int, int]] = []
    outcome = predict_all(chips, job, again, lambda done, total: progress.append((done, total)))
    assert again.done == ["part-000001.parquet"]
    assert progress == [(4, 6), (6, 6)]
    assert (outcome.found, outcome.classified, outcome.counts) == (2, 2, whole.counts)
    assert (job.folder / "part-000000.parquet").stat().st_mtime_ns == kept
    assert len(rows(job.folder)) == 6
    assert not list(job.folder.glob(f"{PARTIAL_PREFIX}*"))
    idle = Here()
    assert predict_all(chips, job, idle) == Outcome(whole.counts, 3, {}, 0, pytest.approx(0, abs=60))
    assert idle.done == []


def test_a_file_that_is_not_this_jobs_is_done_again(job: Job, chips: FileChips, tmp_path: Path) -> None:
    predict_all(chips, job, Here())
    other = replace(job, folder=tmp_path / "other", plan=replace(job.plan, abstain=0.9))
    predict_all(chips, other, Here())
    shutil.copy(other.folder / "part-000000.parquet", job.folder)
    (job.folder / "part-000002.parquet").write_bytes(b"PAR1 cut off")
    again = Here()
    predict_all(chips, job, again)
    assert again.done == ["part-000000.parquet", "part-000002.parquet"]
    written = read_written(job.folder / "part-000000.parquet")
    assert written is not None
    assert written.plan_sha256 == job.plan.sha256


def test_a_result_that_was_lost_with_its_worker_is_read_from_its_file(
    job: Job, chips: FileChips, monkeypatch: pytest.MonkeyPatch
) -> None:
    job.claim()
    task = Task(job, next(partitions(chips, 2)))
    counts = predict_partition(task)
    monkeypatch.setattr(predict, "_kept_classifier", lambda job: pytest.fail("nothing is to be classified"))
    assert predict_partition(task) == counts


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"partition": 3}, "differ in --partition;"),
        ({"card_sha256": "0" * 64, "abstain": 0.9}, "differ in artifact, --abstain;"),
        ({"chips": 8, "chips_sha256": "1" * 64}, "differ in number of chips, list of chips;"),
    ],
)
def test_another_job_does_not_mix_in(job: Job, changed: dict[str, Any], words: str) -> None:
    job.claim()
    job.claim()
    with pytest.raises(ClusterError, match=f"holds predictions of another job, they {words} choose another folder"):
        replace(job, plan=replace(job.plan, **changed)).claim()


def test_folders_of_something_else_are_left_alone(job: Job) -> None:
    job.folder.mkdir()
    (job.folder / "thesis.tex").touch()
    with pytest.raises(ClusterError, match="not empty and no predictions"):
        job.claim()
    with pytest.raises(ClusterError, match="not a folder"):
        replace(job, folder=job.folder / "thesis.tex").claim()
    (job.folder / PLAN_NAME).write_text("{")
    with pytest.raises(ClusterError, match="cannot be read"):
        job.claim()


def test_a_worker_that_does_not_see_the_folder_makes_none(job: Job, chips: FileChips) -> None:
    with pytest.raises(ClusterError, match=r"does not see .*_plan.json; workers of other machines need"):
        predict_partition(Task(job, next(partitions(chips, 2))))
    assert not job.folder.exists()


def test_a_worker_takes_no_other_artifact(job: Job, chips: FileChips, tmp_path: Path) -> None:
    job.claim()
    for artifact, words in (
        (tmp_path / "nowhere", "no such artifact folder"),
        (Path(shutil.copytree(job.artifact, tmp_path / "altered")), "not the artifact that was expected"),
    ):
        if artifact.is_dir():
            (artifact / "card.json").write_text((artifact / "card.json").read_text() + "\n")
        with pytest.raises(ClusterError, match=f"{words}.*Workers take the artifact from the path"):
            predict_partition(Task(replace(job, artifact=artifact), next(partitions(chips, 2))))


def test_a_worker_keeps_its_classifier(job: Job, chips: FileChips, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []

    class Counted(Classifier):
        def __init__(self, artifact: Path, *arguments: Any) -> None:
            loaded.append(artifact)
            super().__init__(artifact, *arguments)

    monkeypatch.setattr(predict, "Classifier", Counted)
    monkeypatch.delattr(predict._kept, "key", raising=False)
    predict_all(chips, job, Here())
    assert loaded == [job.artifact]


def test_lost_partitions_are_named_and_the_rest_is_there(job: Job, chips: FileChips) -> None:
    outcome = predict_all(chips, job, Here(lost="part-000001.parquet"))
    assert outcome.lost == {"part-000001.parquet": "killed every worker that it was given to"}
    assert sum(outcome.counts.values()) == 4
    assert len(rows(job.folder)) == 4
    assert predict_all(chips, job, Here()).lost == {}


def row_of(obsid: str, hdu: int) -> Observation:
    return Observation("NGC4298", "WFC3/UVIS", obsid, "F625W", 185.4, 14.6, hdu, "galaxy")


def test_manifests_are_walked_in_partitions(job: Job, files: list[Path], tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    labels = {"iddt11fxq": "galaxy", "iddt11fzq": ""}
    write_manifest(
        [replace(row_of(obsid, hdu), label=label) for obsid, label in labels.items() for hdu in (1, 4)], listed
    )
    chips = ListedChips.of(listed, tmp_path / "frames", (1, 4))
    assert chips.count == 4
    assert [len(part.chips) for part in partitions(chips, 3)] == [3, 1]
    upper = ListedChips.of(listed, tmp_path / "frames", (4,))
    assert ([chip.hdu for chip in upper], upper.count) == ([4, 4], 2)
    assert upper.digest != chips.digest
    plan = replace(job.plan, chips=chips.count, chips_sha256=chips.digest, partition=3)
    predict_all(chips, replace(job, plan=plan), Here())
    present, _, missing, _ = rows(job.folder)
    assert (present["file"], present["obsid"], present["empty"]) == (str(files[1]), "iddt11fxq", True)
    told = {name: present[name] for name in ("object", "instrument", "filter", "ra", "dec", "listed_label")}
    assert list(told.values()) == ["NGC4298", "WFC3/UVIS", "F625W", 185.4, 14.6, "galaxy"]
    assert (missing["obsid"], missing["label"], missing["reason"]) == ("iddt11fzq", None, "not-found")
    assert missing["listed_label"] is None


def test_a_chip_that_stands_twice_is_refused(tmp_path: Path) -> None:
    listed = tmp_path / "list.csv"
    write_manifest([row_of("0ddt11fyq", 1), row_of("iddt11fyq", 1), row_of("0ddt11fyq", 4)], listed)
    ListedChips.of(listed, tmp_path, (1, 4))
    write_manifest([row_of("0ddt11fyq", 4), row_of("iddt11fyq", 1), row_of("0ddt11fyq", 4)], listed)
    with pytest.raises(ManifestError, match=r"list.csv: 0ddt11fyq HDU 4 stands twice"):
        ListedChips.of(listed, tmp_path, (1, 4))


def test_lists_of_files_differ_by_their_names(tmp_path: Path) -> None:
    digests = {FileChips(tuple(map(Path, names)), hdus).digest for names, hdus in ((["a", "b"], (1,)), (["ab"], (1,)))}
    digests |= {FileChips((Path("b"), Path("a")), (1,)).digest, FileChips((Path("a"), Path("b")), (4,)).digest}
    assert len(digests) == 4
