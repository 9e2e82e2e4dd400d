from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from celestialkeras.errors import ManifestError
from celestialkeras.lcid.manifest import LABELS, SPLITS, Observation, read_manifest
from celestialkeras.lcid.splits import split_around_test_list, split_by_object

# A busy machine must not turn a property that holds into a failure.
unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

ROOT = Path(__file__).parents[3]
ROW = Observation("NGC4298", "WFC3/UVIS", "iddt11fxq", "F625W", 185.432173, 14.588604, 1, "galaxy")


def frames_of(counts: dict[str, tuple[str, int]], **split: str) -> list[Observation]:
    """Rows of objects, given as name: (label, frames); `split` names the side of some."""
    rows = []
    for name, (label, frames) in counts.items():
        extra = {"split": split[name]} if name in split else {}
        for _ in range(frames):
            row = replace(ROW, object_id=name, label=label, obsid=f"j{len(rows):08d}", extra=extra)
            rows.append(row)
    return rows


def sides_of(rows: Sequence[Observation]) -> dict[str, set[str]]:
    sides = defaultdict(set)
    for row in rows:
        sides[row.object_id].add(row.extra["split"])
    return sides


def share(rows: Sequence[Observation], label: str, side: str) -> float:
    mine = [row for row in rows if row.label == label]
    return sum(row.extra["split"] == side for row in mine) / len(mine)


FRACTIONS = st.sampled_from([(0.6, 0.2, 0.2), (0.8, 0.1, 0.1), (0.5, 0.5, 0.0), (0.7, 0.0, 0.3), (0.0, 0.0, 1.0)])
FRAMES = st.lists(st.integers(1, 9), min_size=3, max_size=12)


@unhurried
@given(galaxies=FRAMES, nscs=FRAMES, fractions=FRACTIONS, seed=st.integers(0, 99))
def test_split_properties(
    galaxies: list[int], nscs: list[int], fractions: tuple[float, float, float], seed: int
) -> None:
    counts = {f"G{i}": ("galaxy", n) for i, n in enumerate(galaxies)} | {
        f"N{i}": ("NSC", n) for i, n in enumerate(nscs)
    }
    rows = frames_of(counts)
    divided = split_by_object(rows, fractions, seed)

    sides = sides_of(divided)
    assert all(len(found) == 1 for found in sides.values()), "an object stands on one side"
    assert [replace(row, extra={}) for row in divided] == rows, "rows keep their order and cells"
    wanted = {side for side, fraction in zip(SPLITS, fractions, strict=True) if fraction > 0}
    for label in LABELS:
        assert {row.extra["split"] for row in divided if row.label == label} == wanted
    assert split_by_object(rows, fractions, seed) == divided
    shuffled = [rows[index] for index in np.random.default_rng(seed).permutation(len(rows))]
    assert sides_of(split_by_object(shuffled, fractions, seed)) == sides, "the order of rows does not matter"
    for label, sizes in zip(LABELS, (galaxies, nscs), strict=True):
        for side, fraction in zip(SPLITS, fractions, strict=True):
            held = share(divided, label, side) * sum(sizes)
            assert held <= fraction * sum(sizes) + max(sizes) + 1e-6, "a side is over its share by one object at most"
    assert split_by_object(divided, (1 / 3, 1 / 3, 1 / 3), seed + 1) == divided, "given sides are kept"


@unhurried
@given(galaxies=FRAMES, nscs=FRAMES, given_sides=st.lists(st.sampled_from(SPLITS), min_size=1, max_size=3))
def test_split_keeps_given_sides_and_fills_the_others(
    galaxies: list[int], nscs: list[int], given_sides: list[str]
) -> None:
    counts = {f"G{i}": ("galaxy", n) for i, n in enumerate(galaxies)} | {
        f"N{i}": ("NSC", n) for i, n in enumerate(nscs)
    }
    fixed = {f"G{i}": side for i, side in enumerate(given_sides)}
    lacking = set(SPLITS) - set(given_sides)
    assume(len(galaxies) == len(given_sides) or len(galaxies) - len(given_sides) >= len(lacking))
    sides = sides_of(split_by_object(frames_of(counts, **fixed)))
    assert {name: sides[name] for name in fixed} == {name: {side} for name, side in fixed.items()}
    if len(galaxies) > len(given_sides):
        assert set.union(*(found for name, found in sides.items() if name.startswith("G"))) == set(SPLITS)


