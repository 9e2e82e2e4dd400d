"""How fast frames come: chips a second of `celestial data build`, and how long a training step waits for its batch.

    celestial data simulate --preset demo
    python benchmarks/bench_pipeline.py celestial-data/demo/frames/manifest.csv [--rounds 5] [--json FILE]

Everything runs on two cores. A build is the command as typed, in a process of its own, after every file was
read once, so that they come from the page cache; where memory does not hold them all, the disk is measured as well. Its
steady rate is that of `build_dataset` once each worker has finished a shard: what is left of imports and the start of
workers in a list of thousands of chips.

A step is one of celestialnet_edge on a batch of eight, measured as the training loop takes it. In a round, each of
these is done in turn: an epoch of frames without steps, steps on one batch that is held in memory, and steps that are
fed. An epoch's first batch, which nothing could fetch ahead, is counted among what steps wait for.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from itertools import islice, repeat
from pathlib import Path
from time import perf_counter
from typing import Any

import click
import keras
import numpy as np
import tensorflow as tf

from celestial_edge.device.machine import describe_machine
from celestialkeras.lcid.build import build_dataset, plan_build
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.manifest import read_manifest
from celestialkeras.models.registry import build_model
from celestialkeras.training.feed import Feed
from celestialkeras.training.options import FULL_SIZE, TrainOptions
from celestialkeras.training.schedule import class_weights
from celestialkeras.training.step import Steps, Tally

CORES = 2
WORKERS = 2
SIZES: tuple[int | str, ...] = (4, FULL_SIZE)
WANTED_CHIPS_A_SECOND = 8.0


@dataclass(frozen=True)
class BuildTime:
    """One round of a build.

    Attributes:
        command_s: Seconds of the command, imports and start of workers among them.
        chips_a_second: Chips over these.
        steady_chips_a_second: Chips over seconds once each worker has finished a shard.
    """

    command_s: float
    chips_a_second: float
    steady_chips_a_second: float


@dataclass(frozen=True)
class StepTime:
    """One round of an epoch, milliseconds a step in the median unless said otherwise.

    Attributes:
        feed_alone_ms: A batch, when nothing else is done.
        step_alone_ms: A step on a batch that is held in memory.
        fed_step_ms: Waiting for a batch and the step on it.
        wait_ms: The waiting alone.
        longest_wait_ms: The longest of them but for the epoch's first.
        waiting: Share of the epoch's time that was waited.
    """

    feed_alone_ms: float
    step_alone_ms: float
    fed_step_ms: float
    wait_ms: float
    longest_wait_ms: float
    waiting: float

    @property
    def share(self) -> float:
        """Share of a fed step that a held batch would save: waiting, and cores that the feed took from the step."""
        return 1 - self.step_alone_ms / self.fed_step_ms


def time_build(manifest: Path, folder: Path) -> BuildTime:
    """Builds the data set of a manifest twice: with the command, to `folder`, and in this process to look on."""
    shutil.rmtree(folder, ignore_errors=True)
    for path in manifest.parent.glob("*.fits*"):
        with path.open("rb") as source:
            while source.read(1 << 24):
                pass
    verb = ["data", "build", str(manifest), "--to", str(folder), "--workers", str(WORKERS), "--json"]
    began = perf_counter()
    subprocess.run([sys.executable, "-m", "celestial_cli.main", *verb], check=True, capture_output=True)
    seconds = perf_counter() - began
    reports: list[tuple[float, int]] = []
    plan = plan_build(read_manifest(manifest), manifest.parent)
    with tempfile.TemporaryDirectory(dir=folder.parent) as watched:
        build_dataset(
            plan, watched, workers=WORKERS, on_progress=lambda done, _: reports.append((perf_counter(), done))
        )
    # The first report is of no chip; then one comes for each shard.
    (first, before), (last, after) = reports[WORKERS], reports[-1]
    if after == before:
        raise click.ClickException(f"a steady rate wants more than {WORKERS} shards. Received: {after} chips")
    return BuildTime(seconds, len(plan.rows) / seconds, (after - before) / (last - first))


def time_steps(data: Path, size: int | str, rounds: int, most: int) -> dict[str, list[StepTime]]:
    """Times epochs of the compact network at one size; where frames stay in memory, the first apart from later ones."""
    keras.utils.clear_session()
    options = TrainOptions(data=data, size=size)
    dataset = open_dataset(data)
    model = build_model(options.model, options.input_shape(dataset.shape))
    steps = Steps(model, keras.optimizers.Adam(options.learning_rate), class_weights(dataset))
    held = next(iter(Feed(dataset, options, None).training(1)))
    _timed(repeat(held, 3), steps)
    epochs = ("each",) if size == FULL_SIZE else ("first", "later")
    found: dict[str, list[StepTime]] = {epoch: [] for epoch in epochs}
    for _ in range(rounds):
        # Opened anew, a data set holds no frames in memory yet; one for each epoch without and with steps.
        alone, fed = (Feed(open_dataset(data), options, None) for _ in range(2))
        for number, epoch in enumerate(epochs, start=1):
            count = min(most, fed.steps)
            batches = [wait for wait, _ in _timed(islice(alone.training(number), count))]
            held_steps = [step for _, step in _timed(repeat(held, count), steps)]
            fed_steps = _timed(islice(fed.training(number), count), steps)
            waits = [wait for wait, _ in fed_steps]
            found[epoch].append(
                StepTime(
                    feed_alone_ms=_ms(statistics.mean(batches)),
                    step_alone_ms=_ms(statistics.median(held_steps)),
                    fed_step_ms=_ms(statistics.median(map(sum, fed_steps))),
                    wait_ms=_ms(statistics.median(waits)),
                    longest_wait_ms=_ms(max(waits[1:], default=0.0)),
                    waiting=sum(waits) / sum(map(sum, fed_steps)),
                )
            )
    return found


def _timed(batches: Iterable[tuple[Any, ...]], steps: Steps | None = None) -> list[tuple[float, float]]:
    """Seconds of waiting and of computing, batch by batch."""
    taken: list[tuple[float, float]] = []
    tally = Tally()
    source: Iterator[tuple[Any, ...]] = iter(batches)
    while True:
        began = perf_counter()
        batch = next(source, None)
        came = perf_counter()
        if batch is None:
            return taken
        if steps:
            # The sums are read, as the training loop reads them: until then the step may still be running.
            tally.add(steps.train(*batch))
        taken.append((came - began, perf_counter() - came))


def _ms(seconds: float) -> float:
    return 1e3 * seconds


def _spread(values: Iterable[float], digits: int = 1) -> str:
    low, middle, high = np.percentile(list(values), (0, 50, 100))
    return f"{middle:.{digits}f} ({low:.{digits}f} to {high:.{digits}f})"


def _print_builds(builds: list[BuildTime], chips: int) -> None:
    print(f"`celestial data build`, {chips} chips, {WORKERS} workers, {len(builds)} rounds: median (range)\n")
    print("| | chips a second |")
    print("|---|---|")
    print(f"| the whole command | {_spread(one.chips_a_second for one in builds)} |")
    print(f"| once its workers run | {_spread(one.steady_chips_a_second for one in builds)} |")
    print(f"| asked for | {WANTED_CHIPS_A_SECOND:.1f} |\n")


def _print_steps(steps: dict[str, dict[str, list[StepTime]]]) -> None:
    columns = ("size", "epoch", "feed alone, ms", "step alone, ms", "fed step, ms", "wait, ms")
    columns += ("longest wait, ms", "waiting, %", "feed's share, %")
    print("A step of celestialnet_edge on 8 frames: medians over rounds (range)\n")
    for row in (columns, ["---"] * len(columns)):
        print("| " + " | ".join(row) + " |")
    for size, epochs in steps.items():
        for epoch, rounds in epochs.items():
            times = ("feed_alone_ms", "step_alone_ms", "fed_step_ms", "wait_ms", "longest_wait_ms")
            figures = [_spread(getattr(one, name) for one in rounds) for name in times]
            figures += [_spread(100 * getattr(one, name) for one in rounds) for name in ("waiting", "share")]
            print("| " + " | ".join((size, epoch, *figures)) + " |")


@click.command(help=__doc__)
@click.argument("manifest", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--steps", "most", type=click.IntRange(2), default=19, show_default=True, help="Of an epoch, at most.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Where all figures go.")
def main(manifest: Path, rounds: int, most: int, target: Path | None) -> None:
    """Times builds, then steps on what was built last, and prints both tables."""
    # Before TensorFlow counts them; child processes keep to the same.
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:CORES])
    # As the training loop asks for, which also decides how frames may be read ahead.
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(0)
    with tempfile.TemporaryDirectory(dir=manifest.parent.parent) as name:
        data = Path(name) / "shards"
        builds = [time_build(manifest, data) for _ in range(rounds)]
        steps = {str(size): time_steps(data, size, rounds, most) for size in SIZES}
    chips = len(read_manifest(manifest))
    _print_builds(builds, chips)
    _print_steps(steps)
    if target:
        held = {
            "machine": describe_machine(),
            "chips": chips,
            "build": [asdict(one) for one in builds],
            "steps": {
                size: {epoch: [{**asdict(one), "share": one.share} for one in found] for epoch, found in epochs.items()}
                for size, epochs in steps.items()
            },
        }
        target.write_text(json.dumps(held, indent=1) + "\n")


if __name__ == "__main__":
    main()
