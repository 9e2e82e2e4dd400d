"""The page of a run: its chapters, what is missing from it, and what it must not hold."""

import json
import re
from collections import Counter
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest

from celestialkeras.report.blocks import Cards
from celestialkeras.report.dataset_view import look_at
from celestialkeras.report.material import Material
from celestialkeras.report.outline import Page
from celestialkeras.report.page import CHAPTERS, render, save_figures, write_page, write_report
from celestialkeras.report.record import RunRecord
from celestialkeras.training.run import Run
from sample_runs import HOSTILE, view_of, write_run

_VOID = {"meta", "link", "img", "br"}
_EMPTY_IN_SVG = {"g", "path", "use", "rect", "line", "circle", "polyline"}


class _Reader(HTMLParser):
    """Follows the elements of a page and notes what is wrong with them."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.faults: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, dict(attrs))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._note(tag, dict(attrs))
        if tag not in _EMPTY_IN_SVG | _VOID:
            self.faults.append(f"<{tag}/>")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> at {self.getpos()}")

    def handle_data(self, data: str) -> None:
        self.text.append(data)

    def _note(self, tag: str, attributes: dict[str, str | None]) -> None:
        if identity := attributes.get("id"):
            self.ids.append(identity)
        for name in ("src", "href", "srcset", "data", "action", "poster"):
            value = attributes.get(name)
            if value is not None:
                (self.links if value.startswith("#") else self.loaded).append(value)
        if tag == "img" and not attributes.get("alt"):
            self.faults.append("img without alt")
        if tag == "svg" and not attributes.get("aria-label"):
            self.faults.append("svg without label")


def _read(html: str) -> _Reader:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader


def _page(run: Run, first: str = "NGC 1") -> Page:
    return write_page(Material(RunRecord(run), view_of(run, first)))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return write_run(tmp_path_factory.mktemp("runs") / "sample")


@pytest.fixture(scope="module")
def html(run: Run) -> str:
    return render(_page(run))


def test_the_page_is_well_formed_html(html: str) -> None:
    assert html.startswith("<!DOCTYPE html>")
    reader = _read(html)
    assert reader.faults == []
    assert reader.open == []
    assert [name for name, count in Counter(reader.ids).items() if count > 1] == []
    assert {link[1:] for link in reader.links} <= set(reader.ids)


def test_the_page_loads_nothing_and_runs_nothing(html: str) -> None:
    reader = _read(html)
    assert reader.loaded
    assert all(address.startswith("data:") for address in reader.loaded)
    assert not re.search(r"https?://|@import|<script|<iframe|<object", html)
    assert set(re.findall(r"url\((.)", html)) == {"#"}
    assert "default-src 'none'; img-src data:; style-src 'unsafe-inline'" in html


def test_every_chapter_stands_in_the_page_and_in_its_contents(html: str) -> None:
    keys = [chapter.key for chapter in CHAPTERS] + ["provenance"]
    for key in keys:
        assert f'<section id="{key}">' in html
        assert f'<a href="#{key}">' in html


def test_the_headline_says_what_the_pixels_add(run: Run, html: str) -> None:
    text = "".join(_read(html).text)
    assert "81.2 %" in text
    assert "of 16 test frames of 8 objects that training never saw" in text
    assert "Without a pixel, always answering one class tells 50.0 % of the same frames rightly" in text
    assert "the pixels add +31.2 points" in text
    headline = _page(run).headline
    assert headline.rungs[-1].is_network
    assert {"rule: majority", "rule: instrument"} <= {rung.name for rung in headline.rungs[:-1]}


def test_chapters_hold_their_figures(run: Run, html: str) -> None:
    page = _page(run)
    assert [section.key for section in page.sections if section.missing] == ["benchmarks", "comparison"]
    names = [plot.drawing.name for plot in page.plots()]
    assert names == [
        "training-loss",
        "training-accuracy",
        "confusion",
        "roc",
        "precision-recall-nsc",
        "precision-recall-galaxy",
        "reliability",
        "risk-coverage",
        "robustness-psf",
        "robustness-rotation",
    ]
    text = " ".join(" ".join(_read(html).text).split())
    for said in (
        "epoch 2, the lowest validation loss",
        "Confusion matrix: test frames",
        "By subtype, worst first (2)",
        "temperature 1.5",
        "static_wi8_ai8 validation 1.5 0.08 0.08",
        "static_wi8_ai8 whole 16 87.5 % 81.2 % 6.2 (-10.0 to 20.0) 90.0 % not judged",
        "The least sure test frames sent to the ground undecided",
        "psf amount, pixels",
        "the budget ended before psf:5, which are not drawn",
        "87.0 % sure. Likely cause: noise.",
        "Likely causes of the 1 errors among 16 frames",
        "agrees with Grad-CAM to a rank correlation of 0.50",
        "SHA-256 of model.keras",
        "celestial evaluate",
    ):
        assert said in text
    assert "right one" not in text


def test_what_is_missing_names_the_command_that_makes_it(tmp_path: Path) -> None:
    run = write_run(tmp_path / "bare")
    for name in ("evaluation-test.json", "calibration.json", "history.csv"):
        (run.folder / name).unlink()
    for name in ("robustness/robustness.json", "explanation/explanation.json"):
        (run.folder / name).unlink()
    page = _page(run)
    commands = {section.key: section.missing.command for section in page.sections if section.missing}
    folder = run.folder
    assert commands == {
        "training": f"celestial train --resume {folder}",
        "metrics": f"celestial evaluate {folder}",
        "slices": f"celestial evaluate {folder}",
        "calibration": f"celestial evaluate {folder}",
        "abstention": f"celestial evaluate {folder}",
        "robustness": f"celestial robustness {folder}",
        "errors": f"celestial explain {folder}",
        "benchmarks": f"celestial bench {folder}",
        "comparison": f"celestial report {folder} --comparison FOLDER",
    }
    assert page.headline.missing is not None
    text = "".join(_read(render(page)).text)
    assert "Not here: robustness/robustness.json is not there yet." in text


@pytest.mark.parametrize("held", ["{", "[]", '{"frames": 3}', '{"curves": [{"kind": 1}], "models": []}', "null"])
def test_a_damaged_file_costs_its_chapter_only(tmp_path: Path, held: str) -> None:
    run = write_run(tmp_path / "damaged")
    for name in ("robustness/robustness.json", "evaluation-test.json", "calibration.json"):
        (run.folder / name).write_text(held)
    page = _page(run)
    missing = {section.key for section in page.sections if section.missing}
    assert {"robustness", "metrics", "slices", "calibration", "abstention"} <= missing
    assert "errors" not in missing
    assert page.headline.missing is not None
    assert _read(render(page)).faults == []


def test_names_are_text_however_hostile(tmp_path: Path) -> None:
    run = write_run(tmp_path / "hostile", HOSTILE)
    html = render(_page(run, HOSTILE))
    assert "<script" not in html
    reader = _read(html)
    assert reader.faults == []
    # In the slices, on a card and below a picture.
    assert "".join(reader.text).count(HOSTILE) >= 3


def _pictures_of_errors(run: Run) -> list[str]:
    errors = next(section for section in _page(run).sections if section.key == "errors")
    return [
        picture.described
        for block in errors.blocks
        if isinstance(block, Cards)
        for card in block.cards
        for picture in card.pictures
    ]


def test_pictures_from_beyond_the_folder_stay_out(tmp_path: Path) -> None:
    run = write_run(tmp_path / "escape")
    folder = run.folder / "explanation"
    frame, overlay = "NGC 1, jtest0000 HDU 1: the frame", "NGC 1, jtest0000 HDU 1: where the network looked"
    assert _pictures_of_errors(run) == [frame, overlay]
    (tmp_path / "secret.png").write_bytes((folder / "frame.png").read_bytes())
    held = json.loads((folder / "explanation.json").read_text())
    held["frames"][0]["image"] = "../../secret.png"
    (folder / "explanation.json").write_text(json.dumps(held))
    assert _pictures_of_errors(run) == [overlay]
    (folder / "overlay.png").write_bytes(b"\x89PNG no picture")
    assert _pictures_of_errors(run) == []


def test_figures_of_another_model_are_told_apart(tmp_path: Path) -> None:
    run = write_run(tmp_path / "stale")
    run.model.write_bytes(b"trained again")
    page = _page(run)
    text = "".join(_read(render(page)).text)
    assert "These figures are of an earlier model of this run" in text
    assert "None of the models below is the run's as it now is" in text
    assert page.headline.warnings


def test_frames_of_another_data_set_are_not_called_unseen(tmp_path: Path) -> None:
    run = write_run(tmp_path / "elsewhere")
    path = run.folder / "evaluation-test.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "data": "other", "data_sha256": "e" * 64}))
    assert _page(run).headline.says[0].endswith("of 8 objects of other, not the data set that it was trained on")


def test_a_data_set_that_is_gone_costs_two_chapters(run: Run) -> None:
    record = RunRecord(run)
    page = write_page(Material(record, look_at(record)))
    gone = {section.key: section.missing.what for section in page.sections if section.missing}
    assert gone["data"].endswith(f"no data set; run `celestial data build MANIFEST --to {run.options().data}`")
    assert gone["audit"] == gone["data"]
    assert page.headline.accuracy == "81.2 %"


def test_the_same_run_gives_the_same_bytes(run: Run, html: str, tmp_path: Path) -> None:
    write_report(_page(run), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_bytes() == html.encode()
    assert len(html) < 1_000_000


def test_plots_are_kept_as_png_and_svg(run: Run, tmp_path: Path) -> None:
    page = _page(run)
    page = replace(page, sections=[section for section in page.sections if section.key == "training"])
    written = save_figures(page, tmp_path / "figures")
    assert sorted(path.name for path in (tmp_path / "figures").iterdir()) == [
        "training-accuracy.png",
        "training-accuracy.svg",
        "training-loss.png",
        "training-loss.svg",
    ]
    assert {path.parent for path in written} == {tmp_path / "figures"}


def test_provenance_lists_every_file_with_its_hash(run: Run) -> None:
    record = RunRecord(run)
    write_page(Material(record, view_of(run)))
    assert set(record.sources) == {
        "artifacts/static_wi8_ai8/card.json",
        "calibration.json",
        "evaluation-test.json",
        "explanation/explanation.json",
        "history.csv",
        "robustness/robustness.json",
        "training.json",
        "versions.json",
    }
    assert record.sources["history.csv"].command == f"celestial train --resume {run.folder}"
    assert all(len(source.sha256) == 64 for source in record.sources.values())
