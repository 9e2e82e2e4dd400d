"""Raw FITS files with the structure that the archive gives those of ACS/WFC and WFC3/UVIS, and windows of CSST/MSC.

PRIMARY without data, then SCI, ERR and DQ of the lower chip (HDU 1 to 3) and of the upper one (HDU 4 to 6). SCI is
16 bits with BZERO 32768; ERR and DQ say by PIXVALUE that they are all zero and hold no data.

No archive serves windows of CSST/MSC: theirs is this project's own layout, the same order of HDUs with the lower and
the upper half of one chip (see `detectors`). Their PRIMARY names TELESCOP `CSST`, INSTRUME `MSC`, the chip in DETECTOR
and the band in FILTER; each channel's gain and read noise stand in GAIN03 and RDNOIS03 to GAIN14 and RDNOIS14; DETSEC
says in each SCI which pixels of the chip it shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from celestialkeras.errors import SimulationError
from celestialkeras.files import replacing
from celestialkeras.lcid.detectors import CHIP_HDUS, CHIP_SHAPE, DETECTORS, LOWER_CHIP_HDU
from celestialkeras.lcid.simulate.bands import band_of
from celestialkeras.lcid.simulate.camera import CAMERAS
from celestialkeras.lcid.simulate.footprint import Footprint, offset_position

_SECOND_WHEEL = {"F435W", "F660N", "F814W"}
"""ACS filters on wheel 2 (ACS Instrument Handbook table 5.1); the other simulated ones are on wheel 1."""

_CSST_CHIPS = {
    "NUV": "CHIP12",
    "u": "CHIP14",
    "g": "CHIP08",
    "r": "CHIP09",
    "i": "CHIP07",
    "z": "CHIP11",
    "y": "CHIP06",
}
"""A chip behind each filter of CSST/MSC, which stand still in front of them."""

_CSST_FIRST_COLUMN = 2560

_MJD_ZERO = datetime(1858, 11, 17, tzinfo=timezone.utc)


@dataclass(frozen=True)
class RawInfo:
    """What the headers of one raw file say.

    Attributes:
        rootname: Nine lower-case letters and digits.
        instrument: Name in manifests.
        filter: Filter name.
        target: TARGNAME.
        ra: Right ascension of the target, degrees, ICRS.
        dec: Declination of the target, degrees, ICRS.
        exptime: Seconds.
        gain: Commanded gain, electrons a DN: 1 or 2 on ACS, 1.5 on UVIS, 1.1 on MSC.
        start: Modified Julian date of the start.
        east: Offset of the field's centre from the target, arcseconds to the east.
        north: The same to the north.
        roll: Position angle of the detector's +y axis, degrees.
    """

    rootname: str
    instrument: str
    filter: str
    target: str = "SIM-G0000"
    ra: float = 150.0
    dec: float = 2.0
    exptime: float = 100.0
    gain: float = 2.0
    start: float = 57000.0
    east: float = 0.0
    north: float = 0.0
    roll: float = 0.0

    @property
    def footprint(self) -> Footprint:
        """Where its chips lie."""
        return Footprint(self.instrument, self.east, self.north, self.roll)

    @property
    def date(self) -> str:
        """Start of the exposure, `YYYY-MM-DDThh:mm:ss`, UTC."""
        return (_MJD_ZERO + timedelta(days=self.start)).strftime("%Y-%m-%dT%H:%M:%S")

    def chip_position(self, hdu: int) -> tuple[float, float]:
        """Right ascension and declination of a chip's centre, degrees."""
        return offset_position(self.ra, self.dec, *self.footprint.chip_centre(hdu))


def write_raw(path: Path, info: RawInfo, chips: Mapping[int, NDArray[np.uint16]]) -> None:
    """Writes a raw file or a window of CSST/MSC, whole or not at all.

    Args:
        path: The file to write or replace, by custom `ROOTNAME_raw.fits`.
        info: What its headers say.
        chips: HDU (1 and 4) to counts, `uint16` of the detector's `raw_shape`, DN.

    Raises:
        SimulationError: The instrument or its filter is unknown, a chip is missing, or an array has another shape or
            type.
    """
    if info.instrument not in DETECTORS:
        raise SimulationError(
            f"`instrument` must be one of {', '.join(DETECTORS)}. Received: instrument={info.instrument!r}"
        )
    band_of(info.instrument, info.filter)
    if set(chips) != set(CHIP_HDUS):
        raise SimulationError(f"`chips` must hold the HDUs 1 and 4. Received: chips of HDU {sorted(chips)}")
    shape = DETECTORS[info.instrument].raw_shape
    for hdu, counts in chips.items():
        if counts.shape != shape or counts.dtype != np.uint16:
            raise SimulationError(
                f"`chips[{hdu}]` must be uint16 {shape}, a raw chip of {info.instrument}."
                f" Received: {counts.dtype} {counts.shape}"
            )
    units: list[fits.PrimaryHDU | fits.ImageHDU] = [fits.PrimaryHDU(header=_primary(info))]
    for version, hdu in enumerate(CHIP_HDUS, start=1):
        science = fits.ImageHDU(data=chips[hdu], header=_science(info, hdu, version))
        units += [science, _empty("ERR", version, -32, shape), _empty("DQ", version, 16, shape)]
    with replacing(path) as partial:
        fits.HDUList(units).writeto(partial, overwrite=True)


