"""The page: its chapters written, its template filled, its plots saved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from celestialkeras import __version__
from celestialkeras.errors import MissingExtraError
from celestialkeras.files import write_text
from celestialkeras.report.blocks import Block, Missing
from celestialkeras.report.chapters import (
    audit,
    benchmarks,
    calibration,
    comparison,
    data,
    errors,
    headline,
    lineage,
    metrics,
    provenance,
    robustness,
    slices,
    training,
)
from celestialkeras.report.material import Material
from celestialkeras.report.outline import Page, Section
from celestialkeras.report.palette import SERIES, style_variables
from celestialkeras.report.record import NotThereError

# What reading a file of another shape than its command writes ends in.
_NOT_THE_SHAPE = (KeyError, TypeError, ValueError, IndexError, AttributeError, ZeroDivisionError)


@dataclass(frozen=True)
class _Chapter:
    """A chapter, not yet written.

    Attributes:
        key: Its anchor.
        title: Its heading.
        lead: What it answers.
        verb: The verb whose file it reads.
        blocks: Writes it. Raises `NotThereError` where there is nothing.
    """

    key: str
    title: str
    lead: str
    verb: str
    blocks: Callable[[Material], Sequence[Block]]


CHAPTERS = (
    _Chapter("data", "Data", "What the network was trained and judged on.", "report", data.blocks),
    _Chapter("audit", "Audit", "What the list gives away without a pixel.", "report", audit.blocks),
    _Chapter("training", "Training", "How the network learnt.", "train --resume", training.blocks),
    _Chapter("metrics", "Metrics", "How well it tells galaxies from NSC.", "evaluate", metrics.blocks),
    _Chapter("slices", "Slices", "Where it goes wrong, the worst first.", "evaluate", slices.blocks),
    _Chapter("calibration", "Calibration", "Whether its probabilities mean it.", "evaluate", calibration.blocks),
    _Chapter("abstention", "Abstention", "What it gains by leaving doubt open.", "evaluate", calibration.abstention),
    _Chapter("robustness", "Robustness", "What worse frames do to it.", "robustness", robustness.blocks),
    _Chapter("errors", "Errors", "Which frames it gets wrong, and why.", "explain", errors.blocks),
    _Chapter("lineage", "Compression", "What was done to make it small, and at what cost.", "lineage", lineage.blocks),
    _Chapter("benchmarks", "Benchmarks", "How fast it is, and how much memory it takes.", "bench", benchmarks.blocks),
    _Chapter("comparison", "Comparison", "How it stands against others.", "report", comparison.blocks),
)
"""The chapters in order; provenance, which lists what they read, comes after them."""


def write_page(material: Material) -> Page:
    """Writes every chapter; one that has nothing to show says which command makes it.

    Args:
        material: What is known of the run.

    Returns:
        The page.
    """
    record = material.record
    front = headline.headline(material)
    sections = [_section(chapter, material) for chapter in CHAPTERS]
    page = Page("", "", front, sections, "")
    last = provenance.blocks(material, page.plots())
    sections.append(Section("provenance", "Provenance", "What made each figure, to the byte.", last))
    options = record.options
    return Page(
        title=record.run.name,
        subtitle=f"{options.model}, trained on {options.data}",
        headline=front,
        sections=sections,
        footer=f"celestialkeras {__version__}, `celestial report {record.run.folder}`",
    )


def render(page: Page) -> str:
    """The page as HTML, whole in itself: no script, nothing fetched.

    Raises:
        MissingExtraError: Jinja2 or matplotlib is not installed.
    """
    try:
        from jinja2 import Environment, PackageLoader, StrictUndefined
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "writing a report") from error
    environment = Environment(
        loader=PackageLoader("celestialkeras.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("report.html.j2").render(
        page=page, light=style_variables(dark=False), dark=style_variables(dark=True), series=SERIES
    )


def write_report(page: Page, path: Path) -> None:
    """Writes the page as HTML, whole or not at all; the same run gives the same bytes.

    Args:
        page: The page.
        path: The file to write or replace.

    Raises:
        MissingExtraError: Jinja2 or matplotlib is not installed.
    """
    write_text(path, render(page))


def save_figures(page: Page, folder: Path) -> list[Path]:
    """Writes every plot of the page as PNG and SVG.

    Args:
        page: The page.
        folder: Where to; made if it is missing.

    Returns:
        The files.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    return [path for plot in page.plots() for path in plot.drawing.save(folder)]


def _section(chapter: _Chapter, material: Material) -> Section:
    try:
        blocks: Sequence[Block] = chapter.blocks(material)
    except NotThereError as gone:
        blocks = [Missing(gone.what, gone.command)]
    except _NOT_THE_SHAPE as error:
        # A page without one chapter is worth more than none; the file may be of another version.
        what = f"what it is made from is not what the command writes ({type(error).__name__}: {error})"
        blocks = [Missing(what, material.record.command(chapter.verb))]
    return Section(chapter.key, chapter.title, chapter.lead, blocks)
