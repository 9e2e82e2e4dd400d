"""Rules that guess the class of a frame from its manifest row, without a pixel, and how far each gets."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import ManifestError
from celestialkeras.lcid.manifest import LABELS, Observation

EXPOSURE_COLUMN = "exptime"
"""Extra column of a manifest that holds exposure times, in seconds."""

DEALS = 1000
"""Draws behind `Rule.chance`."""

RULE_NOTES = (
    "a rule answers, for each value, the class that most of its frames have; a tie goes to galaxy",
    "fitted: on the same list that it is tested on",
    f"by chance: fitted again on {DEALS} lists with the classes dealt anew among the objects, mean",
    "held out: the frames of each object are predicted from the frames of all other objects",
    "a value that no other object has takes the larger class of the remaining frames; a tie goes to galaxy",
    "held out, a balanced list falls below 50 %: each object held out leaves its class the smaller one",
    "exposure times are told apart by factors of two",
)
"""How the figures of `Rule` are made, in words for whoever reads them."""


@dataclass(frozen=True)
class Rule:
    """How far the class can be guessed from some columns of the manifest.

    Attributes:
        name: The columns, in words; `majority` looks at none.
        values: How many different values they have in this list.
        frames: Frames that it was tested on.
        correct: Frames that it tells rightly, fitted on the same list.
        chance: Share that it would tell rightly, fitted likewise, if its columns knew nothing of classes: the mean over
            lists with the classes dealt anew among the objects. It grows with the number of values and falls with that
            of objects.
        held_out_correct: Frames that it tells rightly when each object is predicted from the others; None where the
            list has one object.
    """

    name: str
    values: int
    frames: int
    correct: int
    chance: float
    held_out_correct: int | None

    @property
    def accuracy(self) -> float:
        """Share of frames told rightly, fitted on the same list."""
        return self.correct / self.frames

    @property
    def held_out_accuracy(self) -> float | None:
        """Share of frames told rightly when each object is predicted from the others."""
        return None if self.held_out_correct is None else self.held_out_correct / self.frames


def fit_rules(name: str, rows: Sequence[Observation]) -> tuple[Rule, ...]:
    """Fits every rule to a list, and tests it.

    Args:
        name: Name of the list, for messages.
        rows: Its rows, at least one.

    Returns:
        The rules, the majority first; those by exposure time where the manifest has the column.

    Raises:
        ManifestError: An exposure time is no number of seconds above 0.
    """
    return tuple(_fit(title, [key(row) for row in rows], rows) for title, key in _rule_keys(name, rows).items())


def rule_names(name: str, rows: Sequence[Observation]) -> tuple[str, ...]:
    """The rules that the columns of a list allow, the majority first.

    Args:
        name: Name of the list, for messages.
        rows: Its rows.
    """
    return tuple(_rule_keys(name, rows))


def answer_by_rules(
    rules: Sequence[str], name: str, fitted: Sequence[Observation], tested: Sequence[Observation]
) -> dict[str, tuple[int, ...]]:
    """What rules that are fitted to one list say of each row of another.

    A value that the fitted list does not have takes its larger class; ties go to galaxy.

    Args:
        rules: Names of rules, such as `majority`, `instrument` or `instrument and filter`.
        name: Name of the lists, for messages.
        fitted: Rows that the rules learn from, at least one.
        tested: Rows that they answer for.

    Returns:
        For each rule the class code of each tested row, in their order.

    Raises:
        ManifestError: An exposure time is no number of seconds above 0.
        ValueError: There is no such rule for these lists.
    """
    keys = _rule_keys(name, [*fitted, *tested])
    if unknown := [rule for rule in rules if rule not in keys]:
        raise ValueError(f"`rules` must be among {', '.join(keys)}. Received: {', '.join(unknown)}")
    majority = _larger_class(fitted)
    answers = {}
    for rule in rules:
        groups: dict[object, list[Observation]] = defaultdict(list)
        for row in fitted:
            groups[keys[rule](row)].append(row)
        learned = {value: _larger_class(group) for value, group in groups.items()}
        answers[rule] = tuple(learned.get(keys[rule](row), majority) for row in tested)
    return answers


def _larger_class(rows: Sequence[Observation]) -> int:
    nsc = sum(row.label_code for row in rows)
    return int(2 * nsc > len(rows))


def _rule_keys(name: str, rows: Sequence[Observation]) -> dict[str, Callable[[Observation], object]]:
    """What each rule looks at, by its name."""
    keys: dict[str, Callable[[Observation], object]] = {
        "majority": lambda row: None,
        "instrument": lambda row: row.instrument,
        "filter": lambda row: row.filter,
        "instrument and filter": lambda row: (row.instrument, row.filter),
        "HDU": lambda row: row.hdu,
    }
    if any(row.extra.get(EXPOSURE_COLUMN) for row in rows):
        keys["exposure time"] = lambda row: _octave(name, row)
        keys["instrument, filter and exposure time"] = lambda row: (row.instrument, row.filter, _octave(name, row))
    return keys


def _octave(name: str, row: Observation) -> int | None:
    """The whole power of two at or below an exposure time in seconds; None where it is not known."""
    text = row.extra.get(EXPOSURE_COLUMN, "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        seconds = math.nan
    if not 0 < seconds < math.inf:
        raise ManifestError(
            f"{name}: {row.obsid} HDU {row.hdu}, column {EXPOSURE_COLUMN!r}: must be seconds above 0, or empty."
            f" Received: {text!r}"
        )
    return math.floor(math.log2(seconds))


def _fit(name: str, keys: Sequence[object], rows: Sequence[Observation]) -> Rule:
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    # Frames by object, value and class: all that both ways of fitting need.
    objects = {row.object_id: None for row in rows}
    places = {object_id: number for number, object_id in enumerate(objects)}
    frames = np.zeros((len(objects), len(numbers), len(LABELS)), np.int64)
    for key, row in zip(keys, rows, strict=True):
        frames[places[row.object_id], numbers[key], row.label_code] += 1
    total = frames.sum(axis=0)
    others = total - frames
    # `argmax` takes the first of equals, which is galaxy.
    answers = others.argmax(axis=2)
    fallback = others.sum(axis=1).argmax(axis=1)
    answers = np.where(others.sum(axis=2) > 0, answers, fallback[:, np.newaxis])
    held_out = int(np.take_along_axis(frames, answers[..., np.newaxis], axis=2).sum())
    return Rule(
        name=name,
        values=len(numbers),
        frames=len(rows),
        correct=int(total.max(axis=1).sum()),
        chance=_chance(frames),
        held_out_correct=held_out if len(objects) > 1 else None,
    )


def _chance(frames: NDArray[np.int64]) -> float:
    """`Rule.chance` of frames by object, value and class: `int64 (objects, values, 2)`."""
    sizes = frames.sum(axis=2)
    nsc_share = frames[..., 1].sum(axis=1) / sizes.sum(axis=1)
    dealt = np.random.default_rng(0).permuted(np.tile(nsc_share, (DEALS, 1)), axis=1)
    nsc = dealt @ sizes
    return float(np.maximum(nsc, sizes.sum(axis=0) - nsc).sum(axis=1).mean() / sizes.sum())
