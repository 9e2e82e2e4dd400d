from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from celestialkeras.evaluation.frame_signal import SIGNAL_TO_NOISE, signal_to_noise
from celestialkeras.evaluation.intervals import Interval, ObjectDraws, bootstrap_over_objects, wilson
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.report import slice_rows, slices_to_json
from celestialkeras.evaluation.slices import Division, Slice, divide, slice_by, worst_first
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.stretch import Stretch

Make = Callable[..., Observation]


def draws_of(predictions: Predictions, resamples: int = 300) -> ObjectDraws:
    return ObjectDraws(predictions.objects, np.random.default_rng(0), resamples)


def seen(observation: Make, rows: list[dict[str, Any]]) -> Predictions:
    """Galaxies told rightly but where a row says `wrong`; other keys are columns, or measured if they are numbers."""
    observations, measured = [], []
    for index, row in enumerate(rows):
        columns = {key: value for key, value in row.items() if isinstance(value, str) and key != "object"}
        observations.append(replace(observation(index, row.get("object", f"O{index}")), extra=columns))
        measured.append({key: value for key, value in row.items() if isinstance(value, float)})
    right = np.array([not row.get("wrong") for row in rows])
    return Predictions(tuple(observations), np.stack([right, ~right], axis=1).astype(np.float32), tuple(measured))


def divided(predictions: Predictions) -> dict[str, Division]:
    return {division.key: division for division in divide(predictions, draws_of(predictions))}


def test_frames_are_divided_by_exposure_time_signal_fraction_and_offset(observation: Make) -> None:
    rows: list[dict[str, Any]] = [
        {"exptime": 60.0, SIGNAL_TO_NOISE: 0.5, "fraction_in_frame": "0.01", "distance": "200", "radius": "100"},
        {"exptime": 100.0, SIGNAL_TO_NOISE: 1.0, "fraction_in_frame": "0.5", "distance": "20", "radius": "100"},
        {"exptime": 399.0, SIGNAL_TO_NOISE: 29.0, "fraction_in_frame": "0.79", "wrong": True},
        {"exptime": 4000.0, SIGNAL_TO_NOISE: 500.0, "fraction_in_frame": "1", "distance": "60", "radius": "100"},
    ]
    found = divided(seen(observation, rows))
    counts = {key: [(part.name, part.frames, part.correct) for part in one.slices] for key, one in found.items()}
    assert counts == {
        "exposure_time": [
            ("below 100 s", 1, 1),
            ("100 to 200 s", 1, 1),
            ("200 to 400 s", 1, 0),
            ("800 s and more", 1, 1),
        ],
        "signal_to_noise": [("below 1", 1, 1), ("1 to 3", 1, 1), ("10 to 30", 1, 0), ("100 and more", 1, 1)],
        "fraction": [("below 0.05", 1, 1), ("0.5 to 0.8", 2, 1), ("0.8 and more", 1, 1)],
        "offset": [("below 0.3 radii", 1, 1), ("0.6 to 1 radii", 1, 1), ("1.5 radii and more", 1, 1)],
    }
    assert {key: division.left_out for key, division in found.items()} == {
        "exposure_time": 0,
        "signal_to_noise": 0,
        "fraction": 0,
        "offset": 1,
    }
    assert all(division.ordered for division in found.values())


def test_an_exposure_time_that_no_header_told_comes_from_the_manifest(observation: Make) -> None:
    rows = [{"exptime": "150.0"}, {"exptime": "unknown"}, {}]
    found = divided(seen(observation, rows))["exposure_time"]
    assert [(part.name, part.frames) for part in found.slices] == [("100 to 200 s", 1)]
    assert found.left_out == 2