def test_classes_are_balanced_alike_on_every_side() -> None:
    rng = np.random.default_rng(0)
    counts = {f"{label}{i}": (label, int(rng.integers(5, 15))) for label in LABELS for i in range(40)}
    for seed in range(10):
        rows = split_by_object(frames_of(counts), (0.6, 0.2, 0.2), seed)
        for label in LABELS:
            for side, wanted in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
                assert share(rows, label, side) == pytest.approx(wanted, abs=0.04)


@pytest.mark.parametrize("fractions", [(0.6, 0.2, 0.2), (0.8, 0.1, 0.1), (0.5, 0.0, 0.5)])
def test_shares_are_met_where_few_objects_hold_most_frames(fractions: tuple[float, float, float]) -> None:
    sizes = {"galaxy": (146, 142, 96, 88, 84, 76, 64, 48, 40, 36, 20, 8, 4), "NSC": (226, 190, 182, 64, 38, 38, 4)}
    counts = {f"{label}{i}": (label, n) for label, all_n in sizes.items() for i, n in enumerate(all_n)}
    for seed in range(8):
        rows = split_by_object(frames_of(counts), fractions, seed)
        for label in LABELS:
            off = sum(abs(share(rows, label, side) - wanted) for side, wanted in zip(SPLITS, fractions, strict=True))
            # No division of these NSCs is nearer to 60/20/20 than 416, 182 and 144 frames of 742: 0.09 off.
            assert off < {"galaxy": 0.06, "NSC": 0.12}[label]


def test_shares_are_met_beside_given_sides() -> None:
    sizes = (200, 190, 90, 80, 70, 60, 50, 40, 10, 10)
    counts = {f"G{i}": ("galaxy", n) for i, n in enumerate(sizes)}
    for seed in range(8):
        rows = split_by_object(frames_of(counts, G1="test"), (0.5, 0.2, 0.3), seed)
        assert sides_of(rows)["G1"] == {"test"}
        assert [share(rows, "galaxy", side) for side in SPLITS] == pytest.approx([0.5, 0.2, 0.3], abs=0.03)


def test_of_orders_alike_the_first_counts() -> None:
    names = [f"G{i}" for i in range(10)]
    rows = split_by_object(frames_of(dict.fromkeys(names, ("galaxy", 3))), (0.5, 0.5, 0.0), seed=4)
    first = [names[index] for index in np.random.default_rng(4).permutation(10)]
    assert sides_of(rows) == {name: {("train", "validation")[place % 2]} for place, name in enumerate(first)}


def test_other_seeds_give_other_splits() -> None:
    counts = {f"{label}{i}": (label, 3) for label in LABELS for i in range(10)}
    splits = [tuple(row.extra["split"] for row in split_by_object(frames_of(counts), seed=seed)) for seed in range(5)]
    assert len(set(splits)) == 5


def test_split_keeps_other_extra_columns() -> None:
    rows = [
        replace(row, extra={"note": row.object_id}) for row in frames_of({f"G{i}": ("galaxy", 2) for i in range(3)})
    ]
    assert all(row.extra["note"] == row.object_id for row in split_by_object(rows))
    assert "split" not in rows[0].extra, "the rows that were given stay as they are"


@pytest.mark.parametrize(
    "fractions", [(0.5, 0.2, 0.2), (1.2, -0.2, 0.0), (float("nan"), 0.5, 0.5), (0.5, 0.5), (0.25, 0.25, 0.25, 0.25)]
)
def test_fractions_that_are_no_three_shares(fractions: Any) -> None:
    with pytest.raises(ManifestError, match=r"`fractions` must be three shares that sum to 1. Received: fractions=\("):
        split_by_object([ROW], fractions)


def test_too_few_objects_for_the_sides() -> None:
    rows = frames_of({"G1": ("galaxy", 5), "G2": ("galaxy", 5)})
    with pytest.raises(
        ManifestError, match=r"class 'galaxy' has 2 object\(s\) to place \(G1, G2\), too few for the sides"
    ):
        split_by_object(rows)
    assert Counter(row.extra["split"] for row in split_by_object(rows, (0.5, 0.5, 0.0))) == {
        "train": 5,
        "validation": 5,
    }


