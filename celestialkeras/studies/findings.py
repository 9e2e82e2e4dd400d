"""What a study found: each arm's accuracy, and how far it is ahead of the first one, over objects and over seeds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from celestialkeras.comparison.conduct import Results
from celestialkeras.comparison.entries import Network
from celestialkeras.comparison.plan import Plan, Trial
from celestialkeras.comparison.results import Result
from celestialkeras.comparison.table import Accuracy, Row
from celestialkeras.comparison.training import Training
from celestialkeras.evaluation.calibration_error import calibration_of
from celestialkeras.evaluation.intervals import Interval
from celestialkeras.evaluation.metrics import Resampling
from celestialkeras.evaluation.paired import difference_over_objects
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.studies.catalogue import Study
from celestialkeras.studies.sureness import Difference, interval_over_seeds
from celestialkeras.training.options import TrainOptions


@dataclass(frozen=True)
class Outcome:
    """What the trainings of an arm get right of one list of frames.

    Attributes:
        accuracy: Mean over seeds, with its interval over objects.
        by_seed: Accuracy of each seed, a fraction of 1.
        over_seeds: Student's interval of their mean; None with one seed.
        log_loss: Mean negative logarithm of the probability given to the true class, nats, mean over seeds.
        calibration_error: Expected calibration error, a fraction of 1, mean over seeds.
        difference: Accuracy minus that of the first arm; None of the first arm, and where no seed is done in both.
    """

    accuracy: Accuracy
    by_seed: tuple[float, ...]
    over_seeds: Interval | None
    log_loss: float
    calibration_error: float
    difference: Difference | None


@dataclass(frozen=True)
class ArmFinding:
    """One arm of a study.

    Attributes:
        name: The arm.
        options: How it was trained, with the first seed.
        seeds: Of the trainings that are done.
        trainings: What each of them took.
        clear: On the clear test frames; None where no training is done.
        blurry: On the blurry ones; None where there are none.
        parameters: Weights that training changes; None where that is not known yet. So is the other.
        gmac: Multiply-accumulate operations a frame, units of 10^9.
        missing: Why trainings are not done, by seed.
    """

    name: str
    options: TrainOptions
    seeds: tuple[int, ...]
    trainings: tuple[Training, ...]
    clear: Outcome | None
    blurry: Outcome | None
    parameters: int | None
    gmac: float | None
    missing: Mapping[int, str]


@dataclass(frozen=True)
class Findings:
    """All that a study found.

    Attributes:
        study: The study.
        plan: What was run.
        arms: The arms, the one that the others are held against first.
        rules: What rules without pixels get right of the same frames.
        resampling: How objects were drawn.
    """

    study: Study
    plan: Plan
    arms: tuple[ArmFinding, ...]
    rules: tuple[Row, ...]
    resampling: Resampling

    @property
    def verdicts(self) -> tuple[str, ...]:
        """A sentence on each arm but the first: on the clear frames, and on the blurry ones where there are any."""
        first = self.arms[0].name
        blurry = bool(self.plan.sides.blurry)
        found = []
        for where, side in (("On clear frames, " if blurry else "", "clear"), ("On blurry frames, ", "blurry")):
            for arm in self.arms[1:]:
                outcome: Outcome | None = getattr(arm, side)
                if outcome is not None and outcome.difference is not None:
                    found.append(where + outcome.difference.describe(arm.name, first))
        return tuple(found)


def find(
    study: Study,
    plan: Plan,
    results: Results,
    failures: Mapping[str, str],
    rules: Sequence[Row],
    resampling: Resampling | None = None,
) -> Findings:
    """Works out what a study found, as far as it is done.

    Args:
        study: The study.
        plan: Its plan.
        results: What was found of each training that is done, by the keys of the plan's trials.
        failures: Why others could not be done; those that stand in neither are still to do.
        rules: What rules without pixels get right, of `comparison.table.rule_rows`.
        resampling: How objects are drawn.
    """
    resampling = resampling or Resampling()
    done: dict[str, dict[int, Result]] = {}
    missing: dict[str, dict[int, str]] = {}
    for trial in plan.trials():
        name, seed = trial.entry.name, _seed(trial)
        done.setdefault(name, {})
        missing.setdefault(name, {})
        if trial.key in results:
            done[name][seed] = results[trial.key]
        else:
            missing[name][seed] = failures.get(trial.key, "not done yet")
    first = done[plan.entries[0].name]
    arms = []
    for entry in plan.entries:
        assert isinstance(entry, Network)
        own = done[entry.name]
        some = next(iter(own.values()), None)
        arms.append(
            ArmFinding(
                name=entry.name,
                options=entry.options,
                seeds=tuple(own),
                trainings=tuple(result.training for result in own.values() if result.training is not None),
                clear=_outcome(_clear(own), None if own is first else _clear(first), resampling),
                blurry=_outcome(_blurry(own), None if own is first else _blurry(first), resampling),
                parameters=some.parameters if some else None,
                gmac=None if some is None or some.macs is None else some.macs / 1e9,
                missing=missing[entry.name],
            )
        )
    return Findings(study, plan, tuple(arms), tuple(rules), resampling)


def _seed(trial: Trial) -> int:
    assert trial.seed is not None
    return trial.seed


def _clear(done: Mapping[int, Result]) -> dict[int, Predictions]:
    return {seed: result.clear for seed, result in done.items()}


def _blurry(done: Mapping[int, Result]) -> dict[int, Predictions]:
    return {seed: result.blurry for seed, result in done.items() if result.blurry is not None}


def _outcome(
    own: Mapping[int, Predictions], first: Mapping[int, Predictions] | None, resampling: Resampling
) -> Outcome | None:
    if not own:
        return None
    trainings = [*own.values()]
    by_seed = tuple(float(one.correct.mean()) for one in trainings)
    calibrations = [calibration_of(one) for one in trainings]
    return Outcome(
        accuracy=Accuracy.of(trainings, resampling),
        by_seed=by_seed,
        over_seeds=interval_over_seeds(by_seed),
        log_loss=float(np.mean([one.log_loss for one in calibrations])),
        calibration_error=float(np.mean([one.expected_error for one in calibrations])),
        difference=_difference(own, first, resampling) if first is not None else None,
    )


def _difference(
    own: Mapping[int, Predictions], first: Mapping[int, Predictions], resampling: Resampling
) -> Difference | None:
    """Seeds that are done in both are held against each other."""
    seeds = [seed for seed in own if seed in first]
    if not seeds:
        return None
    ours, theirs = [own[seed] for seed in seeds], [first[seed] for seed in seeds]
    by_seed = tuple(float(a.correct.mean() - b.correct.mean()) for a, b in zip(ours, theirs, strict=True))
    return Difference(
        mean=float(np.mean(by_seed)),
        by_seed=by_seed,
        over_objects=difference_over_objects(ours, theirs, resampling),
        over_seeds=interval_over_seeds(by_seed),
    )
