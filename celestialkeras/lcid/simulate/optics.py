"""The point-spread function of each telescope with each camera and filter, and blurring a scene by it.

The pupil of Hubble is that of the ACS and WFC3 optics: 2.4 m, central obscuration 0.33, four vanes, small aberrations
(Krist, Hook and Stoehr 2011). That of CSST is off-axis: 2 m, nothing in the way of the light, so no spikes; its image
quality is stated as the radius that holds 80 % of the light, 0.15 arcseconds with all that the platform adds (Zhan
2021), which at 633 nm takes a Gaussian of 0.067 arcseconds rms on top of the diffraction. Field
dependence and focus breathing are left out.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np

from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.bands import band_of
from celestialkeras.lcid.simulate.extras import galsim, scientific_python
from celestialkeras.lcid.simulate.footprint import PIXEL_SCALES

KERNEL_RADIUS = 384
"""Pixels from the centre to the edge of a point-spread function: far enough for the spikes of saturated stars."""

# Charge diffusion in the CCDs as a Gaussian, pixels rms: the kernel of ACS at 400 nm (ACS Instrument Handbook 5.6.1)
# spreads a pixel's light as 0.48 does, those at longer wavelengths as less. The other devices' are assumed.
_DIFFUSION = {"ACS/WFC": 0.42, "WFC3/UVIS": 0.45, "CSST/MSC": 0.3}

_CSST_BLUR = 0.067


# Where kernels have faded out, in units of wavelength / 2.4 m. GalSim works the pupil's pattern out so far in 0.3 s;
# twice as far takes it 4 s a filter.
_REACH = 135.0


@lru_cache(maxsize=40)
def point_spread(instrument: str, filter_name: str) -> FloatArray:
    """The point-spread function integrated over pixels, `float32 (769, 769)`, sum 1, centred on the middle pixel.

    Raises:
        MissingExtraError: GalSim is not installed.
        SimulationError: The instrument or the filter is not simulated.
    """
    toolkit = galsim()
    wavelength = band_of(instrument, filter_name).pivot
    scale = PIXEL_SCALES[instrument]
    diffusion = toolkit.Gaussian(sigma=_DIFFUSION[instrument] * scale)
    side = 2 * KERNEL_RADIUS + 1
    optics = _csst(wavelength) if instrument == "CSST/MSC" else _hubble(wavelength)
    image = toolkit.Convolve(optics, diffusion).drawImage(nx=side, ny=side, scale=scale, dtype=np.float32)
    kernel = np.clip(image.array, 0.0, None) * _fade(_REACH * wavelength * 1e-9 / 2.4 * 206265.0 / scale)
    kernel /= kernel.sum()
    kernel.flags.writeable = False
    return np.asarray(kernel, dtype=np.float32)


def _hubble(wavelength: float) -> Any:
    """Hubble's optics at a wavelength in nm, as a GalSim profile."""
    toolkit = galsim()
    return toolkit.OpticalPSF(
        lam=wavelength,
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


def _csst(wavelength: float) -> Any:
    """CSST's optics and stabilisation at a wavelength in nm, as a GalSim profile."""
    toolkit = galsim()
    settings = toolkit.GSParams(maximum_fft_size=16384)
    diffraction = toolkit.Airy(lam=wavelength, diam=2.0, obscuration=0.0, gsparams=settings)
    return toolkit.Convolve(diffraction, toolkit.Gaussian(sigma=_CSST_BLUR), gsparams=settings)


def _fade(radius: float) -> FloatArray:
    """Lets a kernel go out in a circle of a radius in pixels; its square end would show around each saturated star."""
    offsets = np.arange(-KERNEL_RADIUS, KERNEL_RADIUS + 1) / min(radius, KERNEL_RADIUS)
    outer = np.clip((1.0 - np.hypot(offsets[:, None], offsets[None, :])) / 0.6, 0.0, 1.0)
    return single(outer**2 * (3.0 - 2.0 * outer))


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
