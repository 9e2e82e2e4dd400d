"""How far plain classifiers get on shortcuts: what a frame gives away without what it shows.

A network's accuracy on a data set means something by what it has above these. Frames of one object never stand on both
sides of a fit.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import MissingExtraError
from celestialkeras.evaluation.intervals import Interval, bootstrap_over_objects
from celestialkeras.evaluation.shortcut_features import FEATURE_NOTES, ShortcutTable
from celestialkeras.lcid.audit_report import NEAR_POINTS
from celestialkeras.lcid.manifest import LABELS

CLASSIFIERS = ("random forest", "logistic regression")
"""Names of the classifiers, in the order of reports."""

FOLDS = 5
"""Folds of the cross-validation; fewer where a class has fewer objects."""

TREES = 500
"""Trees of the random forest."""

SHORTCUTS_SCHEMA = "celestialkeras.shortcuts/1"
"""Name and version of what `shortcuts_to_json` gives; the version rises when a key changes its meaning or goes."""

SHORTCUT_NOTES = (
    *FEATURE_NOTES,
    f"random forest of {TREES} trees; logistic regression on standardised features; both as scikit-learn sets them",
    f"cross-validated: {FOLDS} folds of whole objects, stratified by class, over all frames of the data set",
    "test side: fitted on the train and validation sides, tested on the test side",
)
"""How the figures of `Shortcut` are made, in words for whoever reads them."""


@dataclass(frozen=True)
class Score:
    """How many frames a classifier told rightly.

    Attributes:
        correct: Frames told rightly.
        frames: Frames told.
        objects: Objects that they show.
        interval: Bootstrap interval of the accuracy, over objects; None with one object.
    """

    correct: int
    frames: int
    objects: int
    interval: Interval | None

    @property
    def accuracy(self) -> float:
        """Share of frames told rightly."""
        return self.correct / self.frames


@dataclass(frozen=True)
class Shortcut:
    """What one classifier reaches on one group of features.

    Attributes:
        features: One of `FEATURES` of `shortcut_features`.
        classifier: One of `CLASSIFIERS`.
        columns: Number of features.
        cross_validated: Over all frames, in folds of whole objects.
        test: On the test side, fitted on the others; None where either has not both classes.
    """

    features: str
    classifier: str
    columns: int
    cross_validated: Score
    test: Score | None


@dataclass(frozen=True, eq=False)
class _Division:
    """Numbers of the rows that a classifier is fitted on, and of those that it is tested on."""

    fitted: NDArray[np.intp]
    tested: NDArray[np.intp]


def score_shortcuts(
    table: ShortcutTable,
    seed: int = 0,
    resamples: int = 10_000,
    on_progress: Callable[[int, int], None] | None = None,
) -> tuple[Shortcut, ...]:
    """Trains each classifier on each group of features, in folds of whole objects and on the sides as they are.

    Args:
        table: The features.
        seed: Seed of the folds, the forests and the draws of objects; the same seed and table give the same figures.
        resamples: Draws of objects behind each interval.
        on_progress: Called with classifiers done and classifiers in all.

    Returns:
        One result for each group of features and each of `CLASSIFIERS`.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    folds, sides = _folds(table, seed), _sides(table)
    found: list[Shortcut] = []
    for features, values in table.groups.items():
        for name in CLASSIFIERS:
            classifier = _classifier(name, seed)
            told = np.empty_like(table.labels)
            for fold in folds:
                told[fold.tested] = _predict(classifier, values, table.labels, fold)
            test = None
            if sides is not None:
                correct = _predict(classifier, values, table.labels, sides) == table.labels[sides.tested]
                test = _score(correct, table.objects[sides.tested], seed, resamples)
            cross_validated = _score(told == table.labels, table.objects, seed, resamples)
            found.append(Shortcut(features, name, values.shape[1], cross_validated, test))
            if on_progress is not None:
                on_progress(len(found), len(table.groups) * len(CLASSIFIERS))
    return tuple(found)


