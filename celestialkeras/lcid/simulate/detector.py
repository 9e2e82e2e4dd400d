"""From electrons a second to the counts of a raw chip: gathering charge, losing some, reading the rest out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.detectors import CHIP_SHAPE, DETECTORS, UPPER_CHIP_HDU, Detector
from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.camera import CAMERAS, Amplifier, amplifiers_of, blemishes
from celestialkeras.lcid.simulate.cosmic_rays import add_cosmic_rays

READOUT_SECONDS = 50.0
"""Mean time that charge still waits on the chip after the shutter closes; cosmic rays and dark go on."""


@dataclass(frozen=True)
class Readout:
    """How one chip is exposed and read.

    Attributes:
        instrument: Name in manifests.
        hdu: 1 or 4.
        exptime: Seconds.
        gain: Commanded gain, electrons a DN.
        cosmic_rays: Rate of cosmic rays over the average; 0 for none.
        bias_offset: By how much the bias levels stand off from the usual, DN.
    """

    instrument: str
    hdu: int
    exptime: float
    gain: float
    cosmic_rays: float = 1.0
    bias_offset: float = 0.0

    @property
    def detector(self) -> Detector:
        """Geometry of the chip."""
        return DETECTORS[self.instrument]


def raw_counts(rates: FloatArray, readout: Readout, rng: np.random.Generator) -> NDArray[np.uint16]:
    """Exposes a chip and reads it out.

    Args:
        rates: Electrons a second a pixel from the sky, `float32 (imaging rows, 4096)`.
        readout: How.
        rng: Source of all noise.

    Returns:
        `uint16`, the detector's `raw_shape`, DN, overscan included.
    """
    charge = _gathered(rates, readout, rng)
    if readout.cosmic_rays > 0:
        add_cosmic_rays(charge, readout.exptime + READOUT_SECONDS, readout.cosmic_rays, rng)
    _bleed(charge, CAMERAS[readout.instrument].full_well)
    return _read_out(charge, readout, rng)


def expected_charge(rates: FloatArray, readout: Readout) -> FloatArray:
    """Mean electrons in each imaging pixel: light through the flat field, dark current, hot pixels, bad columns."""
    camera, flaws = CAMERAS[readout.instrument], blemishes(readout.instrument, readout.hdu)
    charge = rates * _spread(flaws.flat, rates.shape)
    charge *= np.float32(readout.exptime)
    charge[:, flaws.dead_columns] *= np.float32(0.05)
    seconds = readout.exptime + READOUT_SECONDS
    charge += np.float32(camera.dark * seconds)
    charge.reshape(-1)[flaws.hot] += flaws.hot_dark * np.float32(seconds)
    for column, row in zip(flaws.bright_columns, flaws.bright_from, strict=True):
        # Charge is read towards row 0 on the lower chip and towards the last row on the upper one: a bad pixel marks
        # all that passes through it.
        trail = slice(row, None) if readout.hdu != UPPER_CHIP_HDU else slice(None, row)
        charge[trail, column] += np.float32(0.05 * seconds + 12.0)
    return charge


def _gathered(rates: FloatArray, readout: Readout, rng: np.random.Generator) -> FloatArray:
    """Electrons with the Poisson noise of their mean and the read noise of their amplifier, in one draw a pixel.

    A normal deviate is bent so that mean, variance and third moment are those of Poisson plus Gauss (Cornish and
    Fisher 1937). Read noise above 3 electrons keeps this close at any light level, at a fraction of what a Poisson
    draw costs; the tests compare its moments.
    """
    charge = expected_charge(rates, readout)
    half = CHIP_SHAPE[1] // 2
    normal = rng.standard_normal(charge.shape, dtype=np.float32)
    sides = ((slice(None, half), slice(half, None)), amplifiers_of(readout.instrument, readout.hdu))
    for columns, amplifier in zip(*sides, strict=True):
        mean, deviate = charge[:, columns], normal[:, columns]
        variance = mean + np.float32(amplifier.read_noise**2)
        skewed = deviate * deviate
        skewed -= np.float32(1.0)
        skewed *= mean / variance
        skewed *= np.float32(1.0 / 6.0)
        deviate *= np.sqrt(variance, out=variance)
        mean += deviate
        mean += skewed
    return charge


def _bleed(charge: FloatArray, full_well: float) -> None:
    """Spills what pixels cannot hold to both sides along their column, until it finds room or the chip's edge."""
    for column in np.flatnonzero((charge > full_well).any(axis=0)):
        line = charge[:, column].astype(np.float64)
        edges = np.flatnonzero(np.diff(np.concatenate([[False], line > full_well, [False]]).astype(np.int8)))
        for start, stop in edges.reshape(-1, 2):
            excess = float((line[start:stop] - full_well).sum())
            line[start:stop] = full_well
            _fill(line[stop:], excess / 2, full_well)
            _fill(line[:start][::-1], excess / 2, full_well)
        charge[:, column] = line


