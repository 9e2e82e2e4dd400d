"""Simulating one frame: seconds of one core by kind of object, and the peak memory of the process.

    python benchmarks/bench_simulate.py [--frames 40] [--seed 1] [--json]

Each frame is one chip of one exposure, made in this process on one thread, from its object's seed to codes; kinds of
object take turns. The first frame through each filter works out its point-spread function, as it does in a worker of
`celestial data simulate`.
"""

from __future__ import annotations

import os

# Read when NumPy and SciPy are imported.
os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"))

import json
import resource
import statistics
import time
from collections import defaultdict

import click

from celestialkeras.lcid.detectors import CHIP_HDUS
from celestialkeras.lcid.simulate.plan import SurveySpec, plan_survey
from celestialkeras.lcid.simulate.survey import simulate_frame
from celestialkeras.lcid.stretch import Stretch, encode, estimate_background


@click.command(help=__doc__)
@click.option("--frames", type=click.IntRange(1), default=40, show_default=True, help="How many.")
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="Of the survey.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(frames: int, seed: int, as_json: bool) -> None:
    """Times frames and prints what they took."""
    objects = frames + frames % 2
    seconds: dict[str, list[float]] = defaultdict(list)
    for index, exposure in enumerate(plan_survey(SurveySpec(objects, 1, seed))[:frames]):
        began = time.process_time()
        frame = simulate_frame(exposure, CHIP_HDUS[index % 2])
        encode(frame, Stretch(), estimate_background(frame))
        seconds[exposure.target.subtype].append(time.process_time() - began)
    every = sorted(value for values in seconds.values() for value in values)
    figures = {
        "frames": len(every),
        "cpu_seconds_median": round(statistics.median(every), 3),
        "cpu_seconds_p90": round(every[int(0.9 * (len(every) - 1))], 3),
        "cpu_seconds_max": round(every[-1], 3),
        "cpu_seconds_by_subtype": {name: round(statistics.median(values), 3) for name, values in seconds.items()},
        "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    if as_json:
        print(json.dumps(figures))
        return
    for name, value in figures.items():
        print(f"{name}: {value}")


if __name__ == "__main__":
    main()
