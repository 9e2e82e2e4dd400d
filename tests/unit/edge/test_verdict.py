"""Labels, probabilities, and what stays undecided."""

from __future__ import annotations

import json
import math

import pytest

from celestial_edge.device.quality import FrameQuality
from celestial_edge.device.verdict import Verdict, combine

GOOD = FrameQuality(saturated_fraction=0.0, light=5.0, empty=False, low_signal=False)
EMPTY = FrameQuality(saturated_fraction=0.0, light=0.1, empty=True, low_signal=True)
SATURATED = FrameQuality(saturated_fraction=0.9, light=0.1, empty=False, low_signal=False)
TIMES = {"read": 1.0, "stretch": 2.0, "invoke": 3.0}


@pytest.mark.parametrize(
    ("logits", "label", "probability"),
    [
        ((0.0, 2.0), "NSC", 1 / (1 + math.exp(-2))),
        ((2.0, 0.0), "galaxy", 1 / (1 + math.exp(-2))),
        ((1.5, 1.5), "galaxy", 0.5),
        ((900.0, -900.0), "galaxy", 1.0),
        ((-900.0, 900.0), "NSC", 1.0),
    ],
)
def test_verdict_is_the_softmax(logits: tuple[float, float], label: str, probability: float) -> None:
    verdict = Verdict.from_logits(logits, TIMES, GOOD)
    assert (verdict.label, verdict.reason, verdict.decided) == (label, "", True)
    assert verdict.probability == pytest.approx(probability)
    assert verdict.milliseconds["total"] == 6.0


@pytest.mark.parametrize(
    ("quality", "reason"),
    [(EMPTY, "empty: nothing stands out of the noise"), (SATURATED, "saturated: 90% of the pixels are at full well")],
)
def test_unusable_frames_stay_undecided_however_sure_the_network_is(quality: FrameQuality, reason: str) -> None:
    verdict = Verdict.from_logits((9.0, 0.0), TIMES, quality)
    assert (verdict.label, verdict.reason, verdict.decided) == ("undecided", reason, False)
    assert verdict.probability > 0.99


def test_below_the_threshold_is_undecided_and_at_it_is_not() -> None:
    doubtful = Verdict.from_logits((0.0, 1.0), TIMES, GOOD, abstain=0.75)
    assert (doubtful.label, doubtful.reason) == ("undecided", "probability 0.731 of NSC is below 0.75")
    assert Verdict.from_logits((0.0, 1.0), TIMES, GOOD, abstain=doubtful.probability).label == "NSC"
    assert Verdict.from_logits((0.0, 0.0), TIMES, GOOD, abstain=0.5).label == "galaxy"


def test_logits_that_are_no_numbers_decide_nothing() -> None:
    verdict = Verdict.from_logits((math.nan, 0.0), TIMES, GOOD)
    assert (verdict.label, verdict.reason) == ("undecided", "the network gave no finite logits")
    told = verdict.to_json()
    assert (told["probability"], told["logits"]) == (None, None)


def test_an_exposure_averages_the_logits_of_its_chips() -> None:
    exposure = combine([Verdict.from_logits((1.0, 0.0), TIMES, GOOD), Verdict.from_logits((0.0, 4.0), TIMES, GOOD)])
    assert exposure.logits == (0.5, 2.0)
    assert exposure.label == "NSC"
    assert exposure.milliseconds == {"read": 2.0, "stretch": 4.0, "invoke": 6.0, "total": 12.0}


@pytest.mark.parametrize("silent", [EMPTY, SATURATED])
def test_an_undecided_chip_has_no_say(silent: FrameQuality) -> None:
    chips = [Verdict.from_logits((30.0, 0.0), TIMES, silent), Verdict.from_logits((0.0, 2.0), TIMES, GOOD)]
    for order in (chips, chips[::-1]):
        exposure = combine(order)
        assert (exposure.label, exposure.logits, exposure.reason) == ("NSC", (0.0, 2.0), "")
        assert exposure.quality == GOOD
        assert exposure.milliseconds["total"] == 12.0


def test_an_exposure_of_undecided_chips_is_undecided_for_their_reasons() -> None:
    chips = [Verdict.from_logits((9.0, 0.0), TIMES, quality) for quality in (EMPTY, SATURATED)]
    exposure = combine(chips)
    assert exposure.label == "undecided"
    assert exposure.reason == ("empty: nothing stands out of the noise; saturated: 90% of the pixels are at full well")
    doubtful = [Verdict.from_logits(logits, TIMES, GOOD, 0.9) for logits in ((0.0, 1.0), (1.0, 0.0))]
    assert combine(doubtful, 0.9).label == "undecided"


def test_chips_that_contradict_each_other_stay_below_the_threshold() -> None:
    chips = [Verdict.from_logits(logits, TIMES, GOOD, 0.9) for logits in ((0.0, 3.0), (3.0, 0.0))]
    assert [chip.label for chip in chips] == ["NSC", "galaxy"]
    exposure = combine(chips, 0.9)
    assert (exposure.label, exposure.reason) == ("undecided", "probability 0.500 of galaxy is below 0.9")


def test_verdicts_are_plain_json() -> None:
    told = Verdict.from_logits((0.0, 2.0), TIMES, GOOD).with_reading(4.0).to_json()
    assert json.loads(json.dumps(told, allow_nan=False)) == {
        "label": "NSC",
        "probability": pytest.approx(0.8808, abs=1e-4),
        "logits": [0.0, 2.0],
        "milliseconds": {"read": 4.0, "stretch": 2.0, "invoke": 3.0, "total": 9.0},
        "quality": {"saturated_fraction": 0.0, "light": 5.0, "empty": False, "low_signal": False},
        "reason": "",
    }
