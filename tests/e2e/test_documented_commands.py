"""What the documentation tells to type can be typed, and does what it says.

Every block of every page is run, page by page and in its order, in a folder that holds what the page takes for granted;
or a line of `EXCUSED` says why it cannot be run here. Nothing else is possible: a page, a block or a command that is
neither fails a test. The pages that add something to the package are run by `test_how_to_pages.py`.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import takewhile
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from celestial_cli.main import celestial
from celestial_edge.device.shipped import shipped_artifact
from documentation import CHANGE, COMMANDS, PAGES, PYTHON, REPOSITORY, SHOWN, Block, blocks, blocks_of
from documented_worlds import (
    Board,
    Story,
    World,
    a_board,
    a_file,
    a_list,
    a_model,
    a_workstation,
    everything,
    linked,
    nothing,
    tell_story,
    the_lists,
)

ELSEWHERE = {"docs/how-to/add-a-model.md", "docs/how-to/add-a-telescope.md", "docs/how-to/add-a-degradation.md"}
"""Pages that `test_how_to_pages.py` runs."""

ON_A_BOARD: dict[str, Board] = {
    "docs/get-started.md": a_file,
    "docs/boards.md": a_workstation,
    "docs/operations.md": a_board,
}
"""Pages that need the shipped network and no TensorFlow, and what lies in the folder where each begins."""

TRAINED: dict[str, World] = {
    "README.md": everything,
    "docs/guides/newcomer.md": nothing,
    "docs/guides/astronomer.md": a_list,
    "docs/guides/edge-engineer.md": a_model,
    "docs/simulated-lcid.md": nothing,
    "docs/edge.md": everything,
    "docs/jetson.md": everything,
    "docs/studies.md": everything,
    "docs/results.md": everything,
    "docs/reproduce.md": the_lists,
    "docs/distributed.md": everything,
    "docs/cluster.md": everything,
}
"""The others."""

CATALOGUES = ("README.md",)
"""Pages that tell no story: each of their blocks begins in a folder of its own."""

EXCUSED = {
    "make demo": "the whole story at full length; its verbs are run here, in its order, by docs/guides/newcomer.md",
    "make test": "it is what runs this",
    "make setup": "it is what installed this",
    "make lint": "make test begins with it",
    "make slow": "it is what runs the slow half of this",
    "make bench": "benchmarks measure for minutes, and print what they measured",
    "git clone": "there is no address yet",
    "export PATH": "the verbs are called in this process",
    "python3 -m venv": "test_device_install.py installs",
    "celestial/bin/pip": "test_device_install.py installs",
    ".venv/bin/pip": "it needs an NVIDIA GPU to be of use",
    "pip install": "test_device_install.py installs",
    "python edge/check_wheels.py": "it asks the index; test_aarch64_wheels.py asks a made-up one",
    "python benchmarks/": "benchmarks measure for minutes, and print what they measured",
    "podman": "it needs a container engine",
    "sudo": "it needs root and systemd; test_watch_command.py reads the unit",
    "systemctl": "it needs systemd",
    "journalctl": "it needs systemd",
    "/usr/src/tensorrt/bin/trtexec": "it needs a Jetson",
    "celestial study": "arms x seeds trainings, each a process of its own; test_study_command.py has the verb",
    "celestial compare celestialnet_edge:": "trains in processes of its own; test_conduct.py does",
    "celestial compare hr_celestialnet:": "six networks, trained for 75 minutes each",
    "celestial train --strategy multiworker": "it takes several machines, or processes; test_two_workers.py has two",
    "dask": "it runs until it is stopped",
    "celestial predict /archive/": "it takes several machines",
    "celestial data build /archive/": "it takes several machines",
    "export TF_CONFIG": "it takes several machines",
    "celestial import-torch state.pt": "the weights are not published; test_import_torch_command.py makes some",
    "celestial evaluate authors.keras": "made by the line before",
}
"""What is not run here, by its beginning, and why."""

RUN_ALL_THE_SAME = ("celestial study --list",)
"""What an excuse covers by its beginning, and is run."""

SMALLER: tuple[tuple[str, str], ...] = (
    # The last of two equal options counts: what follows a command makes it small enough for a test.
    (r"celestial data simulate .*--preset demo", "--preset tiny --folder celestial-data/demo/frames"),
    (r"celestial data simulate .*--preset bench", "--preset tiny --folder celestial-data/bench/shards"),
    (r"celestial data build .*--test-list", ""),
    (r"celestial data build .*--split", ""),
    (r"celestial data build", "--split 50/25/25"),
    (r"celestial train .*hr_celestialnet .*full", "--width 0.03 --epochs 1 --batch-size 4"),
    (r"celestial train .*hr_celestialnet .*padding=same", "--size 4 --width 0.03 --epochs 1 --batch-size 4"),
    (r"celestial train .*hr_celestialnet .*1536x3072", "--width 0.03 --epochs 1 --batch-size 4"),
    (r"celestial train .*(resnet50|vgg16)", "--size 16 --epochs 1 --batch-size 4"),
    (r"celestial train .*padding=valid", "--width 0.25 --epochs 1 --batch-size 4"),
    (r"celestial (train|distil)", "--size 16 --width 0.25 --epochs 1 --batch-size 4"),
    (r"celestial prune", "--epochs 1"),
    (r"celestial factorize", "--rank 4"),
    (r"celestial quantize", "--calibration-frames 4"),
    (r"celestial bench", "--frames 3"),
    (r"celestial predict .*--cluster", "--cluster local:2"),
    (r"celestial robustness .*--kind", "--frames 1"),
    (r"celestial robustness", "--frames 1 --kind bad-columns"),
    (r"celestial explain", "--frames 2 --occlude 1 --patches 4"),
    (r"celestial data import-images", "--size 64x128 --workers 1"),
    (r"celestial data fetch", "--base-url {archive}"),
    (r"celestial watch .*--results", "--once --settle 0"),
)
"""What is added to the first that fits, so that frames are few and networks narrow."""

DIGEST = "1826b6c8..."
"""The SHA-256 of a card, as the pages write it."""

DOCUMENTED = [(block, command) for page in PAGES for block in blocks_of(page) for command in block.commands()]
VERBS = [
    (f"{block.page}:{block.line}", command)
    for block, command in DOCUMENTED
    if block.kind == COMMANDS and block.page not in ELSEWHERE and Path(command.split()[0]).name == "celestial"
]


def excuse(command: str) -> str | None:
    """The beginning in `EXCUSED` that a command has."""
    if command in RUN_ALL_THE_SAME:
        return None
    return next((beginning for beginning in EXCUSED if command.startswith(beginning)), None)


class Reader:
    """Does what a page tells to do.

    Attributes:
        folder: Where.
        archive: The address that stands in for MAST's.
    """

    def __init__(self, folder: Path, archive: str) -> None:
        self.folder = folder
        self.archive = archive

    def follow(self, story: Sequence[Block]) -> None:
        """Runs blocks in their order."""
        for block in story:
            assert block.kind != CHANGE, f"{block.page}:{block.line}: pages with changes are for test_how_to_pages.py"
            if block.kind == PYTHON:
                with contextlib.redirect_stdout(io.StringIO()):
                    exec(compile(block.text, f"{block.page}:{block.line}", "exec"), {"__name__": "__main__"})
            elif block.kind == COMMANDS:
                for command in block.commands():
                    if excuse(command) is None:
                        self.type(command, f"{block.page}:{block.line}")

    def type(self, command: str, where: str) -> None:
        """Runs one command as a shell would."""
        words = shlex.split(command)
        if words[0] == "scp":
            self.copy([word for word in words[1:-1] if word != "-r"], words[-1].removeprefix("board:"))
            return
        if Path(words[0]).name != "celestial":
            path = os.pathsep.join((str(Path(sys.executable).parent), os.environ["PATH"]))
            environment = {**os.environ, "PATH": path}
            done = subprocess.run(
                ["bash", "-c", command], capture_output=True, text=True, cwd=self.folder, env=environment, check=False
            )
            assert done.returncode == 0, f"{where}: {command}\n{done.stderr}"
            return
        added = next((added for form, added in SMALLER if re.match(form, command)), "")
        if ">" in words:
            *words, _, target = words
            output = self.folder / target
        else:
            output = None
        words += shlex.split(added.format(archive=self.archive))
        arguments = [name for word in words[1:] for name in self.expand(word)]
        if DIGEST in arguments:
            card = self.folder / "artifact/card.json"
            arguments[arguments.index(DIGEST)] = hashlib.sha256(card.read_bytes()).hexdigest()
        done = CliRunner().invoke(celestial, arguments)
        assert done.exit_code == 0, f"{where}: {command} {added}\n{done.output}\n{done.exception!r}"
        if output is not None:
            output.write_text(done.stdout)

    def expand(self, word: str) -> list[str]:
        """The names that a word with a star stands for; others as they are."""
        if "*" not in word:
            return [word]
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.glob(word))

    def copy(self, sources: Sequence[str], target: str) -> None:
        """Copies to the board, which is this folder too: what would be copied onto itself is there."""
        for source in sources:
            place = self.folder / (target or Path(source).name)
            if not place.exists():
                linked(self.folder / source, place)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    yield from tell_story(tmp_path_factory.mktemp("story"))


@pytest.fixture
def in_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], None]:
    """Goes to a folder, and asks no proxy for what is on this machine."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return monkeypatch.chdir


