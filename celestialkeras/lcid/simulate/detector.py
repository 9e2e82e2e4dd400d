"""From electrons a second to the counts of a raw chip: gathering charge, losing some, reading the rest out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.detectors import DETECTORS, UPPER_CHIP_HDU, Detector
from celestialkeras.lcid.simulate.arrays import FloatArray, single
from celestialkeras.lcid.simulate.camera import CAMERAS, amplifiers_of, blemishes
from celestialkeras.lcid.simulate.cosmic_rays import add_cosmic_rays
from celestialkeras.lcid.simulate.transfer import trail

READOUT_SECONDS = 50.0
"""Mean time that charge still waits on the chip after the shutter closes; cosmic rays and dark go on."""


_BLOCK_ROWS = 64


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
        start: Modified Julian date of the exposure: the later, the more traps hold charge back.
    """

    instrument: str
    hdu: int
    exptime: float
    gain: float
    cosmic_rays: float = 1.0
    bias_offset: float = 0.0
    start: float = 57000.0

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
    camera, detector = CAMERAS[readout.instrument], readout.detector
    charge = _gathered(rates, readout, rng)
    if readout.cosmic_rays > 0:
        add_cosmic_rays(charge, readout.exptime + READOUT_SECONDS, readout.cosmic_rays, rng)
    _bleed(charge, camera.full_well)
    is_upper = readout.hdu == UPPER_CHIP_HDU
    loss = camera.trap_loss(readout.start)
    deferred = trail(charge[::-1] if is_upper else charge, loss, detector.skipped_rows, detector.parallel_rows)
    if detector.parallel_rows:
        charge = np.concatenate([deferred[::-1], charge] if is_upper else [charge, deferred])
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
        passing = slice(row, None) if readout.hdu != UPPER_CHIP_HDU else slice(None, row)
        charge[passing, column] += np.float32(0.05 * seconds + 12.0)
    return charge


def _gathered(rates: FloatArray, readout: Readout, rng: np.random.Generator) -> FloatArray:
    """Electrons with the Poisson noise of their mean.

    A normal deviate is bent so that mean, variance and third moment are those of Poisson (Cornish and Fisher 1937), at
    a fraction of what a Poisson draw costs. Below a few electrons it is not Poisson but has these moments, which is all
    that read noise leaves of it; the tests compare them.
    """
    charge = expected_charge(rates, readout)
    # In blocks that stay in the processor's cache, all steps run several times as fast as over the whole chip.
    for first in range(0, len(charge), _BLOCK_ROWS):
        mean = charge[first : first + _BLOCK_ROWS]
        deviate = rng.standard_normal(mean.shape, dtype=np.float32)
        skewed = deviate * deviate
        skewed -= np.float32(1.0)
        skewed *= np.float32(1.0 / 6.0)
        deviate *= np.sqrt(mean)
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
    """Counts of all rows, from the electrons of their imaging columns."""
    detector, camera = readout.detector, CAMERAS[readout.instrument]
    rows, columns = detector.raw_shape
    stripes = _row_noise(rng, rows, camera.stripes)
    amplifiers = amplifiers_of(readout.instrument, readout.hdu)
    biases = [_bias(readout, index, rng) for index in range(len(amplifiers))]
    counts = np.empty((rows, columns), dtype=np.uint16)
    for start in range(0, rows, _BLOCK_ROWS):
        block = slice(start, min(start + _BLOCK_ROWS, rows))
        noise = rng.standard_normal((block.stop - start, columns), dtype=np.float32)
        for channel, amplifier, bias, (first, last) in zip(
            detector.channels, amplifiers, biases, detector.frame_columns(), strict=True
        ):
            level = noise[:, slice(*channel.columns)]
            level *= np.float32(amplifier.read_noise)
            noise[:, slice(*channel.imaging)] += charge[block, first:last]
            level += stripes[block, None]
            level *= np.float32(1.0 / (amplifier.gain * readout.gain))
            for down, across in bias:
                level += down[block, None] * across
        # Half a DN up, since the conversion to whole numbers cuts off.
        noise += np.float32(0.5)
        np.clip(noise, 0, 65535, out=noise)
        counts[block] = noise
    return counts


def _bias(readout: Readout, index: int, rng: np.random.Generator) -> list[tuple[FloatArray, FloatArray]]:
    """Bias of a channel, DN, as a sum of products of a profile along the rows and one along the columns.

    Its level with a slow drift along the readout, which differs from exposure to exposure; and a pattern that is the
    same in all exposures: the decay over the first columns of a row, a waviness of some tenths of a DN across rows and
    columns, and an offset of each column, all of the order of a DN (ACS Data Handbook 4.2, WFC3 Data Handbook 5.2).
    """
    detector, camera = readout.detector, CAMERAS[readout.instrument]
    channel, amplifier = detector.channels[index], amplifiers_of(readout.instrument, readout.hdu)[index]
    rows, columns = detector.raw_shape[0], channel.columns[1] - channel.columns[0]
    level = amplifier.bias + readout.bias_offset + rng.normal(0.0, 3.0)
    down, across = np.linspace(0.0, 1.0, rows), np.linspace(0.0, 1.0, columns)
    drift = rng.normal(0.0, 0.6) * down + 0.5 * down**2
    pattern = np.random.default_rng([20090514, *map(ord, readout.instrument), readout.hdu, index])
    offsets = camera.prescan_decay * np.exp(-np.arange(columns) / 5.0) + pattern.normal(0.0, 0.15, columns)
    terms = [(level + drift, np.ones(columns)), (np.ones(rows), offsets)]
    for _ in range(2):
        along, beside = (
            np.sin(np.pi * (pattern.uniform(0.5, 2.5) * axis + pattern.random())) for axis in (down, across)
        )
        terms.append((pattern.normal(0.0, 0.4) * along, beside))
    turned = (readout.hdu == UPPER_CHIP_HDU, channel.mirrored)
    return [
        (single(rowwise[::-1] if turned[0] else rowwise), single(columnwise[::-1] if turned[1] else columnwise))
        for rowwise, columnwise in terms
    ]


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
