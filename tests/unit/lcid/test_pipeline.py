from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.lcid.pipeline import batches
from celestialkeras.lcid.stretch import bin_codes
from small_datasets import DatasetFactory, SmallSplit


@pytest.fixture
def dataset(make_dataset: DatasetFactory) -> LcidDataset:
    sizes = (SmallSplit(6, 5), SmallSplit(3, 3), SmallSplit(0, 0))
    return open_dataset(make_dataset((32, 64), sizes))


def taken(epoch: Any) -> tuple[np.ndarray, np.ndarray]:
    """The frames and labels of all batches."""
    parts = [(frames.numpy(), labels.numpy()) for frames, labels in epoch]
    return np.concatenate([frames for frames, _ in parts]), np.concatenate([labels for _, labels in parts])


def stored(dataset: LcidDataset, split: str, binning: int = 1) -> np.ndarray:
    """The frames of a side as floats, in the records' order."""
    codes = [bin_codes(dataset.codes(record), binning) for record in dataset.records(split)]
    return np.stack(codes)[..., np.newaxis].astype(np.float32) / np.float32(255)


FLIPS = {
    "as it is": lambda frame: frame,
    "upside down": lambda frame: frame[::-1],
    "left to right": lambda frame: frame[:, ::-1],
    "half-turn": lambda frame: frame[::-1, ::-1],
}


def matched(frames: np.ndarray, originals: np.ndarray) -> list[tuple[int, str]]:
    """Which original each frame is, and which way it was flipped."""
    known = {
        flip(original).tobytes(): (i, name) for i, original in enumerate(originals) for name, flip in FLIPS.items()
    }
    return [known[frame.tobytes()] for frame in frames]


