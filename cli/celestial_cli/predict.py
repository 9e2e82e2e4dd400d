"""`celestial predict`."""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
from click.core import ParameterSource

from celestial_cli.clusters import cluster_option
from celestial_cli.locate import find_classifier, trust_options
from celestial_cli.parameters import Choice, ModelPath, frames_in_option
from celestial_cli.tables import print_table
from celestial_cli.terminal import print_json_line, progress_bar, say, threads_option

if TYPE_CHECKING:
    from celestial_edge.cluster.chips import ChipList
    from celestial_edge.device.runtime import Chip, ChipResult, Verdict
    from celestial_edge.trust import Trust
    from celestialkeras.cluster import ClusterAddress
    from celestialkeras.errors import FrameError

_CSV_COLUMNS = (
    *("file", "chip", "label", "probability", "logit_galaxy", "logit_nsc", "saturated_fraction", "light", "empty"),
    *("low_signal", "reason", "message", "ms"),
)


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--model",
    type=ModelPath(),
    help="Artifact, .keras file or run.  [default: runs/latest, or the shipped artifact]",
)
@click.option("--hdu", type=Choice(["1", "4"]), help="One chip only.  [default: both, or those of the manifest]")
@frames_in_option
@click.option(
    "--abstain",
    type=click.FloatRange(0.5, 1),
    metavar="P",
    help="Leave undecided what is less probable than P.  [default: as the artifact's card says]",
)
@trust_options
@threads_option
@cluster_option
@click.option("--to", "folder", type=click.Path(path_type=Path), help="With --cluster: folder of the Parquet files.")
@click.option(
    "--partition",
    type=click.IntRange(1),
    default=256,
    show_default=True,
    help="With --cluster: chips of a Parquet file, which are done over when a worker dies at them.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON Lines, one exposure a line, as they are decided.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV, one chip or exposure a line, as they are decided.")
def predict(
    paths: tuple[Path, ...],
    model: Path | None,
    hdu: str | None,
    frames_in: Path | None,
    abstain: float | None,
    trust: Trust,
    threads: int,
    cluster: ClusterAddress | None,
    folder: Path | None,
    partition: int,
    as_json: bool,
    as_csv: bool,
) -> None:
    """Classify PATHS: each chip, and each exposure by both its chips together.

    PATHS are FITS files, folders, whose .fits, .fits.gz and .fits.fz files are taken with those of their subfolders,
    and manifests (.csv), whose rows are held against the files that they list.

    Goes on past bad frames and lists them; the exit code is then 1.

    With --cluster, Dask workers write one row a chip to Parquet files, and --json prints a summary. The same command
    goes on where it was stopped.
    """
    if as_json and as_csv:
        raise click.UsageError("--json and --csv are two ways of saying the same; choose one")
    hdus = [int(hdu)] if hdu else [1, 4]
    if cluster is not None:
        if as_csv or folder is None:
            raise click.UsageError("--cluster writes Parquet files: it needs --to FOLDER, and knows no --csv")
        from celestial_cli.cluster_predict import Request, predict_on_cluster

        asked = Request(model, trust, abstain, _threads_on(cluster, threads), folder, partition)
        predict_on_cluster(cluster, _chip_list(paths, hdus, frames_in), asked, as_json)
        return
    if folder is not None:
        raise click.UsageError("--to is where --cluster writes its Parquet files; name the workers with --cluster")
    exposures = list(_exposures(paths, hdus, frames_in))
    classifier, source = find_classifier(model, threads, trust, abstain)
    results = classifier.classify_many(chain.from_iterable(exposures))
    decided = (
        _Exposure.of(exposure, list(islice(results, len(exposure))), classifier.abstain) for exposure in exposures
    )
    if as_json:
        bad = _print_json(decided, source)
    elif as_csv:
        bad = _print_csv(decided)
    else:
        bad = _print_table(decided, source, len(exposures))
    if bad:
        say(f"{bad} of {sum(map(len, exposures))} chips could not be used")
        raise click.exceptions.Exit(1)


@dataclass(frozen=True)
class _Exposure:
    """What came of a file.

    Attributes:
        file: The file.
        chips: Verdicts by HDU.
        together: The verdict of all of them; None where there is none.
        bad: Errors by HDU.
    """

    file: Path
    chips: dict[int, Verdict]
    together: Verdict | None
    bad: dict[int, FrameError]

    @classmethod
    def of(cls, exposure: Sequence[Chip], results: Sequence[ChipResult], abstain: float | None) -> _Exposure:
        from celestial_edge.device.runtime import combine

        chips = {result.chip.hdu: result.verdict for result in results if result.verdict}
        bad = {result.chip.hdu: result.error for result in results if result.error}
        return cls(exposure[0].path, chips, combine(list(chips.values()), abstain) if chips else None, bad)


def _threads_on(cluster: ClusterAddress, threads: int) -> int:
    """Threads of each worker's interpreter: as asked, or so many that workers of this machine take all its cores."""
    asked = click.get_current_context().get_parameter_source("threads") is not ParameterSource.DEFAULT
    own = cluster.interpreter_threads(os.cpu_count() or 1)
    return threads if asked or own is None else own


