"""Local workers of one training: started together, and all of them again when one dies. No TensorFlow here."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from celestialkeras.errors import RunError, WorkerLostError
from celestialkeras.training.tf_config import TF_CONFIG, config_of
from celestialkeras.workers import CLEAN_PATH

LOCAL_HOST = "127.0.0.1"
"""Where local workers reach each other. TensorFlow listens on the other addresses of the machine all the same."""

# TensorFlow's workers miss one of theirs after ten seconds without its heartbeat.
_NOTICE_S = 60.0

_POLL_S = 0.1

_CHIEF = 0

_START = CLEAN_PATH + "from celestialkeras.workers import end_with_input; end_with_input(); "


def supervise(code: str, arguments: Sequence[str], workers: int, restarts: int, tell: Callable[[str], None]) -> None:
    """Runs the workers of a training to its end, all of them anew whenever one died.

    Every worker is a fresh Python process that finds its place in `TF_CONFIG` and ends when this process does. Each
    attempt has new ports: those of the last one may still be held. What the workers print is shown; the standard
    output of the chief alone.

    Args:
        code: Python that trains a run from where it stands, reading `sys.argv`.
        arguments: Its arguments.
        workers: How many processes.
        restarts: How often all are started again before it is given up.
        tell: Is told, in a line, why they are started again.

    Raises:
        RunError: A worker ended with an error of its own, which the next attempt would meet again; or workers died
            more often than they are started again.
    """
    for left in range(restarts, -1, -1):
        codes = _attempt(code, arguments, workers)
        if not any(codes):
            return
        said = ", ".join(f"worker {worker} {_words(code)}" for worker, code in enumerate(codes))
        if not all(_is_death(code) for code in codes):
            raise RunError(f"training ended: {said}; its error stands above")
        if not left:
            raise RunError(
                f"training ended: {said}; workers were started again {restarts} times. The same command with --resume"
                " goes on after the last finished epoch"
            )
        tell(f"{said}: starting all {workers} again from the last checkpoint, {left} more times at most")


def _attempt(code: str, arguments: Sequence[str], workers: int) -> list[int]:
    """Exit codes of the workers; below 0 the signal that ended one, as `subprocess` has it."""
    addresses = _free_addresses(workers)
    with ExitStack() as running:
        processes = []
        for worker in range(workers):
            process = subprocess.Popen(
                [sys.executable, "-c", _START + code, *arguments],
                stdin=subprocess.PIPE,
                stdout=None if worker == _CHIEF else subprocess.DEVNULL,
                env={**os.environ, TF_CONFIG: config_of(addresses, worker)},
            )
            running.callback(_end, process)
            processes.append(process)
        deadline = None
        while None in (codes := [process.poll() for process in processes]):
            # The others notice by themselves, and their codes tell an error that all met from the death of one.
            if deadline is None and any(codes):
                deadline = time.monotonic() + _NOTICE_S
            if deadline is not None and time.monotonic() > deadline:
                break
            time.sleep(_POLL_S)
    return [process.returncode for process in processes]


def _end(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    assert process.stdin is not None
    process.stdin.close()
    process.wait()


def _is_death(code: int) -> bool:
    return code <= 0 or code == WorkerLostError.exit_code


def _words(code: int) -> str:
    if code == WorkerLostError.exit_code:
        return "lost another one"
    if code < 0:
        return f"was killed by signal {-code}"
    return f"ended with code {code}" if code else "was done"


def _free_addresses(count: int) -> list[str]:
    # Held until all are found: the system would give the same port again.
    with ExitStack() as held:
        addresses = []
        for _ in range(count):
            listener = held.enter_context(socket.socket())
            listener.bind((LOCAL_HOST, 0))
            addresses.append(f"{LOCAL_HOST}:{listener.getsockname()[1]}")
        return addresses
