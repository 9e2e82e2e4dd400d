"""A study of a data set as the plan of a comparison, which trains its arms, judges them and takes itself up again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from celestialkeras.comparison.entries import TRAINING_SETTINGS, Network
from celestialkeras.comparison.plan import Plan, Sides
from celestialkeras.errors import RunError
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.degradations import parse_degradation
from celestialkeras.studies.catalogue import TESTED, TRAINING, Arm, Study
from celestialkeras.suggestions import did_you_mean
from celestialkeras.training.options import TrainOptions

STUDY_FOLDER = Path("studies")
"""Where studies are kept, relative to the working directory."""

# Of the interpreter that runs artifacts, of which a study has none.
_THREADS = 1


@dataclass(frozen=True)
class Request:
    """What is asked of a study.

    Attributes:
        seeds: Of the trainings of each arm.
        minutes: Wall-clock budget of each training; 0 for none.
        model: Another network than the study's own; None for that.
        arms: Names of the arms to train; none for all.
        settings: Training settings and options of the network, of all arms.
        degrade: What makes the blurry test frames; empty for none, None for what the study has.
    """

    seeds: tuple[int, ...] = (0, 1, 2)
    minutes: float = 0.0
    model: str | None = None
    arms: tuple[str, ...] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    degrade: str | None = None


def plan_study(study: Study, dataset: LcidDataset, request: Request) -> Plan:
    """The comparison of a study's arms.

    Args:
        study: The study.
        dataset: What it is asked of.
        request: How.

    Returns:
        The plan; its entries are called as the arms.

    Raises:
        RunError: An arm is unknown, a setting is what the arms differ in, or a value is refused.
        ModelError: The network, or one of its options, is unknown.
        DatasetError: There is no such degradation.
    """
    if taken := sorted(study.varied & set(request.settings)):
        raise RunError(
            f"study {study.name!r}: its arms differ in {', '.join(taken)}; leave arms out with `--arms` instead."
            f" Received: {', '.join(f'{name}={request.settings[name]}' for name in taken)}"
        )
    blur = study.degrade if request.degrade is None else request.degrade
    if blur:
        blur = str(parse_degradation(blur))
    model = request.model or study.model
    # Options of one network mean nothing to another.
    network = dict(study.network) if model == study.model else {}
    training = {**TRAINING, **study.training}
    for name, value in request.settings.items():
        (training if name in TRAINING_SETTINGS else network)[name] = value
    data = dataset.folder.resolve()
    common = {**training, "data": data, "minutes": request.minutes, "seed": request.seeds[0], "model": model}
    entries = [
        Network(
            arm.name,
            TrainOptions(**{**common, **_training(study, arm, blur), "model_options": {**network, **arm.network}}),
        )
        for arm in _chosen(study, request.arms)
    ]
    sides = Sides(data=data, data_sha256=dataset.digest, degrade=blur)
    return Plan(sides, request.minutes, request.seeds, tuple(entries), _THREADS)


def check_plan_of(study: Study, plan: Plan, folder: Path) -> None:
    """Refuses the plan of another study.

    Raises:
        RunError: Its entries are not arms of the study.
    """
    arms = [arm.name for arm in study.arms]
    names = [entry.name for entry in plan.entries]
    if not all(name in arms for name in names):
        raise RunError(
            f"{folder}: is not study {study.name!r}, whose arms are {', '.join(arms)}; choose another `--name`."
            f" Received: {', '.join(names)}"
        )


def _chosen(study: Study, names: tuple[str, ...]) -> list[Arm]:
    known = [arm.name for arm in study.arms]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise RunError(f"study {study.name!r}: its arms are {', '.join(known)}{hint}. Received: {name!r}")
    if len(set(names)) == 1:
        raise RunError(f"study {study.name!r}: two arms are the fewest that can be compared. Received: {names[0]}")
    return [arm for arm in study.arms if not names or arm.name in names]


def _training(study: Study, arm: Arm, blur: str) -> dict[str, Any]:
    settings = dict(arm.training)
    if settings.get("degrade") == TESTED:
        if not blur:
            raise RunError(
                f"study {study.name!r}: arm {arm.name!r} is trained on frames as blurry as the test frames; give"
                " `--degrade KIND:LEVEL`. Received: none"
            )
        settings["degrade"] = blur
    return settings
