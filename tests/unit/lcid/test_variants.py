"""LCID-Resize: any smaller size, by the area that each pixel covers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.pipeline import batches
from celestialkeras.lcid.stretch import bin_codes
from celestialkeras.lcid.variants import resize_codes, resized_shape
from small_datasets import DatasetFactory


def frame(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, shape).astype(np.uint8)


def overlaps(length: int, parts: int) -> np.ndarray:
    """By the definition: the part of each input pixel that lies in each pixel of the result, as exact fractions."""
    step = Fraction(length, parts)
    return np.array(
        [
            [max(Fraction(0), min((i + 1) * step, j + 1) - max(i * step, j)) for j in range(length)]
            for i in range(parts)
        ],
        dtype=object,
    )


@pytest.mark.parametrize(
    ("shape", "size"),
    [((9, 14), (4, 5)), ((12, 16), (11, 15)), ((7, 7), (1, 1)), ((8, 9), (8, 2)), ((10, 6), (3, 6)), ((13, 5), (5, 3))],
)
def test_each_pixel_is_the_exact_mean_over_its_area(shape: tuple[int, int], size: tuple[int, int]) -> None:
    codes = frame(shape)
    down, across = overlaps(shape[0], size[0]), overlaps(shape[1], size[1])
    means = down @ codes.astype(object) @ across.T * Fraction(size[0] * size[1], shape[0] * shape[1])
    rounded = [[int(mean + Fraction(1, 2)) for mean in row] for row in means]
    np.testing.assert_array_equal(resize_codes(codes, size), rounded)


@pytest.mark.parametrize("factor", [1, 2, 3, 4, 6])
def test_a_whole_binning_is_that_of_the_device(factor: int) -> None:
    codes = frame((24, 48))
    np.testing.assert_array_equal(resize_codes(codes, factor), bin_codes(codes, factor))
    np.testing.assert_array_equal(resize_codes(codes, (24 // factor, 48 // factor)), bin_codes(codes, factor))


def test_sides_may_shrink_by_different_factors() -> None:
    codes = frame((8, 12))
    expected = np.floor(codes.reshape(4, 2, 3, 4).mean(axis=(1, 3)) + 0.5)
    np.testing.assert_array_equal(resize_codes(codes, (4, 3)), expected)


def test_whole_frames_keep_to_the_mean_and_do_not_overflow() -> None:
    white = np.full((2048, 4096), 255, np.uint8)
    assert resize_codes(white, (3, 7)).tolist() == [[255] * 7] * 3
    codes = frame((256, 512))
    assert resize_codes(codes, (100, 201)).mean() == pytest.approx(codes.mean(), abs=0.05)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        (3, r"whole binning must divide frames of 32 x 64; give rows and columns .* Received: size=3"),
        (0, r"Received: size=0"),
        ((33, 64), r"at most those of the frames, 32 x 64; averaging makes frames smaller only. Received: size=33x64"),
        ((32, 65), r"Received: size=32x65"),
        ((0, 10), r"at least 1 .* Received: size=0x10"),
    ],
)
def test_sizes_that_frames_cannot_have(size: int | tuple[int, int], message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        resized_shape((32, 64), size)
    with pytest.raises(DatasetError, match=message):
        resize_codes(frame((32, 64)), size)


def test_training_reads_frames_of_any_size(make_dataset: DatasetFactory) -> None:
    dataset = open_dataset(make_dataset((32, 64)))
    ((frames, _),) = batches(dataset, "validation", size=(9, 25), batch_size=6).as_numpy_iterator()
    expected = [resize_codes(dataset.codes(record), (9, 25)) for record in dataset.records("validation")]
    np.testing.assert_array_equal(frames[..., 0], np.stack(expected) / np.float32(255))


def test_frames_of_one_size_are_not_taken_for_those_of_another(make_dataset: DatasetFactory) -> None:
    dataset = open_dataset(make_dataset((32, 64)))
    record = dataset.records("train")[0]
    sizes: list[int | tuple[int, int]] = [2, (16, 32), (16, 31), 4, 1]
    shapes = [dataset.codes(record, size).shape for size in sizes for _ in range(2)]
    assert shapes[::2] == shapes[1::2] == [(16, 32), (16, 32), (16, 31), (8, 16), (32, 64)]
