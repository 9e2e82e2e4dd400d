"""`celestial bench`: what its options ask for, and where its results go."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from celestial_cli.bench import bench
from celestial_edge.card import read_card, write_card
from celestial_edge.device import bench_options
from celestial_edge.device.runtime import Classifier
from celestial_edge.device.shipped import shipped_artifact
from celestialkeras.errors import DatasetError, MissingExtraError, QualityGateError
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.stretch import Stretch
from small_artifacts import SHAPE
from verbs import invoke

Bench = Callable[..., Result]


@pytest.fixture
def short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Benches the shipped artifact in an empty folder, on few frames."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Result:
        return invoke(bench, "--frames", 2, "--warmup", 1, "--threads", 1, *arguments)

    return run


def test_results_go_to_the_terminal_and_to_files(short: Bench, tmp_path: Path) -> None:
    done = short("--markdown", "bench.md", "--html", "pages/bench.html")
    assert done.exit_code == 0
    title, *table = done.stdout.splitlines()
    assert title.endswith("1 thread(s), 2 frames. Codes to logits, milliseconds")
    assert any("p50" in line and "steady MB" in line for line in table)
    written = (tmp_path / "bench.md").read_text()
    assert "| celestialnet_edge static_wi8_ai8 whole | 1024 x 2048 |" in written
    html = (tmp_path / "pages/bench.html").read_text()
    assert html.startswith("<!DOCTYPE html>")
    assert html.count("<svg") == 2


def test_json_says_how_it_was_measured(short: Bench) -> None:
    report = json.loads(short("--json", "--cpus", "0", "--duration", 0.1, "--memory-limit", "1G").stdout)
    assert report["schema"] == "celestialkeras.bench/2"
    assert report["options"]["cpus"] == [0]
    assert report["options"]["duration_s"] == 0.1
    assert report["memory_limit"]["bytes"] == 1 << 30
    assert report["memory_limit"]["enforced_by"].startswith(("cgroup v2", "RLIMIT_DATA"))
    assert report["budget"] is None
    (entry,) = report["artifacts"]
    assert entry["within_limit"] is True


def test_official_runs_are_asked_for_by_name(short: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_options, "OFFICIAL_SECONDS", 0.1)
    monkeypatch.setattr(bench_options, "OFFICIAL_QUERIES", 5)
    assert (
        short("--official").stdout.splitlines()[0].endswith("MLPerf SingleStream: p90 of single queries, milliseconds")
    )


def test_a_budget_that_is_exceeded_is_a_gate(short: Bench) -> None:
    kept = short("--budget", "pi4-1gb", "--json")
    assert kept.exit_code == 0
    budget = json.loads(kept.stdout)["budget"]
    assert budget["board"]["budget_mb"] == 750
    assert "estimate" in budget["board"]["source"]
    (check,) = budget["checks"].values()
    assert (check["threads"], check["cores"], check["memory_budget_mb"]) == (1, 4, 750)
    with pytest.raises(QualityGateError, match=r"beyond the budget of Raspberry Pi 5, 4 GB: .*: 9 threads on 4 cores"):
        short("--budget", "pi5-4gb", "--threads", 9)


def test_nothing_fitting_the_limit_is_a_result(short: Bench) -> None:
    done = short("--memory-limit", "32M")
    assert done.exit_code == 0
    assert "no, load: " in done.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--memory-limit", "lots"), "such as 512M. Received: 'lots'"),
        (("--cpus", "x"), "such as 0,2-3. Received: 'x'"),
        (("--against", "torch,keras"), "must be among onnxruntime, openvino, keras. Received: 'torch'"),
        (("--duration", "-1"), "-1.0 is not in the range x>=0"),
        (("--budget", "pi3"), "'pi3' is not one of 'pi4-1gb', 'pi5-4gb', 'jetson-orin-nano'"),
    ],
)
def test_what_makes_no_sense_is_refused_at_once(short: Bench, arguments: tuple[str, ...], message: str) -> None:
    done = short(*arguments)
    assert done.exit_code == 2
    assert message in done.stderr


def test_other_runtimes_need_a_model_to_run(short: Bench) -> None:
    done = short(shipped_artifact(), "--against", "keras")
    assert done.exit_code == 2
    assert "belongs to no run; name the model of --against with --model-keras" in done.stderr


def test_on_a_board_accuracy_says_which_extra_reads_data_sets(short: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(needed_for: str) -> None:
        raise MissingExtraError("train", needed_for)

    monkeypatch.setattr("celestial_cli.locate.import_tensorflow", refuse)
    with pytest.raises(MissingExtraError, match="reading a data set needs the extra `train`"):
        short("--accuracy", "shards")


def test_accuracy_is_measured_on_the_test_side(short: Bench, make_dataset: Any, copy_artifact: Any) -> None:
    data = make_dataset(SHAPE)
    folder = copy_artifact()
    with pytest.raises(DatasetError, match=r"Received: \(2, 4\)"):
        short(folder, "--accuracy", data)

    card = read_card(folder)
    write_card(folder, replace(card, input=replace(card.input, frame_shape=SHAPE, binning=1)))
    entry = json.loads(short(folder, "--accuracy", data, "--json").stdout)["artifacts"][0]
    dataset = open_dataset(data)
    records = dataset.records("test")
    classifier = Classifier(folder)
    said = [classifier.logits(dataset.codes(record)[None])[0].argmax() for record in records]
    right = sum(int(code) == record.observation.label_code for code, record in zip(said, records, strict=True))
    assert entry["accuracy"]["frames"] == len(records) == 6
    assert entry["accuracy"]["correct"] == right
    assert entry["accuracy"]["data"] == str(data)

    write_card(
        folder, replace(card, input=replace(card.input, frame_shape=SHAPE, binning=1, stretch=Stretch(softening=9)))
    )
    with pytest.raises(DatasetError, match="of the stretch Stretch"):
        short(folder, "--accuracy", data)
