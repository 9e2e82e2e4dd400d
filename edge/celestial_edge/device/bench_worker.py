"""One artifact in a process of its own, timed on command.

Speaks JSON lines: prints one when loaded, then answers each request on standard input, `{"frames": n}` to time n
invokes, `{"fits": path, "hdu": n, "frames": n}` to time n verdicts from a FITS file, `{}` to report memory and end.
Started by `celestial_edge.device.bench`; a process of its own is what makes its peak memory its own.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

from celestial_edge.card import read_golden
from celestial_edge.device.machine import peak_memory_mb, resident_memory_mb
from celestial_edge.device.runtime import Classifier


def main(artifact: str, threads: int) -> None:
    """Loads the artifact, says how long that took, and serves requests until told to end.

    Args:
        artifact: The artifact folder.
        threads: Threads of the interpreter.
    """
    before = resident_memory_mb()
    begin = time.perf_counter()
    classifier = Classifier(artifact, threads)
    loaded = time.perf_counter()
    _say({"load_ms": 1e3 * (loaded - begin), "memory_before_load_mb": before, "card": classifier.card.to_json()})
    codes = None
    for line in sys.stdin:
        request = json.loads(line)
        if not request:
            break
        if "fits" in request:
            verdicts = [classifier.classify(request["fits"], request["hdu"]) for _ in range(request["frames"])]
            _say({"stages_ms": [dict(verdict.milliseconds) for verdict in verdicts]})
            continue
        if codes is None:
            # Two frames, as large as the model's input: they count in the peak that is reported.
            codes = read_golden(Path(artifact)).codes
        times = []
        for number in range(request["frames"]):
            frame = codes[number % len(codes)][None]
            begin = time.perf_counter()
            classifier.logits(frame)
            times.append(1e3 * (time.perf_counter() - begin))
        _say({"invoke_ms": times})
    _say({"peak_memory_mb": peak_memory_mb(), "memory_mb": resident_memory_mb()})


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - the protocol's other end reads standard output
