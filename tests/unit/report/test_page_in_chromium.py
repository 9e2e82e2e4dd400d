"""The page as a browser sees it. Skipped where there is no Chromium: `apt-get install chromium` brings it."""

import re
from pathlib import Path

import pytest

from celestialkeras.report.material import Material
from celestialkeras.report.page import CHAPTERS, write_page, write_report
from celestialkeras.report.record import RunRecord
from headless_browser import find_browser, visit, width_of
from sample_runs import HOSTILE, view_of, write_run


@pytest.fixture(scope="module")
def browser() -> str:
    found = find_browser()
    if found is None:
        pytest.skip("no Chromium on this machine; `apt-get install chromium` brings it")
    return found


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("browsed")
    run = write_run(folder / "sample", HOSTILE)
    write_report(write_page(Material(RunRecord(run), view_of(run, HOSTILE))), folder / "report.html")
    return folder / "report.html"


def test_the_page_stands_whole_says_nothing_and_asks_for_nothing(browser: str, page: Path) -> None:
    seen = visit(browser, page)
    assert seen.console == ()
    assert seen.requests == ()
    for key in [*(chapter.key for chapter in CHAPTERS), "provenance"]:
        assert f'<section id="{key}">' in seen.dom
    assert len(re.findall(r'<figure class="plot"', seen.dom)) == 10


def test_what_a_page_asks_for_and_complains_of_is_seen(browser: str, tmp_path: Path) -> None:
    page = tmp_path / "loud.html"
    page.write_text("<!DOCTYPE html><img src='http://127.0.0.1:9/x.png'><script>console.error('loud')</script>")
    seen = visit(browser, page)
    assert "http://127.0.0.1:9/x.png" in seen.requests
    assert any("loud" in line for line in seen.console)


@pytest.mark.parametrize("width", [390, 320])
def test_a_phone_need_not_scroll_sideways(browser: str, page: Path, tmp_path: Path, width: int) -> None:
    assert width_of(browser, page, tmp_path, width) == width


def test_an_element_too_wide_for_a_phone_is_seen(browser: str, tmp_path: Path) -> None:
    page = tmp_path / "wide.html"
    page.write_text("<!DOCTYPE html><body style='margin:0'><p style='width:500px'>wide")
    assert width_of(browser, page, tmp_path, 390) == 500