@pytest.mark.parametrize("page", ON_A_BOARD)
def test_a_page_that_needs_no_training(page: str, tmp_path: Path, in_folder: Callable[[Path], None]) -> None:
    in_folder(tmp_path)
    ON_A_BOARD[page](shipped_artifact(), tmp_path)
    Reader(tmp_path, "").follow(blocks_of(REPOSITORY / page))


@pytest.mark.slow
@pytest.mark.parametrize("page", TRAINED)
def test_a_page(page: str, story: Story, tmp_path: Path, in_folder: Callable[[Path], None]) -> None:
    found = blocks_of(REPOSITORY / page)
    for number, part in enumerate([[block] for block in found] if page in CATALOGUES else [found]):
        folder = tmp_path / str(number)
        folder.mkdir()
        in_folder(folder)
        TRAINED[page](story, folder)
        Reader(folder, story.archive.url).follow(part)


def test_every_page_with_something_to_type_is_run() -> None:
    typed = {block.page for page in PAGES for block in blocks_of(page) if block.kind in (PYTHON, CHANGE)}
    typed |= {block.page for block, command in DOCUMENTED if block.kind == COMMANDS and excuse(command) is None}
    assert typed == {*ON_A_BOARD, *TRAINED, *ELSEWHERE}


def test_every_excuse_is_of_use() -> None:
    assert {excuse(command) for block, command in DOCUMENTED if block.kind == COMMANDS} - {None} == set(EXCUSED)
    assert all(command in [found for _, found in DOCUMENTED] for command in RUN_ALL_THE_SAME)


