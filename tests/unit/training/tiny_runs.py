"""The smallest data set and network that a run can be made of."""

import csv
import signal
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.shards import EncodedFrame, write_shard, write_summary
from celestialkeras.lcid.stretch import Stretch
from celestialkeras.models import registry

SHAPE = (32, 64)

# Kills itself without warning in the second step of an epoch.
_KILLED = """
import os, signal, sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from tiny_runs import register_tiny_model
from celestialkeras.training.loop import train
from celestialkeras.training.observer import Silent
from celestialkeras.training.run import open_run

class Killer(Silent):
    def step(self, epoch, step, tally):
        if (epoch, step) == (int(sys.argv[3]), 2):
            os.kill(os.getpid(), signal.SIGKILL)

register_tiny_model()
train(open_run(Path(sys.argv[2])), Killer())
"""


def write_dataset(folder, frames, shape=SHAPE):
    """Frames by split and label, such as `{"train": (6, 5)}`: 6 galaxies and 5 NSC. NSC have bright knots."""
    rng = np.random.default_rng(11)
    encoded = []
    for split, counts in frames.items():
        for label, count in zip(("galaxy", "NSC"), counts, strict=True):
            for number in range(count):
                codes = rng.integers(0, 60, shape).astype(np.uint8)
                if label == "NSC":
                    codes[tuple(rng.integers(0, side, 40) for side in shape)] = 255
                row = Observation(
                    object_id=f"{split}-{label}",
                    instrument="ACS/WFC",
                    obsid=f"{split[:3]}{label[0].lower()}{number:05d}",
                    filter="F606W",
                    ra=10.0,
                    dec=-10.0,
                    hdu=1,
                    label=label,
                    extra={"split": split},
                )
                encoded.append(EncodedFrame(row, codes, {}))
    write_shard(folder, "part-00000.tfrecord", encoded)
    write_summary(folder, ["part-00000.tfrecord"], Stretch())
    return folder


def register_tiny_model():
    """Registers a network that compiles in a moment and has what a run must handle with care."""
    rule = registry.InputRule(minimum_side=8, multiple_of=1, reason="this is a test")

    @registry.register("tiny", source="made for tests, 2026", summary="-", rule=rule)
    def tiny(input_shape, filters=4, classes=2):
        rule.check(input_shape)
        if filters < 1:
            raise ModelError(f"`filters` must be at least 1. Received: filters={filters}")
        inputs = keras.Input(input_shape)
        x = layers.Conv2D(filters, 3, strides=2)(inputs)
        x = layers.MaxPooling2D(3, 2)(layers.ReLU()(layers.BatchNormalization()(x)))
        x = layers.Dropout(0.5)(layers.GlobalMaxPooling2D()(x))
        x = layers.Dense(classes, name="logits", dtype="float32")(x)
        return keras.Model(inputs, layers.Softmax(dtype="float32")(x))

    return "tiny"


def register_undropped_model():
    """Registers a network whose losses do not depend on how a batch is divided.

    Nothing is dropped at random, and no bias goes before normalisation: its gradient would be rounding alone, of which
    Adam makes whole steps.
    """
    rule = registry.InputRule(minimum_side=8, multiple_of=1, reason="this is a test")

    @registry.register("undropped", source="made for tests, 2026", summary="-", rule=rule)
    def undropped(input_shape, classes=2):
        inputs = x = keras.Input(input_shape)
        for filters in (4, 6):
            x = layers.Conv2D(filters, 3, 2, use_bias=False, kernel_regularizer=keras.regularizers.L2(1e-3))(x)
            x = layers.ReLU()(layers.BatchNormalization()(x))
        x = layers.Dense(classes, name="logits", dtype="float32")(layers.GlobalMaxPooling2D()(x))
        return keras.Model(inputs, layers.Softmax(dtype="float32")(x))

    return "undropped"


def train_until_killed(run, epoch):
    """Trains a run in another process, which is killed in the second step of `epoch`."""
    command = [sys.executable, "-c", _KILLED, str(Path(__file__).parent), str(run.folder), str(epoch)]
    killed = subprocess.run(command, check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()


def rows_without_time(path):
    """The rows of a `history.csv`, header first, without their last column."""
    with path.open(newline="") as source:
        return [row[:-1] for row in csv.reader(source)]


def weights_of(path):
    """The weights of a `.keras` file as arrays."""
    return [one.value.numpy() for one in keras.models.load_model(path).weights]
