"""`celestial study`: trainings are made up, but for one; what is tested is the plan, its folder and what is told."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from celestial_cli.study import study
from celestialkeras.comparison import conduct as conduct_module
from celestialkeras.comparison.folder import ComparisonFolder
from celestialkeras.comparison.plan import Plan
from celestialkeras.comparison.results import Result, write_result
from celestialkeras.comparison.training import Training
from celestialkeras.errors import ModelError, RunError
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.studies.catalogue import STUDIES
from celestialkeras.training import loop
from small_datasets import DatasetFactory
from verbs import invoke

Failing = set[str]


@pytest.fixture
def data(make_dataset: DatasetFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return make_dataset((64, 128))


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Failing]:
    """Makes results up: arm `label-smoothing` is right throughout, others half the time; those of the set fail."""
    names: Failing = set()

    def conduct(
        plan: Plan, folder: ComparisonFolder, open_subject: Callable[..., Any], observer: Any
    ) -> dict[str, str]:
        rows = tuple(record.observation for record in open_dataset(plan.sides.data).records("test"))
        failures = {}
        for trial in plan.trials():
            if trial.key in names:
                failures[trial.key] = "out of luck"
                continue
            right = trial.entry.name == "label-smoothing"
            logits = [[1.0, 0.0] if right and row.label == "galaxy" else [0.0, 1.0] for row in rows]
            found = Predictions(rows, logits)  # type: ignore[arg-type]
            training = Training(20, 18, 1.0, "epochs", None)
            write_result(Result("network", "m", "0", found, None, 1.0, 10, 10**9, training), folder.result(trial))
        return failures

    monkeypatch.setattr(conduct_module, "conduct", conduct)
    return names


def test_the_list_names_every_study_and_its_question() -> None:
    held = json.loads(invoke(study, "--list", "--json").stdout)["studies"]
    assert [one["name"] for one in held] == [one.name for one in STUDIES]
    assert all(one["question"].endswith("?") for one in held)
    assert held[0]["arms"][0] == {"name": "3x3", "training": {}, "network": {"stem_kernel": 3}}
    shown = invoke(study, "--list").stdout
    assert "blur-training" in shown
    assert "cross-entropy, focal" in shown


def test_a_study_is_begun_told_and_found_again(data: Path, failing: Failing) -> None:
    failing.add("02-focal-seed-1")
    asked = (study, "loss", "--data", data, "--epochs", 3, "--size", 1, "--minutes", 2, "--with", "width=0.125")
    first = invoke(*asked)
    assert first.exit_code == 1
    assert "1 not done; the same command tries again" in first.stderr
    assert "not done: focal, seed 1: out of luck" in first.stderr
    assert "label-smoothing is 50.0 points ahead of cross-entropy: leaning, since its interval" in first.stdout
    plan = json.loads(Path("studies/loss/plan.json").read_text())
    assert (plan["seeds"], plan["minutes"]) == ([0, 1, 2], 2.0)
    assert [entry["name"] for entry in plan["entries"]] == ["cross-entropy", "focal", "label-smoothing"]
    assert plan["entries"][1]["training"]["focal_gamma"] == 2.0
    assert {entry["training"]["size"] for entry in plan["entries"]} == {1}
    assert {entry["training"]["epochs"] for entry in plan["entries"]} == {3}
    assert {entry["model_options"]["width"] for entry in plan["entries"]} == {0.125}

    failing.clear()
    # The study's name is enough to go on with it.
    again = invoke(study, "loss", "--json")
    assert again.exit_code == 0
    held = json.loads(again.stdout)
    assert held == json.loads(Path("studies/loss/study.json").read_text())
    assert [arm["seeds"] for arm in held["arms"]] == [[0, 1, 2]] * 3
    assert held["arms"][2]["clear"]["difference"]["mean"] == pytest.approx(0.5)
    assert held["machine"]["cores"] > 0
    assert {path.name for path in Path("studies/loss").glob("study.*")} == {
        "study.json",
        "study.md",
        "study.png",
        "study.svg",
    }
    with pytest.raises(RunError, match=r"studies/loss: is a comparison with another plan; .*epochs: 3 then, 4 now"):
        invoke(study, "loss", "--data", data, "--epochs", 4, "--size", 1, "--minutes", 2, "--with", "width=0.125")


def test_slips_are_refused_before_anything_is_made(data: Path, failing: Failing) -> None:
    assert "name a study; `celestial study --list`" in invoke(study).stderr
    begun = invoke(study, "loss")
    assert begun.exit_code == 2
    assert "studies/loss: no study was begun there; name a data set with --data" in begun.stderr
    given = invoke(study, "loss", "--epochs", 3)
    assert given.exit_code == 2
    assert "without --data all is taken from the study that was begun" in given.stderr
    with pytest.raises(RunError, match=r"did you mean 'dilation'\?"):
        invoke(study, "dilations", "--data", data)
    with pytest.raises(RunError, match=r"no setting `widht`; did you mean 'width'\?"):
        invoke(study, "loss", "--data", data, "--with", "widht=2")
    with pytest.raises(RunError, match=r"its arms differ in size"):
        invoke(study, "input-size", "--data", data, "--size", 4)
    with pytest.raises(ModelError, match="sides of at least 268 pixels"):
        invoke(study, "kernels", "--data", data, "--size", 1)
    assert not Path("studies").exists()


def test_another_study_is_not_gone_on_with(data: Path, failing: Failing) -> None:
    invoke(study, "loss", "--data", data, "--size", 1, "--seeds", 1, "--name", "mine")
    with pytest.raises(RunError, match=r"studies/mine: is not study 'padding'"):
        invoke(study, "padding", "--name", "mine")


def test_two_arms_are_trained_and_judged(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    conduct = conduct_module.conduct

    def train_here(run: Any, on_epoch: Any) -> None:
        loop.train(run)

    monkeypatch.setattr(conduct_module, "conduct", lambda *given: conduct(*given, train=train_here))
    asked = (
        "--epochs",
        1,
        "--size",
        1,
        "--seeds",
        1,
        "--with",
        "width=0.125,batch_size=6",
        "--arms",
        "none,squeeze-excite",
    )
    done = invoke(study, "attention", "--data", data, *asked, "--json")
    held = json.loads(done.stdout)
    first, other = held["arms"]
    assert first["trainings"][0]["epochs"] == other["trainings"][0]["epochs"] == 1
    assert first["parameters"] < other["parameters"]
    assert other["clear"]["frames"] == 6
    assert other["clear"]["difference"]["sureness"] == "untold"
    assert other["clear"]["difference"]["mean"] == pytest.approx(
        other["clear"]["accuracy"] - first["clear"]["accuracy"]
    )
    assert "training none, seed 0; run studies/attention/runs/01-none-seed-0" in done.stderr
