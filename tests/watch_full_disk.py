"""Runs a watch with ever more room for each of its files, as on a disk that is full and has some of it freed.

Started as a program, as `watch_kills.py` is. Prints what each watch ended with, the empty text for a proper end.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from celestial_edge.device.watch.service import Watch
from celestialkeras.errors import WatchError
from watched import Folders, SmallClassifier


def main(root: str, rooms: list[int]) -> None:
    """Watches `root` once with each of `rooms`, bytes."""
    ends = []
    for room in rooms:
        hear, tell = os.pipe()
        child = os.fork()
        if not child:
            end = ""
            resource.setrlimit(resource.RLIMIT_FSIZE, (room, resource.RLIM_INFINITY))
            try:
                Watch(Folders(Path(root)).options(), SmallClassifier()).run()
            except WatchError as error:
                end = str(error)
            os.write(tell, end.encode())
            os._exit(0)
        os.close(tell)
        with os.fdopen(hear, encoding="utf-8") as heard:
            ends.append(heard.read())
        _, status = os.waitpid(child, 0)
        if status:
            sys.exit(f"a watch with room for {room} bytes crashed: {status}")
    sys.stdout.write(json.dumps(ends))


if __name__ == "__main__":
    main(sys.argv[1], [int(room) for room in sys.argv[2:]])
