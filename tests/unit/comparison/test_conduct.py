"""A comparison that is cut off - between two trainings, within one - and taken up again; and one that fails in part."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
from small_plans import MakePlan

from celestial_cli.compare import open_subject
from celestialkeras.comparison import training as training_module
from celestialkeras.comparison.conduct import conduct, read_results
from celestialkeras.comparison.folder import begin_comparison, read_plan
from celestialkeras.comparison.plan import Plan
from celestialkeras.comparison.train_worker import MEMORY_NAME
from celestialkeras.comparison.training import LOG_NAME, train_apart
from celestialkeras.errors import RunError
from celestialkeras.files import sha256_of
from celestialkeras.training import loop
from celestialkeras.training.history import EpochRow, read_history
from celestialkeras.training.run import Run

# Kills itself without warning in the second step of the third epoch.
_KILLED = """
import os, signal, sys
from celestialkeras.training.loop import train
from celestialkeras.training.observer import Silent
from celestialkeras.training.run import open_run

class Killer(Silent):
    def step(self, epoch, step, tally):
        if (epoch, step) == (3, 2):
            os.kill(os.getpid(), signal.SIGKILL)

train(open_run(sys.argv[1]), Killer())
"""


class CutOff(Exception):
    """Stands for a kill: nothing expects it."""


class Watcher:
    """Notes what happens, and cuts off after what it is told."""

    def __init__(self, cut_off: str = "") -> None:
        self.seen: list[str] = []
        self._cut_off = cut_off

    def training(self, trial, run) -> None:
        self._note(f"training {trial.key}")

    def epoch(self, row, best) -> None:
        self._note(f"epoch {row.epoch}")

    def judging(self, trial) -> None:
        self._note(f"judging {trial.key}")

    def judged(self, trial, result) -> None:
        self._note(f"judged {trial.key}")

    def failed(self, trial, error) -> None:
        self._note(f"failed {trial.key}: {error}")

    def _note(self, what: str) -> None:
        self.seen.append(what)
        if what == self._cut_off:
            raise CutOff(what)


def open_here(path, dataset):
    return open_subject(path, dataset, threads=1)


def train_here(run, on_epoch) -> None:
    """Trains in this process: what is tested is who is trained when."""
    loop.train(run)


def without_degrading(plan: Plan) -> Plan:
    return replace(plan, sides=replace(plan.sides, degrade=""))


def test_cut_off_between_two_trainings_the_second_alone_is_done(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(epochs=1)
    folder = begin_comparison(plan, "cut", tmp_path)
    first = Watcher("judged 01-one-seed-0")
    with pytest.raises(CutOff):
        conduct(plan, folder, open_here, first, train_here)
    assert first.seen == ["training 01-one-seed-0", "judging 01-one-seed-0", "judged 01-one-seed-0"]
    assert list(read_results(plan, folder)) == ["01-one-seed-0"]

    # Cut off after training and before judging: what is trained is not trained again.
    second = Watcher("judging 02-two-seed-0")
    with pytest.raises(CutOff):
        conduct(plan, folder, open_here, second, train_here)
    third = Watcher()
    assert conduct(plan, folder, open_here, third, train_here) == {}
    assert second.seen == ["training 02-two-seed-0", "judging 02-two-seed-0"]
    assert third.seen == ["judging 02-two-seed-0", "judged 02-two-seed-0"]

    results = read_results(plan, folder)
    assert list(results) == ["01-one-seed-0", "02-two-seed-0"]
    found = results["02-two-seed-0"]
    model = folder.runs / "02-two-seed-0" / "model.keras"
    assert (found.kind, found.source, found.sha256) == ("network", str(model), sha256_of(model))
    assert (len(found.clear), len(found.blurry or ())) == (6, 6)
    assert found.milliseconds is not None
    assert found.milliseconds > 0
    assert found.parameters is not None
    assert found.training is not None
    assert (found.training.epochs, found.training.ended_by) == (1, "epochs")

    fourth = Watcher()
    assert conduct(plan, folder, open_here, fourth, train_here) == {}
    assert fourth.seen == []


def test_killed_within_a_training_it_goes_on_from_its_last_epoch(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = without_degrading(make_plan(epochs=4))
    plan = replace(plan, entries=plan.entries[:1])
    folder = begin_comparison(plan, "killed", tmp_path)
    trial = next(plan.trials())
    run = loop.start_run(trial.options(), folder.runs, trial.key)
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(run.folder)], check=False, capture_output=True)
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    before = read_history(run.history)
    assert [row.epoch for row in before] == [1, 2]
    (run.folder / MEMORY_NAME).write_text('{"peak_mb": 1e6}')
    # A worker whose parent is gone ends before it has done anything.
    orphan = [sys.executable, "-c", training_module._START, str(run.folder)]
    ended = subprocess.run(orphan, stdin=subprocess.DEVNULL, check=False, capture_output=True)
    assert (ended.returncode, ended.stdout) == (1, b"")

    watcher = Watcher()
    assert conduct(plan, folder, open_here, watcher) == {}
    assert watcher.seen == [
        f"training {trial.key}",
        "epoch 3",
        "epoch 4",
        f"judging {trial.key}",
        f"judged {trial.key}",
    ]
    after = read_history(run.history)
    assert after[:2] == before
    training = read_results(plan, folder)[trial.key].training
    assert training is not None
    assert (training.epochs, training.ended_by) == (4, "epochs")
    assert training.minutes == pytest.approx(sum(row.seconds for row in after) / 60)
    # Of all processes that trained it the largest counts.
    assert training.peak_memory_mb == 1e6


def test_what_fails_is_told_and_the_rest_done(make_plan: MakePlan, small_model: Any, tmp_path: Path) -> None:
    plan = without_degrading(make_plan(existing=("gone.keras", "changed.keras", "there.keras")))
    for name in ("there.keras", "changed.keras"):
        small_model.save(plan.sides.data / name)
    there = replace(plan.entries[4], sha256=sha256_of(plan.sides.data / "there.keras"))
    folder = begin_comparison(replace(plan, entries=(*plan.entries[1:4], there)), "part", tmp_path)

    def train(run, on_epoch) -> None:
        raise RunError("out of luck")

    watcher = Watcher()
    plan = read_plan("part", tmp_path)
    failures = conduct(plan, folder, open_here, watcher, train)
    assert list(failures) == ["01-two-seed-0", "02-gone.keras", "03-changed.keras"]
    assert failures["01-two-seed-0"] == "out of luck"
    assert failures["02-gone.keras"].endswith("gone.keras: no such model; `celestial train` makes one")
    assert "changed.keras: has changed since the comparison was begun" in failures["03-changed.keras"]
    assert watcher.seen[-2:] == ["judging 04-there.keras", "judged 04-there.keras"]
    found = read_results(plan, folder)["04-there.keras"]
    assert (found.kind, found.training) == ("model", None)


def _run_folder(tmp_path: Path) -> Run:
    run = Run(tmp_path / "some")
    run.folder.mkdir()
    return run


def test_why_a_process_could_not_train_is_told(tmp_path: Path) -> None:
    run = _run_folder(tmp_path)
    with pytest.raises(RunError, match=r"some: not a run folder, it has no config\.toml"):
        train_apart(run, lambda row, best: None)


def test_a_process_that_is_killed_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_module, "_START", "import os; os.write(2, b'oh'); os.kill(os.getpid(), 9)")
    run = _run_folder(tmp_path)
    with pytest.raises(RunError, match=r"ended with code -9; the system kills .*; training\.log there has"):
        train_apart(run, lambda row, best: None)
    assert (run.folder / LOG_NAME).read_text() == "oh"


def test_a_training_process_ends_with_whoever_waits_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    row = EpochRow(1, 0.1, 0.5, 0.5, None, None, 2.0)
    say = f"import os, time; print({json.dumps(json.dumps({'epoch': asdict(row), 'best': True}))}, flush=True)"
    monkeypatch.setattr(training_module, "_START", f"{say}; open('pid', 'w').write(str(os.getpid())); time.sleep(600)")
    monkeypatch.chdir(tmp_path)
    seen = []

    def cut_off(found: EpochRow, best: bool) -> None:
        seen.append((found, best))
        while not Path("pid").is_file() or not Path("pid").read_text():
            time.sleep(0.01)
        raise CutOff

    with pytest.raises(CutOff):
        train_apart(_run_folder(tmp_path), cut_off)
    assert seen == [(row, True)]
    assert not Path(f"/proc/{Path('pid').read_text()}").exists()


def test_two_processes_do_not_work_at_one_comparison(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = without_degrading(make_plan())
    folder = begin_comparison(plan, "shared", tmp_path)

    def train(run, on_epoch) -> None:
        conduct(plan, folder, open_here, Watcher(), train_here)

    failures = conduct(plan, folder, open_here, Watcher(), train)
    assert failures["01-one-seed-0"].endswith("shared: another process works at this comparison; wait for its end")
