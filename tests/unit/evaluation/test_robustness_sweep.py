"""Sweeps: which frames, what is run, what is kept, and where the budget cuts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
from small_sweeps import Brightness, candidate, dataset, reader, record, records

from celestialkeras.errors import DatasetError, RunError
from celestialkeras.evaluation.robustness.points import PointStore
from celestialkeras.evaluation.robustness.subset import stratified
from celestialkeras.evaluation.robustness.sweep import Findings, SweepPlan, sweep
from celestialkeras.lcid.degradations import KINDS, parse_degradation
from celestialkeras.lcid.variants import resize_codes

KIND_PAIR = ("read-noise", "rotation")


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The exposures that were read."""
    noted: list[str] = []
    monkeypatch.setattr("celestialkeras.lcid.dataset.read_codes", reader(noted))
    return noted


@pytest.fixture
def store(tmp_path: Path) -> PointStore:
    return PointStore(tmp_path / "points")


def ticks(step: float = 1.0) -> Iterator[float]:
    return count(0.0, step)


def test_frames_are_chosen_by_class_and_object() -> None:
    side = [*records(galaxies=6, nscs=2, frames=5), record(90, "crowd", "galaxy")]
    side += [record(number, "crowd", "galaxy") for number in range(91, 120)]
    # 60 galaxies, 10 NSCs: in 14 frames 12 and 2.
    chosen = stratified(side, 14, seed=3)
    assert Counter(one.observation.label for one in chosen) == {"galaxy": 12, "NSC": 2}
    by_object = Counter(one.observation.object_id for one in chosen)
    # Seven galaxies and two NSCs: each has a frame before any has a third.
    assert set(by_object) == {one.observation.object_id for one in side}
    assert max(by_object.values()) == 2
    places = [side.index(one) for one in chosen]
    assert places == sorted(places)
    assert stratified(side, 14, seed=3) == chosen
    assert stratified(side, 14, seed=4) != chosen


@pytest.mark.parametrize(("frames", "expected"), [(0, 16), (16, 16), (99, 16), (2, 2), (5, 5), (15, 15)])
def test_how_many_frames_are_chosen(frames: int, expected: int) -> None:
    side = records()
    assert len(stratified(side, frames, seed=0)) == expected
    assert len({one.observation.label for one in stratified(side, frames, seed=0)}) == 2


def test_a_rare_class_keeps_a_frame() -> None:
    side = records(galaxies=30, nscs=1, frames=1)
    assert Counter(one.observation.label for one in stratified(side, 5, 0)) == {"galaxy": 4, "NSC": 1}


def test_a_frame_is_degraded_once_for_all_models(read: list[str], store: PointStore) -> None:
    whole, small = Brightness(), Brightness()
    plan = SweepPlan(dataset(records()), frames=6, kinds=KIND_PAIR)
    found = sweep([candidate("a", whole, (32, 64)), candidate("b", small, (12, 25))], plan, store)
    # Clear frames and two kinds at five levels.
    assert len(read) == 6 * 11
    assert whole.shapes == [(1, 32, 64)] * 66
    assert small.shapes == [(1, 12, 25)] * 66
    assert list(found.answers["a"]) == ["clear", *(f"{kind}:{level}" for kind in KIND_PAIR for level in range(1, 6))]
    assert found.missing == ()
    assert set(found.milliseconds) == set(found.answers["a"])
    assert min(found.milliseconds.values()) > 0


def test_all_kinds_are_swept_where_none_is_named(read: list[str], store: PointStore) -> None:
    plan = SweepPlan(dataset(records()), frames=2)
    assert plan.swept == tuple(KINDS)
    found = sweep([candidate("a")], plan, store)
    assert len(found.answers["a"]) == 1 + 5 * 11
    assert len(list(store.folder.iterdir())) == 56
    # Shorter than the exposure of 300 s it is not at level 1; all else is another frame.
    same = [
        point for point, said in found.answers["a"].items() if (said.logits == found.answers["a"]["clear"].logits).all()
    ]
    assert same == ["clear", "exposure:1"]


def test_models_see_the_frames_of_evaluate_degrade(read: list[str], store: PointStore) -> None:
    data = dataset(records())
    plan = SweepPlan(data, frames=4, kinds=("psf",), seed=5)
    found = sweep([candidate("a")], plan, store).answers["a"]["psf:4"]
    view = data.degraded(parse_degradation("psf:4"), 5)
    assert [row.obsid for row in found.observations] == [one.observation.obsid for one in plan.records]
    for one, logits in zip(plan.records, found.logits, strict=True):
        np.testing.assert_array_equal(Brightness().logits(resize_codes(view.codes(one), (16, 32))[None])[0], logits)


