"""Whether every package of the bare install comes as a wheel for 64-bit Arm boards, for each Python that is supported.

    python edge/check_wheels.py [3.10 3.11 ...]

Asks pip to resolve the dependencies of pyproject.toml as it would on a board with glibc 2.27 (JetPack 6 and Raspberry
Pi OS have newer ones), wheels only, and installs nothing. An index or a tag that is too old does not fail but gives
LiteRT 1.4, so the version that is found is checked too. Exit code 1 when a package has no wheel or LiteRT is too old.

pip judges markers such as `python_version < '3.11'` by the Python that it runs on: each version is asked on its own
interpreter where there is one.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import tomllib

VERSIONS = ("3.10", "3.11", "3.12", "3.13")

_OLDEST_LITERT = (2, 1)

# pip takes a PEP 600 tag for itself alone, not for the older ones that it implies.
_PLATFORMS = (*(f"manylinux_2_{minor}_aarch64" for minor in range(27, 16, -1)), "manylinux2014_aarch64")

_PROJECT = Path(__file__).parents[1] / "pyproject.toml"


def find_python(version: str) -> str | None:
    """An interpreter of this version that answers: this one, one on PATH, or one that pyenv keeps."""
    if sys.version.startswith(f"{version}."):
        return sys.executable
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    candidates = [shutil.which(f"python{version}"), *map(str, sorted(kept.glob(f"{version}.*/bin/python3")))]
    for candidate in filter(None, candidates):
        done = subprocess.run([candidate, "--version"], capture_output=True, text=True, check=False)
        if done.returncode == 0 and done.stdout.startswith(f"Python {version}."):
            return candidate
    return None


def resolve(version: str, python: str) -> dict[str, str]:
    """The file that pip would install of each package.

    Args:
        version: Python of the board, such as `3.10`.
        python: The interpreter whose pip is asked.

    Returns:
        Names of wheels by package.

    Raises:
        RuntimeError: pip finds no wheels that fit together; its last words.
    """
    requirements = tomllib.loads(_PROJECT.read_text(encoding="utf-8"))["project"]["dependencies"]
    platforms = [option for platform in _PLATFORMS for option in ("--platform", platform)]
    wanted = ["--python-version", version, "--implementation", "cp", "--only-binary=:all:", *platforms]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        asked = ["install", "--quiet", "--dry-run", "--ignore-installed", "--target", folder, "--report", str(report)]
        command = [python, "-m", "pip", *asked, *wanted, *requirements]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or ["pip failed without a word"])[-1])
        installed = json.loads(report.read_text(encoding="utf-8"))["install"]
    return {one["metadata"]["name"].lower(): one["download_info"]["url"].rpartition("/")[2] for one in installed}


def litert_version(wheel: str) -> tuple[int, int]:
    """Major and minor version by the name of LiteRT's wheel."""
    major, minor = wheel.split("-")[1].split(".")[:2]
    return int(major), int(minor)


def main(versions: Sequence[str]) -> int:
    """Resolves for each version and says what was found; 1 if anything is missing."""
    failed = 0
    for version in versions:
        python = find_python(version)
        try:
            found = resolve(version, python or sys.executable)
        except RuntimeError as error:
            sys.stdout.write(f"Python {version}: {error}\n")
            failed = 1
            continue
        litert = found["ai-edge-litert"]
        old = litert_version(litert) < _OLDEST_LITERT
        failed |= old
        natives = sorted(wheel for wheel in found.values() if not wheel.endswith("-any.whl"))
        note = "" if python else f"; markers judged by Python {sys.version_info.major}.{sys.version_info.minor}"
        sys.stdout.write(f"Python {version}: {len(found)} packages, {len(natives)} of them for aarch64{note}\n")
        sys.stdout.writelines(f"  {wheel}\n" for wheel in natives)
        if old:
            sys.stdout.write(f"  LiteRT is older than {'.'.join(map(str, _OLDEST_LITERT))}: {litert}\n")
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:] or VERSIONS))
