"""Manifest rows -> the files of the archive that hold their chips: one an exposure, however many chips are listed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from celestialkeras.errors import ManifestError
from celestialkeras.lcid.detectors import DETECTORS
from celestialkeras.lcid.manifest import Observation

MAST_URL = "https://mast.stsci.edu/api/v0.1/Download/file"
"""Where the Mikulski Archive for Space Telescopes (MAST) gives single files, asked for as `?uri=...`."""

MOST_JOBS = 8
"""Files at once, at most: the archive is everybody's, and publishes no limit of its own."""

PRODUCT_KINDS = ("raw", "flt", "flc")
"""What is kept of an exposure: as read out; calibrated; and corrected for charge transfer efficiency too."""

_FILE = "{file}"


@dataclass(frozen=True)
class Product:
    """One file of the archive, and what a manifest wants of it.

    Attributes:
        rootname: Rootname of the exposure, such as `iddt11fxq`.
        kind: `raw`, `flt` or `flc`.
        rows: The rows whose chips it holds, in the manifest's order.
    """

    rootname: str
    kind: str
    rows: tuple[Observation, ...]

    @property
    def name(self) -> str:
        """File name, such as `iddt11fxq_raw.fits`."""
        return f"{self.rootname}_{self.kind}.fits"

    @property
    def wanted(self) -> frozenset[str]:
        """What the rows say of the file, as text: HDU, instrument and filter of each chip."""
        return frozenset(f"{row.hdu} {row.instrument} {row.filter.upper()}" for row in self.rows)

    def url(self, base_url: str) -> str:
        """Where the file lies.

        Args:
            base_url: An address with `{file}` in it, which becomes the file's name; any other one is asked as MAST is.
        """
        if _FILE in base_url:
            return base_url.replace(_FILE, self.name)
        return f"{base_url}{'&' if '?' in base_url else '?'}uri=mast:HST/product/{self.name}"


def plan_products(rows: Sequence[Observation], kind: str = "raw", limit: int | None = None) -> list[Product]:
    """The files that hold the chips of a manifest.

    Args:
        rows: The manifest.
        kind: `raw`, `flt` or `flc`.
        limit: Only so many files, the first of the manifest; all if not given.

    Returns:
        One product for each exposure, in the manifest's order.

    Raises:
        ManifestError: `kind` is none of the three, or a row is of a telescope whose frames are in no archive.
    """
    if kind not in PRODUCT_KINDS:
        raise ManifestError(f"`kind` must be one of {', '.join(PRODUCT_KINDS)}. Received: kind={kind!r}")
    chips: dict[str, list[Observation]] = defaultdict(list)
    for row in rows:
        if DETECTORS[row.instrument].telescope != "HST":
            raise ManifestError(
                f"only Hubble's exposures can be fetched; take the others out of the list."
                f" Received: {row.obsid} of {row.instrument}"
            )
        chips[row.obsid].append(row)
    return [Product(rootname, kind, tuple(listed)) for rootname, listed in chips.items()][:limit]
