import re
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from celestialkeras.errors import SimulationError
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
    assert {"SIM-G0000", "SIM-G0099", "SIM-N0000", "SIM-N0099"} <= names
    assert len({exposure.rootname for exposure in plan}) == 800
    assert all(re.fullmatch(r"[ij][a-z0-9]{7}q", exposure.rootname) for exposure in plan)
    assert len({exposure.seed for exposure in plan}) == 800


def test_every_setup_is_shared_out_alike_between_the_classes(plan: tuple[Exposure, ...]) -> None:
    def setups(label: str) -> Counter[tuple[str, str, float, float, float]]:
        return Counter((e.instrument, e.filter, e.exptime, e.gain, e.sky) for e in of_class(plan, label))

    assert setups("galaxy") == setups("NSC")


def test_instruments_and_filters_come_up_equally_often(plan: tuple[Exposure, ...]) -> None:
    instruments = Counter(exposure.instrument for exposure in plan)
    filters = Counter(exposure.filter for exposure in plan if exposure.instrument == "WFC3/UVIS")

    assert instruments == {"ACS/WFC": 400, "WFC3/UVIS": 400}
    assert max(filters.values()) - min(filters.values()) <= 2


@pytest.mark.parametrize("label", SUBTYPES)
def test_subtypes_come_in_their_shares(plan: tuple[Exposure, ...], label: str) -> None:
    found = Counter(exposure.target.subtype for exposure in of_class(plan, label))

    for subtype, share in SUBTYPES[label].items():
        assert found[subtype] / 400 == pytest.approx(share, abs=0.011)


@pytest.mark.parametrize("label", SUBTYPES)
def test_sparse_fields_come_at_the_stated_rate_in_both_classes(plan: tuple[Exposure, ...], label: str) -> None:
    rate = np.mean([exposure.sparse for exposure in of_class(plan, label)])

    assert rate == pytest.approx(SPARSE_RATE, abs=0.05)


def test_brightness_and_star_density_have_one_distribution(plan: tuple[Exposure, ...]) -> None:
    for name in ("brightness", "star_density"):
        galaxy, nsc = (
            np.log([getattr(exposure.target, name) for exposure in of_class(plan, label)]) for label in SUBTYPES
        )
        assert abs(galaxy.mean() - nsc.mean()) < 0.4


def test_exposure_times_stay_in_range(plan: tuple[Exposure, ...]) -> None:
    times = [exposure.exptime for exposure in plan]

    assert 60.0 <= min(times) < 90.0
    assert 1000.0 < max(times) <= 1500.0
    assert min(exposure.exptime for exposure in plan if exposure.filter in {"F336W", "F658N"}) >= 500.0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objects": 5}, r"`objects` must be an even number.*Received: objects=5"),
        ({"exposures_per_object": 0}, r"`exposures_per_object` must be at least 1.*=0"),
        ({"seed": -1}, r"`seed` must not be negative.*=-1"),
        ({"instruments": ("WFPC2",)}, r"`instruments` must name some of ACS/WFC.*WFPC2"),
        ({"instruments": ()}, r"`instruments` must name some of"),
    ],
)
def test_impossible_spec_is_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(SimulationError, match=message):
        replace(SPEC, **changes)