def _primary(info: RawInfo) -> fits.Header:
    detector = DETECTORS[info.instrument]
    begin, end = info.start, info.start + info.exptime / 86400.0
    written = _MJD_ZERO + timedelta(days=begin + 1)
    header = fits.Header()
    header["NEXTEND"] = (6, "number of standard extensions")
    header["DATE"] = (written.strftime("%Y-%m-%dT%H:%M:%S"), "date this file was written")
    header["FILENAME"] = (f"{info.rootname}_raw.fits", "name of file")
    header["FILETYPE"] = ("SCI", "type of data found in data file")
    header["TELESCOP"] = (detector.telescope, "telescope used to acquire data")
    header["INSTRUME"] = (detector.instrume, "instrument used to acquire data")
    header["EQUINOX"] = (2000.0, "equinox of celestial coord. system")
    header["ORIGIN"] = ("celestialkeras", "simulated data")
    header["ROOTNAME"] = (info.rootname, "rootname of the observation set")
    header["IMAGETYP"] = ("EXT", "type of exposure identifier")
    header["PRIMESI"] = (detector.instrume, "instrument designated as prime")
    header["TARGNAME"] = (info.target, "proposer's target name")
    header["RA_TARG"] = (info.ra, "right ascension of the target (deg) (J2000)")
    header["DEC_TARG"] = (info.dec, "declination of the target (deg) (J2000)")
    header["PROPOSID"] = (99999, "PEP proposal identifier")
    header["LINENUM"] = ("01.001", "proposal logsheet line number")
    header["DATE-OBS"] = (info.date[:10], "UT date of start of observation (yyyy-mm-dd)")
    header["TIME-OBS"] = (info.date[11:], "UT time of start of observation (hh:mm:ss)")
    header["EXPSTART"] = (begin, "exposure start time (Modified Julian Date)")
    header["EXPEND"] = (end, "exposure end time (Modified Julian Date)")
    header["EXPTIME"] = (info.exptime, "exposure duration (seconds)--calculated")
    header["EXPFLAG"] = ("NORMAL", "exposure interruption indicator")
    header["OBSTYPE"] = ("IMAGING", "observation type - imaging or spectroscopic")
    header["OBSMODE"] = ("ACCUM", "operating mode")
    if detector.telescope == "CSST":
        _add_csst_cards(header, info)
    else:
        _add_hubble_cards(header, info)
    header["BINAXIS1"] = (1, "axis1 data bin size in unbinned detector pixels")
    header["BINAXIS2"] = (1, "axis2 data bin size in unbinned detector pixels")
    return header


def _add_csst_cards(header: fits.Header, info: RawInfo) -> None:
    header["DETECTOR"] = (_CSST_CHIPS[info.filter], "detector in use")
    header["FILTER"] = (info.filter, "filter in front of the detector")
    for name, amplifier in CAMERAS[info.instrument].amplifiers.items():
        header[f"GAIN{name}"] = (round(amplifier.gain * info.gain, 4), f"gain of channel {name} (electrons/DN)")
    for name, amplifier in CAMERAS[info.instrument].amplifiers.items():
        header[f"RDNOIS{name}"] = (amplifier.read_noise, f"read noise of channel {name} (electrons)")


def _add_hubble_cards(header: fits.Header, info: RawInfo) -> None:
    detector, camera = DETECTORS[info.instrument], CAMERAS[info.instrument]
    header["SUBARRAY"] = (False, "data from a subarray (T) or full frame (F)")
    header["DETECTOR"] = (detector.detectors[0], "detector in use")
    for name, value in _filters(info):
        header[name] = (value, "element selected")
    header["CCDAMP"] = ("ABCD", "CCD amplifier readout configuration")
    header["CCDGAIN"] = (info.gain, "commanded gain of CCD")
    for letter in camera.amplifiers:
        header[f"CCDOFST{letter}"] = (3, f"commanded CCD bias offset for amplifier {letter}")
    for letter, amplifier in camera.amplifiers.items():
        header[f"ATODGN{letter}"] = (round(amplifier.gain * info.gain, 4), f"calibrated gain for amplifier {letter}")
    for letter, amplifier in camera.amplifiers.items():
        header[f"READNSE{letter}"] = (amplifier.read_noise, f"calibrated read noise for amplifier {letter}")
    header["FLASHDUR"] = (0.0, "post flash exposure time in seconds")
    header["FLASHCUR"] = ("OFF", "post flash current: OFF, LOW, MED, HIGH")


