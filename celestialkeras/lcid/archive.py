"""Exposures from the archive to a folder: several at once, resumed after any interruption, checked before they count.

The folder holds whole files under their archive names, which `celestial data build` finds; `NAME.part` for what has
come of a file; `NAME.refused` for a whole file that is not what the list says; and the ledger.
"""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from celestialkeras.errors import ArchiveError, FrameError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.archive_crew import Failure, work_through
from celestialkeras.lcid.archive_gauge import Gauge
from celestialkeras.lcid.archive_ledger import Entry, Ledger, open_ledger, read_ledger
from celestialkeras.lcid.archive_pace import Pacer, Patience, persist
from celestialkeras.lcid.archive_plan import MAST_URL, Product
from celestialkeras.lcid.archive_transfer import Archive, Delivery
from celestialkeras.lcid.archive_verify import Integrity, check_integrity, check_listed_chips

# What must stay free on the disk.
_SPARE_BYTES = 256 * 10**6

_REFUSED = ".refused"


@dataclass(frozen=True)
class FetchOptions:
    """Where from and how.

    Attributes:
        base_url: See `Product.url`.
        jobs: Files at once, 1 to `archive_plan.MOST_JOBS`.
        patience: What to wait for, and how long.
    """

    base_url: str = MAST_URL
    jobs: int = 4
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class Estimate:
    """What a fetch would do.

    Attributes:
        files: Files that the list needs.
        there: How many of them lie in the folder; a fetch checks those that it does not know.
        missing_bytes: What is missing of the others, as far as the archive says.
        unsized: Files whose size it does not say.
        free_bytes: Room on the disk.
        failures: Files that the archive does not give.
    """

    files: int
    there: int
    missing_bytes: int
    unsized: int
    free_bytes: int
    failures: tuple[Failure, ...]


@dataclass(frozen=True)
class FetchReport:
    """What a fetch did.

    Attributes:
        files: Files that the list needs.
        fetched: Names of those that came now.
        whole: Names of those that lay there before.
        failures: Those that could not be had.
        received_bytes: What came over the line, also what was thrown away.
    """

    files: int
    fetched: tuple[str, ...]
    whole: tuple[str, ...]
    failures: tuple[Failure, ...]
    received_bytes: int


def estimate_fetch(products: Sequence[Product], folder: Path, options: FetchOptions) -> Estimate:
    """Asks the archive for the sizes of what is missing; writes nothing.

    Args:
        products: What the list needs.
        folder: Where it would go; need not be there.
        options: Where from and how.

    Raises:
        ArchiveError: The ledger in the folder cannot be read.
    """
    entries = read_ledger(folder)
    missing = [product for product in products if _kept_whole(folder, product) is None]
    pacer = Pacer()
    with closing(Archive(options.patience, pacer)) as archive:
        fetch = _Fetch(folder, options, archive, pacer)
        sized = work_through(
            lambda product: fetch.size(product, entries.get(product.name)), missing, options.jobs, pacer
        )
    return Estimate(
        files=len(products),
        there=len(products) - len(missing),
        missing_bytes=_missing_bytes(folder, sized.results),
        unsized=list(sized.results.values()).count(None),
        free_bytes=_free_bytes(folder),
        failures=tuple(sized.failures),
    )


def fetch_products(
    products: Sequence[Product],
    folder: Path,
    options: FetchOptions,
    on_progress: Callable[[int, int], None] | None = None,
    pacer: Pacer | None = None,
) -> FetchReport:
    """Brings what a list needs into a folder, past files that cannot be had.

    A fetch that was stopped, also by a kill, goes on where it was. Whole files are never replaced or removed.

    Args:
        products: What the list needs.
        folder: Where to; made where it is not there.
        options: Where from and how.
        on_progress: Called with bytes there and bytes in all of what was missing.
        pacer: Made by a caller who wants to stop the fetch.

    Raises:
        ArchiveError: Another fetch works in the folder, its ledger cannot be read, or the disk is too small.
        OSError: The disk failed, or is full after all.
    """
    pacer = pacer or Pacer()
    with open_ledger(folder) as ledger, closing(Archive(options.patience, pacer)) as archive:
        fetch = _Fetch(folder, options, archive, pacer)
        todo = [product for product in products if not _is_done(folder, product, ledger.get(product.name))]
        sized = work_through(lambda product: fetch.note_size(product, ledger), todo, options.jobs, pacer)
        _refuse_small_disk(folder, sized.results)
        gauge = Gauge(
            sized.results,
            {name: _size_there(folder / f"{name}.part") for name in sized.results},
            on_progress or (lambda done, total: None),
        )
        sure = [product for product in todo if product.name in sized.results]
        settled = work_through(lambda product: fetch.settle(product, ledger, gauge), sure, options.jobs, pacer)
        failures = (*sized.failures, *settled.failures)
        for failure in failures:
            # What is known of a part stays known: the next fetch goes on with it.
            before = ledger.get(failure.file) or Entry(failure.file, "failed")
            ledger.note(replace(before, state="failed", reason=failure.reason, message=failure.message))
    fetched = tuple(name for name, came in settled.results.items() if came)
    elsewhere = {*fetched, *(failure.file for failure in failures)}
    return FetchReport(
        files=len(products),
        fetched=fetched,
        whole=tuple(product.name for product in products if product.name not in elsewhere),
        failures=failures,
        received_bytes=gauge.received,
    )