def shortcut_warnings(shortcuts: Sequence[Shortcut], reported: float | None = None) -> list[str]:
    """What a person should know before they believe an accuracy on this data set.

    Args:
        shortcuts: What `score_shortcuts` gave.
        reported: A reported accuracy, per cent.

    Returns:
        One sentence for the best shortcut of each column; it says where that comes near the reported accuracy.
    """
    columns = {
        "in folds of whole objects": [(part, part.cross_validated) for part in shortcuts],
        "on the test side": [(part, part.test) for part in shortcuts if part.test is not None],
    }
    found = []
    for how, scores in columns.items():
        if not scores:
            continue
        best, score = max(scores, key=lambda pair: pair[1].accuracy)
        reached = 100 * score.accuracy
        text = f"{best.classifier} on {best.features} reaches {reached:.2f} % {how}"
        if reported is None or reached < reported - NEAR_POINTS:
            found.append(f"{text}; what a network sees of shapes is what it has above that")
        else:
            place = "above" if reached > reported else f"within {NEAR_POINTS:g} points of"
            found.append(f"{text}, {place} the reported {reported:.2f} %")
    return found


def shortcuts_to_json(shortcuts: Sequence[Shortcut]) -> dict[str, Any]:
    """Every figure of the shortcuts, with how they were made.

    Args:
        shortcuts: What `score_shortcuts` gave.

    Returns:
        A tree of dicts, lists, numbers, text and None; accuracies are fractions.
    """
    return {
        "schema": SHORTCUTS_SCHEMA,
        "rules": list(SHORTCUT_NOTES),
        "interval": "95 %, percentile bootstrap over whole objects; null with one object",
        "shortcuts": [
            {
                "features": part.features,
                "classifier": part.classifier,
                "columns": part.columns,
                "cross_validated": _score_to_json(part.cross_validated),
                "test": None if part.test is None else _score_to_json(part.test),
            }
            for part in shortcuts
        ],
    }


def _folds(table: ShortcutTable, seed: int) -> list[_Division]:
    """Which rows to fit on and which to test on, fold by fold."""
    try:
        from sklearn.model_selection import StratifiedGroupKFold
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "training classifiers on shortcuts") from error
    fewest = min(len(np.unique(table.objects[table.labels == code])) for code in range(len(LABELS)))
    divide = StratifiedGroupKFold(min(FOLDS, fewest), shuffle=True, random_state=seed)
    return [_Division(*rows) for rows in divide.split(table.labels, table.labels, table.objects)]


def _sides(table: ShortcutTable) -> _Division | None:
    sides = _Division(np.flatnonzero(~table.on_test), np.flatnonzero(table.on_test))
    whole = all(len(np.unique(table.labels[rows])) == len(LABELS) for rows in (sides.fitted, sides.tested))
    return sides if whole else None


def _predict(classifier: Any, values: NDArray[np.float64], labels: NDArray[np.int64], rows: _Division) -> Any:
    return classifier.fit(values[rows.fitted], labels[rows.fitted]).predict(values[rows.tested])


def _classifier(name: str, seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.impute import SimpleImputer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    # A header without exposure time is a shortcut too: the indicator lets classifiers see it.
    known = SimpleImputer(strategy="median", add_indicator=True, keep_empty_features=True)
    if name == "random forest":
        return make_pipeline(known, RandomForestClassifier(TREES, random_state=seed, n_jobs=-1))
    return make_pipeline(known, StandardScaler(), LogisticRegression(max_iter=10_000))


def _score(correct: NDArray[np.bool_], objects: NDArray[np.str_], seed: int, resamples: int) -> Score:
    interval = bootstrap_over_objects(correct, objects.tolist(), np.random.default_rng(seed), resamples)
    return Score(int(correct.sum()), len(correct), len(np.unique(objects)), interval)


def _score_to_json(score: Score) -> dict[str, Any]:
    interval = None if score.interval is None else {"low": score.interval.low, "high": score.interval.high}
    counts = {"correct": score.correct, "frames": score.frames, "objects": score.objects}
    return {"accuracy": score.accuracy, **counts, "interval": interval}
