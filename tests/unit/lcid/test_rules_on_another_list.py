"""Rules without pixels, fitted to one list and asked about another."""

from __future__ import annotations

import pytest

from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.rules import answer_by_rules

NAMES = ("majority", "instrument", "instrument and filter")


def rows(*cases: tuple[str, str, str]) -> list[Observation]:
    """Frames of an instrument, a filter and a class each."""
    return [
        Observation(f"object {number}", instrument, f"j{number:08d}", filter_name, 10.0, -5.0, 1, label)
        for number, (instrument, filter_name, label) in enumerate(cases)
    ]


def test_each_value_takes_the_class_that_most_of_the_fitted_frames_have() -> None:
    fitted = rows(
        ("ACS/WFC", "F606W", "galaxy"),
        ("ACS/WFC", "F814W", "galaxy"),
        ("ACS/WFC", "F814W", "NSC"),
        ("ACS/WFC", "F814W", "NSC"),
        ("WFC3/UVIS", "F606W", "NSC"),
    )
    # The last but one: an unseen pair and the last: an unseen instrument, which take the larger class, NSC.
    tested = rows(
        ("ACS/WFC", "F606W", "NSC"),
        ("ACS/WFC", "F814W", "galaxy"),
        ("WFC3/UVIS", "F814W", "galaxy"),
        ("CSST/MSC", "g", "galaxy"),
    )
    found = answer_by_rules(NAMES, "lists", fitted, tested)
    # Two of four frames of ACS are NSC: a tie, which is galaxy.
    assert found == {
        "majority": (1, 1, 1, 1),
        "instrument": (0, 0, 1, 1),
        "instrument and filter": (0, 1, 1, 1),
    }


def test_what_the_tested_frames_are_does_not_count() -> None:
    fitted = rows(("ACS/WFC", "F606W", "galaxy"), ("ACS/WFC", "F606W", "NSC"))
    tested = rows(*[("ACS/WFC", "F606W", "NSC")] * 3)
    assert answer_by_rules(NAMES, "lists", fitted, tested) == dict.fromkeys(NAMES, (0, 0, 0))


def test_a_rule_that_is_none_is_refused() -> None:
    fitted = rows(("ACS/WFC", "F606W", "galaxy"))
    with pytest.raises(ValueError, match=r"must be among majority, instrument, .* Received: colour"):
        answer_by_rules(("colour",), "lists", fitted, fitted)
