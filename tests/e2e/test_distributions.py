"""Source distribution and wheel: they build, hold what they must and nothing else, and the tests run from the first."""

from __future__ import annotations

import email
import os
import re
import subprocess
import sys
import tarfile
import zipfile
from email.message import Message
from pathlib import Path, PurePosixPath

import pytest

from distributions import REPOSITORY, Distributions

pytestmark = pytest.mark.slow

PACKAGES = [Path("celestialkeras"), Path("edge/celestial_edge"), Path("cli/celestial_cli")]

# What packages hold beside modules.
DATA = {
    "celestialkeras/py.typed",
    "celestialkeras/models/listing.json",
    "celestial_edge/py.typed",
    "celestial_cli/py.typed",
}


def tree_modules() -> set[str]:
    """Modules of the working tree, as a wheel calls them."""
    return {
        path.relative_to(REPOSITORY / package.parent).as_posix()
        for package in PACKAGES
        for path in (REPOSITORY / package).rglob("*.py")
    }


def wheel_names(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as held:
        return {name for name in held.namelist() if not name.endswith("/")}


def sdist_names(sdist: Path) -> set[str]:
    with tarfile.open(sdist) as held:
        return {PurePosixPath(member.name).relative_to(root(sdist)).as_posix() for member in held if member.isfile()}


def root(sdist: Path) -> str:
    return sdist.name.removesuffix(".tar.gz")


def metadata(wheel: Path) -> Message:
    with zipfile.ZipFile(wheel) as held:
        (name,) = (name for name in held.namelist() if name.endswith(".dist-info/METADATA"))
        return email.message_from_bytes(held.read(name))


def test_the_wheel_holds_the_packages_and_their_data_alone(distributions: Distributions) -> None:
    names = wheel_names(distributions.wheel)
    held = {name for name in names if ".dist-info/" not in name}
    modules = {name for name in held if name.endswith(".py")}
    assert modules == tree_modules()
    data = held - modules
    assert data >= DATA
    assert "celestial_edge/shipped/celestialnet_edge/card.json" in data
    templates = {name for name in data if name.startswith("celestialkeras/report/templates/")}
    assert templates
    shipped = {name for name in data if name.startswith("celestial_edge/shipped/celestialnet_edge/")}
    assert data == DATA | templates | shipped
    (licence,) = (name for name in names if name.endswith("/licenses/LICENSE"))
    assert ".dist-info/" in licence
    assert (distributions.wheel.stat().st_size / 1e6) < 8


def test_the_wheel_of_the_sdist_is_that_of_the_tree(distributions: Distributions) -> None:
    assert wheel_names(distributions.wheel) == wheel_names(distributions.wheel_of_tree)


def test_the_sdist_holds_tests_pages_and_scripts_but_nothing_that_was_made(distributions: Distributions) -> None:
    names = sdist_names(distributions.sdist)
    assert names >= {
        *("LICENSE", "README.md", "CHANGELOG.md", "CITATION.cff", "Makefile", "constraints.txt", "pyproject.toml"),
        *("docs/json.md", "docs/images/frames.png", "edge/README.md", "edge/check_wheels.py", "edge/Containerfile"),
        *("edge/celestial-watch.service", "benchmarks/bench_edge.py", "tests/conftest.py"),
    }
    tests = {path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "tests").rglob("*.py")}
    assert tests <= names
    made = re.compile(r"__pycache__|\.py[cod]$|(^|/)\.[a-z]|^runs/|^demo/|^\.venv|\.fits(\.|$)|\.tfrecord$|\.keras$")
    assert {name for name in names if made.search(name)} == set()


def test_metadata_is_fit_for_a_package_index(distributions: Distributions) -> None:
    told = metadata(distributions.wheel)
    assert told["Name"] == "celestialkeras"
    assert re.fullmatch(r"\d+\.\d+\.\d+", told["Version"])
    assert told["Requires-Python"] == ">=3.10"
    assert told["License-Expression"] == "BSD-3-Clause"
    assert "\n" not in told["Summary"]
    # Rendered as what it is; told as plain text, the page of the index would show its source.
    assert told["Description-Content-Type"].startswith("text/markdown")
    assert str(told.get_payload()).startswith("# celestialkeras")
    extras = set(told.get_all("Provides-Extra"))
    assert {"train", "data", "simulate", "sign", "onnx", "cluster"} <= extras
    bare = [one for one in told.get_all("Requires-Dist") if "extra ==" not in one]
    assert not [one for one in bare if re.match(r"(tensorflow|keras|scipy|matplotlib|scikit-learn|galsim)\b", one)]


def test_tests_run_from_the_sdist(distributions: Distributions, tmp_path: Path) -> None:
    with tarfile.open(distributions.sdist) as held:
        held.extractall(tmp_path, filter="data")
    source = tmp_path / root(distributions.sdist)
    paths = os.pathsep.join(str(source / folder) for folder in (".", "edge", "cli"))
    where = "import celestialkeras, celestial_edge, celestial_cli as c; print(celestialkeras.__file__, c.__file__)"
    environment = {**os.environ, "PYTHONPATH": paths}
    found = subprocess.run(
        [sys.executable, "-c", where], capture_output=True, text=True, cwd=source, env=environment, check=True
    )
    assert all(Path(file).is_relative_to(source) for file in found.stdout.split())
    some = ["tests/unit/test_errors.py", "tests/unit/lcid/test_manifest.py", "tests/unit/cli/test_json_page.py"]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *some]
    done = subprocess.run(command, capture_output=True, text=True, cwd=source, env=environment, check=False)
    assert done.returncode == 0, done.stdout
