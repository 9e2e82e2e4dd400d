"""The figures of a comparison: the rules without pixels, a row a training, and each entry against one of them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from celestialkeras.comparison.conduct import Results
from celestialkeras.comparison.entries import Entry
from celestialkeras.comparison.pairs import Pair, pairs_of
from celestialkeras.comparison.plan import Plan, Trial, open_sides
from celestialkeras.comparison.results import Result
from celestialkeras.comparison.training import Training
from celestialkeras.errors import RunError
from celestialkeras.evaluation.intervals import Interval, bootstrap_over_objects, wilson
from celestialkeras.evaluation.metrics import Resampling
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import LABELS, Observation
from celestialkeras.lcid.rules import answer_by_rules
from celestialkeras.suggestions import did_you_mean

RULES = ("majority", "instrument", "instrument and filter")
"""The rules without pixels that lead the table."""


@dataclass(frozen=True)
class Accuracy:
    """Accuracy on one list of frames, of one training or the mean of several.

    Attributes:
        value: Share of frames told rightly.
        frames: How many they are.
        objects: Of how many objects.
        object_interval: Bootstrap interval, whole objects drawn anew; None with one object.
        frame_interval: Wilson's interval over frames; None for the mean of several trainings.
    """

    value: float
    frames: int
    objects: int
    object_interval: Interval | None
    frame_interval: Interval | None

    @classmethod
    def of(cls, trainings: Sequence[Predictions], resampling: Resampling) -> Accuracy:
        """The accuracy of some trainings on the same frames."""
        first = trainings[0]
        right = np.mean([one.correct for one in trainings], axis=0)
        objects = [observation.object_id for observation in first.observations]
        rng = np.random.default_rng(resampling.seed)
        return cls(
            value=float(right.mean()),
            frames=len(first),
            objects=len(set(objects)),
            object_interval=bootstrap_over_objects(right, objects, rng, resampling.resamples),
            frame_interval=wilson(int(first.correct.sum()), len(first)) if len(trainings) == 1 else None,
        )


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes:
        name: The rule, or the entry as it was typed.
        kind: `rule`, `network`, `run`, `model` or `artifact`; empty where it is not known yet.
        seeds: Of the training, or those whose mean it is; none for what was not trained here.
        clear: Accuracy on the clear frames; None where it is not there yet.
        blurry: Accuracy on the blurry ones.
        milliseconds: A frame, in a batch of one; the mean over trainings.
        parameters: Weights that training changes.
        gmac: Multiply-accumulate operations a frame, units of 10^9.
        training: What the training took; None for the mean of several.
        source: Path of the model; empty for rules and means.
        sha256: Of the `.keras` file or the artifact's card, likewise.
        missing: Why there are no figures; empty where there are.
    """

    name: str
    kind: str
    seeds: tuple[int, ...] = ()
    clear: Accuracy | None = None
    blurry: Accuracy | None = None
    milliseconds: float | None = None
    parameters: int | None = None
    gmac: float | None = None
    training: Training | None = None
    source: str = ""
    sha256: str = ""
    missing: str = ""


@dataclass(frozen=True)
class Comparison:
    """A comparison's figures.

    Attributes:
        plan: What was compared.
        rows: The rules, then the entries in the plan's order; of several trainings the mean comes first.
        pairs: Each entry against the reference.
        resampling: How objects were drawn.
    """

    plan: Plan
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]
    resampling: Resampling


def reference_of(plan: Plan, against: str | None) -> Entry:
    """The entry that the others are held against.

    Args:
        plan: The plan.
        against: Its name; None for the first.

    Raises:
        RunError: There is no such entry.
    """
    names = [entry.name for entry in plan.entries]
    if against is not None and against not in names:
        hint = did_you_mean(against, names)
        raise RunError(f"`against` must be one of the entries, {', '.join(names)}{hint}. Received: {against!r}")
    return plan.entries[names.index(against) if against is not None else 0]


