"""Whether LiteRT and XNNPACK work here: the shipped artifact runs its golden frames, in a process of its own.

A library that was built for another processor ends the process that loads it; so may a driver that TensorFlow loads.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from typing import Any

from celestial_edge.device.shipped import shipped_artifact
from celestialkeras.workers import CLEAN_PATH

PATIENCE_S = 120.0
"""Seconds that the golden frames, or TensorFlow, may take: a board at work starts slowly."""

_REPEATS = 3

_ASK_GPU = (
    "import json; from celestialkeras.backend import import_tensorflow; "
    "tf = import_tensorflow('looking for a GPU'); "
    "print(json.dumps([device.name for device in tf.config.list_physical_devices('GPU')]))"
)
_RUN_GOLDEN = "from celestial_edge.device.doctor.runtime_check import main; main()"


class ProbeError(Exception):
    """A process that was to find something out failed; the message says how."""


@dataclass(frozen=True)
class RuntimeCheck:
    """What the shipped artifact did.

    Attributes:
        artifact: Its folder.
        frames: Golden frames that were run.
        load_ms: From nothing to an interpreter that is ready.
        invoke_ms: Median for a frame, from codes to logits.
        agrees: Whether each logit is as near to that of the machine where the artifact was made as its rule asks.
        identical: Whether they are the same to the bit.
        rule: The rule, in words.
        undelegated: Operators that XNNPACK did not take.
    """

    artifact: str
    frames: int
    load_ms: float
    invoke_ms: float
    agrees: bool
    identical: bool
    rule: str
    undelegated: tuple[str, ...]


def check_runtime() -> RuntimeCheck:
    """Runs the shipped artifact's golden frames in a process of its own.

    Raises:
        ProbeError: The process failed, ended, or took longer than `PATIENCE_S`.
    """
    told = _ask(_RUN_GOLDEN)
    return RuntimeCheck(**{**told, "undelegated": tuple(told["undelegated"])})


def visible_gpus() -> list[str]:
    """Names of the GPUs that TensorFlow sees.

    Raises:
        ProbeError: As `check_runtime`; TensorFlow may not be installed.
    """
    found: list[str] = _ask(_ASK_GPU)
    return found


def main() -> None:
    """What the other process does: prints a `RuntimeCheck` as JSON."""
    from celestial_edge.device.runtime import Classifier
    from celestial_edge.device.verify import verify
    from celestial_edge.golden import read_golden

    artifact = shipped_artifact()
    begin = time.perf_counter()
    classifier = Classifier(artifact, threads=1)
    load_ms = 1e3 * (time.perf_counter() - begin)
    verified = verify(artifact, threads=1)
    codes = read_golden(artifact, classifier.card).codes
    times = []
    for frame in [*codes] * _REPEATS:
        begin = time.perf_counter()
        classifier.logits(frame[None])
        times.append(1e3 * (time.perf_counter() - begin))
    check = RuntimeCheck(
        artifact=str(artifact),
        frames=len(codes),
        load_ms=load_ms,
        invoke_ms=statistics.median(times),
        agrees=verified.agrees,
        identical=not any(frame.difference for frame in verified.frames),
        rule=verified.rule,
        undelegated=verified.undelegated,
    )
    print(json.dumps(asdict(check), allow_nan=False))  # noqa: T201 - the other end reads standard output


def _ask(code: str) -> Any:
    command = [sys.executable, "-c", CLEAN_PATH + code]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    except subprocess.TimeoutExpired as error:
        raise ProbeError(f"took more than {PATIENCE_S:g} s") from error
    if done.returncode:
        last_words = (done.stderr.strip().splitlines() or ["without a word"])[-1]
        raise ProbeError(f"ended with {done.returncode}: {last_words}")
    # Libraries may have said something before.
    return json.loads(done.stdout.splitlines()[-1])
