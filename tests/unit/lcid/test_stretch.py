from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.stretch import Background, Stretch, bin_codes, encode, estimate_background

# A busy machine must not turn a property that holds into a failure.
unhurried = settings(deadline=None)

SHAPE = (1024, 1024)


def frame_of(data: np.ndarray, bias: tuple[float, ...] = (0.0, 0.0), split_column: int | None = None) -> Frame:
    edges = np.linspace(0, data.shape[1], len(bias) + 1).astype(int).tolist()
    if split_column is not None:
        edges[1] = split_column
    return Frame(
        data=data,
        bias=bias,
        channel_columns=tuple(pairwise(edges)),
        obsid="iddt11fxq",
        hdu=1,
        instrument="WFC3/UVIS",
        filter="F625W",
        exptime=350.0,
        target="NGC4298",
        ra=185.4,
        dec=14.6,
        date="",
    )


def every_count(bias: tuple[float, float] = (2500.3, 2510.8)) -> Frame:
    """Each 16-bit count once under either amplifier: row n holds counts 256 n to 256 n + 255, twice."""
    half = np.arange(65536, dtype=np.uint16).reshape(256, 256)
    return frame_of(np.hstack([half, half]), bias)


def direct_codes(signal: np.ndarray, stretch: Stretch, background: Background) -> np.ndarray:
    """The formula itself, in float64: asinh between black and white, rounded half up."""
    noises = (signal - background.sky) / background.noise
    low, high = math.asinh(stretch.black / stretch.softening), math.asinh(stretch.white / stretch.softening)
    place = (np.arcsinh(noises / stretch.softening) - low) / (high - low)
    return np.floor(np.clip(place, 0, 1) * 255 + 0.5).astype(np.uint8)


backgrounds = st.builds(Background, sky=st.floats(-50, 5000), noise=st.floats(0.29, 500))
stretches = st.builds(Stretch, black=st.floats(-20, -0.5), white=st.floats(10, 50_000), softening=st.floats(0.1, 50))


@unhurried
@given(stretch=stretches, background=backgrounds)
def test_table_equals_the_direct_formula_on_every_count(stretch: Stretch, background: Background) -> None:
    frame = every_count()
    codes = encode(frame, stretch, background)
    for columns, bias in frame.channels():
        expected = direct_codes(frame.data[:, columns].astype(np.float64) - bias, stretch, background)
        expected[-1, -1] = 255
        off = codes[:, columns] != expected
        # A count that lies on a threshold to the last bits may fall on either side of it.
        assert off.sum() <= 1
        assert np.abs(codes[:, columns].astype(int) - expected).max() <= 1


@unhurried
@given(stretch=stretches, background=backgrounds, bias=st.tuples(st.floats(0, 5000), st.floats(0, 5000)))
def test_codes_never_fall_as_counts_rise(stretch: Stretch, background: Background, bias: tuple[float, float]) -> None:
    frame = every_count(bias)
    codes = encode(frame, stretch, background)
    for columns, _ in frame.channels():
        steps = np.diff(codes[:, columns].ravel().astype(int))
        assert steps.min() >= 0
        assert codes[-1, columns][-1] == 255, "a saturated pixel is white"


@unhurried
@given(
    stretch=stretches,
    background=backgrounds,
    values=hnp.arrays(np.float32, (4, 8), elements=st.floats(width=32, allow_nan=False)),
)
def test_codes_never_fall_as_electrons_rise(stretch: Stretch, background: Background, values: np.ndarray) -> None:
    order = np.sort(values.ravel()).reshape(values.shape)
    codes = encode(frame_of(order), stretch, background)
    assert np.diff(codes.ravel().astype(int)).min() >= 0


def test_code_0_is_black_and_code_255_white() -> None:
    background = Background(sky=100.0, noise=10.0)
    stretch = Stretch(black=-4, white=2000, softening=2)
    values = np.array([[-1e30, -np.inf, 60, 100, 20_090, 20_100, 1e30, np.inf]], np.float32)
    codes = encode(frame_of(values), stretch, background)[0]
    assert codes.tolist() == [0, 0, 0, 41, 255, 255, 255, 255]
    assert codes[3] == direct_codes(np.array([100.0]), stretch, background)[0]


