"""What the site needs beyond MkDocs: pages from outside this folder, the notebook, links that work in both places."""

from __future__ import annotations

import json
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

DOCS = Path(__file__).parent
ROOT = DOCS.parent

OUTSIDE = (
    *("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md", "CITATION.cff", "LICENSE"),
    *("edge/Containerfile", "edge/celestial-watch.service"),
)
"""Pages and files of the repository that the site has as well, under the same paths."""

NOTEBOOKS = ("notebooks/first_look.ipynb",)
"""Notebooks that are shown as pages, beside the files themselves."""

_LINK = re.compile(r"(?<=\]\()(?![a-z]+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds what lies outside docs/, and a page for each notebook."""
    for name in OUTSIDE:
        files.append(File(name, str(ROOT), config.site_dir, config.use_directory_urls))
    for name in NOTEBOOKS:
        cells = json.loads((DOCS / name).read_text(encoding="utf-8"))["cells"]
        page = str(Path(name).with_suffix(".md"))
        files.append(File.generated(config, page, content="\n\n".join(_as_markdown(cells, Path(name).name))))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Turns links that work in the repository into those that work in the site."""
    # A notebook's page stands where the notebook does.
    source = page.file.abs_src_path or DOCS / page.file.src_uri
    places = {file.abs_src_path: file.src_uri for file in files}

    def in_site(link: re.Match[str]) -> str:
        place = places.get(os.path.normpath(Path(source).parent / link[1]))
        # What is not found stays, and MkDocs warns of it.
        return link[0] if place is None else posixpath.relpath(place, posixpath.dirname(page.file.src_uri) or ".")

    return _LINK.sub(in_site, markdown)


def _as_markdown(cells: list[dict[str, object]], name: str) -> Iterator[str]:
    """Cells of a notebook one by one, those of code in fences; behind the first, where to get it."""
    for number, cell in enumerate(cells):
        lines = cell["source"]
        text = "".join(lines) if isinstance(lines, list) else str(lines)
        yield text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```"
        if number == 0:
            yield f"Outputs are not kept: [{name}]({name}) is the notebook, to be run."