def _filters(info: RawInfo) -> list[tuple[str, str]]:
    if info.instrument != "ACS/WFC":
        return [("FILTER", info.filter)]
    if info.filter in _SECOND_WHEEL:
        return [("FILTER1", "CLEAR1L"), ("FILTER2", info.filter)]
    return [("FILTER1", info.filter), ("FILTER2", "CLEAR2L")]


def _science(info: RawInfo, hdu: int, version: int) -> fits.Header:
    detector = DETECTORS[info.instrument]
    first_row, first_column = detector.first_imaging_row(hdu), detector.imaging_columns()[0][0]
    ra, dec = info.chip_position(hdu)
    (cd11, cd12), (cd21, cd22) = info.footprint.cd_matrix()
    header = fits.Header()
    header["EXTNAME"] = ("SCI", "extension name")
    header["EXTVER"] = (version, "extension version number")
    header["ROOTNAME"] = (info.rootname, "rootname of the observation set")
    header["EXPNAME"] = (info.rootname, "exposure identifier")
    header["INHERIT"] = (True, "inherit the primary header")
    header["BINAXIS1"] = (1, "axis1 data bin size in unbinned detector pixels")
    header["BINAXIS2"] = (1, "axis2 data bin size in unbinned detector pixels")
    if detector.telescope == "CSST":
        row = detector.skipped_rows + (0 if hdu == LOWER_CHIP_HDU else detector.imaging_rows)
        columns = f"{_CSST_FIRST_COLUMN + 1}:{_CSST_FIRST_COLUMN + CHIP_SHAPE[1]}"
        header["DETSEC"] = (f"[{columns},{row + 1}:{row + detector.imaging_rows}]", "window of the chip, from 1")
        header["CHANNELS"] = (",".join(detector.amplifiers(hdu)), "channels that read it, left to right")
    else:
        header["CCDCHIP"] = (2 if hdu == LOWER_CHIP_HDU else 1, "CCD chip (1 or 2)")
        header["CCDAMP"] = ("".join(detector.amplifiers(hdu)), "amplifiers that read this chip, left and right")
    header["WCSAXES"] = (2, "number of World Coordinate System axes")
    header["CTYPE1"] = ("RA---TAN", "the coordinate type for the first axis")
    header["CTYPE2"] = ("DEC--TAN", "the coordinate type for the second axis")
    # FITS counts pixels from 1. Overscan columns between the channels put what lies beyond them out by as many.
    middle = detector.imaging_columns()[len(detector.channels) // 2 - 1][1]
    header["CRPIX1"] = (middle + 0.5, "x-coordinate of reference pixel")
    header["CRPIX2"] = (first_row + (detector.imaging_rows + 1) / 2, "y-coordinate of reference pixel")
    header["CRVAL1"] = (ra, "first axis value at reference pixel")
    header["CRVAL2"] = (dec, "second axis value at reference pixel")
    header["CD1_1"] = (cd11, "partial of first axis coordinate w.r.t. x")
    header["CD1_2"] = (cd12, "partial of first axis coordinate w.r.t. y")
    header["CD2_1"] = (cd21, "partial of second axis coordinate w.r.t. x")
    header["CD2_2"] = (cd22, "partial of second axis coordinate w.r.t. y")
    header["ORIENTAT"] = (info.roll, "position angle of image y axis (deg. e of n)")
    header["LTV1"] = (float(first_column), "offset in X to subsection start")
    header["LTV2"] = (float(first_row), "offset in Y to subsection start")
    header["LTM1_1"] = (1.0, "reciprocal of sampling rate in X")
    header["LTM2_2"] = (1.0, "reciprocal of sampling rate in Y")
    header["RADESYS"] = ("ICRS", "coordinate system of the reference frame")
    header["BUNIT"] = ("COUNTS", "brightness units")
    return header


def _empty(name: str, version: int, bits: int, shape: tuple[int, int]) -> fits.ImageHDU:
    header = fits.Header()
    header["XTENSION"] = ("IMAGE", "extension type")
    header["BITPIX"] = (bits, "bits per data value")
    header["NAXIS"] = (0, "no data: constant value")
    header["PCOUNT"] = 0
    header["GCOUNT"] = 1
    header["EXTNAME"] = (name, "extension name")
    header["EXTVER"] = (version, "extension version number")
    header["NPIX1"] = (shape[1], "length of constant array axis 1")
    header["NPIX2"] = (shape[0], "length of constant array axis 2")
    header["PIXVALUE"] = (0.0 if bits < 0 else 0, "values of pixels in constant array")
    return fits.ImageHDU(header=header)
