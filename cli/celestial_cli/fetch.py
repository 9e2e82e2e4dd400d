"""`celestial data fetch`."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import click

from celestial_cli.parameters import Choice
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, progress_bar, say
from celestialkeras.errors import MissingExtraError
from celestialkeras.lcid.archive_plan import MAST_URL, MOST_JOBS, PRODUCT_KINDS

if TYPE_CHECKING:
    from celestialkeras.lcid.archive import FetchOptions
    from celestialkeras.lcid.archive_crew import Failure
    from celestialkeras.lcid.archive_plan import Product


def _web_address(ctx: click.Context, param: click.Parameter, value: str) -> str:
    address = urlsplit(value)
    if address.scheme not in ("https", "http") or not address.netloc:
        raise click.BadParameter(f"must begin with https:// or http://. Received: {value!r}")
    return value


@click.command()
@click.argument("manifest", metavar="LIST.csv", type=click.Path(path_type=Path))
@click.option("--to", "folder", type=click.Path(path_type=Path), required=True, help="Folder of the FITS files.")
@click.option(
    "--product",
    "kind",
    type=Choice(PRODUCT_KINDS),
    default="raw",
    show_default=True,
    help="As read out, calibrated, or corrected for charge transfer efficiency too.",
)
@click.option("--limit", type=click.IntRange(1), help="Only so many files, the first of the list.")
@click.option("--dry-run", is_flag=True, help="Ask the archive for the total size; fetch nothing.")
@click.option(
    "--base-url",
    default=MAST_URL,
    show_default=True,
    callback=_web_address,
    help="Mirror, asked with ?uri=mast:HST/product/FILE, or with the file's name in place of {file}.",
)
@click.option("--jobs", type=click.IntRange(1, MOST_JOBS), default=4, show_default=True, help="Files at once.")
@json_option
def fetch(
    manifest: Path,
    folder: Path,
    kind: str,
    limit: int | None,
    dry_run: bool,
    base_url: str,
    jobs: int,
    as_json: bool,
) -> None:
    """Download the exposures of LIST.csv from the archive MAST.

    Both chips of an exposure are one file. An interrupted fetch goes on where it stopped. Every file is checked before
    it gets its name: its length, its checksums, and the chips that the list wants of it; DIR/fetch.jsonl says what
    became of each. Files that cannot be had are listed; the exit code is then 1.
    """
    if importlib.util.find_spec("requests") is None:
        raise MissingExtraError("data", "fetching from the archive")
    from celestialkeras.lcid.archive import FetchOptions
    from celestialkeras.lcid.archive_plan import plan_products
    from celestialkeras.lcid.manifest import read_manifest

    rows = read_manifest(manifest, unlabelled=True)
    products = plan_products(rows, kind, limit)
    options = FetchOptions(base_url, jobs)
    if dry_run:
        _print_estimate(products, folder, options, as_json)
    else:
        _fetch(products, folder, options, as_json)
        verb = "data build" if all(row.label for row in rows) else "predict"
        say(f"next: celestial {verb} {manifest} --frames-in {folder}")


def _print_estimate(products: Sequence[Product], folder: Path, options: FetchOptions, as_json: bool) -> None:
    from celestialkeras.lcid.archive import estimate_fetch

    estimate = estimate_fetch(products, folder, options)
    if as_json:
        print_json({"schema": "celestialkeras.fetch-estimate/1", "folder": str(folder), **asdict(estimate)})
    else:
        rows = [
            ["files", str(estimate.files)],
            ["in the folder", str(estimate.there)],
            ["to come", f"{estimate.missing_bytes / 1e9:.3f} GB"],
            ["free on the disk", f"{estimate.free_bytes / 1e9:.3f} GB"],
        ]
        if estimate.unsized:
            rows.append(["of unknown size", f"{estimate.unsized} files, not counted"])
        print_table(f"A fetch to {folder}", ["what", "value"], rows)
    _end_with_failures(estimate.failures, as_json)


def _fetch(products: Sequence[Product], folder: Path, options: FetchOptions, as_json: bool) -> None:
    from celestialkeras.lcid.archive import fetch_products
    from celestialkeras.lcid.archive_ledger import LEDGER_NAME

    with progress_bar("fetch", "MB") as report:
        done = fetch_products(products, folder, options, _in_megabytes(report))
    if as_json:
        where = {"folder": str(folder), "ledger": str(folder / LEDGER_NAME)}
        print_json({"schema": "celestialkeras.fetch/1", **where, **asdict(done)})
    else:
        rows = [
            ["files", str(done.files)],
            ["fetched", str(len(done.fetched))],
            ["there before", str(len(done.whole))],
            ["received", f"{done.received_bytes / 1e9:.3f} GB"],
            ["ledger", str(folder / LEDGER_NAME)],
        ]
        print_table(f"Fetched to {folder}", ["what", "value"], rows)
    _end_with_failures(done.failures, as_json)


def _in_megabytes(report: Callable[[int, int], None]) -> Callable[[int, int], None]:
    """Passes progress in bytes on in MB, and only when that has changed."""
    last: tuple[int, int] | None = None

    def report_bytes(done: int, total: int) -> None:
        nonlocal last
        # Rounded up, so that the last MB counts as done only with its last byte, in both.
        now = done // 10**6 if done < total else -(-done // 10**6), -(-total // 10**6)
        if now != last:
            last = now
            report(*now)

    return report_bytes


def _end_with_failures(failures: Sequence[Failure], as_json: bool) -> None:
    if not failures:
        return
    if not as_json:
        rows = [[failure.file, failure.reason, failure.message] for failure in failures]
        print_table(f"{len(failures)} files not to be had", ["file", "reason", "message"], rows)
    raise click.exceptions.Exit(1)