def test_thresholds_are_where_the_formula_rounds_up() -> None:
    stretch = Stretch()
    thresholds = stretch.thresholds()
    assert thresholds.shape == (255,)
    background = Background(0.0, 1.0)
    np.testing.assert_array_equal(direct_codes(thresholds + 1e-6, stretch, background), np.arange(1, 256))
    np.testing.assert_array_equal(direct_codes(thresholds - 1e-6, stretch, background), np.arange(255))


def test_int8_is_uint8_minus_128() -> None:
    frame, background = every_count(), Background(40.0, 3.0)
    codes = encode(frame, Stretch(), background)
    signed = np.full(frame.data.shape, 77, np.int8)
    assert encode(frame, Stretch(), background, out=signed) is signed
    np.testing.assert_array_equal(signed.astype(int), codes.astype(int) - 128)
    electrons = frame_of(frame.calibrated())
    np.testing.assert_array_equal(
        encode(electrons, Stretch(), background, out=np.empty(frame.data.shape, np.int8)).astype(int),
        encode(electrons, Stretch(), background).astype(int) - 128,
    )


@pytest.mark.parametrize("out", [np.empty((4, 4), np.uint8), np.empty((256, 512), np.uint16)], ids=["shape", "dtype"])
def test_an_output_that_does_not_fit(out: np.ndarray) -> None:
    with pytest.raises(
        ValueError, match=rf"`out` must be uint8 or int8 \(256, 512\). Received: {out.dtype} \({out.shape[0]}"
    ):
        encode(every_count(), Stretch(), Background(0.0, 1.0), out)


def test_two_amplifiers_give_the_same_code_for_the_same_signal() -> None:
    rng = np.random.default_rng(1)
    signal = rng.integers(-10, 5000, (64, 256))
    counts = np.hstack([signal + 2500, signal + 2613]).astype(np.uint16)
    codes = encode(frame_of(counts, (2500.0, 2613.0)), Stretch(), Background(40.0, 3.0))
    np.testing.assert_array_equal(codes[:, :256], codes[:, 256:])


def test_four_channels_give_the_same_code_for_the_same_signal() -> None:
    rng = np.random.default_rng(1)
    signal = rng.integers(-10, 5000, (64, 128))
    bias = (500.0, 517.0, 489.0, 640.0)
    frame = frame_of(np.hstack([signal + int(level) for level in bias]).astype(np.uint16), bias)
    codes = encode(frame, Stretch(), Background(40.0, 3.0))
    for columns, _ in frame.channels():
        np.testing.assert_array_equal(codes[:, columns], codes[:, :128])


def test_background_of_four_channels_is_that_above_their_biases() -> None:
    bias = np.array([500.0, 517.0, 489.0, 640.0])
    levels = np.repeat(bias, 256)[None, :] + np.random.default_rng(3).normal(40.0, 5.0, (1024, 1024))
    background = estimate_background(frame_of(levels.round().astype(np.uint16), tuple(bias)))
    assert background.sky == pytest.approx(40.0, abs=0.3)
    assert background.noise == pytest.approx(5.0, rel=0.05)


def test_amplifiers_may_meet_anywhere() -> None:
    counts = np.full((32, 100), 2540, np.uint16)
    counts[:, 30:] += 60
    for split in (30, 0, 100):
        frame = frame_of(counts, (2500.0, 2560.0), split)
        expected = [[2540 - 2500, 2540 - 2560][split == 0], [2600 - 2560, 2600 - 2500][split == 100]]
        codes = encode(frame, Stretch(), Background(30.0, 5.0))
        direct = direct_codes(np.array(expected, float), Stretch(), Background(30.0, 5.0))
        assert (codes[0, 0], codes[0, -1]) == tuple(direct)


