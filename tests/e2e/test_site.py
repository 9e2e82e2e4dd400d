"""The site: built with warnings as errors, whole, and without a request to another host."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from headless_browser import find_browser, visit

REPOSITORY = Path(__file__).parents[2]
PACKAGES = (("", "celestialkeras"), ("edge", "celestial_edge"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    # What the theme has to say of its makers' other work is no matter of this site.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}
    built = subprocess.run(command, capture_output=True, text=True, cwd=REPOSITORY, env=environment, check=False)
    assert built.returncode == 0, built.stdout + built.stderr
    return folder


def modules() -> set[str]:
    """Every public module, by its file."""
    found = set()
    for root, package in PACKAGES:
        for path in (REPOSITORY / root / package).rglob("*.py"):
            parts = path.relative_to(REPOSITORY / root).with_suffix("").parts
            found.add(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return found


def test_every_module_stands_in_the_reference(site: Path) -> None:
    pages = [page.read_text(encoding="utf-8") for page in (site / "api").glob("*.html")]
    shown = {name for page in pages for name in re.findall(r'id="(celestial[\w.]+)"', page)}
    assert modules() - shown == set()


def test_pages_of_the_repository_are_pages_of_the_site(site: Path) -> None:
    home = (site / "index.html").read_text(encoding="utf-8")
    assert "From one raw exposure, celestialkeras says whether it is a" in home
    for link in ("SECURITY.html", "CHANGELOG.html", "edge.html", "operations.html", "images/frames.png"):
        assert f'"{link}' in home
    for name in ("CONTRIBUTING.html", "edge/celestial-watch.service", "notebooks/first_look.ipynb"):
        assert (site / name).is_file()
    assert "<h2" in (site / "notebooks/first_look.html").read_text(encoding="utf-8")


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    for page in site.rglob("*.html"):
        loaded = re.findall(r'<(?:script|link|img|iframe)[^>]*(?:src|href)="([^"]+)"', page.read_text(encoding="utf-8"))
        assert not [address for address in loaded if re.match(r"(https?:)?//", address)], page


@pytest.mark.skipif(find_browser() is None, reason="no browser here")
def test_a_browser_asks_no_other_host(site: Path) -> None:
    browser = find_browser()
    assert browser is not None
    seen = visit(browser, site / "architecture.html")
    assert "md-content" in seen.dom
    assert [address for address in seen.requests if not address.startswith("file:")] == []
