"""What the detector and its readout do to an exposure.

Cosmic rays and charge transfer are those of the simulated detectors (`simulate/cosmic_rays.py`, `simulate/transfer.py`
have the physics and its sources), added to what the stored frame has already.
"""

from __future__ import annotations

import math

import numpy as np

from celestialkeras.lcid.degradations.optics import Signal
from celestialkeras.lcid.detectors import CHIP_SHAPE, UPPER_CHIP_HDU, Detector
from celestialkeras.lcid.frame_noise import FrameNoise
from celestialkeras.lcid.simulate.cosmic_rays import add_cosmic_rays
from celestialkeras.lcid.simulate.transfer import trail

_REFERENCE_PACKET = 1000.0
"""Electrons of the packet whose loss states how many traps there are."""

# Below, a pixel is taken for even sky as charge is trailed: in units of the frame's noise.
_SKY_LIMIT = 3.0


def with_cosmic_rays(signal: Signal, seconds: float, noise: FrameNoise, rng: np.random.Generator) -> Signal:
    """Adds the cosmic rays that hit a chip in some time on an average orbit.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        seconds: How long.
        noise: What the noise is made of.
        rng: Draws the tracks.

    Returns:
        `float32 (H, W)`, the same units.
    """
    charge = np.zeros(signal.shape, np.float32)
    add_cosmic_rays(charge, seconds, 1.0, rng)
    charge /= np.float32(noise.electrons)
    charge += signal
    return charge


def with_charge_trails(signal: Signal, lost: float, noise: FrameNoise, hdu: int, skipped_rows: int) -> Signal:
    """Drags charge out behind every source, away from the register that reads it.

    What lies within three noises of the sky is taken for even sky: readout noise comes after the transfer and has no
    trails, and the trails of an even sky make it good again.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        lost: Electrons that traps take of a packet of 1000 over 2048 transfers.
        noise: What the noise is made of.
        hdu: HDU of the chip: the lower one is read towards its first row, the upper one towards its last.
        skipped_rows: Rows of the chip between the register and the frame's nearest row.

    Returns:
        `float32 (H, W)`, the same units; what traps hold as the last row leaves is lost to the frame.
    """
    # The inverse of `transfer.trail`: a packet q loses s q / (s + sqrt q), s electrons over the root of a large one.
    strength = lost * math.sqrt(_REFERENCE_PACKET) / (_REFERENCE_PACKET - lost)
    sources = np.where(signal > np.float32(_SKY_LIMIT), signal, np.float32(0.0))
    charge = (sources + np.float32(noise.sky_level)) * np.float32(noise.electrons)
    trail(charge[::-1] if hdu == UPPER_CHIP_HDU else charge, strength, skipped_rows)
    charge /= np.float32(noise.electrons)
    charge -= np.float32(noise.sky_level)
    charge -= sources
    charge += signal
    return charge


def saturated(signal: Signal, full_well: float, noise: FrameNoise) -> Signal:
    """Pixels that hold less charge; what is more than that runs up and down their column, half of it each.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        full_well: What a pixel holds, electrons, those of the sky included.
        noise: What the noise is made of.

    Returns:
        `float32 (H, W)`, the same units; no pixel is above `full_well`, and all that found no room on the chip is gone.
    """
    brightest = np.float32(full_well / noise.electrons - noise.sky_level)
    held = np.minimum(signal, brightest)
    spilled = signal - held
    if not spilled.any():
        return held
    spilled *= np.float32(0.5)
    for line, half in ((held, spilled), (held[::-1], spilled[::-1])):
        running = np.zeros(signal.shape[1], np.float32)
        for row, excess in zip(line, half, strict=True):
            running += excess
            found = np.minimum(running, brightest - row)
            row += found
            running -= found
    return held


def with_bias_step(
    signal: Signal, step: float, noise: FrameNoise, detector: Detector, rng: np.random.Generator
) -> Signal:
    """Bias levels that were measured wrongly: every second amplifier is too high, the others too low.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        step: Between neighbouring amplifiers, electrons.
        noise: What the noise is made of.
        detector: Says which columns each amplifier reads; of frames of another width the same shares.
        rng: Draws whether the first amplifier is too high or too low.

    Returns:
        `float32 (H, W)`, the same units.
    """
    offset = rng.choice((-0.5, 0.5)) * step / noise.electrons
    found = signal.copy()
    for start, stop in detector.frame_columns():
        width = signal.shape[1]
        found[:, start * width // CHIP_SHAPE[1] : stop * width // CHIP_SHAPE[1]] += np.float32(offset)
        offset = -offset
    return found


def with_bad_columns(signal: Signal, count: int, values: tuple[float, float], rng: np.random.Generator) -> Signal:
    """Columns that record nothing: one dead, one glowing, in turn.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        count: How many columns; all where the frame has no more.
        values: What dead and glowing ones show instead.
        rng: Draws which they are; those of a smaller count are among those of a larger one.

    Returns:
        `float32 (H, W)`, the same units.
    """
    columns = rng.permutation(signal.shape[1])[:count]
    found = signal.copy()
    for which, value in enumerate(values):
        found[:, columns[which::2]] = value
    return found