def test_too_few_objects_beside_those_with_a_given_side() -> None:
    counts = {f"N{i}": ("NSC", 2) for i in range(5)}
    with pytest.raises(ManifestError, match=r"1 object\(s\) to place \(N4\), too few for the sides validation, test"):
        split_by_object(frames_of(counts, N0="train", N1="train", N2="train", N3="train"))


@pytest.mark.parametrize(
    ("rows", "why"),
    [
        ([ROW, replace(ROW, hdu=4, label="NSC")], "object 'NGC4298' has two classes: NSC, galaxy"),
        (
            [replace(ROW, extra={"split": "test"}), replace(ROW, hdu=4, extra={"split": "train"})],
            "object 'NGC4298' stands on two sides: 'test', 'train'",
        ),
        ([replace(ROW, extra={"split": "test"}), replace(ROW, hdu=4)], "stands on two sides: '', 'test'"),
        ([replace(ROW, extra={"split": "dev"})], "must be one of train, validation, test. Received: 'dev'"),
    ],
)
def test_objects_that_cannot_be_placed(rows: list[Observation], why: str) -> None:
    with pytest.raises(ManifestError, match=why):
        split_by_object(rows)


INSTRUMENTS = ("ACS/WFC", "WFC3/UVIS")


def instrument_rows(objects: Sequence[tuple[str, Sequence[int]]]) -> list[Observation]:
    """Rows of objects, given as label and frames of each instrument."""
    rows: list[Observation] = []
    for number, (label, frames) in enumerate(objects):
        for instrument, count in zip(INSTRUMENTS, frames, strict=True):
            for _ in range(count):
                name = f"object {number}"
                row = replace(ROW, object_id=name, label=label, instrument=instrument, obsid=f"j{len(rows):08d}")
                rows.append(row)
    return rows


def test_instruments_are_balanced_alike_in_every_class_of_every_side() -> None:
    rng = np.random.default_rng(2)
    # Three objects of ten were seen by the first instrument alone, half by the second alone, the others by both.
    seen = [(1, 0)] * 3 + [(0, 1)] * 5 + [(1, 1)] * 2
    objects = [
        (label, [int(rng.integers(4, 13)) * there for there in seen[index % 10]])
        for label in LABELS
        for index in range(40)
    ]
    rows = instrument_rows(objects)
    for seed in range(6):
        divided = split_by_object(rows, (0.6, 0.2, 0.2), seed)
        for label in LABELS:
            for instrument in INSTRUMENTS:
                cell = [row for row in divided if (row.label, row.instrument) == (label, instrument)]
                for side, wanted in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
                    assert sum(row.extra["split"] == side for row in cell) / len(cell) == pytest.approx(
                        wanted, abs=0.05
                    )


OBJECTS = st.lists(
    st.tuples(st.sampled_from(LABELS), st.tuples(st.integers(0, 6), st.integers(0, 6)).filter(any)),
    min_size=1,
    max_size=14,
)


@unhurried
@given(objects=OBJECTS, fractions=FRACTIONS, seed=st.integers(0, 99))
def test_split_properties_with_two_instruments(
    objects: list[tuple[str, tuple[int, int]]], fractions: tuple[float, float, float], seed: int
) -> None:
    wanted = {side for side, fraction in zip(SPLITS, fractions, strict=True) if fraction > 0}
    of_class = Counter(label for label, _ in objects)
    assume(all(count >= len(wanted) for count in of_class.values()))
    rows = instrument_rows(objects)
    divided = split_by_object(rows, fractions, seed)
    sides = sides_of(divided)
    assert all(len(found) == 1 for found in sides.values())
    assert [replace(row, extra={}) for row in divided] == rows
    for label in of_class:
        assert {row.extra["split"] for row in divided if row.label == label} == wanted
    shuffled = [rows[index] for index in np.random.default_rng(seed).permutation(len(rows))]
    assert sides_of(split_by_object(shuffled, fractions, seed)) == sides


