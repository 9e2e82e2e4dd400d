from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import Card, read_card
from celestial_edge.compress.network import Network
from celestial_edge.device import bench as bench_module
from celestial_edge.device import bench_options
from celestial_edge.device.bench import bench
from celestial_edge.device.bench_options import BenchOptions
from celestial_edge.device.bench_process import Task
from celestial_edge.device.machine import describe_machine, parse_cpus
from celestial_edge.device.runtime import Classifier
from celestial_edge.device.sampler import MemoryTrack, Sampler, Series
from celestial_edge.device.sensors import Sensors
from celestial_edge.device.shipped import shipped_artifact
from celestial_edge.golden import read_golden
from celestial_edge.recipes import STRIPS
from celestial_edge.trust import Trust
from celestialkeras.errors import ArtifactError, DatasetError, FrameNotFoundError
from celestialkeras.lcid.manifest import Observation
from celestialkeras.process_memory import peak_memory_mb, resident_memory_mb
from network_artifacts import random_codes, write_artifact
from sysfs_trees import jetson
from toy_networks import network, two_stages

# Less than an interpreter of Python with numpy takes: nothing runs under it, whatever holds the limit.
TOO_LITTLE = 32 << 20


@pytest.fixture
def shipped() -> Path:
    return shipped_artifact()


def test_bench_measures_every_artifact_in_a_process_of_its_own(
    built_artifacts: dict[str, Path], uvis_raw: Path
) -> None:
    rounds: list[tuple[int, int]] = []
    options = BenchOptions(frames=7, warmup=2, rounds=3, threads=1, fits=uvis_raw)
    report = bench(list(built_artifacts.values()), options, lambda done, total: rounds.append((done, total)))

    assert rounds == [(1, 3), (2, 3), (3, 3)]
    assert [entry.recipe for entry in report.artifacts] == ["float32", "static_wi8_ai8"]
    for entry in report.artifacts:
        assert entry.frames == 7
        assert entry.input == (64, 128)
        assert entry.layout == "plain"
        assert entry.file_mb == (Path(entry.artifact) / "model.tflite").stat().st_size / 1e6
        assert 0 < entry.invoke.minimum <= entry.invoke.p50 <= entry.invoke.p90 <= entry.invoke.p99
        assert sum(entry.histogram.counts) + entry.histogram.beyond == 7
        assert entry.first_ms > 0
        assert entry.load_ms > 0
        # An interpreter of Python with numpy, astropy and LiteRT; with TensorFlow it would be three times as much.
        assert 20 < entry.peak_memory_mb < 250
        assert entry.memory_before_load_mb is not None
        assert entry.steady_memory_mb is not None
        assert entry.memory_before_load_mb <= entry.steady_memory_mb <= entry.peak_memory_mb
        seconds, memory = zip(*entry.memory_over_time, strict=True)
        assert list(seconds) == sorted(seconds)
        assert 0 < max(memory) <= entry.peak_memory_mb + 0.01
        assert set(entry.parts_ms) == {"model.tflite"}
        assert 0 < entry.parts_ms["model.tflite"] <= entry.invoke.p99
        assert entry.undelegated == tuple(Classifier(entry.artifact).undelegated())
        assert entry.end_to_end is not None
        assert entry.stages_ms is not None
        assert {"read", "stretch", "invoke", "total"} <= set(entry.stages_ms)
        assert entry.end_to_end.minimum >= entry.invoke.minimum * 0.5
        assert (entry.within_limit, entry.operators, entry.accuracy) == (None, None, None)
    found = json.loads(json.dumps(report.to_json(), allow_nan=False))
    assert found["machine"]["cores"] >= 1
    assert found["options"]["fits"] == str(uvis_raw)
    assert (found["scenario"], found["memory_limit"], found["not_run"]) == (None, None, [])


def test_bench_without_a_fits_file_times_the_model_alone(shipped: Path) -> None:
    (entry,) = bench([shipped], BenchOptions(frames=2, warmup=1, rounds=5, threads=1)).artifacts
    assert entry.frames == 2, "more rounds than frames must not add frames"
    assert entry.end_to_end is None
    assert entry.stages_ms is None