def tabulate(
    plan: Plan,
    results: Results,
    failures: Mapping[str, str],
    against: str | None = None,
    resampling: Resampling | None = None,
) -> Comparison:
    """Computes every figure from what was found.

    Args:
        plan: The plan.
        results: What was found of each trial that is done.
        failures: Why others could not be done; those that stand in neither are still to do.
        against: Name of the entry that the others are held against; by default the first.
        resampling: How objects are drawn.

    Raises:
        RunError: There is no such entry.
        DatasetError: The data set is no longer the one of the plan.
    """
    resampling = resampling or Resampling()
    trials: dict[str, list[Trial]] = defaultdict(list)
    for trial in plan.trials():
        trials[trial.entry.name].append(trial)
    reference = reference_of(plan, against)
    rows = rule_rows(plan, resampling)
    for entry in plan.entries:
        done = [results[trial.key] for trial in trials[entry.name] if trial.key in results]
        if len(trials[entry.name]) > 1 and len(done) == len(trials[entry.name]):
            rows.append(_mean_row(entry.name, plan.seeds, done, resampling))
        rows += [
            _row(trial, results.get(trial.key), failures.get(trial.key, "not done yet"), resampling)
            for trial in trials[entry.name]
        ]
    pairs = [
        pair
        for entry in plan.entries
        if entry != reference
        for pair in pairs_of(trials[entry.name], trials[reference.name], results, resampling)
    ]
    return Comparison(plan, tuple(rows), tuple(pairs), resampling)


def rule_rows(plan: Plan, resampling: Resampling) -> list[Row]:
    """What each rule without pixels, fitted on the training side, gets right of the test frames.

    Args:
        plan: Of the comparison.
        resampling: How objects are drawn.

    Raises:
        DatasetError: The data set is no longer the one of the plan.
    """
    clear, blurry = open_sides(plan)
    fitted = [record.observation for record in clear.records("train")]
    on_clear = _answers(fitted, clear)
    on_blurry = _answers(fitted, blurry) if blurry is not None else None
    return [
        Row(
            name=rule,
            kind="rule",
            clear=Accuracy.of([on_clear[rule]], resampling),
            blurry=Accuracy.of([on_blurry[rule]], resampling) if on_blurry else None,
        )
        for rule in RULES
    ]


def _answers(fitted: Sequence[Observation], side: LcidDataset) -> dict[str, Predictions]:
    """What each rule says of a test side."""
    rows = tuple(record.observation for record in side.records("test"))
    said = answer_by_rules(RULES, str(side.folder), fitted, rows)
    return {rule: Predictions(rows, np.eye(len(LABELS), dtype=np.float32)[list(codes)]) for rule, codes in said.items()}


def _row(trial: Trial, result: Result | None, missing: str, resampling: Resampling) -> Row:
    seeds = () if trial.seed is None else (trial.seed,)
    if result is None:
        return Row(trial.entry.name, "", seeds, missing=missing)
    return Row(
        name=trial.entry.name,
        kind=result.kind,
        seeds=seeds,
        clear=Accuracy.of([result.clear], resampling),
        blurry=Accuracy.of([result.blurry], resampling) if result.blurry is not None else None,
        milliseconds=result.milliseconds,
        parameters=result.parameters,
        gmac=None if result.macs is None else result.macs / 1e9,
        training=result.training,
        source=result.source,
        sha256=result.sha256,
    )


def _mean_row(name: str, seeds: tuple[int, ...], results: Sequence[Result], resampling: Resampling) -> Row:
    blurry = [result.blurry for result in results if result.blurry is not None]
    times = [result.milliseconds for result in results if result.milliseconds is not None]
    first = results[0]
    return Row(
        name=name,
        kind=first.kind,
        seeds=seeds,
        clear=Accuracy.of([result.clear for result in results], resampling),
        blurry=Accuracy.of(blurry, resampling) if blurry else None,
        milliseconds=sum(times) / len(times) if times else None,
        parameters=first.parameters,
        gmac=None if first.macs is None else first.macs / 1e9,
    )
