"""LCID-Blurry: worse exposures made from the stored ones as they are read, by five levels of each kind.

Degradations act on light, so codes are first taken back to signal in units of the frame's noise above its sky
(`stretch.decode`), and the worse frame is stretched anew about its own sky and noise, as a frame from a file is.

What the optics and the pointing do to an exposure comes before the detector adds its noise. Blurring a stored frame
would smooth that noise too, and a network could tell blurred frames by their quiet sky; so what noise the blur takes
away is drawn anew, with the spectrum that leaves the noise of the sky white and as strong as before.

What codes cannot give back: below white, a code stands for signals 3.5 % apart (0.07 noises apart at the sky), an
error of 1 % rms (0.025 noises in the sky); a pixel that is white had any signal from there on, so blurred or dimmed
cores of the brightest stars lack the light above it. Cosmic rays and hot pixels are blurred too, as only light should.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.frame_noise import FrameNoise, frame_noise
from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.stretch import Stretch, decode, encode

# A Gaussian holds all but 1/16000 of its light within so many standard deviations along an axis.
_GAUSSIAN_REACH = 4.0

# Transforms are quick at lengths without a large prime factor; chips are padded to multiples of this.
_FFT_MULTIPLE = 64

# The line of a trail is laid down in points so many pixels apart.
_TRAIL_STEP = 1 / 16


@dataclass(frozen=True)
class Kind:
    """One way in which exposures get worse.

    Attributes:
        quantity: What its levels state.
        unit: Of the levels.
        levels: Amounts at levels 1 to 5, each worse than the one before.
    """

    quantity: str
    unit: str
    levels: tuple[float, float, float, float, float]


KINDS: Mapping[str, Kind] = {
    # Hubble's own point-spread functions are about 2 pixels wide; 24 are an arcsecond, a good night on the ground.
    "psf": Kind("full width at half maximum of a Gaussian blur", "pixels", (1.5, 3.0, 6.0, 12.0, 24.0)),
    "jitter": Kind(
        "length of a straight trail in a direction drawn for each frame", "pixels", (4.0, 8.0, 16.0, 32.0, 64.0)
    ),
    "exposure": Kind(
        "exposure time; shorter exposures are left as they are", "seconds", (300.0, 100.0, 30.0, 10.0, 3.0)
    ),
}
"""Every kind of degradation, by name."""


@dataclass(frozen=True)
class Degradation:
    """A kind of degradation at one of its levels.

    Attributes:
        kind: A name of `KINDS`.
        level: 1 to 5; 0 leaves frames as they are.

    Raises:
        DatasetError: There is no such kind or level.
    """

    kind: str
    level: int

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise DatasetError(f"a degradation must be one of {', '.join(KINDS)}. Received: {self.kind!r}")
        levels = len(KINDS[self.kind].levels)
        if isinstance(self.level, bool) or not isinstance(self.level, int) or not 0 <= self.level <= levels:
            raise DatasetError(
                f"the level of a degradation must be a whole number from 0 (none) to {levels}. Received: {self.level!r}"
            )

    @property
    def amount(self) -> float | None:
        """What the level states, in the kind's unit; None at level 0."""
        return KINDS[self.kind].levels[self.level - 1] if self.level else None

    def describe(self) -> str:
        """The kind and what the level states, in words, such as `psf:3 (6 pixels)`."""
        return f"{self} ({self.amount:g} {KINDS[self.kind].unit})" if self.level else f"{self} (as they are)"

    def to_json(self) -> dict[str, str | int | float | None]:
        """Kind, level, amount, unit and quantity, for the record."""
        kind = KINDS[self.kind]
        return {
            "kind": self.kind,
            "level": self.level,
            "amount": self.amount,
            "unit": kind.unit,
            "quantity": kind.quantity,
        }

    def __str__(self) -> str:
        """As `parse_degradation` reads it, such as `psf:3`."""
        return f"{self.kind}:{self.level}"


def parse_degradation(text: str) -> Degradation:
    """Reads a degradation such as `psf:3`.

    Raises:
        DatasetError: It is not KIND:LEVEL, or there is no such kind or level.
    """
    kind, colon, level = text.partition(":")
    if not colon or not (level.isascii() and level.isdigit()):
        known = ", ".join(f"{name}:1 to {name}:{len(kind.levels)}" for name, kind in KINDS.items())
        raise DatasetError(f"a degradation must be written KIND:LEVEL, known are {known}. Received: {text!r}")
    return Degradation(kind, int(level))


