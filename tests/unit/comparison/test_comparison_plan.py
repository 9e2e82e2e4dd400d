"""One name, one plan: what is kept, what is refused, and what is checked before hours of training."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from small_plans import MakePlan

from celestialkeras.comparison.folder import begin_comparison, read_plan
from celestialkeras.comparison.plan import Plan, Sides, plan_from_json
from celestialkeras.errors import DatasetError, ModelError, RunError
from small_datasets import DatasetFactory, SmallSplit


def test_a_plan_comes_back_as_it_was(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan(seeds=(3, 1), existing=("runs/old",), blurry_data=tmp_path / "shards", degrade="")
    assert plan_from_json(json.loads(json.dumps(plan.to_json()))) == plan
    keys = [trial.key for trial in plan.trials()]
    assert keys == ["01-one-seed-3", "01-one-seed-1", "02-two-seed-3", "02-two-seed-1", "03-runs-old"]
    assert [trial.options().seed for trial in list(plan.trials())[:2]] == [3, 1]


def test_the_same_plan_is_found_again_and_another_refused(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan()
    folder = begin_comparison(plan, "first", tmp_path)
    assert begin_comparison(plan, "first", tmp_path) == folder
    assert read_plan("first", tmp_path) == plan

    changed = replace(plan, minutes=7.5, seeds=(0, 1), sides=replace(plan.sides, degrade="psf:4"))
    with pytest.raises(RunError, match=r"first: is a comparison with another plan; choose another name") as refused:
        begin_comparison(changed, "first", tmp_path)
    received = str(refused.value).partition("Received: ")[2]
    assert received == "sides.degrade: psf:1 then, psf:4 now; minutes: 5.0 then, 7.5 now; seeds: 0 then, 0, 1 now"
    with pytest.raises(RunError, match=r"Received: entries: one, two then, one now$"):
        begin_comparison(replace(plan, entries=plan.entries[:1]), "first", tmp_path)
    longer = make_plan(epochs=9)
    with pytest.raises(RunError, match=r"entries 2\.training\.epochs: 2 then, 9 now"):
        begin_comparison(replace(plan, entries=(plan.entries[0], longer.entries[1])), "first", tmp_path)
    assert read_plan("first", tmp_path) == plan


def test_a_plan_has_a_name_of_its_own(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan()
    folder = begin_comparison(plan, comparisons=tmp_path)
    assert folder.folder.name.startswith("one-")
    assert begin_comparison(plan, comparisons=tmp_path) == folder
    assert begin_comparison(replace(plan, minutes=6.0), comparisons=tmp_path) != folder


def test_names_and_plans_that_are_none(make_plan: MakePlan, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"must be letters, .* Received: name='../up'"):
        begin_comparison(make_plan(), "../up", tmp_path)
    with pytest.raises(RunError, match=r"no comparison there; `celestial compare ENTRY\.\.\. --name none` begins one"):
        read_plan("none", tmp_path)
    (tmp_path / "torn").mkdir()
    (tmp_path / "torn" / "plan.json").write_text("{")
    with pytest.raises(RunError, match=r"not the plan of a comparison"):
        read_plan("torn", tmp_path)
    plan = make_plan()
    with pytest.raises(RunError, match=r"each once\. Received: one, one"):
        replace(plan, entries=(plan.entries[0], plan.entries[0]))
    with pytest.raises(RunError, match=r"different numbers\. Received: \(1, 1\)"):
        replace(plan, seeds=(1, 1))


def test_what_would_fail_after_hours_is_refused_at_once(
    make_plan: MakePlan, make_dataset: DatasetFactory, tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"multiples of 32"):
        begin_comparison(make_plan(size="60x120"), "odd", tmp_path)
    with pytest.raises(DatasetError, match=r"exposure needs the frame's exposure time"):
        begin_comparison(make_plan(degrade="exposure:3"), "short", tmp_path)
    none = make_dataset((64, 128), (SmallSplit(2, 2), SmallSplit(1, 1), SmallSplit(0, 0)), name="untested")
    with pytest.raises(DatasetError, match=r"untested: no frames on the side 'test'"):
        begin_comparison(make_plan(blurry_data=none, degrade=""), "untested", tmp_path)
    assert not list(tmp_path.glob("*/plan.json"))


def test_a_blurry_list_must_not_show_what_was_trained_on(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan()
    own = plan.sides.data
    # The same set, its sides turned about: its test objects are those trained on.
    turned = tmp_path / "turned"
    _turn(own, turned)
    with pytest.raises(DatasetError, match=r"turned: objects of its test side are trained on; .* Received: train-"):
        begin_comparison(make_plan(blurry_data=turned, degrade=""), "leak", tmp_path)


def _turn(source: Path, target: Path) -> None:
    """Writes a data set whose test side is the training side of another."""
    from celestialkeras.lcid.dataset import open_dataset
    from celestialkeras.lcid.shards import EncodedFrame, write_shard, write_summary
    from celestialkeras.lcid.stretch import Stretch

    dataset = open_dataset(source)
    frames = [
        EncodedFrame(replace(one.observation, extra={"split": "test"}), dataset.codes(one), one.measured)
        for one in dataset.records("train")
    ]
    write_shard(target, "test-00000.tfrecord", frames)
    write_summary(target, ["test-00000.tfrecord"], Stretch())


def test_a_data_set_that_was_built_anew_is_another_plan(make_plan: MakePlan, tmp_path: Path) -> None:
    plan = make_plan()
    begin_comparison(plan, "first", tmp_path)
    other = Plan(Sides(plan.sides.data, "f" * 64, "psf:1"), plan.minutes, plan.seeds, plan.entries, plan.threads)
    with pytest.raises(RunError, match=r"sides\.data_sha256: \w{64} then, f{64} now"):
        begin_comparison(other, "first", tmp_path)
