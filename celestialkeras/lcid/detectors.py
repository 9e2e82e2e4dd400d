"""Geometry of the detectors whose chips are read: where the imaging pixels and the bias columns lie.

Coordinates are zero-based `(row, column)` in file order: the first row of the FITS array is row 0.
Sources: ACS Data Handbook 4.2 and WFC3 Data Handbook 3.2 with their instrument handbooks' readout formats.
"""

from __future__ import annotations

from dataclasses import dataclass

CHIP_SHAPE = (2048, 4096)
"""Rows and columns of every frame, whatever the detector."""

LOWER_CHIP_HDU = 1
"""HDU of the chip read by amplifiers C and D."""

UPPER_CHIP_HDU = 4
"""HDU of the chip read by amplifiers A and B."""

CHIP_HDUS = (LOWER_CHIP_HDU, UPPER_CHIP_HDU)
"""The HDU indices that hold the pixels of a chip."""

AMPLIFIERS = {LOWER_CHIP_HDU: ("C", "D"), UPPER_CHIP_HDU: ("A", "B")}
"""Left and right amplifier of each chip."""


@dataclass(frozen=True)
class Detector:
    """How one detector is read out.

    Attributes:
        instrument: Name in manifests, such as `ACS/WFC`.
        instrume: Value of the FITS card INSTRUME.
        detector: Value of the FITS card DETECTOR.
        imaging_rows: Imaging rows of one chip in the file; frames keep the first 2048.
        physical_columns: Physical overscan columns at the left edge, and as many at the right.
        virtual_columns: Serial virtual overscan columns in the middle, both amplifiers together.
        parallel_rows: Parallel overscan rows: above the imaging rows of HDU 1, below those of HDU 4.
        bias_columns: Column ranges `(start, stop)` of the left and of the right amplifier that hold its bias.
        fallback_bias_columns: The same, used where the first show no spread or a stuck value.
    """

    instrument: str
    instrume: str
    detector: str
    imaging_rows: int
    physical_columns: int
    virtual_columns: int
    parallel_rows: int
    bias_columns: tuple[tuple[int, int], tuple[int, int]]
    fallback_bias_columns: tuple[tuple[int, int], tuple[int, int]] | None = None

    @property
    def raw_shape(self) -> tuple[int, int]:
        """Rows and columns of one chip in a `raw.fits` file."""
        columns = CHIP_SHAPE[1] + 2 * self.physical_columns + self.virtual_columns
        return self.imaging_rows + self.parallel_rows, columns

    @property
    def calibrated_shape(self) -> tuple[int, int]:
        """Rows and columns of one chip in `flt.fits` and `flc.fits` files."""
        return self.imaging_rows, CHIP_SHAPE[1]

    def first_imaging_row(self, hdu: int) -> int:
        """Row of a raw chip where the imaging rows begin: 0 for HDU 1, above the overscan for HDU 4."""
        return self.parallel_rows if hdu == UPPER_CHIP_HDU else 0

    def imaging_columns(self) -> tuple[tuple[int, int], tuple[int, int]]:
        """Column ranges `(start, stop)` of a raw chip's imaging pixels, left and right amplifier."""
        half = CHIP_SHAPE[1] // 2
        left = self.physical_columns
        right = left + half + self.virtual_columns
        return (left, left + half), (right, right + half)


ACS_WFC = Detector(
    instrument="ACS/WFC",
    instrume="ACS",
    detector="WFC",
    imaging_rows=2048,
    physical_columns=24,
    virtual_columns=0,
    parallel_rows=20,
    # Prescan columns 1 - 18 still decay after the readout of the row before; 19 - 24 have settled.
    bias_columns=((18, 24), (4120, 4126)),
)

WFC3_UVIS = Detector(
    instrument="WFC3/UVIS",
    instrume="WFC3",
    detector="UVIS",
    imaging_rows=2051,
    physical_columns=25,
    virtual_columns=60,
    parallel_rows=19,
    # Charge trails from the last imaging columns into the first virtual ones, which are left out.
    bias_columns=((2073 + 5, 2073 + 30), (2073 + 30, 2073 + 55)),
    fallback_bias_columns=((2, 25), (4181, 4204)),
)

DETECTORS = {detector.instrument: detector for detector in (ACS_WFC, WFC3_UVIS)}
"""Every detector that is read, by its manifest name."""