def degrade_codes(
    codes: npt.NDArray[np.uint8],
    stretch: Stretch,
    observation: Observation,
    measured: Mapping[str, float],
    degradation: Degradation,
    seed: int,
) -> npt.NDArray[np.uint8]:
    """Makes a worse frame of a stored one.

    What is drawn - noise, the direction of a trail - is a function of (`seed`, exposure, chip): the same frame is
    always degraded alike, whatever was read before it, and its draws are the same at every level.

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
        DatasetError: A shorter exposure is asked of a frame without exposure time or of an unknown detector, or sky or
            noise was not measured.
    """
    amount = degradation.amount
    if amount is None:
        return codes
    where = f"{observation.obsid}, HDU {observation.hdu}"
    noise = frame_noise(observation.instrument, observation.hdu, measured)
    rng = np.random.default_rng([seed, *hashlib.sha256(where.encode()).digest()[:8]])
    if degradation.kind == "exposure":
        if "exptime" not in measured or math.isinf(noise.electrons):
            raise DatasetError(
                f"{where}: a shorter exposure needs the frame's exposure time and a known detector; take another"
                f" degradation. Received: {observation.instrument}, exposure time {measured.get('exptime')}"
            )
        share = amount / measured["exptime"] if measured["exptime"] > 0 else 1.0
        if share >= 1:
            return codes
        signal = shortened(decode(codes, stretch), share, noise, rng)
    else:
        kernel = gaussian_kernel(amount) if degradation.kind == "psf" else trail_kernel(amount, rng.uniform(0, math.pi))
        signal = blurred(decode(codes, stretch), kernel, noise, rng)
    return encode(_as_frame(signal, observation), stretch)


def gaussian_kernel(width: float) -> npt.NDArray[np.float32]:
    """A round Gaussian: `float32 (n, n)`, n odd, sum 1.

    Args:
        width: Full width at half maximum, pixels; from 1.5 on, the samples' own width is within 1 % of it.
    """
    sigma = width / math.sqrt(8 * math.log(2))
    reach = math.ceil(_GAUSSIAN_REACH * sigma)
    profile = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    kernel = np.outer(profile, profile)
    return np.asarray(kernel / kernel.sum(), np.float32)


def trail_kernel(length: float, angle: float) -> npt.NDArray[np.float32]:
    """A straight line through the middle, run through evenly: `float32 (n, n)`, n odd, sum 1.

    Each point of the line is shared among its four nearest pixels, as in linear interpolation.

    Args:
        length: Pixels.
        angle: Radians from the direction of rising columns to that of rising rows.
    """
    count = math.ceil(length / _TRAIL_STEP)
    along = ((np.arange(count) + 0.5) / count - 0.5) * length
    reach = math.ceil(length / 2) + 1
    down, across = reach + along * math.sin(angle), reach + along * math.cos(angle)
    row, column = np.floor(down).astype(np.intp), np.floor(across).astype(np.intp)
    lower, right = down - row, across - column
    kernel = np.zeros((2 * reach + 1, 2 * reach + 1))
    np.add.at(kernel, (row, column), (1 - lower) * (1 - right))
    np.add.at(kernel, (row, column + 1), (1 - lower) * right)
    np.add.at(kernel, (row + 1, column), lower * (1 - right))
    np.add.at(kernel, (row + 1, column + 1), lower * right)
    return np.asarray(kernel / count, np.float32)


def blurred(
    signal: npt.NDArray[np.float32], kernel: npt.NDArray[np.float32], noise: FrameNoise, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """Blurs the light of an exposure, and leaves its noise as it was.

    Beyond its edges the sky goes on as its mirror image.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        kernel: From `gaussian_kernel` or `trail_kernel`.
        noise: What the noise is made of.
        rng: Draws the noise that the blur takes away.

    Returns:
        `float32 (H, W)`, the same units.
    """
    reach = len(kernel) // 2
    # Sides of the padded frame; at least the kernel's reach before and after, that nothing wraps around into it.
    padded = tuple(-(-(side + 2 * reach) // _FFT_MULTIPLE) * _FFT_MULTIPLE for side in signal.shape)
    margins = [(reach, whole - side - reach) for whole, side in zip(padded, signal.shape, strict=True)]
    inside = tuple(slice(reach, reach + side) for side in signal.shape)

    centred = np.zeros(padded, np.float32)
    centred[: len(kernel), : len(kernel)] = kernel
    transfer = np.fft.rfft2(np.roll(centred, (-reach, -reach), axis=(0, 1)))
    light = np.fft.irfft2(np.fft.rfft2(np.pad(signal, margins, mode="symmetric")) * transfer, padded)[inside]

    lost = np.sqrt(np.maximum(1.0 - np.abs(transfer) ** 2, 0.0))
    fresh = np.fft.irfft2(np.fft.rfft2(rng.standard_normal(padded, np.float32)) * lost, padded)[inside]
    variance = noise.read + noise.sky + np.maximum(light, 0.0) / noise.electrons
    return np.asarray(light + fresh * np.sqrt(variance), np.float32)


def shortened(
    signal: npt.NDArray[np.float32], share: float, noise: FrameNoise, rng: np.random.Generator
) -> npt.NDArray[np.float32]:
    """A shorter exposure of the same scene: fewer electrons, the same readout.

    Scaled by `share`, the readout's variance falls by `share` squared and that of the photons too, where it should stay
    and fall by `share` alone; the difference is drawn.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        share: Of the exposure time, above 0 and at most 1.
        noise: What the noise is made of.
        rng: Draws the noise that the shorter exposure has beyond that of the scaled one.

    Returns:
        `float32 (H, W)`, above the shorter exposure's sky, in the units of `signal`.
    """
    photons = noise.sky + np.maximum(signal, 0.0) / noise.electrons
    variance = noise.read * (1 - share**2) + photons * share * (1 - share)
    drawn = rng.standard_normal(signal.shape, np.float32) * np.sqrt(variance)
    return np.asarray(share * signal + drawn, np.float32)


def _as_frame(signal: npt.NDArray[np.float32], row: Observation) -> Frame:
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
