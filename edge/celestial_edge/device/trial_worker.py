"""The process in which an artifact is tried: loads its graphs and runs a frame through them, as a `Classifier` would.

Imports no more than LiteRT needs, since every first start of an artifact waits for it. Started by
`celestial_edge.device.trial`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from celestial_edge.device.memory_limit import enter_limit


def main(config: Mapping[str, Any]) -> None:
    """Tries graphs, and prints as JSON why they are refused, null if they are not. Need not come to its end.

    Args:
        config: `graphs`, each with its `name`, the inherited `descriptor`, its file's `state` and its `stride`; `shape`
            of the frames; `threads` of the interpreters; `bytes` of memory and `seconds` that it may take.
    """
    # Held by the system: they work within LiteRT as well, and when the process that asked is gone.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGALRM})
    signal.setitimer(signal.ITIMER_REAL, config["seconds"])
    # A service may be denied it.
    with suppress(OSError, ValueError):
        enter_limit({"data_segment": config["bytes"]})
    print(json.dumps(_try(config)), flush=True)  # noqa: T201 - the other end reads standard output
    # What a graph has done to the heap must not be met when Python tidies up: a Classifier does not do that either.
    os._exit(0)


def _try(config: Mapping[str, Any]) -> str | None:
    import numpy as np

    from celestial_edge.device.chain import Chain
    from celestial_edge.opened import Graph, OpenFile
    from celestialkeras.errors import ArtifactError

    graphs = []
    for entry in config["graphs"]:
        # Shut when the process ends, in whichever way.
        source = os.fdopen(entry["descriptor"], "rb", closefd=False)
        graphs.append(Graph(OpenFile(Path(entry["name"]), source, "", tuple(entry["state"])), entry["stride"]))
    try:
        chain = Chain(graphs, config["shape"], config["threads"])
        # An input of another kind is refused by name before a frame comes to it.
        if chain.input["dtype"] in (np.int8, np.int16, np.float32):
            # Every code there is, in every few rows.
            chain.put(np.resize(np.arange(256, dtype=np.uint8), config["shape"]))
            chain.run()
            chain.undelegated()
    except ArtifactError as error:
        return str(error)
    except MemoryError:
        return f"{graphs[0].file.path}: asks for more than the {config['bytes'] >> 20} MiB that it is tried with"
    return None
