"""`celestial train --strategy`: what is started where; the training itself is that of `test_two_workers.py`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from click.testing import CliRunner

from celestial_cli import main as command_line
from celestial_cli.train import train
from celestialkeras.errors import WorkerLostError
from celestialkeras.training import supervisor
from celestialkeras.training.run import open_run
from small_datasets import DatasetFactory
from verbs import invoke


@pytest.mark.parametrize(
    ("arguments", "tf_config", "message"),
    [
        (["--workers", "2"], None, "--workers needs --strategy multiworker"),
        (["--strategy", "mirrored", "--workers", "2"], None, "--workers needs --strategy multiworker"),
        (["--strategy", "multiworker"], None, "--strategy multiworker needs TF_CONFIG"),
        (["--strategy", "multiworker", "--workers", "2"], "{}", "TF_CONFIG says which workers there are"),
        (["--strategy", "multi"], None, "'multi' is not one of"),
        (["--resume", "runs/a", "--seed", "1"], None, "no other options with it than --strategy and --workers"),
    ],
)
def test_what_does_not_go_together_is_a_matter_of_usage(
    arguments: list[str], tf_config: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if tf_config:
        monkeypatch.setenv("TF_CONFIG", tf_config)
    done = CliRunner().invoke(train, arguments)
    assert done.exit_code == 2
    assert message in " ".join(done.output.split())


def test_workers_are_started_on_a_run_that_stands_already(
    make_dataset: DatasetFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = []

    def supervise(
        code: str, arguments: Sequence[str], workers: int, restarts: int, tell: Callable[[str], None]
    ) -> None:
        started.append((code, list(arguments), workers, restarts))

    monkeypatch.setattr(supervisor, "supervise", supervise)
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.chdir(tmp_path)
    asked = ["--strategy", "multiworker", "--workers", "2"]
    invoke(train, "--data", make_dataset((64, 128)), "--size", 2, "--name", "pair", "--epochs", 3, *asked)
    invoke(train, "--resume", "runs/pair", "--json", *asked)
    code = "from celestial_cli.main import main; main()"
    arguments = ["train", "--resume", "runs/pair", "--strategy", "multiworker"]
    assert started == [(code, arguments, 2, 3), (code, [*arguments, "--json"], 2, 3)]
    assert open_run("runs/pair").options().epochs == 3


def test_the_loss_of_a_worker_has_an_exit_code_of_its_own(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost(**_options: object) -> None:
        raise WorkerLostError("worker 0 of 2 has lost another one")

    monkeypatch.setattr(command_line.celestial, "main", lost)
    with pytest.raises(SystemExit) as ended:
        command_line.main()
    assert ended.value.code == 75
    assert capsys.readouterr().err == "Error: worker 0 of 2 has lost another one\n"
