"""How fast Dask workers classify, with one and with two of them, and what ten million chips would take.

    celestial data simulate --preset demo --objects 10 --exposures 2 --folder frames
    python benchmarks/bench_cluster.py frames/manifest.csv [--model ARTIFACT] [--rounds 5] [--json FILE]

The clusters are alive all the time, and those whose turn it is not are idle; each has classified the list once before,
so that files come from the page cache where memory holds them, and classifiers are loaded. In a round, each cluster in
turn classifies the whole list into a folder of its own. Besides, the workers' peak memory is read, and it is measured
what a partition costs that does nothing, and what a row of a manifest of 200,000 costs the process that hands out.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import statistics
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click

from celestial_edge.cluster.chips import ListedChips
from celestial_edge.cluster.job import Job, Plan
from celestial_edge.cluster.predict import predict_all
from celestial_edge.device.machine import describe_machine
from celestial_edge.device.runtime import Classifier
from celestial_edge.device.shipped import shipped_artifact
from celestialkeras.cluster import Cluster, ClusterAddress, open_cluster
from celestialkeras.lcid.manifest import Observation, write_manifest
from celestialkeras.process_memory import peak_memory_mb

CHIPS = 10_000_000
PARTITION = 256
BENCH_PARTITION = 4
LONG_LIST = 200_000
IDLE_PARTITIONS = 200
DAY_S = 86_400.0


@dataclass(frozen=True)
class Arm:
    """Workers, and threads of the interpreter of each."""

    workers: int
    threads: int

    @property
    def name(self) -> str:
        """In words."""
        return f"{self.workers} worker{'s' * (self.workers > 1)} of {self.threads} thread{'s' * (self.threads > 1)}"


ARMS = (Arm(1, 1), Arm(1, 2), Arm(2, 1))


@dataclass(frozen=True)
class Measured:
    """What was measured of one arm.

    Attributes:
        chips_a_second: In each round.
        median: Of these.
        peak_memory_mb: Of the larger worker.
    """

    chips_a_second: list[float]
    median: float
    peak_memory_mb: float


@dataclass(frozen=True)
class Costs:
    """What the process that hands out spends.

    Attributes:
        partition_ms: A partition that does nothing, with one worker.
        row_us: A row of a manifest, which is walked through twice.
        row_bytes: Memory of a row at the most.
    """

    partition_ms: float
    row_us: float
    row_bytes: float


@click.command()
@click.argument("manifest", type=click.Path(path_type=Path, exists=True))
@click.option("--model", type=click.Path(path_type=Path), help="Artifact.  [default: the shipped one]")
@click.option("--rounds", type=click.IntRange(1), default=5, show_default=True)
@click.option("--json", "json_file", type=click.Path(path_type=Path), help="Where the figures go as JSON.")
def main(manifest: Path, model: Path | None, rounds: int, json_file: Path | None) -> None:
    """Measures and prints."""
    artifact = (model or shipped_artifact()).absolute()
    chips = ListedChips.of(manifest.absolute(), manifest.absolute().parent, (1, 4))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        clusters = {
            arm: stack.enter_context(open_cluster(ClusterAddress.parse(f"local:{arm.workers}"))) for arm in ARMS
        }
        plan = Plan(chips.count, chips.digest, Classifier(artifact).card_sha256, None, BENCH_PARTITION)
        rates: dict[Arm, list[float]] = {arm: [] for arm in ARMS}
        for number in range(rounds + 1):
            for arm, cluster in clusters.items():
                job = Job(folder / f"{arm.workers}-{arm.threads}-{number}", artifact, arm.threads, plan)
                outcome = predict_all(chips, job, cluster.spread)
                assert not outcome.lost, outcome.lost
                if number:
                    rates[arm].append(outcome.classified / outcome.seconds)
        measured = {
            arm.name: Measured(
                rates[arm], statistics.median(rates[arm]), max(cluster.client.run(peak_memory_mb).values())
            )
            for arm, cluster in clusters.items()
        }
        written = sum(path.stat().st_size for path in job.folder.glob("*.parquet")) / chips.count
        costs = Costs(idle_partition_ms(clusters[ARMS[0]]), *row_costs(folder))
    report = {
        "machine": describe_machine(),
        "cores": os.cpu_count(),
        "model": str(artifact.name),
        "chips": chips.count,
        "rounds": rounds,
        "arms": {name: asdict(one) for name, one in measured.items()},
        "costs": asdict(costs),
        "parquet_bytes_a_chip_in_partitions_of_4": written,
        "fits_bytes_a_chip": fits_bytes(chips),
    }
    if json_file is not None:
        json_file.write_text(json.dumps(report, indent=1, default=str) + "\n")
    say(measured, costs, fits_bytes(chips))


def idle_partition_ms(cluster: Cluster) -> float:
    """Milliseconds of an item that does nothing."""
    list(cluster.spread(abs, range(10)))
    begin = time.perf_counter()
    list(cluster.spread(abs, range(IDLE_PARTITIONS)))
    return 1e3 * (time.perf_counter() - begin) / IDLE_PARTITIONS


def row_costs(folder: Path) -> tuple[float, float]:
    """Microseconds and bytes of a manifest's row, walked through to count it and again to hand it out."""
    digits = "0123456789abcdefghijklmnopqrstuvwxyz"
    first = Observation("NGC4298", "WFC3/UVIS", "", "F625W", 185.43, 14.58, 1, "galaxy")
    names = (
        f"i{digits[n // 36**3 % 36]}{digits[n // 36**2 % 36]}{digits[n // 36 % 36]}{digits[n % 36]}bbbq"
        for n in range(LONG_LIST)
    )
    listed = folder / "long.csv"
    write_manifest([replace(first, obsid=name) for name in names], listed)
    (folder / "none").mkdir()
    # Memory is told of a process of its own.
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(walk, listed, folder / "none").result()


