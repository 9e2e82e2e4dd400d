import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from celestialkeras.errors import SimulationError
from celestialkeras.lcid.manifest import SPLITS
from celestialkeras.lcid.simulate import plan as plan_module
from celestialkeras.lcid.simulate.bands import BANDS
from celestialkeras.lcid.simulate.plan import SPARSE_RATE, SUBTYPES, Exposure, SurveySpec, plan_digest, plan_survey

SPEC = SurveySpec(objects=200, exposures_per_object=4, seed=3)


@pytest.fixture(scope="module")
def plan() -> tuple[Exposure, ...]:
    return plan_survey(SPEC)


def of_class(plan: tuple[Exposure, ...], label: str) -> list[Exposure]:
    return [exposure for exposure in plan if exposure.target.label == label]


def test_same_spec_gives_the_same_plan_and_another_seed_another(plan: tuple[Exposure, ...]) -> None:
    assert plan_survey(SPEC) == plan
    other = plan_survey(replace(SPEC, seed=4))
    assert {exposure.seed for exposure in other}.isdisjoint({exposure.seed for exposure in plan})
    assert plan_digest(other) != plan_digest(plan)


def test_plan_has_what_was_asked_for(plan: tuple[Exposure, ...]) -> None:
    names = {exposure.target.name for exposure in plan}

    assert len(plan) == 800
    assert len(names) == 200
    assert {"SIM3-G0000", "SIM3-G0099", "SIM3-N0000", "SIM3-N0099"} <= names
    assert len({exposure.rootname for exposure in plan}) == 800
    assert all(re.fullmatch(r"[ijc][a-z0-9]{7}q", exposure.rootname) for exposure in plan)
    assert len({exposure.seed for exposure in plan}) == 800


def test_every_setup_is_shared_out_alike_between_the_classes(plan: tuple[Exposure, ...]) -> None:
    def setups(label: str) -> Counter[tuple[str, str]]:
        return Counter((e.instrument, e.filter) for e in of_class(plan, label))

    assert setups("galaxy") == setups("NSC")
    for name in ("exptime", "sky", "gain"):
        galaxy, nsc = (np.log([getattr(e, name) for e in of_class(plan, label)]) for label in SUBTYPES)
        assert abs(galaxy.mean() - nsc.mean()) < 0.12 * max(galaxy.std(), 1.0)


def test_instruments_and_filters_come_up_in_their_shares(plan: tuple[Exposure, ...]) -> None:
    instruments = Counter(exposure.instrument for exposure in plan)
    filters = Counter(exposure.filter for exposure in plan if exposure.instrument == "WFC3/UVIS")

    assert instruments == {"ACS/WFC": 320, "WFC3/UVIS": 320, "CSST/MSC": 160}
    # Each narrow or ultraviolet filter has one card in the deck, each other one three.
    wide = [count for name, count in filters.items() if not BANDS["WFC3/UVIS"][name].faint]
    faint = [filters[name] for name, band in BANDS["WFC3/UVIS"].items() if band.faint]
    assert np.mean(wide) == pytest.approx(3 * np.mean(faint), rel=0.15)
    assert len(wide) + len(faint) == len(BANDS["WFC3/UVIS"])


@pytest.mark.parametrize("label", SUBTYPES)
def test_subtypes_come_in_their_shares(plan: tuple[Exposure, ...], label: str) -> None:
    found = Counter(exposure.target.subtype for exposure in of_class(plan, label))

    for subtype, share in SUBTYPES[label].items():
        assert found[subtype] / 400 == pytest.approx(share, abs=0.011)


def test_sparse_fields_come_at_the_stated_rate_in_both_classes_and_on_every_side() -> None:
    plan = plan_survey(replace(SPEC, test_objects=60, validation_objects=20))
    for side in SPLITS:
        counts = [Counter(e.sparse for e in of_class(plan, label) if e.split == side) for label in SUBTYPES]
        assert counts[0] == counts[1]
        assert counts[0][True] == pytest.approx(SPARSE_RATE * counts[0].total(), abs=1.0)


