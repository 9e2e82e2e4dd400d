"""A run killed in the middle of an epoch and resumed is the unbroken run, byte for byte."""

import csv
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np

from celestialkeras.training.loop import start_run, train
from celestialkeras.training.run import open_run

# Kills itself without warning in the second step of epoch 3.
KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tiny_runs import register_tiny_model
from celestialkeras.training.loop import train
from celestialkeras.training.observer import Silent
from celestialkeras.training.run import open_run

class Killer(Silent):
    def step(self, epoch, step, tally):
        if (epoch, step) == (3, 2):
            os.kill(os.getpid(), signal.SIGKILL)

register_tiny_model()
train(open_run(Path(sys.argv[2])), Killer())
"""


def rows_without_time(path):
    with path.open(newline="") as source:
        return [row[:-1] for row in csv.reader(source)]


def test_killed_and_resumed_is_unbroken(options, tmp_path):
    options = replace(options, batch_size=4, epochs=5, seed=5)
    broken, unbroken = (start_run(options, tmp_path, name) for name in ("broken", "unbroken"))
    here = str(Path(__file__).parent)
    killed = subprocess.run([sys.executable, "-c", KILLED, here, str(broken.folder)], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    assert [path.name for path in broken.checkpoints.iterdir()] == ["epoch-0002.npz"]
    assert [row[0] for row in rows_without_time(broken.history)] == ["epoch", "1", "2"]

    # As a kill in the middle of a checkpoint would leave it.
    (broken.checkpoints / ".partial-abc.npz").write_bytes(b"half")
    train(open_run(broken.folder))
    train(unbroken)
    assert list(broken.checkpoints.iterdir()) == []
    expected = rows_without_time(unbroken.history)
    assert [row[0] for row in expected] == ["epoch", "1", "2", "3", "4", "5"]
    assert rows_without_time(broken.history) == expected
    assert broken.outcome.read_bytes() == unbroken.outcome.read_bytes()
    weights = [keras.models.load_model(run.model).weights for run in (broken, unbroken)]
    assert all(np.array_equal(a.value.numpy(), b.value.numpy()) for a, b in zip(*weights, strict=True))
