"""Two workers on 127.0.0.1 train what one process trains; one that is killed is made up for."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest
from tiny_runs import register_undropped_model, rows_without_time, weights_of, write_dataset

from celestialkeras.models import registry
from celestialkeras.training.history import read_history
from celestialkeras.training.loop import start_run, train
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.run import Run
from celestialkeras.training.supervisor import supervise

pytestmark = pytest.mark.slow

HERE = Path(__file__).parent
WORKER = HERE / "distributed_worker.py"

# What differs is the order in which float32 numbers are added.
TOLERANCE = 1e-4

# bfloat16 has eight bits. With float16, the first steps overflow until the loss is scaled down, and are left out: parts
# of a batch have smaller gradients than the whole, so that workers leave out fewer.
LOW_PRECISION_TOLERANCE = {"mixed_bfloat16": 1e-2, "mixed_float16": 2e-1}


@pytest.fixture(scope="module")
def options(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TrainOptions]:
    """12 training frames in batches of 5: the last batch has 2, one for each worker."""
    model = register_undropped_model()
    data = write_dataset(tmp_path_factory.mktemp("data"), {"train": (6, 6), "validation": (3, 4)})
    yield TrainOptions(data=data, model=model, epochs=4, batch_size=5, learning_rate=0.003, seed=4)
    del registry._REGISTRY[model]


@pytest.fixture(scope="module")
def alone(options: TrainOptions, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Run]:
    """The runs of one process, by their precision."""
    folder = tmp_path_factory.mktemp("alone")
    runs = {}
    for precision in ("float32", *LOW_PRECISION_TOLERANCE):
        runs[precision] = start_run(replace(options, precision=precision), folder, precision)
        train(runs[precision])
    return runs


@pytest.fixture(scope="module")
def together(
    options: TrainOptions, tiny_model: str, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, list[str]]:
    """The folder of the runs of two workers, and what was said of those that died."""
    folder = tmp_path_factory.mktemp("together")
    for name in ("unbroken", "worker-killed", "chief-killed"):
        start_run(options, folder / "runs", name)
    for precision in LOW_PRECISION_TOLERANCE:
        start_run(replace(options, precision=precision), folder / "runs", precision)
    start_run(replace(options, model=tiny_model, model_options={"filters": 3}, epochs=1), folder / "runs", "dropping")
    told: list[str] = []
    code = f"import runpy; sys.path.insert(0, {str(HERE)!r}); runpy.run_path({str(WORKER)!r}, run_name='__main__')"
    arguments = [str(folder / "runs"), "multiworker", "worker-killed:1:3", "chief-killed:0:2"]
    supervise(code, arguments, workers=2, restarts=4, tell=told.append)
    return folder, told


def losses(run: Run) -> list[tuple[float, float | None]]:
    return [(row.loss, row.validation_loss) for row in read_history(run.history)]


def epochs_read(folder: Path, name: str, worker: int) -> list[list[str]]:
    lines = (folder / f"read-{name}-{worker}.txt").read_text().split()
    groups = itertools.groupby(lines, lambda line: line == "epoch")
    return [sorted(group) for is_mark, group in groups if not is_mark]


def test_losses_are_those_of_one_process(together: tuple[Path, list[str]], alone: dict[str, Run]) -> None:
    folder, _ = together
    found, expected = losses(Run(folder / "runs" / "unbroken")), losses(alone["float32"])
    assert len(found) == 4
    np.testing.assert_allclose(found, expected, rtol=TOLERANCE)


@pytest.mark.parametrize("precision", LOW_PRECISION_TOLERANCE)
def test_low_precision_trains_alike(precision: str, together: tuple[Path, list[str]], alone: dict[str, Run]) -> None:
    run = Run(together[0] / "runs" / precision)
    np.testing.assert_allclose(losses(run), losses(alone[precision]), rtol=LOW_PRECISION_TOLERANCE[precision])
    assert {layer.compute_dtype for layer in keras.models.load_model(run.model).layers} == {"float32"}


def test_workers_share_the_frames_of_each_epoch_without_overlap(together: tuple[Path, list[str]]) -> None:
    read = [epochs_read(together[0], "unbroken", worker) for worker in (0, 1)]
    assert [len(epochs) for epochs in read] == [4, 4]
    frames = {f"{split}{label}{n:05d}" for split, label, count in FRAMES for n in range(count)}
    for first, second in zip(*read, strict=True):
        assert sorted(first + second) == sorted(frames)
    # 3 + 3 + 1 and 2 + 2 + 1 for training, 4 and 3 to validate.
    assert {len(epoch) for epoch in read[0]} == {11}
    assert {len(epoch) for epoch in read[1]} == {8}
    assert read[0][0] != read[0][1]


FRAMES = (("tra", "g", 6), ("tra", "n", 6), ("val", "g", 3), ("val", "n", 4))


@pytest.mark.parametrize("name", ["worker-killed", "chief-killed"])
def test_killed_and_started_again_is_unbroken(name: str, together: tuple[Path, list[str]]) -> None:
    broken, unbroken = (Run(together[0] / "runs" / one) for one in (name, "unbroken"))
    assert rows_without_time(broken.history) == rows_without_time(unbroken.history)
    assert broken.outcome.read_bytes() == unbroken.outcome.read_bytes()
    for found, expected in zip(weights_of(broken.model), weights_of(unbroken.model), strict=True):
        np.testing.assert_array_equal(found, expected)


def test_it_is_said_who_died(together: tuple[Path, list[str]]) -> None:
    again = ": starting all 2 again from the last checkpoint"
    for died in ("worker 0 was killed by signal 9, worker 1 lost", "worker 0 lost another one, worker 1 was killed"):
        (line,) = (line for line in together[1] if line.startswith(died))
        assert again in line


def test_the_saved_model_is_one_of_plain_layers(together: tuple[Path, list[str]], alone: dict[str, Run]) -> None:
    model = keras.models.load_model(Run(together[0] / "runs" / "unbroken").require_model())
    expected = keras.models.load_model(alone["float32"].model)
    # Names are left out: Keras counts the layers of a process.
    configs, plain = ([layer.get_config() | {"name": ""} for layer in one.layers] for one in (model, expected))
    assert configs == plain
    assert not any(getattr(layer, "synchronized", False) for layer in model.layers)


def test_only_the_chief_has_files_and_they_are_those_of_one_process(
    together: tuple[Path, list[str]], alone: dict[str, Run]
) -> None:
    names = [
        sorted(path.name for path in run.folder.iterdir())
        for run in (Run(together[0] / "runs" / "unbroken"), alone["float32"])
    ]
    assert names[0] == names[1]


def test_a_network_that_drops_at_random_trains(together: tuple[Path, list[str]]) -> None:
    outcome = json.loads(Run(together[0] / "runs" / "dropping").outcome.read_text())
    assert outcome["epochs"] == 1
    assert np.isfinite(outcome["best_validation_loss"])


def test_two_devices_of_one_machine_train_what_one_process_trains(
    options: TrainOptions, alone: dict[str, Run], tmp_path: Path
) -> None:
    run = start_run(options, tmp_path / "runs", "mirrored")
    fewer = start_run(replace(options, precision="mixed_float16", epochs=1), tmp_path / "runs", "mirrored-float16")
    subprocess.run([sys.executable, str(WORKER), str(tmp_path / "runs"), "mirrored"], check=True)
    np.testing.assert_allclose(losses(run), losses(alone["float32"]), rtol=TOLERANCE)
    np.testing.assert_allclose(
        losses(fewer), losses(alone["mixed_float16"])[:1], rtol=LOW_PRECISION_TOLERANCE["mixed_float16"]
    )