@dataclass(frozen=True)
class _Fetch:
    folder: Path
    options: FetchOptions
    archive: Archive
    pacer: Pacer
    # While astropy reads, its warnings are held back for the whole process, so one file is looked at at a time.
    looking: threading.Lock = field(default_factory=threading.Lock)

    def size(self, product: Product, entry: Entry | None) -> int | None:
        """Bytes of a product, by the ledger or else by the archive."""
        if entry is not None and entry.size is not None:
            return entry.size
        url = product.url(self.options.base_url)
        return persist(lambda: self.archive.size(url), self.options.patience, self.pacer, lambda: 0)

    def note_size(self, product: Product, ledger: Ledger) -> int | None:
        """The same, noted in the ledger; None for what lies in the folder and needs looking at, not fetching."""
        if _kept_whole(self.folder, product) is not None:
            return None
        entry = ledger.get(product.name)
        size = self.size(product, entry)
        if entry is None or entry.size is None:
            ledger.note(Entry(product.name, "sized", size=size))
        return size

    def settle(self, product: Product, ledger: Ledger, gauge: Gauge) -> bool:
        """Sees to it that a product lies in the folder, whole and checked; says whether it had to be fetched."""
        kept = _kept_whole(self.folder, product)
        if kept is not None:
            try:
                with self.looking:
                    integrity = check_integrity(kept, product)
                    check_listed_chips(kept, product)
            except FrameError as error:
                raise type(error)(f"{error}. Move this file away to fetch it again") from error
            self._admit(kept, product, integrity, ledger)
            return False
        part = self.folder / f"{product.name}.part"
        integrity = persist(
            lambda: self._deliver(product, part, ledger, gauge),
            self.options.patience,
            self.pacer,
            lambda: _size_there(part),
        )
        try:
            with self.looking:
                check_listed_chips(part, product)
        except FrameError as error:
            refused = part.replace(self.folder / f"{product.name}{_REFUSED}")
            raise type(error)(
                f"{error}. The file is whole, and kept as {refused.name}: mend the list, or remove it to fetch it again"
            ) from error
        self._admit(part, product, integrity, ledger)
        return True

    def _deliver(self, product: Product, part: Path, ledger: Ledger, gauge: Gauge) -> Integrity:
        """One request for a product, or for the rest of it, and a look at what came."""

        def note_delivery(delivery: Delivery) -> None:
            gauge.begin(product.name)
            ledger.note(Entry(product.name, "partial", delivery.url, delivery.size, delivery.validator))

        known = ledger.get(product.name)
        earlier = None if known is None else Delivery(known.url, known.size, known.validator)
        url = product.url(self.options.base_url)
        self.archive.download(url, part, earlier, note_delivery, lambda count: gauge.add(product.name, count))
        try:
            with self.looking:
                return check_integrity(part, product)
        except FrameError:
            part.unlink()
            raise

    def _admit(self, path: Path, product: Product, integrity: Integrity, ledger: Ledger) -> None:
        """Gives a checked file its final name, and notes it."""
        with path.open("rb+") as whole:
            os.fsync(whole.fileno())
        final = path.replace(self.folder / product.name)
        before = ledger.get(product.name) or Entry(product.name, "done")
        done = replace(
            before,
            state="done",
            size=final.stat().st_size,
            sha256=sha256_of(final),
            hdus=integrity.hdus,
            summed=integrity.summed,
            checked=tuple(sorted({*before.checked, *product.wanted})),
            reason="",
            message="",
        )
        ledger.note(done)


def _is_done(folder: Path, product: Product, entry: Entry | None) -> bool:
    """Whether a file lies there as it was when it was checked for at least what is wanted of it now."""
    if entry is None or entry.state != "done" or not product.wanted <= set(entry.checked):
        return False
    path = folder / product.name
    return path.is_file() and path.stat().st_size == entry.size


def _kept_whole(folder: Path, product: Product) -> Path | None:
    """A file that was fetched to its end, or put there by somebody, and needs looking at."""
    places = (folder / product.name, folder / f"{product.name}{_REFUSED}")
    return next((path for path in places if path.exists()), None)


def _size_there(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0


def _missing_bytes(folder: Path, sizes: Mapping[str, int | None]) -> int:
    return sum(max(size - _size_there(folder / f"{name}.part"), 0) for name, size in sizes.items() if size is not None)


def _free_bytes(folder: Path) -> int:
    there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
    return shutil.disk_usage(there).free


def _refuse_small_disk(folder: Path, sizes: Mapping[str, int | None]) -> None:
    missing, free = _missing_bytes(folder, sizes), _free_bytes(folder)
    if missing + _SPARE_BYTES > free:
        raise ArchiveError(
            f"{folder}: {missing / 1e9:.2f} GB are to come, and {_SPARE_BYTES / 1e9:.2f} GB must stay free; fetch to"
            f" another disk, or fewer files. Received: {free / 1e9:.2f} GB free"
        )
