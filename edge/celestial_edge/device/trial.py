"""A trial of artifacts from anybody: what would end the process that loads it ends a process of its own.

LiteRT parses a graph in C++ and believes much of what it says: one whose hashes fit can end the process. So the graphs
of an artifact that proves nothing are first loaded, and run once, by `trial_worker`, within limits of memory and time.
Those that came through are remembered, for this process and by an empty file for those to come.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from typing import Any

from celestial_edge.card import OpenArtifact
from celestialkeras.errors import ArtifactError

LIMIT_BYTES = 1 << 30
"""Memory that an artifact may take in its trial: half as much again as the largest layout that boards are meant for."""

LIMIT_S = 120.0
"""Seconds that a trial may take: many times what the slowest board needs for its slowest network."""

CACHE_VARIABLE = "CELESTIAL_CACHE"
"""Names the folder in which what came through its trial is remembered; by default that of the user's cache."""

_START = (
    # The working folder comes first on the path, and a file there could shadow a package.
    "import sys; sys.path[:] = [entry for entry in sys.path if entry]; import json; "
    "from celestial_edge.device.trial_worker import main; main(json.loads(sys.argv[1]))"
)

_survivors: set[str] = set()


class DeadlyArtifactError(ArtifactError):
    """An artifact ended the process in which it was tried. `fate` is how, such as `SIGSEGV`."""

    def __init__(self, artifact: Path, fate: str, why: str) -> None:
        super().__init__(
            f"{artifact}: kills LiteRT ({fate}): {why} when it was tried in a process of its own; made to do so, or "
            f"damaged before its card was written. `--expect` its card, or `--untried`, loads it all the same"
        )
        self.fate = fate


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, a signal as a negative one, and what it said on standard output and error."""

    code: int
    out: str
    errors: str


def try_out(artifact: OpenArtifact, threads: int | None) -> None:
    """Has a process of its own load and run an artifact's graphs, unless they came through that before.

    What it cannot show: a graph that fails with some frames only, or with other threads.

    Args:
        artifact: The open artifact; the process is given the very files that were hashed.
        threads: Threads of the interpreters; None leaves it to LiteRT.

    Raises:
        DeadlyArtifactError: The process did not outlive it, or not within `LIMIT_S` and `LIMIT_BYTES`.
        ArtifactError: LiteRT refuses it there.
    """
    key = _key(artifact)
    if key in _survivors or _is_remembered(key):
        return
    refusal = _ask(artifact, threads)
    if refusal is not None:
        raise ArtifactError(refusal)
    note_survivor(artifact)


def note_survivor(artifact: OpenArtifact) -> None:
    """Remembers that an artifact's graphs were loaded and run here, so that they are not tried again."""
    key = _key(artifact)
    _survivors.add(key)
    # Where there is nowhere to remember it, each start tries it.
    with suppress(OSError, RuntimeError):
        note = _notes() / key
        note.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        note.touch()


def run_worker(config: Mapping[str, Any], descriptors: Sequence[int]) -> Ended:
    """Starts `trial_worker` and waits for its end.

    Args:
        config: What it is given.
        descriptors: The open files that it inherits.

    Raises:
        OSError: It cannot be started.
    """
    with subprocess.Popen(
        [sys.executable, "-c", _START, json.dumps(config)],
        pass_fds=descriptors,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            # What is needed next, while the other one does its part.
            import_module("ai_edge_litert.interpreter")
            out, errors = process.communicate()
        finally:
            process.kill()
    return Ended(process.returncode, out, errors)


def _ask(artifact: OpenArtifact, threads: int | None) -> str | None:
    """Why the other process refuses the artifact; None if it does not."""
    graphs = [
        {
            "name": str(graph.file.path),
            "descriptor": graph.file.source.fileno(),
            "state": graph.file.state,
            "stride": graph.stride,
        }
        for graph in artifact.graphs
    ]
    limits = {"bytes": LIMIT_BYTES, "seconds": LIMIT_S}
    config = {"graphs": graphs, "shape": artifact.card.input.model_shape, "threads": threads, **limits}
    try:
        ended = run_worker(config, [graph.file.source.fileno() for graph in artifact.graphs])
    except OSError as error:
        raise ArtifactError(
            f"{artifact.folder}: no process can be started to try it in ({error}); `--expect` its card, or "
            "`--untried`, loads it without"
        ) from error
    if ended.code:
        raise _death(artifact.folder, ended)
    # Libraries may have said something before.
    refusal: str | None = json.loads(ended.out.splitlines()[-1])
    return refusal


def _is_remembered(key: str) -> bool:
    # A note of somebody else's says nothing.
    try:
        return (_notes() / key).lstat().st_uid == os.geteuid()
    except (OSError, RuntimeError):
        return False


def _notes() -> Path:
    named = os.environ.get(CACHE_VARIABLE)
    base = Path(named) if named else Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "celestialkeras"
    return base / "tried"


def _key(artifact: OpenArtifact) -> str:
    """What the outcome of a trial follows from."""
    graphs = [(graph.file.sha256, graph.stride) for graph in artifact.graphs]
    told = [graphs, artifact.card.input.model_shape, version("ai-edge-litert"), os.uname().machine, LIMIT_BYTES]
    return hashlib.sha256(json.dumps(told).encode()).hexdigest()


def _death(artifact: Path, ended: Ended) -> DeadlyArtifactError:
    if ended.code == -signal.SIGALRM:
        return DeadlyArtifactError(artifact, "hang", f"it took more than {LIMIT_S:g} s")
    if ended.code < 0:
        why = f"it crashed, or asked for more than {LIMIT_BYTES >> 20} MiB,"
        return DeadlyArtifactError(artifact, signal.Signals(-ended.code).name, why)
    last_words = (ended.errors.strip().splitlines() or ["without a word"])[-1]
    return DeadlyArtifactError(artifact, f"exit code {ended.code}", f"it failed, {last_words},")
