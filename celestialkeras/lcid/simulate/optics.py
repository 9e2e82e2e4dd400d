"""The point-spread function of Hubble with each camera and filter, and blurring a scene by it.

The pupil is that of the ACS and WFC3 optics: 2.4 m, central obscuration 0.33, four vanes, small aberrations (Krist,
Hook and Stoehr 2011). Field dependence and focus breathing are left out.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray
from celestialkeras.lcid.simulate.bands import band_of
from celestialkeras.lcid.simulate.extras import galsim, scientific_python
from celestialkeras.lcid.simulate.footprint import PIXEL_SCALES

KERNEL_RADIUS = 384
"""Pixels from the centre to the edge of a point-spread function: far enough for the spikes of saturated stars."""

# Charge diffusion in the CCDs as a Gaussian, pixels rms: ACS ISR 2003-06 gives kernels with 0.35 to 0.45 in the
# green; the UVIS devices are alike.
_DIFFUSION = {"ACS/WFC": 0.42, "WFC3/UVIS": 0.45}


@lru_cache(maxsize=20)
def point_spread(instrument: str, filter_name: str) -> FloatArray:
    """The point-spread function integrated over pixels, `float32 (769, 769)`, sum 1, centred on the middle pixel.

    Raises:
        MissingExtraError: GalSim is not installed.
        SimulationError: The instrument or the filter is not simulated.
    """
    toolkit = galsim()
    pupil = toolkit.OpticalPSF(
        lam=band_of(instrument, filter_name).pivot,
        diam=2.4,
        obscuration=0.33,
        nstruts=4,
        strut_thick=0.022,
        # The vanes stand at 45 degrees to the detector's columns.
        strut_angle=45.0 * toolkit.degrees,
        defocus=0.01,
        coma1=0.015,
        coma2=0.01,
        astig1=0.015,
        spher=-0.015,
        gsparams=toolkit.GSParams(maximum_fft_size=16384),
    )
    scale = PIXEL_SCALES[instrument]
    diffusion = toolkit.Gaussian(sigma=_DIFFUSION[instrument] * scale)
    side = 2 * KERNEL_RADIUS + 1
    image = toolkit.Convolve(pupil, diffusion).drawImage(nx=side, ny=side, scale=scale, dtype=np.float32)
    kernel = np.clip(image.array, 0.0, None)
    kernel /= kernel.sum()
    kernel.flags.writeable = False
    return np.asarray(kernel, dtype=np.float32)


def padded_shape(shape: tuple[int, int]) -> tuple[int, int]:
    """Size of the array to draw a scene of `shape` on, so that nothing that `blurred` wraps around lands in it."""
    fft = scientific_python().fft
    rows, columns = (fft.next_fast_len(side + KERNEL_RADIUS, real=True) for side in shape)
    return int(rows), int(columns)


def blurred(scene: FloatArray, kernel: FloatArray, jitter: float) -> FloatArray:
    """Convolves a scene with a point-spread function and with the telescope's jitter.

    Args:
        scene: `float32 (rows, columns)`, any unit, of a size from `padded_shape`, zero in the padding.
        kernel: From `point_spread`.
        jitter: Pointing jitter, pixels rms.

    Returns:
        `float32`, of the same size. At most `KERNEL_RADIUS` rows and columns of padding take what wraps around.
    """
    fft = scientific_python().fft
    place = np.zeros(scene.shape, dtype=np.float32)
    side = kernel.shape[0]
    place[:side, :side] = kernel
    place = np.roll(place, (-(side // 2), -(side // 2)), axis=(0, 1))
    spectrum = fft.rfft2(place)
    decay = -2.0 * (math.pi * jitter) ** 2
    spectrum *= np.exp(decay * np.fft.fftfreq(scene.shape[0]) ** 2).astype(np.float32)[:, None]
    spectrum *= np.exp(decay * np.fft.rfftfreq(scene.shape[1]) ** 2).astype(np.float32)[None, :]
    light = fft.rfft2(scene, overwrite_x=True)
    light *= spectrum
    return np.asarray(fft.irfft2(light, scene.shape, overwrite_x=True), dtype=np.float32)