def _chip_list(paths: Sequence[Path], hdus: Sequence[int], frames: Path | None) -> ChipList:
    """The chips of one manifest, row by row, or those of files and folders; by absolute paths."""
    from celestial_edge.cluster.chips import FileChips, ListedChips

    lists = [path for path in paths if path.suffix == ".csv"]
    if not lists:
        chips = (
            chip for exposure in _exposures([path.absolute() for path in paths], hdus, frames) for chip in exposure
        )
        return FileChips(tuple(dict.fromkeys(chip.path for chip in chips)), tuple(hdus))
    if len(paths) > 1:
        raise click.UsageError("--cluster takes one manifest, or files and folders")
    return ListedChips.of(lists[0].absolute(), (frames or lists[0].parent).absolute(), hdus)


def _exposures(paths: Iterable[Path], hdus: Sequence[int], frames: Path | None) -> Iterator[list[Chip]]:
    """The chips of each file that the paths name."""
    from celestial_edge.device.runtime import Chip
    from celestialkeras.lcid.frames import FRAME_SUFFIXES
    from celestialkeras.lcid.listed import find_frame_files

    for path in paths:
        if path.suffix == ".csv":
            yield from _listed(path, frames or path.parent, hdus)
        elif path.is_dir():
            files = [file for file in find_frame_files(path) if file.is_file()]
            if not files:
                raise click.UsageError(f"{path}: the folder holds no file that ends in {', '.join(FRAME_SUFFIXES)}")
            yield from ([Chip(file, hdu) for hdu in hdus] for file in files)
        else:
            # A file that is not there is not missed once for each chip.
            yield [Chip(path, hdu) for hdu in hdus[: None if path.exists() else 1]]


def _listed(manifest: Path, folder: Path, hdus: Sequence[int]) -> Iterator[list[Chip]]:
    from celestial_edge.device.runtime import Chip
    from celestialkeras.lcid.listed import ListedFiles
    from celestialkeras.lcid.manifest import read_manifest

    rows = [row for row in read_manifest(manifest, unlabelled=True) if row.hdu in hdus]
    files = ListedFiles(folder)
    exposures: dict[str, list[Chip]] = {}
    for row in rows:
        path = files.get(row.obsid) or folder / f"{row.obsid}_raw.fits"
        exposures.setdefault(row.obsid, []).append(Chip(path, row.hdu, row))
    yield from exposures.values()


def _print_json(exposures: Iterable[_Exposure], source: str) -> int:
    bad = 0
    for exposure in exposures:
        record = {
            "schema": "celestialkeras.prediction/1",
            "file": str(exposure.file),
            "model": source,
            "chips": [{"hdu": hdu, **verdict.to_json()} for hdu, verdict in exposure.chips.items()],
            "exposure": exposure.together and exposure.together.to_json(),
            "bad": [{"hdu": hdu, "reason": error.reason, "message": str(error)} for hdu, error in exposure.bad.items()],
        }
        print_json_line(record)
        bad += len(exposure.bad)
    return bad


def _print_csv(exposures: Iterable[_Exposure]) -> int:
    bad = 0
    _print_csv_row(_CSV_COLUMNS)
    for exposure in exposures:
        name = _printable(str(exposure.file))
        for chip, verdict in _lines(exposure):
            told = verdict.to_json()
            quality = told["quality"]
            _print_csv_row(
                (
                    *(name, chip, verdict.label, told["probability"], *(told["logits"] or ("", ""))),
                    *(quality["saturated_fraction"], quality["light"], quality["empty"], quality["low_signal"]),
                    *(verdict.reason, "", f"{verdict.milliseconds['total']:.3f}"),
                )
            )
        for hdu, error in exposure.bad.items():
            gaps = [""] * (len(_CSV_COLUMNS) - 5)
            _print_csv_row((name, hdu, *gaps, error.reason, _printable(str(error)), ""))
        bad += len(exposure.bad)
    return bad


def _print_csv_row(cells: Sequence[Any]) -> None:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    click.echo(line.getvalue())


def _print_table(exposures: Iterable[_Exposure], source: str, total: int) -> int:
    rows: list[list[str]] = []
    bad: list[tuple[int, FrameError]] = []
    with progress_bar("predict", "exposures") as report:
        report(0, total)
        for done, exposure in enumerate(exposures, start=1):
            name = _printable(exposure.file.name)
            rows += ([name, _chip_name(chip), *_cells(verdict)] for chip, verdict in _lines(exposure))
            bad += exposure.bad.items()
            report(done, total)
    if rows:
        columns = ["file", "chip", "label", "probability", "ms", "remarks"]
        print_table(f"Verdicts of {source}", columns, rows)
    for hdu, error in bad:
        say(_printable(f"bad frame, HDU {hdu} ({error.reason}): {error}"))
    return len(bad)


def _lines(exposure: _Exposure) -> Iterator[tuple[int | str, Verdict]]:
    """The verdicts on a file's chips, and that on all of them where there are several."""
    yield from exposure.chips.items()
    if exposure.together and len(exposure.chips) > 1:
        yield "both", exposure.together


def _chip_name(chip: int | str) -> str:
    return chip if isinstance(chip, str) else f"HDU {chip}"


def _cells(verdict: Verdict) -> list[str]:
    quality = verdict.quality
    remarks = [verdict.reason]
    if not quality.unusable:
        remarks.append("low signal" if quality.low_signal else "")
        remarks.append(f"{quality.saturated_fraction:.1%} saturated" if quality.saturated_fraction >= 0.001 else "")
    times = f"{verdict.milliseconds['total']:.1f}"
    return [verdict.label, f"{verdict.probability:.3f}", times, "; ".join(filter(None, remarks))]


def _printable(text: str) -> str:
    """Text with the bytes of file names that are no UTF-8 written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")
