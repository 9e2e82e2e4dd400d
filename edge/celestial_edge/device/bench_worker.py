"""One subject in a process of its own, timed on command: a process of its own is what makes its peak memory its own.

Speaks JSON lines: prints one when the subject is loaded, then answers each request on standard input:

* `{"frames": n, "seconds": s}` times invokes, at least n of them and for at least s seconds;
* `{"fits": path, "hdu": n, "frames": n, "seconds": s}` times verdicts from a FITS file;
* `{"codes": path}` gives the logits of the frames in an `.npy` file, by the very function that is timed.

Started by `celestial_edge.device.bench_process`.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from celestial_edge.device.runtime import Classifier, Verdict
from celestial_edge.golden import read_golden
from celestial_edge.trust import Trust
from celestialkeras.process_memory import peak_memory_mb, resident_memory_mb

# Times are handed over in pieces: those of an official run would otherwise count in the memory that is measured.
_PIECE = 256


class Subject(Protocol):
    """What is timed: frames in, logits out."""

    @property
    def parts_ms(self) -> Mapping[str, float]:
        """Milliseconds of each part in the newest frame."""
        ...

    def logits(self, codes: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Scores frames `uint8 (n, H, W)`."""
        ...

    def classify(self, source: str, hdu: int) -> Verdict:
        """The verdict on a chip of a FITS file, with its times by stage."""
        ...


def main(config: Mapping[str, Any]) -> None:
    """Serves an artifact.

    Args:
        config: `artifact`, its folder; `threads` of the interpreter; `cpus` to stay on, None for any; `cards` and
            `public_key`, what the artifact must prove.
    """

    def load() -> tuple[Subject, dict[str, Any]]:
        key = config["public_key"]
        # This is a process of its own already.
        trust = Trust(tuple(config["cards"]), Path(key) if key else None, untried=True)
        classifier = Classifier(config["artifact"], config["threads"], trust)
        return classifier, {"card": classifier.card.to_json(), "undelegated": classifier.undelegated()}

    serve(load, Path(config["artifact"]), config["cpus"])


def serve(load: Callable[[], tuple[Subject, dict[str, Any]]], frames: Path, cpus: list[int] | None) -> None:
    """Loads a subject, says how long that took, and answers requests until there are no more.

    Args:
        load: Gives the subject, and facts about it, plain JSON values.
        frames: The artifact whose golden frames are timed.
        cpus: Processors to stay on; None for any.
    """
    if cpus is not None:
        os.sched_setaffinity(0, cpus)
    before = resident_memory_mb()
    begin = time.perf_counter()
    subject, facts = load()
    load_ms = 1e3 * (time.perf_counter() - begin)
    _say({"load_ms": load_ms, "memory_before_load_mb": before, **facts})
    codes = None
    for line in sys.stdin:
        request = json.loads(line)
        if "codes" in request:
            _say({"logits": subject.logits(np.load(request["codes"], allow_pickle=False)).tolist()})
        elif "fits" in request:
            _time(_verdicts(subject, request["fits"], request["hdu"]), request)
        else:
            if codes is None:
                # Two frames, as large as the model's input: they count in the peak that is reported.
                codes = read_golden(frames).codes
            _time(_invokes(subject, codes), request)


def _invokes(subject: Subject, codes: npt.NDArray[np.uint8]) -> Iterator[dict[str, float]]:
    number = 0
    while True:
        frame = codes[number % len(codes)][None]
        begin = time.perf_counter()
        subject.logits(frame)
        elapsed = 1e3 * (time.perf_counter() - begin)
        yield {"invoke": elapsed, **subject.parts_ms}
        number += 1


def _verdicts(subject: Subject, source: str, hdu: int) -> Iterator[dict[str, float]]:
    while True:
        yield dict(subject.classify(source, hdu).milliseconds)


def _time(times: Iterator[dict[str, float]], request: Mapping[str, Any]) -> None:
    """Draws times until there are enough and it took long enough, and says them by column."""
    end = time.monotonic() + request["seconds"]
    columns: dict[str, list[float]] = {}
    done = 0
    while True:
        for name, milliseconds in next(times).items():
            columns.setdefault(name, []).append(round(milliseconds, 4))
        done += 1
        enough = done >= request["frames"] and time.monotonic() >= end
        if enough or done % _PIECE == 0:
            memory = {"memory_mb": resident_memory_mb(), "peak_memory_mb": peak_memory_mb()}
            _say({"columns": columns, "more": not enough, **memory})
            columns = {}
        if enough:
            return


def _say(message: dict[str, Any]) -> None:
    print(json.dumps(message), flush=True)  # noqa: T201 - the protocol's other end reads standard output