def test_what_is_done_is_not_done_again(read: list[str], store: PointStore) -> None:
    plan = SweepPlan(dataset(records()), frames=6, kinds=KIND_PAIR)
    first = sweep([candidate("a")], plan, store)
    assert len(read) == 66
    again = Brightness()
    second = sweep([candidate("a", again)], plan, store)
    assert again.shapes == []
    assert len(read) == 66
    assert second.milliseconds == first.milliseconds
    for point, said in first.answers["a"].items():
        np.testing.assert_array_equal(second.answers["a"][point].logits, said.logits)
    # A second model is run alone; a third kind, other frames, noise or data are other points.
    known, new = Brightness(), Brightness()
    sweep([candidate("a", known), candidate("b", new)], plan, store)
    assert (len(known.shapes), len(new.shapes)) == (0, 66)
    for other, run in (
        (replace(plan, kinds=(*KIND_PAIR, "psf")), 30),
        (replace(plan, frames=5), 55),
        (replace(plan, seed=1), 66),
        (replace(plan, dataset=dataset(records(), digest="1" * 64)), 66),
    ):
        counted = Brightness()
        sweep([candidate("a", counted)], other, store)
        assert len(counted.shapes) == run


def test_other_amounts_of_a_level_are_other_points(
    read: list[str], store: PointStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    plan = SweepPlan(dataset(records()), frames=4, kinds=("psf",))
    sweep([candidate("a")], plan, store)
    sharper = {**KINDS, "psf": replace(KINDS["psf"], levels=(1.5, 3.0, 5.0, 12.0, 24.0))}
    monkeypatch.setattr("celestialkeras.lcid.degradations.kinds.KINDS", sharper)
    counted = Brightness()
    sweep([candidate("a", counted)], plan, store)
    assert len(counted.shapes) == 4


def cut(store: PointStore, minutes: float, predictor: Brightness) -> Findings:
    """A sweep on a clock that each look at advances by a second: three looks for each point that is run."""
    clock = ticks()
    plan = SweepPlan(dataset(records()), frames=3, kinds=KIND_PAIR, minutes=minutes)
    return sweep([candidate("a", predictor)], plan, store, clock=lambda: next(clock))


def test_the_budget_cuts_a_sweep_and_says_what_is_missing(read: list[str], store: PointStore) -> None:
    first = Brightness()
    found = cut(store, 10 / 60, first)
    # From the fifth point on a point would end after 10 s.
    done = ["clear", "read-noise:1", "read-noise:2", "read-noise:3", "read-noise:4"]
    assert list(found.answers["a"]) == done
    assert found.missing == ("read-noise:5", *(f"rotation:{level}" for level in range(1, 6)))
    assert len(first.shapes) == 15
    rest = Brightness()
    found = cut(store, 0.0, rest)
    assert len(rest.shapes) == 18
    assert found.missing == ()
    assert len(found.answers["a"]) == 11


def test_the_first_point_is_always_run(read: list[str], store: PointStore) -> None:
    found = cut(store, 1e-6, Brightness())
    assert list(found.answers["a"]) == ["clear"]
    assert len(found.missing) == 10


def test_progress_counts_points(read: list[str], store: PointStore) -> None:
    told: list[tuple[int, int]] = []
    plan = SweepPlan(dataset(records()), frames=2, kinds=("psf",))
    sweep([candidate("a")], plan, store, lambda done, total: told.append((done, total)))
    assert told == [(done, 6) for done in range(1, 7)]


def test_a_blurry_list_is_one_more_point(read: list[str], store: PointStore) -> None:
    blurry = dataset(records(galaxies=2, nscs=1, frames=1), "LCID-Blurry", "2" * 64)
    plan = SweepPlan(dataset(records()), frames=4, kinds=("psf",), blurry=blurry)
    found = sweep([candidate("a")], plan, store).answers["a"]
    assert list(found)[:2] == ["clear", "blurry"]
    assert len(found["blurry"]) == 3


def test_kinds_that_frames_cannot_take_are_left_out(read: list[str], store: PointStore) -> None:
    pictures = dataset(records(instrument="picture"))
    plan = SweepPlan(pictures, frames=4)
    assert plan.swept == ("psf", "jitter", "bad-columns", "rotation")
    assert plan.obstacles["sky"].startswith("sky needs a known detector")
    with pytest.raises(DatasetError, match=r"set: frames can be degraded in none of the ways asked for. .* sky needs"):
        SweepPlan(pictures, kinds=("sky",))


def test_a_side_without_frames() -> None:
    with pytest.raises(DatasetError, match="set: no frames on the side 'validation'"):
        SweepPlan(dataset(records()), split="validation")


def test_a_kept_answer_that_was_altered(read: list[str], store: PointStore) -> None:
    plan = SweepPlan(dataset(records()), frames=2, kinds=("psf",))
    sweep([candidate("a")], plan, store)
    path = sorted(store.folder.iterdir())[0]
    path.write_text(path.read_text().replace("robustness-point/1", "robustness-point/0"))
    with pytest.raises(RunError, match=rf"{path.name}: not a point of a sweep .* remove it and sweep again"):
        sweep([candidate("a")], plan, store)
