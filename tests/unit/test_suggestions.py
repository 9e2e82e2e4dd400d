from __future__ import annotations

import pytest

from celestialkeras.suggestions import did_you_mean

KNOWN = ["train", "evaluate", "VGG16"]


@pytest.mark.parametrize(
    ("name", "offer"),
    [
        ("trian", "; did you mean 'train'?"),
        ("EVALUATE", "; did you mean 'evaluate'?"),
        ("vgg_16", "; did you mean 'VGG16'?"),
        ("xyz", ""),
        ("", ""),
    ],
)
def test_the_nearest_name_is_offered(name: str, offer: str) -> None:
    assert did_you_mean(name, KNOWN) == offer


def test_a_name_is_offered_as_it_is_to_be_typed() -> None:
    assert did_you_mean("edgee", ["edge"], "runs/{}".format) == "; did you mean 'runs/edge'?"


def test_the_first_of_names_that_differ_in_case_is_offered() -> None:
    assert did_you_mean("nets", ["Net", "net"]) == "; did you mean 'Net'?"


def test_anything_that_gives_names_will_do() -> None:
    assert did_you_mean("b1", {"b": 1, "c": 2}) == "; did you mean 'b'?"
    assert did_you_mean("b1", (name for name in ("b", "c"))) == "; did you mean 'b'?"