def test_every_way_to_make_a_command_smaller_is_of_use() -> None:
    used = {next((form for form, _ in SMALLER if re.match(form, command)), None) for _, command in VERBS}
    assert used >= {form for form, _ in SMALLER}


def test_a_block_must_say_what_it_is() -> None:
    page = "A command:\n\n```console\n$ celestial train\n```\n"
    with pytest.raises(ValueError, match=r"page\.md:3: a block of 'console'; say sh, python, diff, or text"):
        list(blocks(page, "page.md"))


def test_what_is_shown_is_no_command() -> None:
    shown = [block for page in PAGES for block in blocks_of(page) if block.kind == SHOWN]
    assert not [block for block in shown if re.search(r"^\$? ?(celestial|make|pip) ", block.text, re.MULTILINE)]


def test_commands_are_joined_and_stripped_of_comments() -> None:
    block = Block("page.md", 1, COMMANDS, "", "celestial train \\\n    --size 4   # binned\n\n# nothing\nmake test\n")
    assert block.commands() == ["celestial train --size 4", "make test"]


@pytest.mark.parametrize(("where", "command"), VERBS)
def test_a_documented_command_can_be_typed(where: str, command: str) -> None:
    found: click.Command = celestial
    words = list(takewhile(lambda word: word != ">", shlex.split(command.replace(DIGEST, "0" * 64))))
    context = click.Context(found, info_name=words.pop(0))
    while isinstance(found, click.Group) and words and not words[0].startswith("-"):
        name, verb, words = found.resolve_command(context, words)
        assert verb is not None, f"{where}: no verb {name!r}"
        found = verb
        context = click.Context(found, parent=context, info_name=name)
    if not isinstance(found, click.Group):
        # Parses, and refuses what is unknown, missing or out of range; nothing is run.
        found.make_context(found.name, words, parent=context.parent)
