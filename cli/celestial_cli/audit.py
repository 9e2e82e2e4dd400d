"""`celestial data audit`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, progress_bar
from celestialkeras.backend import import_tensorflow

if TYPE_CHECKING:
    from celestialkeras.evaluation.shortcuts import Score, Shortcut
    from celestialkeras.lcid.audit import Audit, ListAudit
    from celestialkeras.lcid.dataset import LcidDataset
    from celestialkeras.lcid.manifest import Observation
    from celestialkeras.lcid.shards import Record

_ROWS_SHOWN = 25
"""Objects and filters shown in a table; `--json` has them all."""


@click.command()
@click.argument("lists", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--reported",
    type=click.FloatRange(0, 100),
    multiple=True,
    help="Reported accuracy in per cent to hold the rules against, such as 89.09; once for all LISTS or once for each.",
)
@click.option("--pixels", is_flag=True, help="Also train plain classifiers on shortcuts; LISTS are data set folders.")
@json_option
def audit(lists: tuple[Path, ...], reported: tuple[float, ...], pixels: bool, as_json: bool) -> None:
    """Show what LISTS (manifests or data set folders) give away without looking at what frames show.

    Counts, objects and frames in several lists, how far the class can be guessed from the manifest alone, and, with
    --pixels, from a frame's level, histogram, border and header. Warnings are part of the results: the exit code is 0.
    """
    from celestialkeras.lcid.audit import audit_lists
    from celestialkeras.lcid.audit_report import audit_to_json, audit_warnings

    if len(reported) not in (0, 1, len(lists)):
        raise click.BadParameter(
            f"must be given once, or once for each of {len(lists)} lists. Received: {len(reported)} values",
            param_hint="--reported",
        )
    names = [str(path) for path in lists]
    if len(set(names)) < len(names):
        raise click.UsageError("each list must be named once")
    if pixels:
        for path in lists:
            if not path.is_dir():
                raise click.UsageError(
                    f"--pixels reads a data set folder, and {path} is none; `celestial data build {path}` makes one"
                )
        import_tensorflow("reading a data set")
    result = audit_lists({name: _rows(path) for name, path in zip(names, lists, strict=True)})
    shortcuts = {name: _shortcuts(path) for name, path in zip(names, lists, strict=True)} if pixels else {}
    if as_json:
        from celestialkeras.evaluation.shortcuts import shortcuts_to_json

        report = audit_to_json(result, reported)
        if pixels:
            report["pixels"] = {name: shortcuts_to_json(found) for name, found in shortcuts.items()}
            report["warnings"] += _pixel_warnings(shortcuts, reported)
        print_json(report)
        return
    for part in result.lists:
        _print_list(part)
    _print_overlaps(result)
    for name, found in shortcuts.items():
        _print_shortcuts(name, found)
    for text in [*audit_warnings(result, reported), *_pixel_warnings(shortcuts, reported)]:
        click.echo(f"Warning: {text}.")


def _rows(path: Path) -> list[Observation]:
    from celestialkeras.lcid.dataset import open_dataset
    from celestialkeras.lcid.manifest import SPLITS, read_manifest

    if not path.is_dir():
        return read_manifest(path)
    dataset = open_dataset(path)
    return [_with_exposure_time(record) for split in SPLITS for record in dataset.records(split)]


def _with_exposure_time(record: Record) -> Observation:
    """A record's row, with the exposure time that its header gave where the manifest gave none."""
    from celestialkeras.lcid.rules import EXPOSURE_COLUMN

    row = record.observation
    seconds = record.measured.get("exptime", 0.0)
    if row.extra.get(EXPOSURE_COLUMN) or not seconds > 0:
        return row
    return replace(row, extra={**row.extra, EXPOSURE_COLUMN: repr(seconds)})


