"""The pages that say how to add something: their changes are made to a copy of the package, and tried there."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from itertools import pairwise
from pathlib import Path

import pytest

from documentation import CHANGE, COMMANDS, PYTHON, REPOSITORY, SHOWN, Block, blocks_of
from small_datasets import DatasetFactory, SmallSplit

HOW_TO = REPOSITORY / "docs" / "how-to"


def change(copy: Path, block: Block) -> None:
    """Makes a change as a reader makes it: where its old lines stand, which must be one place."""
    lines = block.text.splitlines()
    old, new = ("\n".join(line[1:] for line in lines if line[:1] in (" ", sign)) + "\n" for sign in "-+")
    path = copy / block.title
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1, f"{block.page}:{block.line}: {text.count(old)} places in {block.title} read\n{old}"
    path.write_text(text.replace(old, new), encoding="utf-8")


def run(copy: Path, folder: Path, *command: str) -> str:
    paths = os.pathsep.join(str(copy / name) for name in (".", "edge", "cli"))
    environment = {**os.environ, "PYTHONPATH": paths, "PYTHONWARNINGS": "error"}
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, cwd=folder, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """The three packages, to be changed."""
    copy = tmp_path / "copy"
    for package in ("celestialkeras", "edge/celestial_edge", "cli/celestial_cli"):
        shutil.copytree(REPOSITORY / package, copy / package, ignore=shutil.ignore_patterns("__pycache__"))
    return copy


@pytest.mark.parametrize("name", ["add-a-telescope", "add-a-degradation"])
def test_what_the_page_adds_works(name: str, copy: Path, tmp_path: Path) -> None:
    found = blocks_of(HOW_TO / f"{name}.md")
    for block in found:
        if block.kind == CHANGE:
            change(copy, block)
    examples = [(block, shown) for block, shown in pairwise(found) if block.kind == PYTHON]
    assert examples
    for block, shown in examples:
        assert shown.kind == SHOWN
        assert run(copy, tmp_path, "-c", block.text) == shown.text


def test_a_change_that_fits_nowhere_is_seen(copy: Path) -> None:
    block = Block("page.md", 7, CHANGE, "celestialkeras/__init__.py", "-no such line\n+another\n")
    with pytest.raises(AssertionError, match=r"page\.md:7: 0 places"):
        change(copy, block)


@pytest.mark.slow
def test_the_network_of_the_page_is_trained_and_quantized(
    copy: Path, tmp_path: Path, make_dataset: DatasetFactory
) -> None:
    found = blocks_of(HOW_TO / "add-a-model.md")
    (network,) = (block for block in found if block.kind == PYTHON)
    (copy / network.title).write_text(network.text, encoding="utf-8")
    # Frames of 256 x 512 pixels, which the page's commands bin by 4.
    make_dataset((256, 512), (SmallSplit(4, 4), SmallSplit(2, 2), SmallSplit(2, 2)))
    celestial, benchmark = (block.commands() for block in found if block.kind == COMMANDS)
    for command in celestial:
        small = ["--epochs", "1"] if command.startswith("celestial train") else []
        run(copy, tmp_path, "-W", "default", "-m", "celestial_cli.main", *command.split()[1:], *small)
    assert (tmp_path / "runs/spots/artifacts/static_wi8_ai8/card.json").is_file()
    # Counting every network, and holding them to their promises, is what the suite does with those that are there.
    assert benchmark == ["python benchmarks/list_models.py", "python -m pytest tests/contracts -k spot_counter"]
