"""Fewer photons of the source, more of the sky, a noisier readout."""

from __future__ import annotations

import math

import numpy as np

from celestialkeras.lcid.degradations.optics import Signal
from celestialkeras.lcid.frame_noise import FrameNoise


def shortened(signal: Signal, share: float, noise: FrameNoise, rng: np.random.Generator) -> Signal:
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


def with_read_noise(signal: Signal, rms: float, noise: FrameNoise, rng: np.random.Generator) -> Signal:
    """A noisier readout.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        rms: Noise added in quadrature, electrons.
        noise: What the noise is made of.
        rng: Draws it.

    Returns:
        `float32 (H, W)`, the same units.
    """
    drawn = rng.standard_normal(signal.shape, np.float32)
    drawn *= np.float32(rms / noise.electrons)
    drawn += signal
    return drawn


def brightened(signal: Signal, electrons: float, noise: FrameNoise, rng: np.random.Generator) -> Signal:
    """A brighter sky: more light in every pixel, and the noise of its photons.

    Photons are drawn from a Gaussian, which from the 30 electrons of the first level on is close to Poisson.

    Args:
        signal: `float32 (H, W)`, units of the frame's noise above its sky.
        electrons: Added to each pixel in the mean.
        noise: What the noise is made of.
        rng: Draws the photons.

    Returns:
        `float32 (H, W)`, the same units, above the sky that the frame had.
    """
    brighter = with_read_noise(signal, math.sqrt(electrons), noise, rng)
    brighter += np.float32(electrons / noise.electrons)
    return brighter
