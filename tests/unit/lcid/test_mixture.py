"""Frames of which some are degraded."""

from __future__ import annotations

import numpy as np
import pytest

from celestialkeras.lcid.dataset import LcidDataset, open_dataset
from celestialkeras.lcid.degradations import Degradation
from celestialkeras.lcid.mixture import Mixture
from celestialkeras.lcid.pipeline import batches
from small_datasets import DatasetFactory, SmallSplit

SHARE = 0.25


@pytest.fixture
def views(make_dataset: DatasetFactory) -> tuple[LcidDataset, LcidDataset]:
    clear = open_dataset(make_dataset((32, 64), (SmallSplit(40, 40), SmallSplit(1, 1), SmallSplit(1, 1))))
    return clear, clear.degraded(Degradation("psf", 2))


def test_each_frame_is_that_of_one_of_the_views(views: tuple[LcidDataset, LcidDataset]) -> None:
    mixture = Mixture(*views, SHARE, (3, 1))
    worse = [record for record in mixture.records("train") if mixture.is_worse(record)]
    # Eighty draws of one in four: 8 to 34 but for once in 10,000 seeds.
    assert 8 <= len(worse) <= 34
    for record in mixture.records("train")[:20]:
        expected = views[mixture.is_worse(record)].codes(record, 2)
        np.testing.assert_array_equal(mixture.codes(record, 2), expected)


def test_who_is_degraded_is_a_function_of_seed_and_epoch(views: tuple[LcidDataset, LcidDataset]) -> None:
    def drawn(seed: int, epoch: int) -> list[bool]:
        mixture = Mixture(*views, SHARE, (seed, epoch))
        return [mixture.is_worse(record) for record in mixture.records("train")]

    assert drawn(3, 1) == drawn(3, 1)
    assert drawn(3, 1) != drawn(3, 2)
    assert drawn(3, 1) != drawn(4, 1)


@pytest.mark.parametrize(("share", "view"), [(0.0, 0), (1.0, 1)])
def test_at_its_ends_it_is_one_view(views: tuple[LcidDataset, LcidDataset], share: float, view: int) -> None:
    mixture = Mixture(*views, share, (0, 0))
    assert {mixture.is_worse(record) for record in mixture.records("train")} == {bool(view)}


def test_batches_are_read_from_it_in_the_same_order_as_from_a_data_set(views: tuple[LcidDataset, LcidDataset]) -> None:
    mixture = Mixture(*views, SHARE, (0, 1))
    asked = {"size": 1, "batch_size": 80, "shuffle_seed": (0, 1), "augment": False}
    ((mixed, labels),) = batches(mixture, "train", **asked).as_numpy_iterator()
    (clear, expected), worse = (next(iter(batches(view, "train", **asked).as_numpy_iterator())) for view in views)
    np.testing.assert_array_equal(labels, expected)
    same = [(one == frame).all() for one, frame in zip(mixed, clear, strict=True)]
    degraded = [(one == frame).all() for one, frame in zip(mixed, worse[0], strict=True)]
    assert all(a != b for a, b in zip(same, degraded, strict=True))
    assert 0 < sum(degraded) < 40