@pytest.mark.parametrize("binning", [1, 2, 4, 16])
def test_frames_come_in_the_records_order_binned_to_the_bit(dataset: LcidDataset, binning: int) -> None:
    frames, labels = taken(batches(dataset, "train", size=binning, batch_size=4))
    assert frames.dtype == np.float32
    assert frames.shape == (11, 32 // binning, 64 // binning, 1)
    np.testing.assert_array_equal(frames, stored(dataset, "train", binning))
    assert labels.dtype == np.int32
    assert labels.tolist() == [0] * 6 + [1] * 5


def test_values_run_from_0_to_1(dataset: LcidDataset) -> None:
    frames, _ = taken(batches(dataset, "train", size=1, batch_size=4))
    assert 0 <= frames.min() < frames.max() <= 1
    codes = np.rint(frames * 255)
    np.testing.assert_allclose(frames * 255, codes, atol=1e-4)


def test_the_last_batch_is_kept_though_it_is_smaller(dataset: LcidDataset) -> None:
    epoch = batches(dataset, "train", size=4, batch_size=4)
    assert [len(labels) for _, labels in epoch] == [4, 4, 3]
    assert int(epoch.cardinality()) == 3
    frames, labels = epoch.element_spec
    assert frames.shape.as_list() == [None, 8, 16, 1]
    assert (frames.dtype, labels.dtype) == (tf.float32, tf.int32)


@pytest.mark.parametrize("augment", [False, True])
def test_the_same_seed_and_epoch_give_the_same_batches(dataset: LcidDataset, augment: bool) -> None:
    options: dict[str, Any] = {"size": 2, "batch_size": 3, "augment": augment}
    first, first_labels = taken(batches(dataset, "train", shuffle_seed=(7, 2), **options))
    again, again_labels = taken(batches(open_dataset(dataset.folder), "train", shuffle_seed=(7, 2), **options))
    np.testing.assert_array_equal(first, again)
    np.testing.assert_array_equal(first_labels, again_labels)


def test_an_epoch_may_be_iterated_twice(dataset: LcidDataset) -> None:
    epoch = batches(dataset, "train", size=2, batch_size=3, shuffle_seed=(7, 2), augment=True)
    np.testing.assert_array_equal(taken(epoch)[0], taken(epoch)[0])


@pytest.mark.parametrize("augment", [False, True])
def test_every_frame_comes_once_an_epoch_with_its_own_label(dataset: LcidDataset, augment: bool) -> None:
    originals = stored(dataset, "train")
    labels = np.array([record.observation.label_code for record in dataset.records("train")])
    orders = set()
    for epoch in range(6):
        frames, found = taken(batches(dataset, "train", size=1, batch_size=4, shuffle_seed=(1, epoch), augment=augment))
        order = [index for index, _ in matched(frames, originals)]
        assert sorted(order) == list(range(11))
        np.testing.assert_array_equal(found, labels[order])
        orders.add(tuple(order))
    assert len(orders) == 6, "each epoch has its own order"


def test_other_seeds_have_other_orders(dataset: LcidDataset) -> None:
    originals = stored(dataset, "train")
    orders = {
        tuple(
            index
            for index, _ in matched(
                taken(batches(dataset, "train", size=1, batch_size=4, shuffle_seed=(seed, 0)))[0], originals
            )
        )
        for seed in range(5)
    }
    assert len(orders) == 5


def test_augmentation_flips_about_either_axis_with_even_odds(dataset: LcidDataset) -> None:
    originals = stored(dataset, "train")
    flips = []
    for epoch in range(20):
        frames, _ = taken(batches(dataset, "train", size=1, batch_size=11, shuffle_seed=(3, epoch), augment=True))
        flips += [flip for _, flip in matched(frames, originals)]
    counts = {name: flips.count(name) for name in FLIPS}
    # 220 draws of odds 1/4: a spread of 6.4 about 55.
    assert all(35 <= count <= 75 for count in counts.values()), counts


def test_augmentation_does_not_change_the_order(dataset: LcidDataset) -> None:
    originals = stored(dataset, "train")
    plain, flipped = (
        matched(
            taken(batches(dataset, "train", size=1, batch_size=4, shuffle_seed=(5, 1), augment=augment))[0],
            originals,
        )
        for augment in (False, True)
    )
    assert [index for index, _ in plain] == [index for index, _ in flipped]
    assert {flip for _, flip in plain} == {"as it is"}


def test_augmentation_needs_a_seed(dataset: LcidDataset) -> None:
    with pytest.raises(ValueError, match="`augment` needs `shuffle_seed`"):
        batches(dataset, "train", size=1, batch_size=4, augment=True)


def test_a_side_without_frames_has_no_batches(dataset: LcidDataset) -> None:
    assert list(batches(dataset, "test", size=4, batch_size=4, shuffle_seed=(0, 0), augment=True)) == []


def test_a_side_that_is_none(dataset: LcidDataset) -> None:
    with pytest.raises(DatasetError, match=r"`split` must be one of train, validation, test. Received: split='dev'"):
        batches(dataset, "dev", size=1, batch_size=4)


@pytest.mark.parametrize("binning", [0, -1, 3, 64])
def test_a_binning_that_does_not_divide_the_frames(dataset: LcidDataset, binning: int) -> None:
    with pytest.raises(DatasetError, match=rf"must divide frames of 32 x 64; .* Received: size={binning}"):
        batches(dataset, "train", size=binning, batch_size=4)


def test_a_missing_shard_is_named_before_the_first_batch(dataset: LcidDataset) -> None:
    path: Path = dataset.folder / "shards" / "train-00000.tfrecord"
    path.unlink()
    with pytest.raises(DatasetError, match=rf"{path}: no such shard; build the data set again"):
        batches(dataset, "train", size=1, batch_size=4)


def test_an_altered_shard_is_named_while_iterating(dataset: LcidDataset) -> None:
    record = dataset.records("train")[0]
    path = dataset.folder / "shards" / record.shard
    content = bytearray(path.read_bytes())
    content[record.offset + 100] ^= 1
    path.write_bytes(content)
    with pytest.raises(tf.errors.UnknownError, match=rf"{path}: the frame at byte {record.offset} was altered"):
        list(batches(dataset, "train", size=1, batch_size=4))
