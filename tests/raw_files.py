"""Raw chips and FITS files of the archive's structure, made on the spot and changed where a test needs it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from celestialkeras.lcid.detectors import CHIP_HDUS, WFC3_UVIS, Detector

BIASES = {1: (2500, 2510, 2540, 2550), 4: (2520, 2530, 2560, 2570)}
"""Bias of each channel of each chip that `raw_counts` makes, from left to right, DN; Hubble has the first two."""

SKY = 40
"""Signal of its imaging pixels above the bias, DN."""


def raw_counts(detector: Detector, hdu: int) -> np.ndarray:
    """A raw chip: a bias for each channel, noise of 3 DN, and sky on the imaging pixels only."""
    rng = np.random.default_rng(hdu)
    counts = rng.normal(0.0, 3.0, detector.raw_shape).round()
    for channel, bias in zip(detector.channels, BIASES[hdu], strict=False):
        counts[:, slice(*channel.columns)] += bias
    first = detector.first_imaging_row(hdu)
    for start, stop in detector.imaging_columns():
        counts[first : first + detector.imaging_rows, start:stop] += SKY
    return counts.astype(np.uint16)


@dataclass
class RawFile:
    """What a test changes of a raw file."""

    detector: Detector = WFC3_UVIS
    primary: Mapping[str, Any] = field(default_factory=dict)
    extension: Mapping[str, Any] = field(default_factory=dict)
    counts: Mapping[int, np.ndarray | None] = field(default_factory=dict)

    def hdus(self) -> fits.HDUList:
        cards = {
            "INSTRUME": self.detector.instrume,
            "DETECTOR": self.detector.detectors[0],
            "ROOTNAME": "iddt11fxq",
            "TARGNAME": "NGC4298",
            "EXPTIME": 350.0,
            "DATE-OBS": "2018-03-01",
            "TIME-OBS": "12:34:56",
            "RA_TARG": 185.4,
            "DEC_TARG": 14.6,
            "CCDAMP": "ABCD",
            "SUBARRAY": False,
        }
        wheels = {
            "ACS/WFC": {"FILTER1": "CLEAR1L", "FILTER2": "F814W"},
            "WFC3/UVIS": {"FILTER": "F625W"},
            "CSST/MSC": {"FILTER": "g"},
        }[self.detector.instrument]
        primary = fits.PrimaryHDU()
        primary.header.update({**cards, **wheels, **self.primary})
        hdus = fits.HDUList([primary])
        for version, hdu in enumerate(CHIP_HDUS, start=1):
            counts = self.counts[hdu] if hdu in self.counts else raw_counts(self.detector, hdu)
            science = fits.ImageHDU(counts, name="SCI", ver=version)
            science.header.update({"CRVAL1": 185.43 + hdu, "CRVAL2": 14.58, **self.extension})
            hdus += [science, fits.ImageHDU(name="ERR", ver=version), fits.ImageHDU(name="DQ", ver=version)]
        return hdus

    def write(self, path: Path) -> Path:
        self.hdus().writeto(path)
        return path
