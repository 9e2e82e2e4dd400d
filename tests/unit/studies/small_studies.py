"""Findings of studies whose trainings are made up: what each gets right is said frame by frame."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from celestialkeras.comparison.results import Result
from celestialkeras.comparison.table import Accuracy, Row
from celestialkeras.comparison.training import Training
from celestialkeras.evaluation.metrics import Resampling
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import Observation
from celestialkeras.studies.catalogue import get_study
from celestialkeras.studies.findings import Findings, find
from celestialkeras.studies.plan import Request, plan_study

RESAMPLING = Resampling(resamples=200)

Right = Mapping[str, Mapping[int, Sequence[int]]]
"""Which frames are told rightly, 1 or 0 each, by arm and seed."""


def predictions(right: Sequence[int], logit: float = 2.0) -> Predictions:
    """Two frames an object, galaxies and NSC in turn; what is right is so by `logit`, what is wrong as far."""
    rows = tuple(
        Observation(f"object-{index // 2}", "ACS/WFC", f"jtest{index:04d}", "F814W", 10.0, -5.0, 1, label, {})
        for index, label in enumerate(("galaxy", "galaxy", "NSC", "NSC")[i % 4] for i in range(len(right)))
    )
    logits = np.zeros((len(right), 2), np.float32)
    for index, (row, one) in enumerate(zip(rows, right, strict=True)):
        logits[index, row.label_code if one else 1 - row.label_code] = logit
    return Predictions(rows, logits)


def result(right: Sequence[int], blurry: Sequence[int] | None = None) -> Result:
    """What was found of a training of five epochs, of which the fourth was kept."""
    return Result(
        kind="network",
        source="model.keras",
        sha256="0" * 64,
        clear=predictions(right),
        blurry=None if blurry is None else predictions(blurry),
        milliseconds=1.0,
        parameters=1234,
        macs=2_500_000_000,
        training=Training(epochs=5, best_epoch=4, minutes=1.5, ended_by="epochs", peak_memory_mb=None),
    )


def made_up(
    name: str, right: Right, blurry: Right | None = None, seeds: tuple[int, ...] = (0, 1, 2), failures: str = ""
) -> Findings:
    """What a study found whose trainings are those of `right`; seeds that it lacks are not done."""
    study = get_study(name)
    plan = plan_study(study, NoFrames(), Request(seeds=seeds, arms=tuple(right)))  # type: ignore[arg-type]
    results, missing = {}, {}
    for trial in plan.trials():
        assert trial.seed is not None
        found = right[trial.entry.name].get(trial.seed)
        if found is None:
            missing[trial.key] = failures or "not done yet"
        else:
            results[trial.key] = result(found, blurry[trial.entry.name][trial.seed] if blurry else None)
    some = next(iter(results.values())).clear
    rules = [Row("majority", "rule", clear=Accuracy.of([predictions([1, 0] * (len(some) // 2))], RESAMPLING))]
    return find(study, plan, results, missing, rules, RESAMPLING)


class NoFrames:
    """Stands for an opened data set, of which a plan takes the folder and the digest."""

    folder = Path("/data/shards")
    digest = "d" * 64
