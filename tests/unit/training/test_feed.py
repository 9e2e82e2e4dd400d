"""What a run is given to train on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.degradations import Degradation
from celestialkeras.lcid.pipeline import batches
from celestialkeras.training.feed import Feed
from celestialkeras.training.options import TrainOptions
from small_datasets import DatasetFactory, SmallSplit


def test_a_run_on_degraded_frames_is_given_those_of_its_seed(make_dataset: DatasetFactory) -> None:
    dataset = open_dataset(make_dataset((32, 64)))
    options = TrainOptions(data=dataset.folder, size="20x50", degrade="psf:4", batch_size=6, seed=3)
    feed = Feed(dataset, options, None)
    worse = dataset.degraded(Degradation("psf", 4), seed=3)
    (expected, labels), *_ = batches(worse, "validation", size=(20, 50), batch_size=6).as_numpy_iterator()
    ((frames, found),) = feed.validation()
    np.testing.assert_array_equal(frames, expected)
    np.testing.assert_array_equal(found, labels)
    trained = np.concatenate([batch[0] for batch in feed.training(epoch=0)])
    means = [worse.codes(record, (20, 50)).mean() / 255 for record in worse.records("train")]
    np.testing.assert_allclose(np.sort(trained.mean(axis=(1, 2, 3))), np.sort(means), rtol=1e-5)


def test_a_share_of_degraded_frames_is_drawn_for_every_epoch_and_once_for_validation(
    make_dataset: DatasetFactory,
) -> None:
    dataset = open_dataset(make_dataset((32, 64), (SmallSplit(12, 12), SmallSplit(12, 12), SmallSplit(1, 1))))
    options = TrainOptions(
        data=dataset.folder, size=1, degrade="psf:4", degrade_share=0.5, batch_size=24, seed=3, augment=False
    )
    feed = Feed(dataset, options, None)
    clear = [dataset.codes(record).tobytes() for record in dataset.records("train")]

    def of_clear(batches: Iterator[tuple[Any, ...]], known: list[bytes]) -> frozenset[int]:
        ((frames, _),) = batches
        codes = [np.rint(255 * np.asarray(frame)[..., 0]).astype(np.uint8).tobytes() for frame in frames]
        return frozenset(known.index(one) for one in codes if one in known)

    first, second = (of_clear(feed.training(epoch), clear) for epoch in (1, 2))
    assert 4 <= len(first) <= 20
    assert first != second
    seen = [dataset.codes(record).tobytes() for record in dataset.records("validation")]
    assert of_clear(feed.validation(), seen) == of_clear(feed.validation(), seen)
    assert 4 <= len(of_clear(feed.validation(), seen)) <= 20
