"""Runs a watch over and over, each time in a process of its own that is killed at a random moment.

Started as a program: all that a watch imports is imported once, and each watch is a fork, so that a hundred starts take
seconds. Prints how many lines the results file held at each kill.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from celestial_edge.device.watch.service import Watch
from watched import Folders, SmallClassifier

# A watch that its killer, held up by a busy machine, does not stop in time waits for it after this many chips more.
OVERRUN = 8


def main(root: str, kills: int, chips: int) -> None:
    """Kills watches of `root`, where `chips` chips lie, each some chips after the last, never when all are decided."""
    folders = Folders(Path(root))
    results = folders.results / "results.jsonl"
    rng = random.Random(20240101)
    # At most this far on at each kill, so that a tenth of the chips is left for the watch that is let live.
    stride = chips * 9 // 10 // kills - OVERRUN
    killed_at = [0]
    for _ in range(kills):
        further = rng.randint(0, stride)
        child = os.fork()
        if not child:
            Watch(folders.options(), classifier_that_waits(further + OVERRUN)).run()
            os._exit(0)
        while lines(results) < killed_at[-1] + further:
            time.sleep(0.001)
        # A start, a decision and what is written between two take some milliseconds each.
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"a watch ended by itself: {status}")
        killed_at.append(lines(results))
    sys.stdout.write(json.dumps(killed_at[1:]))


def classifier_that_waits(chips: int) -> SmallClassifier:
    """A classifier that decides so many chips and waits for the kill at the next."""
    classifier = SmallClassifier(seconds=0.001)

    def wait(source: Path, hdu: int) -> None:
        while len(classifier.asked) > chips:
            signal.pause()

    classifier.before = wait
    return classifier


def lines(results: Path) -> int:
    return results.read_bytes().count(b"\n") if results.exists() else 0


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
