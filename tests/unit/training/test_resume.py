"""A run killed in the middle of an epoch and resumed is the unbroken run, byte for byte; in strips, too."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from tiny_runs import rows_without_time, train_until_killed

from celestialkeras.training.loop import start_run, train
from celestialkeras.training.run import open_run


@pytest.mark.parametrize("stem_strips", [0, 3])
def test_killed_and_resumed_is_unbroken(stem_strips, options, tmp_path):
    options = replace(options, batch_size=4, epochs=5, seed=5, stem_strips=stem_strips)
    broken, unbroken = (start_run(options, tmp_path, name) for name in ("broken", "unbroken"))
    train_until_killed(broken, epoch=3)
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