def test_strips_are_timed_by_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A toy is cut as a whole frame would be.
    monkeypatch.setattr("celestial_edge.compress.lowering.STRIP_BUDGET", 20_000)
    model = network(two_stages, (128, 136, 1))
    built = Network(model, list(random_codes(2, (128, 136))), STRIPS)
    folder = write_artifact(tmp_path / "strips", built, "static_wi8_ai8", (128, 136))
    files = {segment.file for segment in read_card(folder).segments}
    assert len(files) > 1
    (entry,) = bench([folder], BenchOptions(frames=20, warmup=1, rounds=1, threads=1)).artifacts
    assert set(entry.parts_ms) == files
    assert entry.layout == "strips"
    assert 0 < sum(entry.parts_ms.values()) <= entry.invoke.p99
    assert entry.undelegated == ()


def test_a_duration_is_kept_and_times_come_in_pieces(shipped: Path) -> None:
    timed = BenchOptions(frames=1, warmup=1, rounds=2, threads=1, duration_s=1.0)
    (entry,) = bench([shipped], timed).artifacts
    # A frame takes milliseconds; without a duration it would have been one.
    assert entry.frames > 2
    # More than what the process says at once.
    (many,) = bench([shipped], BenchOptions(frames=300, warmup=1, rounds=1, threads=1)).artifacts
    assert many.frames == 300
    assert sum(many.histogram.counts) + many.histogram.beyond == 300


def test_an_official_run_is_one_artifact_after_another(shipped: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_options, "OFFICIAL_SECONDS", 0.2)
    monkeypatch.setattr(bench_options, "OFFICIAL_QUERIES", 12)
    started: list[int] = []
    when_timed: list[tuple[int, int, int]] = []
    track = Sampler.track

    def counted(self: Sampler, pid: int) -> MemoryTrack:
        started.append(pid)
        return track(self, pid)

    monkeypatch.setattr(Sampler, "track", counted)
    options = BenchOptions(frames=3, warmup=1, threads=1).official()
    report = bench([shipped, shipped], options, lambda done, total: when_timed.append((done, total, len(started))))
    assert when_timed == [(1, 2, 1), (2, 2, 2)], "the second is started when the first has been timed"
    assert report.scenario == "MLPerf SingleStream"
    assert [entry.frames >= 12 for entry in report.artifacts] == [True, True]


def test_under_a_limit_what_does_not_run_is_a_row(shipped: Path) -> None:
    report = bench([shipped], BenchOptions(frames=2, warmup=1, memory_limit=TOO_LITTLE))
    assert report.artifacts == ()
    (gone,) = report.not_run
    assert (gone.subject, gone.stage) == (str(shipped), "load")
    assert gone.title == "celestialnet_edge static_wi8_ai8 whole"
    assert gone.reason.startswith(("failed: ", "was killed by signal "))
    assert report.memory_limit is not None
    assert report.memory_limit["bytes"] == TOO_LITTLE

    (entry,) = bench([shipped], BenchOptions(frames=2, warmup=1, memory_limit=1 << 30)).artifacts
    assert entry.within_limit is True


def test_a_rival_that_fails_does_not_stop_the_others(shipped: Path) -> None:
    rival = Task("model.keras", "openvino", "celestial_edge.device.no_such_module", {"threads": 1}, rival=True)
    report = bench([shipped], BenchOptions(frames=2, warmup=1), rivals=[rival])
    assert len(report.artifacts) == 1
    (gone,) = report.not_run
    assert (gone.title, gone.stage) == ("openvino", "load")
    assert "No module named 'celestial_edge.device.no_such_module'" in gone.reason


def test_processes_stay_on_the_processors_that_were_named(shipped: Path) -> None:
    # No machine has this one: that it is refused shows that it was asked for.
    with pytest.raises(ArtifactError, match="its process failed: OSError"):
        bench([shipped], BenchOptions(frames=1, cpus=(100_000,)))


