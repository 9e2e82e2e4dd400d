"""What studies there are, and the plans that are made of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from small_studies import NoFrames

from celestialkeras.comparison.entries import Network
from celestialkeras.comparison.plan import Plan, plan_from_json
from celestialkeras.errors import DatasetError, ModelError, RunError
from celestialkeras.models.cost import registered_cost
from celestialkeras.studies.catalogue import STUDIES, TESTED, get_study
from celestialkeras.studies.plan import Request, check_plan_of, plan_study
from celestialkeras.training.options import TrainOptions


def plan(name: str, **asked: object) -> Plan:
    return plan_study(get_study(name), NoFrames(), Request(**asked))  # type: ignore[arg-type]


def options(name: str, **asked: object) -> dict[str, TrainOptions]:
    return {entry.name: entry.options for entry in plan(name, **asked).entries if isinstance(entry, Network)}


def test_every_question_of_the_paper_has_a_study() -> None:
    assert [study.name for study in STUDIES] == [
        "kernels",
        "padding",
        "augmentation",
        "input-size",
        "early-stopping",
        "blur-training",
        "loss",
        "attention",
        "dilation",
    ]


@pytest.mark.parametrize("study", STUDIES, ids=lambda study: study.name)
def test_a_study_is_well_formed(study) -> None:  # type: ignore[no-untyped-def]
    assert study.question.endswith("?")
    assert study.remark.endswith(".")
    names = [arm.name for arm in study.arms]
    assert len(set(names)) == len(names) >= 2
    assert all(re.fullmatch("[a-z0-9-]+", name) for name in names)
    made = options(study.name)
    assert list(made) == names
    # Any two arms differ, and in what they say they differ in alone.
    assert len({one.to_toml() for one in made.values()}) == len(names)
    varied = study.varied | {"model_options"}
    kept = [{k: v for k, v in vars(one).items() if k not in varied} for one in made.values()]
    assert all(one == kept[0] for one in kept)


@pytest.mark.parametrize("name", ["kernels", "padding", "attention", "dilation"])
def test_networks_of_the_arms_can_be_built_at_the_size_that_they_are_trained_at(name: str) -> None:
    costs = {}
    for arm, one in options(name).items():
        costs[arm] = registered_cost(one.model, one.input_shape((2048, 4096)), **one.model_options)
    if name == "kernels":
        assert costs["3x3"].macs < costs["5x5"].macs < costs["7x7"].macs
    elif name == "dilation":
        assert len({cost.macs for cost in costs.values()}) == 1
        assert len({cost.trainable for cost in costs.values()}) == 1
    elif name == "attention":
        extra = costs["squeeze-excite"].trainable / costs["none"].trainable
        assert 1.01 < extra < 1.025
    else:
        assert costs["valid"].macs < costs["same"].macs


def test_settings_that_are_asked_for_are_those_of_all_arms() -> None:
    made = options("loss", seeds=(0, 1), minutes=3.0, settings={"epochs": 7, "size": 2, "width": 0.5})
    assert {(one.epochs, one.size, one.minutes, one.patience) for one in made.values()} == {(7, 2, 3.0, 0)}
    assert all(one.model_options == {"width": 0.5} for one in made.values())
    assert [(one.focal_gamma, one.label_smoothing) for one in made.values()] == [(0.0, 0.0), (2.0, 0.0), (0.0, 0.1)]
    assert [trial.key for trial in plan("loss", seeds=(0, 1)).trials()][:3] == [
        "01-cross-entropy-seed-0",
        "01-cross-entropy-seed-1",
        "02-focal-seed-0",
    ]


def test_another_network_has_none_of_the_options_of_the_first() -> None:
    made = options("kernels", model="celestialnet_edge", settings={"stem_stride": 2})
    assert made["5x5"].model_options == {"stem_stride": 2, "stem_kernel": 5}
    with pytest.raises(ModelError, match="'alexnet' has no option `padding`"):
        plan("padding", model="alexnet")


def test_arms_can_be_left_out_and_keep_their_order() -> None:
    assert list(options("kernels", arms=("7x7", "3x3"))) == ["3x3", "7x7"]
    with pytest.raises(RunError, match=r"'kernels': its arms are 3x3, 5x5, 7x7\. Received: '9x9'"):
        plan("kernels", arms=("9x9",))
    with pytest.raises(RunError, match=r"two arms are the fewest that can be compared\. Received: 3x3"):
        plan("kernels", arms=("3x3",))


def test_what_the_arms_differ_in_cannot_be_set() -> None:
    with pytest.raises(RunError, match=r"'input-size': its arms differ in size; .*`--arms`.* Received: size=2"):
        plan("input-size", settings={"size": 2})
    with pytest.raises(RunError, match=r"differ in stem_kernel"):
        plan("kernels", settings={"stem_kernel": 7})


def test_blurred_arms_are_trained_on_what_is_tested() -> None:
    assert TESTED not in {one.degrade for one in options("blur-training").values()}
    made = options("blur-training", degrade="jitter:2")
    assert [(one.degrade, one.degrade_share) for one in made.values()] == [
        ("", 1.0),
        ("jitter:2", 1.0),
        ("jitter:2", 0.5),
    ]
    assert plan("blur-training").sides.degrade == "psf:4"
    assert plan("blur-training", degrade="jitter:2").sides.degrade == "jitter:2"
    assert plan("loss").sides.degrade == ""
    with pytest.raises(RunError, match=r"arm 'blurred' is trained on frames as blurry as the test frames; give"):
        plan("blur-training", degrade="")
    with pytest.raises(DatasetError, match="a degradation must be"):
        plan("loss", degrade="fog:2")


def test_plans_come_back_alike_and_those_of_another_study_are_refused() -> None:
    made = plan("loss")
    assert plan_from_json(made.to_json()) == made
    check_plan_of(get_study("loss"), made, Path("studies/loss"))
    with pytest.raises(RunError, match=r"studies/x: is not study 'padding', whose arms are same, valid; .*`--name`"):
        check_plan_of(get_study("padding"), made, Path("studies/x"))


def test_the_nearest_study_is_offered() -> None:
    with pytest.raises(
        RunError, match=r"no study is called 'pading'; did you mean 'padding'\?; `celestial study --list`"
    ):
        get_study("pading")
