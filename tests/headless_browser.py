"""A page as headless Chromium sees it: its DOM, what the console says, and what it asks of the network."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from html import escape
from pathlib import Path

_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
_SECONDS = 120
_CONSOLE = re.compile(r"CONSOLE[^\]]*\] (.*)")


@dataclass(frozen=True)
class Visit:
    """What a visit to a page showed.

    Attributes:
        dom: The document after it was loaded, as HTML.
        console: Lines of the console.
        requests: Addresses that the page asked for, itself and `data:` left out.
    """

    dom: str
    console: tuple[str, ...]
    requests: tuple[str, ...]


def find_browser() -> str | None:
    """The browser's program; None where there is none."""
    return next((found for name in _NAMES if (found := shutil.which(name))), None)


def visit(browser: str, page: Path, *flags: str) -> Visit:
    """Loads a page and waits until it is done."""
    with tempfile.TemporaryDirectory(prefix="browser-") as folder:
        log = Path(folder) / "net.json"
        done = subprocess.run(
            [
                browser,
                "--headless=new",
                # As root, as in a container, there is no sandbox.
                "--no-sandbox",
                "--disable-gpu",
                "--disable-dev-shm-usage",
                "--disable-background-networking",
                "--disable-component-update",
                "--no-first-run",
                "--no-proxy-server",
                f"--user-data-dir={folder}/profile",
                f"--log-net-log={log}",
                "--enable-logging=stderr",
                *flags,
                "--dump-dom",
                page.as_uri(),
            ],
            capture_output=True,
            text=True,
            timeout=_SECONDS,
            check=True,
        )
        events = json.loads(log.read_text(encoding="utf-8", errors="replace"))
    return Visit(done.stdout, tuple(_CONSOLE.findall(done.stderr)), _requests(events, page.as_uri()))


def width_of(browser: str, page: Path, folder: Path, width: int) -> int:
    """How wide a page lays itself out on a screen of so many pixels: more than that, and one has to scroll sideways.

    Windows of the browser have a least width; a frame in a page has none.
    """
    held = escape(page.read_text(encoding="utf-8"))
    wrapper = folder / "wrapper.html"
    wrapper.write_text(
        f'<!DOCTYPE html><iframe srcdoc="{held}" style="width:{width}px;height:800px;border:0"></iframe>'
        "<script>onload = () => { document.title = document.querySelector('iframe').contentDocument"
        ".documentElement.scrollWidth; }</script>",
        encoding="utf-8",
    )
    title = re.search(r"<title>(\d+)</title>", visit(browser, wrapper, "--hide-scrollbars").dom)
    assert title is not None
    return int(title[1])


def _requests(log: dict[str, object], own: str) -> tuple[str, ...]:
    """Addresses that were asked for on behalf of a page; the browser's own errands have no initiator."""
    constants, events = log["constants"], log["events"]
    assert isinstance(constants, dict)
    assert isinstance(events, list)
    started = constants["logEventTypes"]["URL_REQUEST_START_JOB"]
    found = []
    for event in events:
        asked = event.get("params", {})
        if event["type"] != started or "url" not in asked or asked["url"].startswith(("data:", own)):
            continue
        if asked.get("initiator", "not an origin") != "not an origin":
            found.append(asked["url"])
    return tuple(dict.fromkeys(found))
