"""Manifest rows -> train, validation and test: objects stay whole, classes and instruments are divided alike.

Frames of one object are alike beyond their class, so an object on two sides would let a network recognise it. And an
instrument that is rarer in one class of one side would let it pass for the class.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import ManifestError
from celestialkeras.lcid.manifest import LABELS, SPLITS, Observation

# The published lists hold 16 and 21 objects: few enough that one order can miss a share by 29 points.
_ORDERS = 256

Counts = npt.NDArray[np.float64]
"""Frames by instrument, the last axis."""


@dataclass(frozen=True)
class FixedTestSplit:
    """A split whose test side is a list that was fixed before.

    Attributes:
        rows: All rows that stay, each with `extra["split"]`: the test list's last.
        left_out: Rows that share an object or an exposure with the test list, and are not of it.
    """

    rows: list[Observation]
    left_out: list[Observation]


def split_by_object(
    rows: Sequence[Observation], fractions: tuple[float, float, float] = (0.6, 0.2, 0.2), seed: int = 0
) -> list[Observation]:
    """Divides rows into train, validation and test so that no object stands on two sides.

    Classes are divided one by one, so that they are balanced alike on every side, and so are the instruments of each.
    The objects of a class are drawn in a seeded order; each goes to the side that lacks most of its share of frames of
    the object's instruments. Where a few objects hold most frames, shares depend on the order: of 256 orders, the first
    of those that come nearest to the wanted shares of frames, in all and of each instrument, counts. Rows that already
    carry a `split` column keep it.

    Args:
        rows: The observations to divide.
        fractions: Shares of frames for train, validation and test, summing to 1.
        seed: Seed of the orders of objects; the same seed and rows give the same split.

    Returns:
        The rows in their order, each with `extra["split"]` set.

    Raises:
        ManifestError: An object has two classes or is given two sides, a class has fewer objects without a side than
            sides that have a share and no object yet, or the fractions are not three shares that sum to 1.
    """
    _check_fractions(fractions)
    frames: dict[str, list[Observation]] = defaultdict(list)
    for row in rows:
        frames[row.object_id].append(row)
    side = {name: _given_side(name, group) for name, group in frames.items()}
    instruments = sorted({row.instrument for row in rows})
    counts = {
        name: np.array([sum(row.instrument == instrument for row in group) for instrument in instruments], np.float64)
        for name, group in frames.items()
    }
    rng = np.random.default_rng(seed)
    objects_of = {label: sorted(name for name in frames if frames[name][0].label == label) for label in LABELS}
    free_of = {label: [name for name in objects if side[name] is None] for label, objects in objects_of.items()}
    orders = [{label: rng.permutation(len(free)) for label, free in free_of.items()} for _ in range(_ORDERS)]
    for label, objects in objects_of.items():
        free = free_of[label]
        if not free:
            continue
        target = np.outer(fractions, np.sum([counts[name] for name in objects], axis=0))
        held = np.zeros_like(target)
        for name in objects:
            given = side[name]
            if given is not None:
                held[SPLITS.index(given)] += counts[name]
        lacking = [
            name for name, share, now in zip(SPLITS, fractions, held, strict=True) if share > 0 and not now.any()
        ]
        if len(free) < len(lacking):
            raise ManifestError(
                f"class {label!r} has {len(free)} object(s) to place ({', '.join(free)}), too few for the sides"
                f" {', '.join(lacking)}; give a `split` column or fewer sides"
            )
        drawn = np.array([order[label] for order in orders])
        placed = _nearest_placement(drawn, np.array([counts[name] for name in free]), held, target)
        side.update(zip(free, placed, strict=True))
    return [replace(row, extra={**row.extra, "split": side[row.object_id] or ""}) for row in rows]


def split_around_test_list(
    rows: Sequence[Observation],
    test_rows: Sequence[Observation],
    fractions: tuple[float, float, float] = (0.6, 0.2, 0.2),
    seed: int = 0,
) -> FixedTestSplit:
    """Divides rows into train and validation beside a test list that is fixed.

    The test side is the list and nothing else. Objects of the rows that the list names too (case and spaces do not
    count), or whose exposures it holds under any name, are left out whole but for the list's own rows.

    Args:
        rows: What to train and validate with; may hold the test list's rows too.
        test_rows: The test list.
        fractions: Shares for train, validation and test. Train and validation divide what is left in the proportion of
            theirs; the test's does not count.
        seed: See `split_by_object`.

    Raises:
        ManifestError: See `split_by_object`; or a row that is not of the list has the side `test` by its `split`
            column, all rows are left out, or neither train nor validation has a share.
    """
    _check_fractions(fractions)
    learning = fractions[0] + fractions[1]
    if learning <= 0:
        raise ManifestError(f"`fractions` must leave a share beside the test list. Received: fractions={fractions}")
    listed = {row.key for row in test_rows}
    exposures = {row.obsid for row in test_rows}
    names = {_plain(row.object_id) for row in test_rows}
    # An object that shares an exposure with the list shows the same piece of sky, whatever it is called.
    names |= {_plain(row.object_id) for row in rows if row.obsid in exposures}
    kept = [row for row in rows if _plain(row.object_id) not in names]
    left_out = [row for row in rows if _plain(row.object_id) in names and row.key not in listed]
    if not kept:
        raise ManifestError("every row shares an object or an exposure with the test list; none is left to train with")
    for row in kept:
        if row.extra.get("split") == "test":
            raise ManifestError(
                f"the test list is the test side, but the `split` column has {row.obsid} HDU {row.hdu} there too"
            )
    divided = split_by_object(kept, (fractions[0] / learning, fractions[1] / learning, 0.0), seed)
    test = [replace(row, extra={**row.extra, "split": "test"}) for row in test_rows]
    return FixedTestSplit(divided + test, left_out)


def _nearest_placement(orders: npt.NDArray[np.intp], counts: Counts, held: Counts, target: Counts) -> list[str]:
    """Places the objects of one class in each of many orders, and gives the sides that come nearest to the target.

    Args:
        orders: `(orders, objects)`: indices of the objects.
        counts: `(objects, instruments)`: their frames.
        held: `(sides, instruments)`: frames that the sides hold already.
        target: `(sides, instruments)`: frames that they should hold in the end.
    """
    wanted = np.flatnonzero(target.any(axis=1))
    target = target[wanted]
    whole = np.where(target > 0, target, np.inf)
    now = np.repeat(held[wanted][np.newaxis], len(orders), axis=0)
    sides = np.empty(orders.shape, np.intp)
    each = np.arange(len(orders))
    for objects in orders.T:
        filled = np.einsum("osi,oi->os", now / whole, counts[objects])
        # An empty side goes first: with few large objects, shares alone could leave one without any.
        filled[~now.any(axis=2)] = -1.0
        best = filled.argmin(axis=1)
        now[each, best] += counts[objects]
        sides[each, objects] = best
    off = now - target
    distance = np.abs(off.sum(axis=2)).sum(axis=1) + np.abs(off).sum(axis=(1, 2))
    return [SPLITS[wanted[index]] for index in sides[distance.argmin()]]


def _check_fractions(fractions: tuple[float, float, float]) -> None:
    if len(fractions) != len(SPLITS) or min(fractions) < 0 or not math.isclose(sum(fractions), 1.0, abs_tol=1e-6):
        raise ManifestError(f"`fractions` must be three shares that sum to 1. Received: fractions={fractions}")


def _plain(name: str) -> str:
    return "".join(name.split()).casefold()


def _given_side(name: str, group: Sequence[Observation]) -> str | None:
    labels = {row.label for row in group}
    if len(labels) > 1:
        raise ManifestError(f"object {name!r} has two classes: {', '.join(sorted(labels))}")
    sides = {row.extra.get("split", "") for row in group}
    if len(sides) > 1:
        raise ManifestError(f"object {name!r} stands on two sides: {', '.join(sorted(map(repr, sides)))}")
    side = sides.pop()
    if side and side not in SPLITS:
        raise ManifestError(f"object {name!r}: column 'split' must be one of {', '.join(SPLITS)}. Received: {side!r}")
    return side or None