def _fill(pixels: NDArray[np.float64], spilled: float, full_well: float) -> None:
    """Lets charge run along pixels, each taking what it still has room for; pixels that are already over keep all."""
    room = np.maximum(full_well - pixels, 0.0)
    arriving = spilled - (np.cumsum(room) - room)
    pixels += np.clip(arriving, 0.0, room)


def _read_out(charge: FloatArray, readout: Readout, rng: np.random.Generator) -> NDArray[np.uint16]:
    detector, camera = readout.detector, CAMERAS[readout.instrument]
    rows, columns = detector.raw_shape
    first = detector.first_imaging_row(readout.hdu)
    stripes = _row_noise(rng, rows, camera.stripes)
    counts = np.empty((rows, columns), dtype=np.uint16)
    middle = columns // 2
    imaging = detector.imaging_columns()
    for side, amplifier in enumerate(amplifiers_of(readout.instrument, readout.hdu)):
        gain = amplifier.gain * readout.gain
        block = slice(0, middle) if side == 0 else slice(middle, columns)
        first_column = block.start
        level = np.empty((rows, middle), dtype=np.float32)
        light = slice(imaging[side][0] - first_column, imaging[side][1] - first_column)
        bias = _bias(amplifier, readout, rng, rows, middle, mirrored=side == 1)
        half = slice(None, CHIP_SHAPE[1] // 2) if side == 0 else slice(CHIP_SHAPE[1] // 2, None)
        _fill_overscan(level, light, first, detector.imaging_rows, amplifier.read_noise, rng)
        level[first : first + detector.imaging_rows, light] = charge[:, half]
        level += stripes[:, None]
        level *= np.float32(1.0 / gain)
        level += bias
        # Half a DN up, since the conversion to whole numbers cuts off.
        level += np.float32(0.5)
        np.clip(level, 0, 65535, out=level)
        counts[:, block] = level
    return counts


def _fill_overscan(
    level: FloatArray, light: slice, first: int, imaging_rows: int, read_noise: float, rng: np.random.Generator
) -> None:
    """Read noise where no light falls; the imaging pixels already carry theirs."""
    last = first + imaging_rows
    for region in (
        (slice(0, first), slice(None)),
        (slice(last, None), slice(None)),
        (slice(first, last), slice(0, light.start)),
        (slice(first, last), slice(light.stop, None)),
    ):
        shape = level[region].shape
        level[region] = rng.standard_normal(shape, dtype=np.float32) * np.float32(read_noise)


def _bias(
    amplifier: Amplifier, readout: Readout, rng: np.random.Generator, rows: int, columns: int, *, mirrored: bool
) -> FloatArray:
    """Bias of one amplifier's block, DN: its level, a slow drift along the readout, the decay over the prescan."""
    camera = CAMERAS[readout.instrument]
    level = amplifier.bias + readout.bias_offset + rng.normal(0.0, 3.0)
    from_amplifier = np.arange(rows, dtype=np.float32) / rows
    if readout.hdu == UPPER_CHIP_HDU:
        from_amplifier = from_amplifier[::-1]
    drift = np.float32(rng.normal(0.0, 0.6)) * from_amplifier + np.float32(0.5) * from_amplifier**2
    across = camera.prescan_decay * np.exp(-np.arange(columns, dtype=np.float32) / 5.0)
    if mirrored:
        across = across[::-1]
    return np.asarray(np.float32(level) + drift[:, None] + across[None, :], dtype=np.float32)


def _row_noise(rng: np.random.Generator, rows: int, rms: float) -> FloatArray:
    """One level a row with a 1/f spectrum, electrons."""
    if rms == 0:
        return np.zeros(rows, dtype=np.float32)
    spectrum = np.fft.rfft(rng.standard_normal(rows))
    spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
    spectrum[0] = 0
    noise = np.fft.irfft(spectrum, rows)
    return np.asarray(noise * (rms / noise.std()), dtype=np.float32)


def _spread(grid: FloatArray, shape: tuple[int, int]) -> FloatArray:
    """A coarse grid interpolated linearly over a chip."""
    rows, columns = (np.linspace(0, side - 1, length) for side, length in zip(grid.shape, shape, strict=True))
    left = np.minimum(columns.astype(int), grid.shape[1] - 2)
    share = single(columns - left)
    wide = grid[:, left] * (1 - share) + grid[:, left + 1] * share
    low = np.minimum(rows.astype(int), grid.shape[0] - 2)
    share = single(rows - low)[:, None]
    return np.asarray(wide[low] * (1 - share) + wide[low + 1] * share, dtype=np.float32, order="C")
