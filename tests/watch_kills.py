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


def main(root: str, kills: int, chips: int) -> None:
    """Kills watches of `root`, where `chips` chips lie, while they are at chips drawn at random."""
    folders = Folders(Path(root))
    results = folders.results / "results.jsonl"
    rng = random.Random(20240101)
    killed_at = []
    # The last tenth is left for the watch that is let live.
    for target in sorted(rng.randrange(chips * 9 // 10) for _ in range(kills)):
        child = os.fork()
        if not child:
            Watch(folders.options(), SmallClassifier(seconds=0.001)).run()
            os._exit(0)
        while not results.exists() or results.read_bytes().count(b"\n") < target:
            time.sleep(0.001)
        # A start, a decision and what is written between two take some milliseconds each.
        time.sleep(rng.uniform(0, 0.03))
        os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            sys.exit(f"a watch ended by itself: {status}")
        killed_at.append(results.read_bytes().count(b"\n"))
    sys.stdout.write(json.dumps(killed_at))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
