from __future__ import annotations

import numpy as np
import pytest

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.picture_exposure import ExposureRule, expose
from celestialkeras.lcid.picture_files import Picture
from celestialkeras.lcid.stretch import Stretch

SHAPE = (64, 128)
# The default stretch puts its sky at 255 asinh(2) / (asinh(1000) + asinh(2)).
SKY_CODE = 255 * np.arcsinh(2) / (np.arcsinh(1000) + np.arcsinh(2))


def picture_of(light: np.ndarray, seen: np.ndarray | None = None) -> Picture:
    return Picture(light.astype(np.float32), np.ones(light.shape, bool) if seen is None else seen)


def codes_of(picture: Picture, **rule: object) -> np.ndarray:
    return expose(picture, ExposureRule(**{"shape": SHAPE, **rule}), Stretch(), 1)[0]  # type: ignore[arg-type]


def square(shape: tuple[int, int], rows: slice, columns: slice) -> np.ndarray:
    light = np.full(shape, 0.01)
    light[rows, columns] = 1.0
    return light


@pytest.mark.parametrize(
    ("shape", "binning"), [((512, 1024), 4), ((2048, 4096), 1), ((64, 128), 8), ((300, 300), 6), ((2000, 100), 1)]
)
def test_codes_are_binned_as_those_of_frames_of_that_size(shape: tuple[int, int], binning: int) -> None:
    assert ExposureRule(shape).binning == binning


def test_sky_lies_where_that_of_frames_does_with_noise_binned_away() -> None:
    light = square((32, 64), slice(14, 18), slice(30, 34))
    codes, background = expose(picture_of(light), ExposureRule(SHAPE), Stretch(), 1)
    sky = codes[:, :40]
    assert abs(float(sky.mean()) - SKY_CODE) < 1
    # One noise is 13.5 codes at the sky, and 8 x 8 pixels are averaged.
    assert 1.2 < sky.std() < 2.2
    # 2048 pixels are sampled, of which the blob takes few.
    assert abs(background.sky) < 0.1
    assert 0.95 < background.noise < 1.05


def test_white_lies_at_the_stated_depth() -> None:
    light = square((32, 64), slice(8, 24), slice(16, 48))
    for depth in (50.0, 200.0):
        codes, background = expose(picture_of(light), ExposureRule(SHAPE, depth=depth), Stretch(), 1)
        signal = (depth - background.sky) / background.noise
        wanted = 255 * (np.arcsinh(2) + np.arcsinh(signal / 2)) / (np.arcsinh(2) + np.arcsinh(1000))
        assert abs(float(codes[28:36, 56:72].mean()) - wanted) < 1.5


def test_a_picture_is_scaled_cut_and_padded_about_its_centre() -> None:
    light = square((32, 32), slice(12, 20), slice(12, 20))
    bright = {fit: np.argwhere(codes_of(picture_of(light), fit=fit) > 150) for fit in ("cover", "contain", "none")}
    for fit, side in {"cover": 32, "contain": 16, "none": 8}.items():
        low, high = bright[fit].min(axis=0), bright[fit].max(axis=0) + 1
        assert np.abs(high - low - side).max() <= 2, fit
        assert np.abs((low + high) / 2 - (32, 64)).max() <= 1, fit


def test_pictures_larger_than_the_frame_are_made_smaller_or_cut() -> None:
    light = square((256, 512), slice(112, 144), slice(224, 288))
    for fit, side in {"cover": (8, 16), "contain": (8, 16), "none": (32, 64)}.items():
        bright = np.argwhere(codes_of(picture_of(light), fit=fit) > 150)
        extent = bright.max(axis=0) + 1 - bright.min(axis=0)
        assert np.abs(extent - side).max() <= 2, fit


@pytest.mark.parametrize("shape", [(1, 400), (400, 1)])
def test_a_picture_of_one_row_fills_the_frame_and_no_more_memory(shape: tuple[int, int]) -> None:
    codes = codes_of(picture_of(np.linspace(0, 1, 400).reshape(shape)))
    assert codes.shape == SHAPE


def test_what_shows_nothing_becomes_sky_and_empty_margins_go() -> None:
    rng = np.random.default_rng(0)
    light = np.zeros((80, 80))
    inner = 0.02 + 0.0001 * rng.random((40, 50))
    inner[18:22, 23:27] = 1.0
    light[30:70, 10:60] = inner
    masked = codes_of(picture_of(light, light > 0))
    bare = codes_of(picture_of(inner))
    np.testing.assert_array_equal(masked, bare)
    # A hole cut to black leaves no darker place than the sky.
    light[32:40, 12:20] = 0
    assert codes_of(picture_of(light, light > 0)).min() > SKY_CODE - 10


def test_a_small_object_keeps_half_of_the_picture() -> None:
    light = np.zeros((64, 64))
    light[30:34, 2:6] = np.arange(16).reshape(4, 4) + 1.0
    bright = np.argwhere(codes_of(picture_of(light, light > 0), fit="contain") > 100)
    extent = bright.max(axis=0) + 1 - bright.min(axis=0)
    assert np.abs(extent - 8).max() <= 2


def test_noise_follows_the_seeds_alone() -> None:
    picture = picture_of(square((32, 64), slice(8, 24), slice(16, 48)))
    first = expose(picture, ExposureRule(SHAPE), Stretch(), 1)[0]
    np.testing.assert_array_equal(first, expose(picture, ExposureRule(SHAPE), Stretch(), 1)[0])
    assert np.any(first != expose(picture, ExposureRule(SHAPE), Stretch(), 2)[0])
    assert np.any(first != expose(picture, ExposureRule(SHAPE, seed=1), Stretch(), 1)[0])


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        ({"shape": (0, 4)}, r"`shape` must be 1 x 1 to 2048 x 4096 pixels. Received: shape=\(0, 4\)"),
        ({"shape": (4096, 2048)}, r"Received: shape=\(4096, 2048\)"),
        ({"fit": "stretch"}, "`fit` must be one of cover, contain, none. Received: fit='stretch'"),
        ({"depth": 0.0}, "`depth` must be a number above 0. Received: depth=0.0"),
        ({"depth": float("nan")}, "Received: depth=nan"),
    ],
)
def test_rules_that_cannot_be(rule: dict[str, object], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        ExposureRule(**rule)  # type: ignore[arg-type]