@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_arrays_that_are_not_contiguous(dtype: Any) -> None:
    rng = np.random.default_rng(2)
    wide = rng.integers(2400, 4000, (200, 300)).astype(dtype)
    for view in (wide[::2, ::3], wide[::-1, ::-1], wide.T, np.asfortranarray(wide)):
        frame = frame_of(view, (2450.0, 2460.0))
        plain = replace(frame, data=np.ascontiguousarray(view))
        background = estimate_background(plain)
        assert estimate_background(frame) == background
        expected = encode(plain, Stretch(), background)
        np.testing.assert_array_equal(encode(frame, Stretch(), background), expected)
        out = np.zeros((view.shape[0] * 2, view.shape[1] * 3), np.uint8)
        encode(frame, Stretch(), background, out=out[::2, ::3])
        np.testing.assert_array_equal(out[::2, ::3], expected)
        assert out[1::2].max() == 0


@pytest.mark.parametrize("rows", [1, 31, 32, 33, 65])
def test_rows_need_not_fill_the_blocks(rows: int) -> None:
    counts = np.random.default_rng(3).integers(2400, 9000, (rows, 64)).astype(np.uint16)
    background = Background(40.0, 3.0)
    codes = encode(frame_of(counts, (2500.0, 2500.0)), Stretch(), background)
    np.testing.assert_array_equal(codes, direct_codes(counts - 2500.0, Stretch(), background))
    electrons = encode(frame_of((counts - 2500.0).astype(np.float32)), Stretch(), background)
    assert np.abs(electrons.astype(int) - codes).max() <= 1


def test_nan_gets_the_code_of_the_sky() -> None:
    values = np.full((16, 16), 120.0, np.float32)
    values[3, 4] = np.nan
    values[5, 6] = 5000
    codes = encode(frame_of(values), Stretch(), Background(120.0, 7.0))
    assert codes[3, 4] == codes[0, 0] == direct_codes(np.array(120.0), Stretch(), Background(120.0, 7.0))
    assert codes[5, 6] > 150


@pytest.mark.parametrize("noise", [0.5, 3.0, 60.0, 1000.0])
def test_a_saturated_pixel_is_white_however_noisy_its_frame(noise: float) -> None:
    counts = np.full((16, 16), 3000, np.uint16)
    counts[0, 0] = 65535
    codes = encode(frame_of(counts, (2500.0, 2500.0)), Stretch(), Background(500.0, noise))
    assert codes[0, 0] == 255
    assert codes[1, 1] < 60


@unhurried
@given(background=backgrounds)
def test_float_frames_agree_with_integer_frames_to_one_code(background: Background) -> None:
    frame = every_count((2500.0, 2510.0))
    counts = encode(frame, Stretch(), background).astype(int)
    electrons = encode(frame_of(frame.calibrated()), Stretch(), background).astype(int)
    away = np.abs(counts - electrons)
    away[frame.data == 65535] = 0
    assert away.max() <= 1


def test_float_codes_are_within_a_quarter_code_of_the_formula() -> None:
    background = Background(sky=31.7, noise=4.3)
    signal = np.linspace(-20, 60, 1 << 16).reshape(256, 256).astype(np.float32)
    codes = encode(frame_of(signal), Stretch(), background)
    noises = (signal.astype(np.float64) - background.sky) / background.noise
    low, high = np.arcsinh([-4.0 / 2, 2000.0 / 2])
    exact = np.clip((np.arcsinh(noises / 2) - low) / (high - low), 0, 1) * 255
    assert np.abs(codes - exact).max() < 0.5 + 0.25
    assert abs(float(np.mean(codes - exact))) < 0.02, "rounding is not biased"


@pytest.mark.parametrize(
    "shape",
    [
        {"black": 0.0},
        {"white": 0.0},
        {"white": -1.0},
        {"softening": 0.0},
        {"black": math.nan},
        {"white": math.inf},
        {"softening": math.inf},
    ],
)
def test_shapes_that_are_no_stretch(shape: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"`black` < 0 < `white` and `softening` > 0 are needed. Received: Stretch\("):
        Stretch(**shape)