def test_brightness_depends_on_the_kind_and_foreground_stars_on_the_class(plan: tuple[Exposure, ...]) -> None:
    objects = {exposure.target for exposure in plan}
    for subtype, (low, high) in plan_module._BRIGHTNESS.items():
        values = [one.brightness for one in objects if one.subtype == subtype]
        assert low <= min(values)
        assert max(values) <= high
    for label, (low, high) in plan_module._STAR_DENSITY.items():
        stars = np.log([one.star_density for one in objects if one.label == label])
        assert stars.mean() == pytest.approx(np.log(low * high) / 2, abs=0.35)


def test_exposure_times_stay_in_range(plan: tuple[Exposure, ...]) -> None:
    times = [exposure.exptime for exposure in plan if exposure.instrument != "CSST/MSC"]
    survey_times = Counter(exposure.exptime for exposure in plan if exposure.instrument == "CSST/MSC")

    assert 60.0 <= min(times) < 90.0
    assert 1000.0 < max(times) <= 1500.0
    assert min(exposure.exptime for exposure in plan if exposure.filter in {"F336W", "F658N"}) >= 500.0
    wide = [e.exptime for e in plan if e.instrument != "CSST/MSC" and not BANDS[e.instrument][e.filter].faint]
    assert np.median(wide) == pytest.approx(584.0, rel=0.12)
    assert set(survey_times) == {150.0, 250.0}
    assert survey_times[150.0] > 2 * survey_times[250.0]


def test_confounded_survey_links_instruments_to_classes_as_the_published_list_does() -> None:
    plan = plan_survey(replace(SPEC, instruments=("ACS/WFC", "WFC3/UVIS"), confounded=True))
    right = [(e.instrument == "ACS/WFC") == (e.target.label == "NSC") for e in plan]
    # The published list has 53.4 % galaxies, this one half: the same shares within the classes give 80.2 %.
    assert np.mean(right) == pytest.approx(0.802, abs=0.003)


def test_sides_hold_the_objects_asked_for_and_balance_each_setup() -> None:
    plan = plan_survey(replace(SPEC, objects=40, test_objects=10, validation_objects=6))
    sides = {e.target.name: e.split for e in plan}
    assert Counter(sides.values()) == {"train": 24, "validation": 6, "test": 10}
    for side in SPLITS:
        galaxy, nsc = (
            Counter((e.instrument, e.filter, int(np.log2(e.exptime))) for e in of_class(plan, label) if e.split == side)
            for label in SUBTYPES
        )
        assert galaxy == nsc


def test_one_frame_an_exposure_takes_either_chip_equally_often() -> None:
    plan = plan_survey(replace(SPEC, frames_per_exposure=1))
    assert Counter((e.target.label, e.hdus) for e in plan) == {
        (label, (hdu,)): 200 for label in SUBTYPES for hdu in (1, 4)
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objects": 5}, r"`objects` must be an even number.*Received: objects=5"),
        ({"exposures_per_object": 0}, r"`exposures_per_object` must be at least 1.*=0"),
        ({"seed": -1}, r"`seed` must not be negative.*=-1"),
        ({"instruments": ("WFPC2",)}, r"`instruments` must name some of ACS/WFC.*WFPC2"),
        ({"instruments": ()}, r"`instruments` must name some of"),
        ({"frames_per_exposure": 3}, r"`frames_per_exposure` must be 1 or 2.*=3"),
        ({"test_objects": 3, "validation_objects": 2}, r"`test_objects` must be an even number.*=3"),
        ({"test_objects": 20}, r"must both be given, and leave objects.*test_objects=20, validation_objects=0"),
        ({"test_objects": 150, "validation_objects": 50}, r"must both be given, and leave objects"),
        ({"confounded": True}, r"`confounded` links ACS/WFC and WFC3/UVIS.*CSST/MSC"),
    ],
)
def test_impossible_spec_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        replace(SPEC, **changes)