@unhurried
@given(
    objects=OBJECTS,
    listed=st.sets(st.integers(0, 80), min_size=1),
    shared=st.sets(st.integers(0, 80), max_size=2),
    seed=st.integers(0, 9),
)
def test_properties_of_a_split_around_a_test_list(
    objects: list[tuple[str, tuple[int, int]]], listed: set[int], shared: set[int], seed: int
) -> None:
    rows = instrument_rows(objects)
    test_rows = [replace(row, extra={"note": "listed"}) for index, row in enumerate(rows) if index in listed]
    # The other chip of some exposures goes by the name of an object of the list.
    test_rows += [
        replace(row, hdu=4, object_id="Elsewhere", label="galaxy") for index, row in enumerate(rows) if index in shared
    ]
    assume(test_rows)
    names = {row.object_id for row in test_rows}
    exposures = {row.obsid for row in test_rows}
    tainted = names | {row.object_id for row in rows if row.obsid in exposures}
    free = Counter(label for number, (label, _) in enumerate(objects) if f"object {number}" not in tainted)
    assume(free and all(count >= 2 for count in free.values()))

    split = split_around_test_list(rows, test_rows, (0.6, 0.2, 0.2), seed)
    by_side = {side: [row for row in split.rows if row.extra["split"] == side] for side in SPLITS}
    assert [
        replace(row, extra={"note": "listed"} if "note" in row.extra else {}) for row in by_side["test"]
    ] == test_rows
    for side in ("train", "validation"):
        assert by_side[side]
        assert not {row.object_id for row in by_side[side]} & tainted
        assert not {row.obsid for row in by_side[side]} & exposures
    # Every row is used, listed or left out.
    keys = [row.key for row in (*by_side["train"], *by_side["validation"], *split.left_out)]
    listed_keys = {row.key for row in test_rows}
    assert sorted(keys) == sorted(row.key for row in rows if row.key not in listed_keys)
    assert all(row.object_id in tainted for row in split.left_out)
    assert split_around_test_list(rows, test_rows, (0.6, 0.2, 0.2), seed) == split
    # The build divides rows that carry their side again, and must leave them as they are.
    assert split_by_object(split.rows, (0.6, 0.2, 0.2), seed + 1) == split.rows


def test_shares_beside_a_test_list_are_those_of_train_and_validation() -> None:
    rows = frames_of({f"{label}{index}": (label, 4) for label in LABELS for index in range(21)})
    listed = [row for row in rows if row.object_id in ("galaxy0", "NSC0")]
    split = split_around_test_list(rows, listed, (0.6, 0.2, 0.2))
    assert Counter(row.extra["split"] for row in split.rows) == {"train": 120, "validation": 40, "test": 8}
    assert split.left_out == []


@pytest.mark.parametrize("spelling", ["ngc 4298", "NGC4298", " NGC  4298"])
def test_names_of_objects_are_compared_without_case_and_spaces(spelling: str) -> None:
    others = frames_of({f"{label}{index}": (label, 2) for label in LABELS for index in range(2)})
    mine = replace(ROW, object_id=spelling, obsid="iddt99fxq")
    split = split_around_test_list([*others, mine], [ROW], (0.5, 0.5, 0.0))
    assert split.left_out == [mine]


@pytest.mark.parametrize("name", ["LCID_test.csv", "blurry_validation.csv"])
def test_a_published_list_stays_the_test_side(name: str) -> None:
    folder = ROOT.parent / "shared" / "data" / "lcid"
    if not folder.exists():
        pytest.skip("the published lists do not lie in ../shared/data/lcid")
    lists = {path.name: read_manifest(path) for path in sorted(folder.glob("*.csv"))}
    test_rows = lists[name]
    split = split_around_test_list([row for rows in lists.values() for row in rows], test_rows)
    assert [row.key for row in split.rows if row.extra["split"] == "test"] == [row.key for row in test_rows]
    assert len(split.rows) == sum(map(len, lists.values()))
    assert split.left_out == []


def test_what_a_test_list_cannot_go_with() -> None:
    rows = frames_of({f"{label}{index}": (label, 2) for label in LABELS for index in range(3)}, NSC1="test")
    with pytest.raises(ManifestError, match=r"the test list is the test side, but the `split` column has j\d+ HDU 1"):
        split_around_test_list(rows, [ROW])
    with pytest.raises(ManifestError, match="every row shares an object or an exposure with the test list"):
        split_around_test_list([replace(ROW, hdu=4)], [ROW])
    with pytest.raises(ManifestError, match=r"must leave a share beside the test list\. Received: fractions=\(0"):
        split_around_test_list(rows, [ROW], (0.0, 0.0, 1.0))
