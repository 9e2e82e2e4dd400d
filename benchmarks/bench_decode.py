"""One raw chip from page cache to 8-bit codes: celestialkeras against the plain astropy way, on one core.

    python benchmarks/bench_decode.py [FITS] [--runs 15] [--json]

The plain way is `fits.getdata`, the imaging area as float32, the limits of `ZScaleInterval`, `AsinhStretch` on the
normalised floats and a scale to `uint8`. Both are timed in turn, pair by pair, so that whatever else the machine does
meets both alike; the ratio is taken within each pair. Without FITS a chip of sky, stars and noise is made.
"""

from __future__ import annotations

import json
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy
import click
import numpy as np
import numpy.typing as npt
from astropy.io import fits
from astropy.visualization import AsinhStretch, ZScaleInterval

from celestialkeras.lcid.detectors import CHIP_HDUS, CHIP_SHAPE, DETECTORS, WFC3_UVIS, Detector
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.stretch import Stretch, encode, estimate_background

STEPS = ("read", "background", "encode")


def make_chip(path: Path) -> Path:
    """Writes a WFC3/UVIS raw file of two chips: bias, read noise, sky and a few thousand bright pixels."""
    rng = np.random.default_rng(0)
    primary = fits.PrimaryHDU()
    cards = {"INSTRUME": "WFC3", "DETECTOR": "UVIS", "ROOTNAME": "bench0001", "FILTER": "F606W", "EXPTIME": 350.0}
    primary.header.update(cards)
    hdus = fits.HDUList([primary])
    for hdu in CHIP_HDUS:
        counts = rng.normal(2500, 3, WFC3_UVIS.raw_shape)
        first = WFC3_UVIS.first_imaging_row(hdu)
        for start, stop in WFC3_UVIS.imaging_columns():
            area = counts[first : first + WFC3_UVIS.imaging_rows, start:stop]
            area += 40
            rows, columns = (rng.integers(0, side, 4000) for side in area.shape)
            area[rows, columns] += rng.pareto(1.0, 4000) * 50
        science = fits.ImageHDU(np.clip(counts.round(), 0, 65535).astype(np.uint16), name="SCI")
        hdus += [science, fits.ImageHDU(name="ERR"), fits.ImageHDU(name="DQ")]
    hdus.writeto(path)
    return path


def ours(path: Path, hdu: int) -> tuple[npt.NDArray[np.uint8], dict[str, float]]:
    """Codes of a chip, and the seconds of each step."""
    times = [time.perf_counter()]
    frame = read_frame(path, hdu)
    times.append(time.perf_counter())
    background = estimate_background(frame)
    times.append(time.perf_counter())
    codes = encode(frame, Stretch(), background)
    times.append(time.perf_counter())
    return codes, dict(zip(STEPS, np.diff(times).tolist(), strict=True))


def plain_astropy(path: Path, hdu: int, detector: Detector) -> npt.NDArray[np.uint8]:
    """Codes of a chip as one would write it down with astropy alone."""
    counts = fits.getdata(path, hdu)
    first = detector.first_imaging_row(hdu)
    rows = counts[first : first + CHIP_SHAPE[0]]
    pixels = np.hstack([rows[:, start:stop] for start, stop in detector.imaging_columns()]).astype(np.float32)
    low, high = ZScaleInterval().get_limits(pixels)
    normalised = np.clip((pixels - low) / (high - low), 0, 1)
    codes: npt.NDArray[np.uint8] = (AsinhStretch()(normalised) * 255).astype(np.uint8)
    return codes


def measure(path: Path, hdu: int, runs: int) -> dict[str, Any]:
    """Times both ways in turn; the first run of each only fills the caches."""
    detector = DETECTORS[read_frame(path, hdu).instrument]
    ours(path, hdu)
    plain_astropy(path, hdu, detector)
    steps, plain = [], []
    for _ in range(runs):
        steps.append(ours(path, hdu)[1])
        plain.append(_seconds(lambda: plain_astropy(path, hdu, detector)))
    mine = [sum(run.values()) for run in steps]
    ratios = [other / own for own, other in zip(mine, plain, strict=True)]
    return {
        "file": path.name,
        "hdu": hdu,
        "runs": runs,
        "celestialkeras_ms": _median_ms(mine),
        "steps_ms": {step: _median_ms([run[step] for run in steps]) for step in STEPS},
        "astropy_ms": _median_ms(plain),
        "ratio": {"median": statistics.median(ratios), "min": min(ratios), "max": max(ratios)},
        "machine": {
            "processor": platform.processor() or platform.machine(),
            "python": platform.python_version(),
            "numpy": np.__version__,
            "astropy": astropy.__version__,
        },
    }


def _seconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def _median_ms(seconds: list[float]) -> float:
    return statistics.median(seconds) * 1e3


@click.command()
@click.argument("file", metavar="[FITS]", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--hdu", type=click.Choice([str(hdu) for hdu in CHIP_HDUS]), default="1", show_default=True)
@click.option("--runs", type=click.IntRange(1), default=15, show_default=True, help="Pairs that are timed.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def main(file: Path | None, hdu: str, runs: int, as_json: bool) -> None:
    """Time one raw chip of FITS from page cache to 8-bit codes, beside the plain astropy way."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory() as folder:
        result = measure(file or make_chip(Path(folder) / "bench0001_raw.fits"), int(hdu), runs)
    if as_json:
        click.echo(json.dumps(result, indent=1))
        return
    steps, ratio = result["steps_ms"], result["ratio"]
    split = ", ".join(f"{step} {steps[step]:.1f}" for step in STEPS)
    click.echo(f"celestialkeras  {result['celestialkeras_ms']:6.1f} ms a chip ({split})")
    click.echo(f"plain astropy   {result['astropy_ms']:6.1f} ms a chip")
    span = f"{ratio['min']:.1f} to {ratio['max']:.1f}"
    click.echo(f"ratio           {ratio['median']:6.1f} in the median of {runs} pairs ({span})")


if __name__ == "__main__":
    main()
