"""`TF_CONFIG`: the variable by which TensorFlow tells a process which workers there are and which one it is.

Read here before TensorFlow reads it, so that what is wrong with it is said in a line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from celestialkeras.errors import RunError
from celestialkeras.training.share import Share

TF_CONFIG = "TF_CONFIG"
"""Name of the variable."""

_EXAMPLE = '{"cluster": {"worker": ["host0:12345", "host1:12345"]}, "task": {"type": "worker", "index": 0}}'


def share_of(environment: Mapping[str, str]) -> Share:
    """Which worker of how many a process is.

    Args:
        environment: Its variables.

    Returns:
        Its share. The chief is worker 0, whether `TF_CONFIG` calls it so or lists it as the first worker.

    Raises:
        RunError: `TF_CONFIG` is not set, is no such table, or is of a task that does not train.
    """
    text = environment.get(TF_CONFIG, "")
    try:
        held = json.loads(text)
        cluster, kind, index = held["cluster"], held["task"]["type"], int(held["task"]["index"])
        jobs = {job: list(cluster.get(job, [])) for job in ("chief", "worker")}
        others = set(cluster) - set(jobs)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(
            f"{TF_CONFIG} must say which workers there are and which of them this is, such as {_EXAMPLE}."
            f" Received: {text!r}"
        ) from error
    if others or len(jobs["chief"]) > 1:
        raise RunError(
            f"{TF_CONFIG} must list workers and at most one chief, since all of them train. Received: {text!r}"
        )
    if kind not in jobs or not 0 <= index < len(jobs[kind]):
        raise RunError(f"{TF_CONFIG} lists no task {kind} {index}, which it says that this is. Received: {text!r}")
    before = len(jobs["chief"]) if kind == "worker" else 0
    return Share(before + index, len(jobs["chief"]) + len(jobs["worker"]))


def config_of(addresses: Sequence[str], worker: int) -> str:
    """`TF_CONFIG` of one worker.

    Args:
        addresses: HOST:PORT of all of them.
        worker: Which of them it is.
    """
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": {"type": "worker", "index": worker}})