def test_frames_are_divided_by_subtype_where_the_manifest_has_it(observation: Make) -> None:
    rows = [{"subtype": "spiral"}, {"subtype": "spiral", "wrong": True}, {"subtype": "open"}, {}]
    found = divided(seen(observation, rows))
    assert list(found) == ["subtype"]
    assert [(part.name, part.frames, part.correct) for part in found["subtype"].slices] == [
        ("open", 1, 1),
        ("spiral", 2, 1),
    ]
    assert found["subtype"].left_out == 1
    assert divided(seen(observation, [{}])) == {}, "what is known of no frame is left out"


def test_a_slice_of_enough_objects_has_an_interval_over_them(observation: Make) -> None:
    rows = [{"object": f"O{i // 2}", "wrong": i % 5 == 0} for i in range(40)]
    data = seen(observation, rows)
    (whole,) = slice_by(data, ["all"] * 40, draws_of(data))
    expected = bootstrap_over_objects(data.correct, data.objects, np.random.default_rng(0), 300)
    assert whole == Slice("all", 40, 32, (40, 0), 20, expected)
    assert whole.headline == expected
    # One object fewer, and Wilson's interval stands for it.
    part = slice_by(data, [None, None, *["all"] * 38], draws_of(data))[0]
    assert (part.objects, part.object_interval, part.headline) == (19, None, wilson(part.correct, 38))


def test_an_interval_without_width_does_not_stand_for_a_slice(observation: Make) -> None:
    data = seen(observation, [{} for _ in range(25)])
    (part,) = slice_by(data, ["all"] * 25, draws_of(data))
    assert part.object_interval == Interval(1.0, 1.0)
    assert part.headline == wilson(25, 25)
    assert slice_rows([part])[0].over == "frames"


@pytest.mark.parametrize(
    ("frames", "objects", "small"), [(19, 10, True), (20, 4, True), (20, 5, False), (20, 1, False), (19, 1, True)]
)
def test_the_bounds_of_a_slice_that_is_too_small_to_say(frames: int, objects: int, small: bool) -> None:
    part = Slice("F814W", frames, frames, (frames, 0), objects)
    assert part.too_small is small
    assert (slice_rows([part])[0].over == "too few") is small
    assert slices_to_json([part])[0]["too_small"] is small


def test_the_worst_come_first_and_those_too_small_last() -> None:
    slices = [
        Slice("tiny", 2, 0, (2, 0), 2),
        Slice("good", 40, 39, (40, 0), 20),
        Slice("bad", 40, 20, (40, 0), 20),
        Slice("larger", 80, 40, (80, 0), 20),
    ]
    assert [part.name for part in worst_first(slices)] == ["larger", "bad", "good", "tiny"]


def test_an_empty_slice_has_neither_accuracy_nor_interval() -> None:
    empty = Slice("F555W", 0, 0, (0, 0), 0)
    assert (empty.accuracy, empty.interval, empty.label, empty.too_small) == (None, None, None, True)


def test_signal_is_that_of_the_brightest_region_above_the_darkest() -> None:
    stretch = Stretch()
    signals = stretch.signals()
    codes = np.full((64, 128), 60, np.uint8)
    codes[8:16, 8:16] = 120
    # Single pixels, as stars and cosmic rays are, do not count.
    codes[::9, ::7] = 255
    assert signal_to_noise(codes, stretch) == pytest.approx(signals[120] - signals[60])
    assert signal_to_noise(np.full((64, 128), 90, np.uint8), stretch) == 0
    assert signal_to_noise(np.array([[60, 120]], np.uint8), stretch) == pytest.approx(signals[120] - signals[60])


def test_noise_alone_leaves_little_signal() -> None:
    stretch = Stretch()
    noise = np.random.default_rng(2).normal(0, 1, (512, 1024))
    codes = np.searchsorted(stretch.thresholds(), noise).astype(np.uint8)
    assert 0 < signal_to_noise(codes, stretch) < 0.5
    noise[100:200, 300:500] += 5
    lit = np.searchsorted(stretch.thresholds(), noise).astype(np.uint8)
    assert signal_to_noise(lit, stretch) == pytest.approx(5, abs=0.3)
