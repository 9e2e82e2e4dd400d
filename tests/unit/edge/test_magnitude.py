from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from celestial_edge.compress.magnitude import PruneOptions, compressed_bytes, kernel_sparsity, prune
from celestialkeras.errors import ModelError
from celestialkeras.lcid.dataset import open_dataset
from small_datasets import DatasetFactory
from toy_networks import network

SHAPE = (40, 48)
QUICK = PruneOptions(epochs=3, batch_size=4, learning_rate=1e-3, updates=3)


def mixed(layers: Any, x: Any) -> Any:
    """A layer of each kind that has a kernel."""
    x = layers.Conv2D(8, 5, 2, use_bias=False, name="conv")(x)
    x = layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))
    x = layers.DepthwiseConv2D(3, name="depthwise")(x)
    return layers.Dense(20, activation="relu", name="dense")(layers.GlobalAveragePooling2D(name="mean")(x))


def test_pruned_kernels_have_the_sparsity_asked_for(make_dataset: DatasetFactory, tmp_path: Path) -> None:
    dataset = open_dataset(make_dataset(shape=SHAPE))
    model = network(mixed)
    before = model.get_weights()
    pruned = prune(model, dataset, 0.75, QUICK)

    assert isinstance(pruned, keras.Model)
    assert [(type(layer), layer.name) for layer in pruned.layers] == [(type(one), one.name) for one in model.layers]
    for value, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)
    for name in ("conv", "dense"):
        assert np.mean(np.asarray(pruned.get_layer(name).kernel) == 0) == pytest.approx(0.75, abs=0.005)
    for name in ("depthwise", "logits"):
        assert np.all(np.asarray(pruned.get_layer(name).kernel) != 0)
    assert kernel_sparsity(pruned) == pytest.approx(0.75, abs=0.005)
    assert kernel_sparsity(model) == 0
    # What is left was trained on.
    kept = np.asarray(pruned.get_layer("conv").kernel) != 0
    assert not np.any(
        np.asarray(pruned.get_layer("conv").kernel)[kept] == np.asarray(model.get_layer("conv").kernel)[kept]
    )

    paths = [tmp_path / "before.keras", tmp_path / "after.keras"]
    for one, path in zip((model, pruned), paths, strict=True):
        one.save(path)
    assert compressed_bytes(paths[1]) < compressed_bytes(paths[0])
    # The file itself does not shrink: that is why the compressed size is what is reported.
    assert paths[1].stat().st_size == pytest.approx(paths[0].stat().st_size, rel=0.01)


def test_the_smallest_weights_go(make_dataset: DatasetFactory) -> None:
    dataset = open_dataset(make_dataset(shape=SHAPE))
    model = network(mixed)
    gentle = PruneOptions(epochs=1, batch_size=4, learning_rate=1e-7, updates=1)
    kernel = np.abs(np.asarray(model.get_layer("conv").kernel))
    gone = np.asarray(prune(model, dataset, 0.5, gentle).get_layer("conv").kernel) == 0
    assert kernel[gone].max() < kernel[~gone].min()


@pytest.mark.parametrize("sparsity", [0.0, 1.0, -0.1])
def test_sparsity_is_checked(sparsity: float, make_dataset: DatasetFactory) -> None:
    with pytest.raises(ValueError, match=rf"above 0 and below 1\. Received: sparsity={sparsity}"):
        prune(network(mixed), open_dataset(make_dataset(shape=SHAPE)), sparsity)


def test_a_model_without_kernels_is_refused(make_dataset: DatasetFactory) -> None:
    model = network(lambda layers, x: layers.GlobalAveragePooling2D(name="mean")(x))
    with pytest.raises(ModelError, match=r"model 'toy' has nothing to prune.* Received: frame, mean, logits, prob"):
        prune(model, open_dataset(make_dataset(shape=SHAPE)), 0.5)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "`epochs` must be at least 1. Received: epochs=0"),
        ({"ramp": 0.0}, "`ramp` must be above 0 and at most 1. Received: ramp=0.0"),
        ({"updates": 0}, "`updates` must be at least 1. Received: updates=0"),
    ],
)
def test_options_are_checked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        PruneOptions(**wrong)


def test_compressed_bytes_counts_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "inner").mkdir()
    zeros, noise = bytes(10_000), np.random.default_rng(0).bytes(10_000)
    (tmp_path / "zeros.bin").write_bytes(zeros)
    (tmp_path / "inner" / "noise.bin").write_bytes(noise)
    assert compressed_bytes(tmp_path / "zeros.bin") == len(gzip.compress(zeros)) < 100
    assert compressed_bytes(tmp_path) == len(gzip.compress(zeros)) + len(gzip.compress(noise)) > 10_000
