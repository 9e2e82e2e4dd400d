"""What a person at a terminal sees of training."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from celestial_cli.training_progress import TrainingProgress
from celestialkeras.training.step import Tally
from terminals import Terminal


def test_each_epoch_tells_the_time_that_it_has_left(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    now = [0.0]
    monkeypatch.setattr("rich.console.monotonic", lambda: now[0])
    plan: Any = SimpleNamespace(
        run=SimpleNamespace(folder=Path("runs/a")),
        options=SimpleNamespace(model="tiny", epochs=3),
        cost=SimpleNamespace(trainable=10, gmac=0.1, input_shape=(32, 64, 1)),
        train_frames=10,
        validation_frames=2,
        steps=5,
        replicas=1,
        class_weights=(1.0, 1.0),
        finished_epochs=0,
    )
    with TrainingProgress() as progress:
        progress.started(plan)
        for epoch, steps in ((1, 5), (2, 3)):
            for step in range(1, steps + 1):
                now[0] += 60.0
                progress.step(epoch, step, cast(Tally, SimpleNamespace(mean_loss=0.5)))
    shown = terminal.plain()
    assert "run runs/a" in shown
    last = shown.replace("\r", "\n").strip().splitlines()[-1]
    assert last.startswith("epoch 2/3 loss 0.500")
    assert last.endswith("3/5 steps 0:02:00")