def sky_of(sky: float, noise: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(sky, noise, SHAPE)


def as_counts(signal: np.ndarray, bias: tuple[float, float]) -> Frame:
    half = signal.shape[1] // 2
    counts = np.hstack([signal[:, :half] + bias[0], signal[:, half:] + bias[1]])
    return frame_of(np.clip(counts.round(), 0, 65535).astype(np.uint16), bias)


@pytest.mark.parametrize("bias", [(2500.0, 2500.0), (2500.4, 2493.7), (312.9, 313.1)])
@pytest.mark.parametrize("noise", [0.8, 1.5, 2.1, 2.5, 3.0, 4.4, 12.0, 150.0])
def test_sky_and_noise_of_whole_counts(noise: float, bias: tuple[float, float]) -> None:
    background = estimate_background(as_counts(sky_of(40.0, noise), bias))
    # Rounding to whole DN, and spreading the counts over that width again, each add a variance of 1/12.
    assert background.sky == pytest.approx(40.0, abs=0.05 * noise + 0.02)
    assert background.noise == pytest.approx(math.hypot(noise, math.sqrt(1 / 6)), rel=0.05)


@pytest.mark.parametrize("noise", [0.01, 2.0, 50.0])
def test_sky_and_noise_of_electrons(noise: float) -> None:
    background = estimate_background(frame_of(sky_of(25.0, noise).astype(np.float32)))
    assert background.sky == pytest.approx(25.0, abs=0.05 * noise)
    assert background.noise == pytest.approx(noise, rel=0.04)


def with_stars(signal: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(5)
    rows, columns = np.mgrid[-6:7, -6:7]
    profile = np.exp(-(rows**2 + columns**2) / (2 * 1.5**2))
    for row, column, flux in zip(
        rng.integers(6, SHAPE[0] - 6, 400), rng.integers(6, SHAPE[1] - 6, 400), rng.pareto(1.0, 400) * 100, strict=True
    ):
        signal[row - 6 : row + 7, column - 6 : column + 7] += flux * profile
    return signal


def with_cosmic_rays(signal: np.ndarray) -> np.ndarray:
    rng = np.random.default_rng(6)
    for row, column in zip(rng.integers(0, SHAPE[0], 1500), rng.integers(0, SHAPE[1] - 12, 1500), strict=True):
        signal[row, column : column + rng.integers(2, 12)] += rng.exponential(2000)
    return signal


def with_gradient(signal: np.ndarray) -> np.ndarray:
    return signal + np.linspace(-1.0, 1.0, SHAPE[1])


def with_dead_pixels(signal: np.ndarray) -> np.ndarray:
    signal[np.random.default_rng(8).random(SHAPE) < 0.01] = -2400
    return signal


@pytest.mark.parametrize("disturbed", [with_stars, with_cosmic_rays, with_gradient, with_dead_pixels])
def test_sky_and_noise_under_what_else_is_on_a_chip(disturbed: Any) -> None:
    background = estimate_background(as_counts(disturbed(sky_of(40.0, 4.0)), (2500.0, 2510.0)))
    assert background.sky == pytest.approx(40.0, abs=0.15)
    assert background.noise == pytest.approx(4.0, rel=0.05)


def test_nans_do_not_count_towards_the_sky() -> None:
    values = sky_of(25.0, 2.0).astype(np.float32)
    values[:, :100] = np.nan
    values[:8] = np.inf
    background = estimate_background(frame_of(values))
    assert background.sky == pytest.approx(25.0, abs=0.1)
    assert background.noise == pytest.approx(2.0, rel=0.05)


def test_the_few_finite_pixels_off_the_sample_are_used_when_it_has_none() -> None:
    values = np.full((64, 64), np.nan, np.float32)
    values[0] = np.arange(64)
    assert estimate_background(frame_of(values)).sky == pytest.approx(31.5)


def test_frames_smaller_than_a_sampling_step_have_their_bias_subtracted() -> None:
    counts = np.random.default_rng(0).normal(40, 3, (8, 400)).round() + 2500
    background = estimate_background(frame_of(counts.astype(np.uint16), (2500.0, 2500.0)))
    assert background.sky == pytest.approx(40, abs=0.6)


def test_noise_is_never_zero() -> None:
    counts = np.full((64, 64), 2540, np.uint16)
    assert estimate_background(frame_of(counts, (2500.0, 2500.0))).noise >= 0.29
    assert estimate_background(frame_of(np.full((64, 64), 25.0, np.float32))).noise == 1e-6


def test_encode_estimates_what_it_is_not_given() -> None:
    frame = as_counts(sky_of(40.0, 4.0), (2500.0, 2510.0))
    np.testing.assert_array_equal(encode(frame, Stretch()), encode(frame, Stretch(), estimate_background(frame)))


def test_frames_of_any_exposure_come_out_alike() -> None:
    signal = with_stars(np.zeros(SHAPE)) / 4.0 + sky_of(0.0, 1.0)
    codes = [
        encode(as_counts(scale * signal + sky, (2500.0, 2510.0)), Stretch()).astype(int)
        for scale, sky in ((4.0, 10.0), (12.0, 900.0))
    ]
    off = np.abs(codes[0] - codes[1])
    assert np.median(codes[0]) == pytest.approx(np.median(codes[1]), abs=1)
    assert np.percentile(off, 99) <= 8, "within the rounding to whole DN, half a DN of 4"


def binned_directly(codes: np.ndarray, factor: int) -> np.ndarray:
    *lead, height, width = codes.shape
    squares = codes.reshape(*lead, height // factor, factor, width // factor, factor).astype(np.int64)
    return ((2 * squares.sum((-3, -1)) + factor**2) // (2 * factor**2)).astype(np.uint8)


@pytest.mark.parametrize("lead", [(), (3,), (2, 2)], ids=["frame", "batch", "batches"])
@pytest.mark.parametrize("factor", [1, 2, 3, 4, 8, 16, 32])
def test_bin_codes_rounds_the_mean_of_each_square_half_up(factor: int, lead: tuple[int, ...]) -> None:
    codes = np.random.default_rng(factor).integers(0, 256, (*lead, 96, 192)).astype(np.uint8)
    binned = bin_codes(codes, factor)
    assert binned.dtype == np.uint8
    np.testing.assert_array_equal(binned, binned_directly(codes, factor))


@pytest.mark.parametrize("factor", [2, 15, 16, 17, 32, 64, 256])
@pytest.mark.parametrize("code", [0, 1, 127, 128, 254, 255])
def test_bin_codes_keeps_a_level_at_any_factor(factor: int, code: int) -> None:
    level = np.full((factor, 2 * factor), code, np.uint8)
    assert bin_codes(level, factor).tolist() == [[code, code]]


def test_bin_codes_rounds_a_half_up() -> None:
    assert bin_codes(np.array([[0, 1, 3, 4], [0, 1, 3, 4]], np.uint8), 2).tolist() == [[1, 4]]


@unhurried
@given(codes=hnp.arrays(np.uint8, (12, 24)), factor=st.sampled_from([2, 3, 4, 6, 12]))
def test_bin_codes_equals_the_reference(codes: np.ndarray, factor: int) -> None:
    np.testing.assert_array_equal(bin_codes(codes, factor), binned_directly(codes, factor))


def test_bin_codes_of_views_leaves_them_as_they_are() -> None:
    codes = np.random.default_rng(9).integers(0, 256, (64, 128)).astype(np.uint8)
    before = codes.copy()
    for view in (codes[::-1, ::-1], codes.T, codes[::2, ::2]):
        np.testing.assert_array_equal(bin_codes(view, 4), binned_directly(np.ascontiguousarray(view), 4))
    np.testing.assert_array_equal(codes, before)


@pytest.mark.parametrize("factor", [0, -2, 3, 5, 128])
def test_factors_that_do_not_divide_the_sides(factor: int) -> None:
    with pytest.raises(
        ValueError, match=rf"sides of 64 x 128 must be multiples of `factor`. Received: factor={factor}"
    ):
        bin_codes(np.zeros((64, 128), np.uint8), factor)
