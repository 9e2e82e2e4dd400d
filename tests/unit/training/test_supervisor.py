"""Local workers are started together, again when one dies, and end with whoever started them. No TensorFlow."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from celestialkeras.errors import RunError, WorkerLostError
from celestialkeras.training.supervisor import supervise

# Notes that it ran and as whom; then does what its worker is told to do in this attempt.
_CODE = """
import json, os, signal, time
from pathlib import Path
folder, does = Path(sys.argv[1]), json.loads(sys.argv[2])
task = json.loads(os.environ["TF_CONFIG"])
worker = task["task"]["index"]
attempt = len(list(folder.glob(f"{worker}-*")))
(folder / f"{worker}-{attempt}").write_text(json.dumps(task["cluster"]["worker"]))
# Whoever ends may have the others ended: all have noted it by then.
while len(list(folder.glob(f"*-{attempt}"))) < len(does):
    time.sleep(0.01)
what = does[worker][attempt]
if what == "die":
    os.kill(os.getpid(), signal.SIGKILL)
if what == "wait":
    time.sleep(600)
print("said by", worker)
sys.exit(what)
"""

LOST = WorkerLostError.exit_code


def attempts(folder: Path, does: list[list[int | str]], restarts: int = 2) -> list[str]:
    told: list[str] = []
    supervise(_CODE, [str(folder), json.dumps(does)], workers=len(does), restarts=restarts, tell=told.append)
    return told


def test_each_worker_has_its_place_among_the_same_addresses(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    assert attempts(tmp_path, [[0], [0], [0]]) == []
    (addresses,) = {path.read_text() for path in tmp_path.iterdir()}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["0-0", "1-0", "2-0"]
    assert len(set(json.loads(addresses))) == 3
    assert all(one.startswith("127.0.0.1:") for one in json.loads(addresses))
    assert capfd.readouterr().out == "said by 0\n"


def test_all_are_started_again_when_one_dies_and_others_lose_it(tmp_path: Path) -> None:
    (told,) = attempts(tmp_path, [[LOST, 0], ["die", 0]])
    assert told == (
        "worker 0 lost another one, worker 1 was killed by signal 9: starting all 2 again from the last checkpoint,"
        " 2 more times at most"
    )
    assert len(list(tmp_path.iterdir())) == 4


def test_one_that_was_done_already_is_started_again_too(tmp_path: Path) -> None:
    (told,) = attempts(tmp_path, [["die", 0], [0, 0]])
    assert told.startswith("worker 0 was killed by signal 9, worker 1 was done: starting all 2 again")


def test_one_that_does_not_notice_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("celestialkeras.training.supervisor._NOTICE_S", 0.5)
    (told,) = attempts(tmp_path, [["wait", 0], ["die", 0]])
    assert told.startswith("worker 0 was killed by signal 9, worker 1 was killed by signal 9")


def test_it_is_given_up_when_they_keep_dying(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"lost another one; workers were started again 1 times\. .* --resume"):
        attempts(tmp_path, [["die", "die"], [LOST, LOST]], restarts=1)


def test_an_error_of_a_workers_own_is_not_tried_again(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="worker 0 ended with code 1, worker 1 lost another one; its error stands above"):
        attempts(tmp_path, [[1], [LOST]])
    assert len(list(tmp_path.iterdir())) == 2


def test_workers_end_with_the_process_that_started_them(tmp_path: Path) -> None:
    code = (
        "import sys; from celestialkeras.training.supervisor import supervise;"
        " supervise(sys.argv[1], sys.argv[2:], 2, 0, print)"
    )
    note_and_wait = _CODE.replace(
        'what == "wait":', 'what == "wait":\n    (folder / f"pid-{worker}").write_text(str(os.getpid()))'
    )
    parent = subprocess.Popen([sys.executable, "-c", code, note_and_wait, str(tmp_path), '[["wait"], ["wait"]]'])
    pids = [tmp_path / "pid-0", tmp_path / "pid-1"]
    _until(lambda: all(path.exists() and path.read_text() for path in pids))
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    _until(lambda: not any(_runs(int(path.read_text())) for path in pids))


def _until(holds) -> None:  # type: ignore[no-untyped-def]
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # An orphan stays in the table until whoever inherited it asks after it.
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