def _shortcuts(path: Path) -> tuple[Shortcut, ...]:
    from celestialkeras.evaluation.shortcut_features import measure_shortcuts
    from celestialkeras.evaluation.shortcuts import score_shortcuts
    from celestialkeras.lcid.dataset import open_dataset

    dataset: LcidDataset = open_dataset(path)
    with progress_bar("read") as report:
        table = measure_shortcuts(dataset, report)
    with progress_bar("train", "classifiers") as report:
        return score_shortcuts(table, on_progress=report)


def _pixel_warnings(shortcuts: Mapping[str, Sequence[Shortcut]], reported: Sequence[float]) -> list[str]:
    from celestialkeras.evaluation.shortcuts import shortcut_warnings

    claims: list[float | None] = list(reported) or [None]
    if len(claims) == 1:
        claims *= len(shortcuts)
    return [
        f"{name}: {text}"
        for (name, found), claim in zip(shortcuts.items(), claims, strict=True)
        for text in shortcut_warnings(found, claim)
    ]


def _print_list(part: ListAudit) -> None:
    from celestialkeras.lcid.audit import LARGEST
    from celestialkeras.lcid.audit_report import COUNT_COLUMNS, concentration_cells, count_cells, rule_cells
    from celestialkeras.lcid.rules import RULE_NOTES

    print_table(
        f"{part.name}: {part.frames} frames of {part.exposures} exposures and {len(part.by_object)} objects,"
        f" no frame twice; {part.repeats} repeat a pointing in the same filter",
        ["class", *COUNT_COLUMNS],
        [count_cells(count) for count in part.by_class],
    )
    for what, counts in (("instrument", part.by_instrument), ("filter", part.by_filter), ("object", part.by_object)):
        left_out = len(counts) - _ROWS_SHOWN
        more = f", {left_out} more with --json" if left_out > 0 else ""
        rows = [count_cells(count) for count in counts[:_ROWS_SHOWN]]
        print_table(f"{part.name}: by {what}{more}", [what, *COUNT_COLUMNS], rows)
    print_table(
        f"{part.name}: frames in few objects",
        ["class", "frames", "objects", "effective objects", f"share of {LARGEST} largest", "which"],
        [concentration_cells(held) for held in part.concentrations],
    )
    print_table(
        f"{part.name}: the class guessed without a pixel",
        ["by", "values", "fitted", "by chance", "held out", "frames"],
        [rule_cells(rule) for rule in part.rules],
    )
    _print_notes(RULE_NOTES)


def _print_overlaps(result: Audit) -> None:
    if not result.overlaps:
        return
    print_table(
        "In two lists",
        ["lists", "objects", "exposures", "frames", "which objects"],
        [
            [
                " and ".join(overlap.lists),
                *(str(len(shared)) for shared in (overlap.objects, overlap.exposures, overlap.chips)),
                ", ".join(overlap.objects) or "none",
            ]
            for overlap in result.overlaps
        ],
    )


def _print_shortcuts(name: str, found: Sequence[Shortcut]) -> None:
    from celestialkeras.evaluation.report import ABSENT, percent_range
    from celestialkeras.evaluation.shortcuts import SHORTCUT_NOTES

    def cells(score: Score | None) -> list[str]:
        return [ABSENT] * 2 if score is None else [f"{100 * score.accuracy:.2f} %", percent_range(score.interval)]

    rows = [
        [part.features, part.classifier, str(part.columns), *cells(part.cross_validated), *cells(part.test)]
        for part in found
    ]
    counts = f"{found[0].cross_validated.frames} frames of {found[0].cross_validated.objects} objects"
    if found[0].test is not None:
        counts += f", {found[0].test.frames} of {found[0].test.objects} on the test side"
    columns = ["features", "classifier", "columns", "cross-validated", "95 %, objects", "test side", "95 %, objects"]
    print_table(f"{name}: plain classifiers on shortcuts, {counts}", columns, rows)
    _print_notes(SHORTCUT_NOTES)


def _print_notes(notes: Sequence[str]) -> None:
    for note in notes:
        click.echo(f"  {note}.")
    click.echo()
