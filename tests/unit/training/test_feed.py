"""What a run is given to train on."""

from __future__ import annotations

import numpy as np

from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.degradations import Degradation
from celestialkeras.lcid.pipeline import batches
from celestialkeras.training.feed import Feed
from celestialkeras.training.options import TrainOptions
from small_datasets import DatasetFactory


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
