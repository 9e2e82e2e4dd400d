"""The source distribution and the wheel, built as they would be for a package index."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

REPOSITORY = Path(__file__).parents[1]

# Of the working folder alone: a package is called so too.
_TOP_ONLY = {"runs", "comparisons", "studies", "demo", "site"}
_KEPT_OUT = (*_TOP_ONLY, ".git", ".venv", "*.egg-info", "build", "dist", ".*_cache", "__pycache__")


@dataclass(frozen=True)
class Distributions:
    """What was built.

    Attributes:
        sdist: The source distribution.
        wheel: The wheel that was made of it.
        wheel_of_tree: The wheel that was made of the working tree.
    """

    sdist: Path
    wheel: Path
    wheel_of_tree: Path


def build_distributions(folder: Path) -> Distributions:
    """Builds both in a folder, each in an environment of its own; the working tree is left as it is."""
    source = folder / "source"
    shutil.copytree(REPOSITORY, source, ignore=_ignored)
    # What a tree in use holds, and no distribution must.
    (source / "runs" / "mine").mkdir(parents=True)
    (source / "runs" / "mine" / "model.keras").touch()
    (source / "tests" / "__pycache__").mkdir(exist_ok=True)
    (source / "tests" / "__pycache__" / "conftest.cpython-311.pyc").touch()
    (source / "celestialkeras" / "__pycache__").mkdir(exist_ok=True)
    (source / "celestialkeras" / "__pycache__" / "errors.cpython-311.pyc").touch()
    for what, target in (([], "dist"), (["--wheel"], "of-tree")):
        command = [sys.executable, "-m", "build", *what, "--outdir", folder / target, source]
        subprocess.run(command, check=True, capture_output=True, cwd=folder)
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    (wheel,) = (folder / "dist").glob("*.whl")
    (wheel_of_tree,) = (folder / "of-tree").glob("*.whl")
    return Distributions(sdist, wheel, wheel_of_tree)


def _ignored(folder: str, names: list[str]) -> set[str]:
    ignored = shutil.ignore_patterns(*_KEPT_OUT)(folder, names)
    return ignored if Path(folder) == REPOSITORY else ignored - _TOP_ONLY