def walk(listed: Path, frames: Path) -> tuple[float, float]:
    """Microseconds and bytes a row, in this process."""
    before = peak_memory_mb()
    begin = time.perf_counter()
    chips = ListedChips.of(listed, frames, (1, 4))
    count = sum(1 for _ in chips)
    seconds = time.perf_counter() - begin
    return 1e6 * seconds / count, 1e6 * (peak_memory_mb() - before) / count


def fits_bytes(chips: ListedChips) -> float:
    """Bytes that are stored for a chip."""
    return sum(path.stat().st_size for path in {chip.path for chip in chips}) / chips.count


def say(measured: dict[str, Measured], costs: Costs, stored: float) -> None:
    """Prints what docs/cluster.md holds."""
    for name, one in measured.items():
        print(
            f"| {name} | {one.median:.2f} | {min(one.chips_a_second):.2f} to {max(one.chips_a_second):.2f} | "
            f"{one.peak_memory_mb:.0f} |"
        )
    print(f"a partition that does nothing: {costs.partition_ms:.1f} ms")
    print(f"a row of the manifest: {costs.row_us:.1f} us, {costs.row_bytes:.0f} bytes")
    print(f"stored for a chip: {stored / 1e6:.1f} MB")
    print("\n".join(estimate(measured[ARMS[-1].name].median, costs, stored)))


def estimate(rate: float, costs: Costs, stored: float) -> Sequence[str]:
    """Ten million chips, line by line, from the rate of a machine."""
    classify_s = CHIPS / rate
    days = classify_s / DAY_S
    parts = -(-CHIPS // PARTITION)
    hand_out_s = CHIPS * costs.row_us / 1e6 + parts * costs.partition_ms / 1e3
    return [
        f"classify: {CHIPS} / {rate:.2f} a second = {classify_s:.3g} s = {days:.1f} days of this machine",
        f"100 such machines: {24 * days / 100:.1f} hours, reading {100 * rate * stored / 1e9:.1f} GB a second",
        f"hand out: {CHIPS} x {costs.row_us:.1f} us + {parts} x {costs.partition_ms:.1f} ms = {hand_out_s:.0f} s",
        f"memory of the list: {CHIPS} x {costs.row_bytes:.0f} bytes = {CHIPS * costs.row_bytes / 1e6:.0f} MB",
        f"stored: {CHIPS} x {stored / 1e6:.1f} MB = {CHIPS * stored / 1e12:.0f} TB",
    ]


if __name__ == "__main__":
    main()
