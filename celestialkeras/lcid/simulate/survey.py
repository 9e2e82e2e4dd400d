"""Whole surveys: a plan turned into a folder of raw files and their manifest."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import SimulationError
from celestialkeras.files import discard_partials, write_text
from celestialkeras.lcid.detectors import CHIP_HDUS, DETECTORS
from celestialkeras.lcid.frames import Frame, trim_overscan
from celestialkeras.lcid.manifest import Observation, write_manifest
from celestialkeras.lcid.simulate.detector import Readout, raw_counts
from celestialkeras.lcid.simulate.extras import galsim, scientific_python
from celestialkeras.lcid.simulate.plan import Exposure, SurveySpec, plan_digest, plan_survey
from celestialkeras.lcid.simulate.rawfile import RawInfo, write_raw
from celestialkeras.lcid.simulate.scene import electron_rates
from celestialkeras.workers import spread

__all__ = ["SurveySpec", "observations", "plan_survey", "simulate_exposure", "simulate_survey"]

_RECORD = "survey.json"


def simulate_survey(
    spec: SurveySpec, folder: Path, *, workers: int = 1, on_progress: Callable[[int, int], None] | None = None
) -> Path:
    """Simulates every exposure of a survey; exposures that a former run has finished are kept.

    The same spec gives the same bytes, with any number of workers. Two simulations must not share a folder at once.

    Args:
        spec: What to simulate.
        folder: Where the raw files, `manifest.csv` and `survey.json` go. Made if missing.
        workers: Processes to use; 1 works in this process.
        on_progress: Called with exposures done and exposures in all, first for what was found done.

    Returns:
        The manifest's path. It is written last: where it stands, the survey is whole.

    Raises:
        SimulationError: `workers` is below 1, the folder holds another survey, or an exposure failed.
        MissingExtraError: GalSim or SciPy is not installed.
    """
    if workers < 1:
        raise SimulationError(f"`workers` must be at least 1. Received: workers={workers}")
    galsim()
    scientific_python()
    folder = Path(folder)
    exposures = plan_survey(spec)
    _claim(folder, spec, exposures)
    # What a killed simulation was writing, up to 35 MB a worker.
    discard_partials(folder)
    waiting = [exposure for exposure in exposures if not _raw_path(folder, exposure).is_file()]
    done = len(exposures) - len(waiting)
    if on_progress is not None:
        on_progress(done, len(exposures))
    try:
        for _ in spread(partial(_simulate_for, folder), waiting, workers):
            done += 1
            if on_progress is not None:
                on_progress(done, len(exposures))
    except BrokenProcessPool as error:
        raise SimulationError(f"{folder}: a worker died, out of memory? Run again with fewer workers") from error
    manifest = folder / "manifest.csv"
    write_manifest(observations(exposures), manifest)
    return manifest


def simulate_exposure(exposure: Exposure, folder: Path) -> Path:
    """Simulates one exposure to `folder/ROOTNAME_raw.fits` and returns the path.

    Raises:
        SimulationError: The plan asks for what is not simulated.
        MissingExtraError: GalSim or SciPy is not installed.
    """
    path = _raw_path(folder, exposure)
    write_raw(path, _info(exposure), {hdu: simulate_chip(exposure, hdu) for hdu in CHIP_HDUS})
    return path


def simulate_chip(exposure: Exposure, hdu: int) -> NDArray[np.uint16]:
    """Simulates one chip of an exposure: the same counts whether the other one is made or not.

    Args:
        exposure: The exposure.
        hdu: 1 or 4: which chip.

    Returns:
        `uint16` of the detector's `raw_shape`, DN.

    Raises:
        SimulationError: The plan asks for what is not simulated.
        MissingExtraError: GalSim or SciPy is not installed.
    """
    # Each chip draws from a stream of its own.
    weather, *streams = (np.random.default_rng(seed) for seed in np.random.SeedSequence(exposure.seed).spawn(3))
    # Hits vary over the orbit by a third either way (ACS ISR 2002-07: 1.5 to 3 % of pixels in 1000 s).
    hits, offset = float(weather.uniform(0.68, 1.36)), float(weather.normal(0.0, 8.0))
    readout = Readout(exposure.instrument, hdu, exposure.exptime, exposure.gain, hits, offset, start=exposure.start)
    return raw_counts(electron_rates(exposure, hdu), readout, streams[CHIP_HDUS.index(hdu)])


def simulate_frame(exposure: Exposure, hdu: int) -> Frame:
    """Simulates one chip as `read_frame` would give it of the exposure's raw file.

    Args:
        exposure: The exposure.
        hdu: 1 or 4: which chip.

    Raises:
        SimulationError: The plan asks for what is not simulated.
        MissingExtraError: GalSim or SciPy is not installed.
    """
    info, detector = _info(exposure), DETECTORS[exposure.instrument]
    data, bias = trim_overscan(simulate_chip(exposure, hdu), detector, hdu, Path(exposure.rootname))
    ra, dec = info.chip_position(hdu)
    return Frame(
        data=data,
        bias=bias,
        channel_columns=detector.frame_columns(),
        obsid=exposure.rootname,
        hdu=hdu,
        instrument=exposure.instrument,
        filter=exposure.filter,
        exptime=exposure.exptime,
        target=exposure.target.name,
        ra=ra,
        dec=dec,
        date=info.date,
    )


def observations(exposures: tuple[Exposure, ...]) -> list[Observation]:
    """Manifest rows of a plan, one for each chip it lists, with columns of truth beyond the published ones."""
    rows = []
    for exposure in exposures:
        info, target = _info(exposure), exposure.target
        for hdu in exposure.hdus:
            ra, dec = info.chip_position(hdu)
            east, north = info.footprint.chip_centre(hdu)
            extra = {
                "subtype": target.subtype,
                "exptime": repr(exposure.exptime),
                "sparse": "yes" if exposure.sparse else "no",
                "radius": repr(target.radius),
                "distance": repr(round(float(np.hypot(east, north)), 2)),
                "fraction_in_frame": repr(round(info.footprint.share_in_chip(hdu, target.radius), 3)),
                "brightness": repr(target.brightness),
                "star_density": repr(target.star_density),
            }
            if exposure.split:
                extra["split"] = exposure.split
            rows.append(
                Observation(
                    object_id=target.name,
                    instrument=exposure.instrument,
                    obsid=exposure.rootname,
                    filter=exposure.filter,
                    # As the manifest writes them, so that rows read back are these rows.
                    ra=round(ra, 6) % 360.0,
                    dec=round(dec, 6),
                    hdu=hdu,
                    label=target.label,
                    extra=extra,
                )
            )
    return rows


def _info(exposure: Exposure) -> RawInfo:
    return RawInfo(
        rootname=exposure.rootname,
        instrument=exposure.instrument,
        filter=exposure.filter,
        target=exposure.target.name,
        ra=exposure.target.ra,
        dec=exposure.target.dec,
        exptime=exposure.exptime,
        gain=exposure.gain,
        start=exposure.start,
        east=exposure.east,
        north=exposure.north,
        roll=exposure.roll,
    )


def _raw_path(folder: Path, exposure: Exposure) -> Path:
    return folder / f"{exposure.rootname}_raw.fits"


def _claim(folder: Path, spec: SurveySpec, exposures: tuple[Exposure, ...]) -> None:
    """Records the plan in an unclaimed folder; refuses one that holds another."""
    record, digest = folder / _RECORD, plan_digest(exposures)
    if not record.exists():
        content = {"spec": asdict(spec), "exposures": len(exposures), "plan": digest}
        write_text(record, json.dumps(content, indent=2, sort_keys=True) + "\n")
        return
    try:
        held = json.loads(record.read_text(encoding="utf-8"))["plan"]
    except (ValueError, KeyError, TypeError) as error:
        raise SimulationError(f"{record}: not a survey record; remove the folder or choose another") from error
    if held != digest:
        raise SimulationError(
            f"{folder} holds another survey; choose another folder or remove this one."
            f" Received: plan {digest[:12]}, found {str(held)[:12]}"
        )


def _simulate_for(folder: Path, exposure: Exposure) -> None:
    try:
        simulate_exposure(exposure, folder)
    # One bad exposure of hundreds must be named, whatever went wrong in it.
    except Exception as error:
        raise SimulationError(
            f"{exposure.rootname} ({exposure.target.subtype}) could not be simulated: {error}"
        ) from error
