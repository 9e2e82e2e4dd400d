"""Peak memory and time of a training step, with whole maps and with the first blocks in strips of rows.

    python benchmarks/bench_training_memory.py [--model hr_celestialnet] [--width 1] [--size 2048x4096] [--batch-size 1]
        [--strips 0,8,16,32] [--steps 2] [--validate] [--json FILE]

Each variant has a fresh process: the network with fresh weights, Adam, one step that is not timed, then those that
are. `ready` is what the process holds before the first step: TensorFlow, weights, and the optimizer's two averages of
each. The plain step of the published network at full size takes 9.7 GB.
"""

from __future__ import annotations

import json
import multiprocessing
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path

import click
import numpy as np

from celestial_edge.device.machine import describe_machine
from celestialkeras.process_memory import peak_memory_mb, resident_memory_mb


@dataclass(frozen=True)
class Workload:
    """What a step is made of.

    Attributes:
        model: Name of a registered network.
        options: Options of its factory.
        shape: `(rows, columns, 1)` of a frame, pixels.
        batch_size: Frames a step.
        steps: Timed steps.
        validate: Whether a step is one of validation, which has no gradient.
    """

    model: str
    options: dict[str, float]
    shape: tuple[int, int, int]
    batch_size: int
    steps: int
    validate: bool


@dataclass(frozen=True)
class Measured:
    """One variant.

    Attributes:
        stem_strips: In how many strips the first blocks were computed; 0 for whole maps.
        ready_mb: Resident before the first step, MB (1e6 bytes).
        peak_mb: Most resident at any time, MB.
        seconds: Of each timed step.
        loss: Class-weighted mean cross-entropy of the first step, nats.
    """

    stem_strips: int
    ready_mb: float
    peak_mb: float
    seconds: list[float]
    loss: float


def measure(workload: Workload, stem_strips: int) -> Measured:
    """Takes the steps of one variant in this process, which should be a fresh one."""
    import keras
    import tensorflow as tf

    from celestialkeras.models.registry import build_model
    from celestialkeras.training.step import Steps, Tally

    keras.utils.set_random_seed(0)
    # As training does, and equal operations are equally fast in all variants.
    tf.config.experimental.enable_op_determinism()
    model = build_model(workload.model, workload.shape, **workload.options)
    steps = Steps(model, keras.optimizers.Adam(1e-4), (1.0, 1.0), stem_strips=stem_strips)
    take = steps.validate if workload.validate else steps.train
    rng = np.random.default_rng(0)
    frames = tf.constant(rng.random((workload.batch_size, *workload.shape), np.float32))
    labels = tf.constant(np.arange(workload.batch_size, dtype=np.int32) % 2)
    ready = resident_memory_mb()
    assert ready is not None
    tally, seconds = Tally(), []
    tally.add(take(frames, labels))
    for _ in range(workload.steps):
        began = time.perf_counter()
        take(frames, labels).numpy()
        seconds.append(round(time.perf_counter() - began, 3))
    return Measured(stem_strips, round(ready), round(peak_memory_mb()), seconds, tally.mean_loss)


def _shape(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int, int]:
    rows, columns = value.split("x")
    return int(rows), int(columns), 1


def _variants(ctx: click.Context, param: click.Parameter, value: str) -> list[int]:
    return [int(one) for one in value.split(",")]


@click.command(help=__doc__)
@click.option("--model", default="hr_celestialnet", show_default=True, help="A name from `celestial models`.")
@click.option("--width", type=float, default=1.0, show_default=True, help="Factor on the network's filters.")
@click.option("--size", "shape", callback=_shape, default="2048x4096", show_default=True, help="Rows and columns.")
@click.option("--batch-size", type=click.IntRange(1), default=1, show_default=True, help="Frames a step.")
@click.option("--strips", callback=_variants, default="0,8,16,32", show_default=True, help="Variants; 0: whole maps.")
@click.option("--steps", type=click.IntRange(1), default=2, show_default=True, help="Timed steps of each variant.")
@click.option("--validate", is_flag=True, help="Steps of validation instead of training.")
@click.option("--json", "target", type=click.Path(path_type=Path), help="Where all figures go.")
def main(
    model: str,
    width: float,
    shape: tuple[int, int, int],
    batch_size: int,
    strips: list[int],
    steps: int,
    validate: bool,
    target: Path | None,
) -> None:
    """Measures one variant after the other and prints a table."""
    workload = Workload(model, {"width": width}, shape, batch_size, steps, validate)
    print("| strips | ready, MB | peak, MB | s a step | loss of the first |\n| ---: | ---: | ---: | ---: | ---: |")
    held = []
    fresh = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=fresh, max_tasks_per_child=1) as processes:
        for one in strips:
            found = processes.submit(measure, workload, one).result()
            held.append(asdict(found))
            figures = (f"{found.ready_mb:.0f}", f"{found.peak_mb:.0f}", f"{statistics.median(found.seconds):.2f}")
            print("| " + " | ".join([str(one) if one else "whole", *figures, f"{found.loss:.5f}"]) + " |", flush=True)
    if target:
        machine = {**describe_machine(), "tensorflow": version("tensorflow"), "keras": version("keras")}
        target.write_text(json.dumps({"machine": machine, "step": asdict(workload), "variants": held}, indent=1) + "\n")


if __name__ == "__main__":
    main()
