"""Stored codes to worse ones."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.degradations.kinds import KINDS, Degradation
from celestialkeras.lcid.degradations.optics import Signal, blurred, gaussian_kernel, trail_kernel
from celestialkeras.lcid.degradations.photons import brightened, shortened, with_read_noise
from celestialkeras.lcid.degradations.readout import (
    saturated,
    with_bad_columns,
    with_bias_step,
    with_charge_trails,
    with_cosmic_rays,
)
from celestialkeras.lcid.degradations.rotation import rotated
from celestialkeras.lcid.detectors import DETECTORS
from celestialkeras.lcid.frame_noise import FrameNoise, frame_noise
from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.stretch import Stretch, decode, encode


def degrade_codes(
    codes: npt.NDArray[np.uint8],
    stretch: Stretch,
    observation: Observation,
    measured: Mapping[str, float],
    degradation: Degradation,
    seed: int,
) -> npt.NDArray[np.uint8]:
    """Makes a worse frame of a stored one.

    What is drawn - noise, the direction of a trail, bad columns - is a function of (`seed`, exposure, chip): the same
    frame is always degraded alike, whatever was read before it, and its draws are the same at every level, but for
    cosmic rays, whose number differs.

    Args:
        codes: `uint8 (H, W)`, at full resolution.
        stretch: Shape of their stretch.
        observation: The frame's manifest row.
        measured: What was measured when it was built, as in `shards.Record`.
        degradation: What to do.
        seed: Of the draws.

    Returns:
        `uint8 (H, W)`; `codes` themselves where there is nothing to do.

    Raises:
        DatasetError: The kind needs the frame's exposure time or a known detector, or sky or noise was not measured.
    """
    amount = degradation.amount
    if amount is None:
        return codes
    where = f"{observation.obsid}, HDU {observation.hdu}"
    if reason := obstacle(observation, measured, degradation.kind):
        raise DatasetError(f"{where}: {reason}")
    exptime = measured.get("exptime", math.nan)
    if degradation.kind == "exposure" and exptime <= amount:
        return codes
    chip = _Chip(
        noise=frame_noise(observation.instrument, observation.hdu, measured),
        observation=observation,
        exptime=exptime,
        stretch=stretch,
        rng=np.random.default_rng([seed, *hashlib.sha256(where.encode()).digest()[:8]]),
    )
    signal = _WAYS[degradation.kind](decode(codes, stretch), amount, chip)
    return encode(_as_frame(signal, observation), stretch)


def obstacle(observation: Observation, measured: Mapping[str, float], kind: str) -> str | None:
    """Why a frame cannot be degraded in some way; None where it can.

    Args:
        observation: The frame's manifest row.
        measured: What was measured when it was built.
        kind: A name of `KINDS`.
    """
    if KINDS[kind].needs_detector and observation.instrument not in DETECTORS:
        known = ", ".join(DETECTORS)
        return (
            f"{kind} needs a known detector, {known}, for its gain and geometry; take another degradation."
            f" Received: {observation.instrument}"
        )
    if kind == "exposure" and "exptime" not in measured:
        return "exposure needs the frame's exposure time; take another degradation. Received: none measured"
    return None


@dataclass(frozen=True)
class _Chip:
    """What is known of a frame that is being degraded."""

    noise: FrameNoise
    observation: Observation
    exptime: float
    stretch: Stretch
    rng: np.random.Generator


def _psf(signal: Signal, amount: float, chip: _Chip) -> Signal:
    return blurred(signal, gaussian_kernel(amount), chip.noise, chip.rng)


def _jitter(signal: Signal, amount: float, chip: _Chip) -> Signal:
    kernel = trail_kernel(amount, chip.rng.uniform(0, math.pi))
    return blurred(signal, kernel, chip.noise, chip.rng)


def _exposure(signal: Signal, amount: float, chip: _Chip) -> Signal:
    return shortened(signal, amount / chip.exptime, chip.noise, chip.rng)


def _read_noise(signal: Signal, amount: float, chip: _Chip) -> Signal:
    return with_read_noise(signal, amount, chip.noise, chip.rng)


def _sky(signal: Signal, amount: float, chip: _Chip) -> Signal:
    return brightened(signal, amount, chip.noise, chip.rng)


def _cosmic_rays(signal: Signal, amount: float, chip: _Chip) -> Signal:
    return with_cosmic_rays(signal, amount, chip.noise, chip.rng)


def _charge_transfer(signal: Signal, amount: float, chip: _Chip) -> Signal:
    detector = DETECTORS[chip.observation.instrument]
    return with_charge_trails(signal, amount, chip.noise, chip.observation.hdu, detector.skipped_rows)


def _saturation(signal: Signal, amount: float, chip: _Chip) -> Signal:
    return saturated(signal, amount, chip.noise)


def _bias(signal: Signal, amount: float, chip: _Chip) -> Signal:
    return with_bias_step(signal, amount, chip.noise, DETECTORS[chip.observation.instrument], chip.rng)


def _bad_columns(signal: Signal, amount: float, chip: _Chip) -> Signal:
    # A column that gives nothing lies as far below the sky as the sky above the bias.
    dark = max(-chip.noise.sky_level, chip.stretch.black)
    return with_bad_columns(signal, int(amount), (dark, chip.stretch.white), chip.rng)


def _rotation(signal: Signal, amount: float, chip: _Chip) -> Signal:
    return rotated(signal, math.radians(amount) * chip.rng.choice((-1, 1)))


_WAYS: Mapping[str, Callable[[Signal, float, _Chip], Signal]] = {
    "psf": _psf,
    "jitter": _jitter,
    "exposure": _exposure,
    "read-noise": _read_noise,
    "sky": _sky,
    "cosmic-rays": _cosmic_rays,
    "charge-transfer": _charge_transfer,
    "saturation": _saturation,
    "bias": _bias,
    "bad-columns": _bad_columns,
    "rotation": _rotation,
}


def _as_frame(signal: Signal, row: Observation) -> Frame:
    """The signal as `stretch` takes it: floats without a bias."""
    return Frame(
        data=signal,
        bias=(0.0,),
        channel_columns=((0, signal.shape[1]),),
        obsid=row.obsid,
        hdu=row.hdu,
        instrument=row.instrument,
        filter=row.filter,
        exptime=math.nan,
        target=row.object_id,
        ra=row.ra,
        dec=row.dec,
        date="",
    )
