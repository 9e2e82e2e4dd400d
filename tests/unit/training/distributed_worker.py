"""One worker of a training of tiny runs, which notes what it reads and may kill itself.

    distributed_worker.py RUNS STRATEGY [NAME:WORKER:EPOCH ...]

trains the runs in the folder RUNS by name, one after the other. The worker WORKER kills itself, once, in the second
step of that EPOCH of the run NAME. What each worker reads goes to RUNS/../read-NAME-WORKER.txt: one line a frame,
and a line `epoch` after each epoch.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import WorkerLostError

TENSORFLOW = import_tensorflow("a test")

# Not before TensorFlow, which would say more.
from tiny_runs import register_tiny_model, register_undropped_model  # noqa: E402

from celestialkeras.lcid.dataset import LcidDataset  # noqa: E402
from celestialkeras.training.distribution import join  # noqa: E402
from celestialkeras.training.loop import train  # noqa: E402
from celestialkeras.training.observer import Silent  # noqa: E402
from celestialkeras.training.run import open_run  # noqa: E402


class Notes(Silent):
    """Notes frames and epochs; kills its process where it is told to."""

    def __init__(self, path, kill_in):
        self.path, self.kill_in = path, kill_in

    def write(self, line):
        with self.path.open("a") as target:
            target.write(line + "\n")

    def step(self, epoch, step, tally):
        marker = self.path.with_suffix(".killed")
        if (epoch, step) == (self.kill_in, 2) and not marker.exists():
            marker.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def epoch(self, row, best):
        self.write("epoch")


def main(runs, strategy, kills):
    if strategy == "mirrored":
        (processors,) = TENSORFLOW.config.list_physical_devices("CPU")
        halves = [TENSORFLOW.config.LogicalDeviceConfiguration()] * 2
        TENSORFLOW.config.set_logical_device_configuration(processors, halves)
    distribution = join(strategy)
    register_tiny_model()
    register_undropped_model()
    codes = LcidDataset.codes
    for folder in sorted(path.parent for path in runs.glob("*/config.toml") if not path.parent.is_symlink()):
        worker = distribution.share.worker
        epoch = kills.get((folder.name, worker))
        notes = Notes(runs.parent / f"read-{folder.name}-{worker}.txt", epoch)

        def noted(dataset, record, *size, notes=notes):
            notes.write(record.observation.obsid)
            return codes(dataset, record, *size)

        LcidDataset.codes = noted
        train(open_run(folder) if distribution.is_chief else None, notes, distribution)


if __name__ == "__main__":
    asked = (one.split(":") for one in sys.argv[3:])
    try:
        main(Path(sys.argv[1]), sys.argv[2], {(name, int(worker)): int(epoch) for name, worker, epoch in asked})
    except WorkerLostError as error:
        sys.exit(error.exit_code)