def test_energy_is_divided_by_frames(shipped: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = jetson(tmp_path)
    monkeypatch.setattr(bench_module, "Sensors", lambda: Sensors(tree))
    report = bench([shipped], BenchOptions(frames=40, warmup=1, rounds=2, threads=1))
    (entry,) = report.artifacts
    assert report.sensors is not None
    assert report.sensors.energy_source == "VDD_IN"
    assert report.sensors.before.power_w["VDD_IN"] == 6.0
    assert report.sensors.after.seconds > report.sensors.before.seconds
    assert len(report.sensors.during) >= 4, "before and after each turn"
    # Six watts for as long as the frames took, and what lies between them; that is less than all the time there was.
    assert entry.joules_per_frame is not None
    assert 6 * entry.invoke.minimum / 1e3 <= entry.joules_per_frame
    assert 40 * entry.joules_per_frame <= 6 * (report.sensors.after.seconds - report.sensors.before.seconds)


@dataclass
class GoldenLabels:
    """The golden frames of an artifact, one a batch, with labels that the test gives."""

    folder: Path
    labels: tuple[str, str]
    source: str = "golden"

    def check(self, card: Card) -> None:
        if len(self.labels) != 2:
            raise DatasetError("two labels")

    def batches(self, card: Card) -> Iterator[Any]:
        for number, codes in enumerate(read_golden(self.folder).codes[:2]):
            row = Observation(f"object-{number}", "ACS/WFC", "j1", "F814W", 0.0, 0.0, 1, self.labels[number], {})
            yield SimpleNamespace(codes=codes[None], observations=[row])


def test_accuracy_is_that_of_the_process_that_was_timed(shipped: Path) -> None:
    logits = Classifier(shipped).logits(read_golden(shipped).codes[:2])
    said = tuple("NSC" if nsc > galaxy else "galaxy" for galaxy, nsc in logits)
    wrong = "galaxy" if said[1] == "NSC" else "NSC"
    options = BenchOptions(frames=2, warmup=1, rounds=1)
    for labels, correct in ((said, 2), ((said[0], wrong), 1)):
        (entry,) = bench([shipped], options, labelled=GoldenLabels(shipped, labels)).artifacts
        assert entry.accuracy is not None
        assert (entry.accuracy.data, entry.accuracy.frames, entry.accuracy.correct) == ("golden", 2, correct)
        assert entry.accuracy.low <= entry.accuracy.share <= entry.accuracy.high
    with pytest.raises(DatasetError, match="two labels"):
        bench([shipped], options, labelled=GoldenLabels(shipped, ()))  # type: ignore[arg-type]


def test_bench_refuses_before_it_starts(copy_artifact: Any, tmp_path: Path) -> None:
    folder = copy_artifact()
    with pytest.raises(FrameNotFoundError, match="no such file"):
        bench([folder], BenchOptions(fits=tmp_path / "none.fits"))
    (folder / "model.tflite").write_bytes(b"")
    with pytest.raises(ArtifactError, match="truncated or altered"):
        bench([folder], BenchOptions())


def test_only_trusted_artifacts_are_timed(copy_artifact: Any) -> None:
    folder = copy_artifact()
    digest = hashlib.sha256((folder / "card.json").read_bytes()).hexdigest()
    (entry,) = bench([folder], BenchOptions(frames=1, warmup=1, rounds=1), trust=Trust(cards=(digest,))).artifacts
    assert entry.frames == 1
    with pytest.raises(ArtifactError, match="not the artifact that was expected"):
        bench([folder], BenchOptions(), trust=Trust(cards=("0" * 64,)))


def test_bench_says_why_a_worker_died(copy_artifact: Any) -> None:
    folder = copy_artifact()
    card = json.loads((folder / "card.json").read_text())
    card["input"]["dtype"] = "float32"
    (folder / "card.json").write_text(json.dumps(card))
    with pytest.raises(ArtifactError, match=r"its process failed: .*promises an input float32"):
        bench([folder], BenchOptions())


@pytest.mark.parametrize("name", ["frames", "warmup", "rounds", "threads"])
def test_options_below_one_are_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"`{name}` must be 1 or more. Received: {name}=0"):
        BenchOptions(**{name: 0})


def test_a_series_keeps_its_span_when_it_thins_out() -> None:
    series: Series[int] = Series()
    for number in range(10_000):
        series.add(number)
    assert series.samples[0] == 0
    assert series.samples[-1] > 9_900
    assert 300 <= len(series.samples) <= 600
    steps = np.diff(series.samples)
    assert (steps == steps[0]).all()


def test_processors_are_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda pid: {0, 1, 2, 3, 8})
    assert parse_cpus("0,2-3,2") == (0, 2, 3)
    for text in ("", "a", "1-", "3-1", "7", "1-8000000000", "1-4"):
        with pytest.raises(ValueError, match=f"Received: {text!r}"):
            parse_cpus(text)


def test_machine_is_described() -> None:
    machine = describe_machine()
    assert machine["cores"] >= 1
    assert machine["memory_mb"] > 100
    assert machine["python"].startswith("3.")
    assert machine["litert"]


def test_peak_memory_follows_what_is_allocated() -> None:
    before = peak_memory_mb()
    held = np.ones(60_000_000, np.uint8)
    now = resident_memory_mb()
    assert now is not None
    assert peak_memory_mb() >= max(before, now - 1)
    assert peak_memory_mb() - before < 100
    assert held.nbytes / 1e6 < now
    assert resident_memory_mb(2**31 - 1) is None, "a process that is gone"
