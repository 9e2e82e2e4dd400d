"""`celestial report`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.bench import bench_record
from celestial_cli.locate import artifacts_folder, is_artifact
from celestial_cli.parameters import ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say
from celestial_edge.card import CARD_NAME
from celestialkeras.files import sha256_of
from celestialkeras.training.run import Run, open_run

if TYPE_CHECKING:
    from celestialkeras.report.blocks import Block
    from celestialkeras.report.outline import Page
    from celestialkeras.report.record import RunRecord


@click.command()
@click.argument("run", required=False, type=ModelPath())
@click.option("--to", "page_file", type=click.Path(path_type=Path), help="The page.  [default: RUN/report.html]")
@click.option("--figures", type=click.Path(path_type=Path), help="Also write every plot as PNG and SVG to this folder.")
@click.option(
    "--bench",
    "benches",
    multiple=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="Show this benchmark (`celestial bench --json`) as well; the run's own are shown without being named.",
)
@click.option(
    "--comparison",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Show the table of this comparison, a folder of `celestial compare`.",
)
@json_option
def report(
    run: Path | None,
    page_file: Path | None,
    figures: Path | None,
    benches: tuple[Path, ...],
    comparison: Path | None,
    as_json: bool,
) -> None:
    """Write what is known of RUN (runs/latest if not given) as one HTML page that needs no other file.

    Nothing is measured: the page shows what `train`, `evaluate`, `robustness`, `explain`, `quantize` and `bench` left
    in the run's folder. A chapter whose figures are missing says which command makes them.
    """
    found = open_run(run)
    from celestialkeras.report.dataset_view import look_at
    from celestialkeras.report.material import Material
    from celestialkeras.report.page import save_figures, write_page, write_report
    from celestialkeras.report.record import RunRecord

    record = RunRecord(found)
    material = Material(
        record=record,
        dataset=look_at(record),
        lineage=_lineage(found),
        benches=_benches(record, benches),
        comparison=comparison,
    )
    page = write_page(material)
    target = page_file or found.folder / "report.html"
    write_report(page, target)
    drawn = save_figures(page, figures) if figures else []
    _tell(page, target, drawn, as_json)


def _lineage(run: Run) -> list[Block]:
    from celestial_cli.lineage import COLUMNS, lineage_rows
    from celestialkeras.errors import CelestialError
    from celestialkeras.report.blocks import Missing, Table

    if not run.model.is_file():
        return []
    try:
        return [Table("Steps, each with its artifacts", COLUMNS, lineage_rows(run))]
    except CelestialError as error:
        return [Missing(str(error), f"celestial lineage {run.folder}")]


def _benches(record: RunRecord, named: tuple[Path, ...]) -> list[Block]:
    """The run's own benchmarks and those that were named."""
    from celestial_edge.bench_chapter import bench_blocks
    from celestial_edge.device.bench_reading import read_bench, together
    from celestialkeras.errors import ArtifactError
    from celestialkeras.report.blocks import Missing

    notes: list[Block] = []
    found = []
    for artifact in _timed_artifacts(record.run):
        path, command = bench_record(artifact), record.command("bench")
        try:
            found.append(read_bench(path, sha256_of(artifact / CARD_NAME)))
            record.remember(path, command, str(path.relative_to(record.run.folder)))
        except ArtifactError as error:
            notes.append(Missing(str(error), command))
    for path in named:
        found.append(read_bench(path))
        record.remember(path, f"celestial bench --json > {path}")
    return [*notes, *(block for one in together(found) for block in bench_blocks(one))]


def _timed_artifacts(run: Run) -> list[Path]:
    """The run's artifacts beside which `celestial bench` keeps a record."""
    folder = artifacts_folder(run)
    found = sorted(folder.iterdir()) if folder.is_dir() else []
    return [path for path in found if is_artifact(path) and bench_record(path).is_file()]


def _tell(page: Page, target: Path, drawn: list[Path], as_json: bool) -> None:
    if as_json:
        chapters = [
            {
                "key": section.key,
                "title": section.title,
                "missing": None if section.missing is None else section.missing.what,
                "made_by": None if section.missing is None else section.missing.command,
            }
            for section in page.sections
        ]
        figures = [str(path) for path in drawn]
        print_json({"schema": "celestialkeras.report/1", "page": str(target), "chapters": chapters, "figures": figures})
        return
    rows = [
        [section.title, "not yet", f"{section.missing.what}: {section.missing.command}"]
        if section.missing
        else [section.title, "written", ""]
        for section in page.sections
    ]
    print_table(
        f"{target}, {target.stat().st_size / 1e6:.2f} MB", ["chapter", "", "what is missing, and what makes it"], rows
    )
    if drawn:
        say(f"written: {len(drawn)} files of figures in {drawn[0].parent}")
