"""What can go wrong, by name. Every message says what was received, what is accepted and the next step."""

from __future__ import annotations


class CelestialError(Exception):
    """Base of all errors that celestialkeras raises on purpose; the command line ends with exit code 1."""


def install_line(extra: str) -> str:
    """What to type to install an extra; empty for the bare package."""
    return f"pip install 'celestialkeras[{extra}]'" if extra else "pip install celestialkeras"


class MissingExtraError(CelestialError):
    """A verb needs packages that the bare install leaves out."""

    def __init__(self, extra: str, needed_for: str) -> None:
        super().__init__(extra, needed_for)
        self.extra = extra
        self.needed_for = needed_for

    def __str__(self) -> str:
        return f"{self.needed_for} needs the extra `{self.extra}`: {install_line(self.extra)}"


class QualityGateError(CelestialError):
    """A measured quality lies beyond what was allowed; the command line ends with exit code 3."""


class FrameError(CelestialError):
    """A FITS file or chip cannot be used. `reason` is a stable short word for lists of bad frames."""

    reason = "unusable"


class FrameNotFoundError(FrameError):
    """No such file, or not a regular file."""

    reason = "not-found"


class NotFitsError(FrameError):
    """The file is not FITS, or its headers cannot be read."""

    reason = "not-fits"


class TruncatedFrameError(FrameError):
    """The file ends before the pixels that its header promises."""

    reason = "truncated"


class WrongHduError(FrameError):
    """The HDU index is not one that holds the pixels of a chip."""

    reason = "wrong-hdu"


class NoDataError(FrameError):
    """The extension is there but holds no pixel array."""

    reason = "no-data"


class UnsupportedDetectorError(FrameError):
    """The file comes from a detector whose geometry is not known here."""

    reason = "unsupported-detector"


class UnsupportedReadoutError(FrameError):
    """Subarray, binned or partial-amplifier readout, or a size that the detector never reads out."""

    reason = "unsupported-readout"


class UnsupportedFilterError(FrameError):
    """Grism, prism, ramp, quad or polarizer, or no filter at all."""

    reason = "unsupported-filter"


class BlankFrameError(FrameError):
    """All pixels have one value, or none is finite."""

    reason = "blank"


class MismatchedFrameError(FrameError):
    """The file is not the exposure, instrument or filter that the manifest lists."""

    reason = "mismatch"


class DamagedFrameError(FrameError):
    """The checksums that the file carries disagree with its bytes."""

    reason = "damaged"


class NotPictureError(FrameError):
    """The file is no PNG, JPEG, TIFF or FITS image, or is damaged beyond reading."""

    reason = "not-a-picture"


class OversizedPictureError(FrameError):
    """The picture has more pixels than are read into memory."""

    reason = "too-large"


class ArchiveError(CelestialError):
    """A file cannot be had from the archive. `reason` is a stable short word for lists of failed files."""

    reason = "failed"


class ProductNotFoundError(ArchiveError):
    """The archive has no such file."""

    reason = "not-found"


class ProductDeniedError(ArchiveError):
    """The archive gives the file only to those who are logged in, as during an exclusive access period."""

    reason = "denied"


class ArchiveBusyError(ArchiveError):
    """The archive asks to come back later. `wait_s` is in how many seconds, None where it does not say."""

    reason = "busy"

    def __init__(self, message: str, wait_s: float | None = None) -> None:
        super().__init__(message)
        self.wait_s = wait_s


class TransferError(ArchiveError):
    """No connection, or one that broke off, stalled or gave another range than asked for."""

    reason = "interrupted"


class NotProductError(ArchiveError):
    """The archive answered with something else than a FITS file, such as a web page."""

    reason = "not-fits"


class ManifestError(CelestialError):
    """A manifest cannot be read, or one of its cells is not allowed."""


class DatasetError(CelestialError):
    """A data set folder is missing, incomplete or altered."""


class SimulationError(CelestialError):
    """A simulation was asked for what it cannot make."""


class ModelError(CelestialError):
    """A model cannot be built, found, loaded or used as asked."""


class RunError(CelestialError):
    """A run folder is missing, incomplete, or does not fit what was asked of it."""


class WorkerLostError(RunError):
    """Another worker of the same training has ended or cannot be reached; all of them must be started again.

    The command line ends with `exit_code`, which is that of `sysexits.h` for what may go well another time.
    """

    exit_code = 75


class ExportError(CelestialError):
    """A model cannot be exported or quantized as asked."""


class ArtifactError(CelestialError):
    """An artifact is missing, truncated, altered or foreign."""


class WatchError(CelestialError):
    """A folder cannot be watched, or what was decided cannot be written down."""


class ClusterError(CelestialError):
    """Workers elsewhere cannot be reached, do not see what they need, or gave up on some of the work."""
