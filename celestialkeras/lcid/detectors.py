"""Geometry of the detectors whose chips are read: where the imaging pixels and the bias columns lie.

Coordinates are zero-based `(row, column)` in file order: the first row of the FITS array is row 0; ranges are
`(start, stop)` with the stop left out.

Hubble: ACS Data Handbook 4.2; WFC3 Instrument Handbook 5.3 and 6.7.

CSST: a chip of the survey camera MSC has 9216 x 9232 pixels (columns x rows), read by 16 channels of 1152 x 4616 pixels
(Zhan 2021, Chinese Science Bulletin 66, 1290; Wei et al. 2025, arXiv:2511.06970). No archive serves it in windows, so
the `window` layout is this project's own: HDU 1 and HDU 4 hold 2048 rows either side of the chip's middle row (rows
2568 to 4615 and 4616 to 6663), each over its columns 2560 to 6655, which four channels share as 896, 1152, 1152 and
896. Each channel's imaging columns are followed by its 71 serial overscan columns, in file order; there is no other
overscan, so that a raw window is 2048 x 4380.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, pairwise

CHIP_SHAPE = (2048, 4096)
"""Rows and columns of every frame, whatever the detector."""

LOWER_CHIP_HDU = 1
"""HDU of the chip, or half of a chip, that is read towards its first row (amplifiers C and D on Hubble)."""

UPPER_CHIP_HDU = 4
"""HDU of the one that is read towards its last row (amplifiers A and B on Hubble)."""

CHIP_HDUS = (LOWER_CHIP_HDU, UPPER_CHIP_HDU)
"""The HDU indices that hold the pixels of a chip."""


@dataclass(frozen=True)
class Channel:
    """What one amplifier reads of a raw chip, in columns.

    Attributes:
        columns: All its columns.
        imaging: Those of the imaging pixels.
        bias: Those that hold its bias level.
        fallback_bias: The same, used where the first show no spread or a stuck value.
        mirrored: Whether its amplifier reads the last column first.
    """

    columns: tuple[int, int]
    imaging: tuple[int, int]
    bias: tuple[int, int]
    fallback_bias: tuple[int, int] | None = None
    mirrored: bool = False


@dataclass(frozen=True)
class Detector:
    """How one detector is read out.

    Attributes:
        instrument: Name in manifests, such as `ACS/WFC`.
        telescope: Value of the FITS card TELESCOP.
        instrume: Value of the FITS card INSTRUME.
        detectors: Values that the FITS card DETECTOR may have.
        imaging_rows: Imaging rows of one chip in the file; frames keep the first 2048.
        parallel_rows: Parallel overscan rows: above the imaging rows of HDU 1, below those of HDU 4.
        channels: What each amplifier reads, from left to right; their columns tile the chip.
        lower_amplifiers: Names of the amplifiers that read HDU 1, from left to right.
        upper_amplifiers: The same of HDU 4.
        skipped_rows: Rows of the chip between the readout register and the file's nearest row.
        calibrated: Whether calibrated files (`flt`, `flc`) of it are read too.
    """

    instrument: str
    telescope: str
    instrume: str
    detectors: tuple[str, ...]
    imaging_rows: int
    parallel_rows: int
    channels: tuple[Channel, ...]
    lower_amplifiers: tuple[str, ...]
    upper_amplifiers: tuple[str, ...]
    skipped_rows: int = 0
    calibrated: bool = True

    @property
    def raw_shape(self) -> tuple[int, int]:
        """Rows and columns of one chip in a `raw.fits` file."""
        return self.imaging_rows + self.parallel_rows, self.channels[-1].columns[1]

    @property
    def calibrated_shape(self) -> tuple[int, int]:
        """Rows and columns of one chip in `flt.fits` and `flc.fits` files."""
        return self.imaging_rows, CHIP_SHAPE[1]

    def first_imaging_row(self, hdu: int) -> int:
        """Row of a raw chip where the imaging rows begin: 0 for HDU 1, above the overscan for HDU 4."""
        return self.parallel_rows if hdu == UPPER_CHIP_HDU else 0

    def imaging_columns(self) -> tuple[tuple[int, int], ...]:
        """Column ranges of a raw chip's imaging pixels, by channel."""
        return tuple(channel.imaging for channel in self.channels)

    def frame_columns(self) -> tuple[tuple[int, int], ...]:
        """Column ranges of a frame (imaging pixels only) that each channel reads; together 0 to 4096."""
        widths = (stop - start for start, stop in self.imaging_columns())
        edges = accumulate(widths, initial=0)
        return tuple(pairwise(edges))

    def amplifiers(self, hdu: int) -> tuple[str, ...]:
        """Names of the amplifiers that read a chip, from left to right."""
        return self.lower_amplifiers if hdu == LOWER_CHIP_HDU else self.upper_amplifiers


def _csst_channels(widths: tuple[int, ...], overscan: int) -> tuple[Channel, ...]:
    ends = list(accumulate(width + overscan for width in widths))
    # Charge trails from the last imaging columns into the first overscan ones, which are left out.
    return tuple(
        Channel((end - overscan - width, end), (end - overscan - width, end - overscan), (end - overscan + 5, end))
        for width, end in zip(widths, ends, strict=True)
    )


ACS_WFC = Detector(
    instrument="ACS/WFC",
    telescope="HST",
    instrume="ACS",
    detectors=("WFC",),
    imaging_rows=2048,
    parallel_rows=20,
    channels=(
        # Prescan columns 1 - 18 still decay after the readout of the row before; 19 - 24 have settled.
        Channel(columns=(0, 2072), imaging=(24, 2072), bias=(18, 24)),
        Channel(columns=(2072, 4144), imaging=(2072, 4120), bias=(4120, 4126), mirrored=True),
    ),
    lower_amplifiers=("C", "D"),
    upper_amplifiers=("A", "B"),
)

WFC3_UVIS = Detector(
    instrument="WFC3/UVIS",
    telescope="HST",
    instrume="WFC3",
    detectors=("UVIS",),
    imaging_rows=2051,
    parallel_rows=19,
    channels=(
        # Charge trails from the last imaging columns into the first virtual ones, which are left out.
        Channel(columns=(0, 2103), imaging=(25, 2073), bias=(2078, 2103), fallback_bias=(2, 25)),
        Channel(
            columns=(2103, 4206), imaging=(2133, 4181), bias=(2103, 2128), fallback_bias=(4181, 4204), mirrored=True
        ),
    ),
    lower_amplifiers=("C", "D"),
    upper_amplifiers=("A", "B"),
)

CSST_MSC = Detector(
    instrument="CSST/MSC",
    telescope="CSST",
    instrume="MSC",
    # The chips behind imaging filters; 1 to 5, 10, 21 and 26 to 30 stand behind gratings.
    detectors=tuple(f"CHIP{number:02d}" for number in (6, 7, 8, 9, *range(11, 21), 22, 23, 24, 25)),
    imaging_rows=2048,
    parallel_rows=0,
    channels=_csst_channels((896, 1152, 1152, 896), overscan=71),
    lower_amplifiers=("03", "04", "05", "06"),
    upper_amplifiers=("14", "13", "12", "11"),
    skipped_rows=2568,
    calibrated=False,
)

DETECTORS = {detector.instrument: detector for detector in (ACS_WFC, WFC3_UVIS, CSST_MSC)}
"""Every detector that is read, by its manifest name."""
