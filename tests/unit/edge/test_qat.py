from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from celestial_edge.compress import qat
from celestial_edge.compress.export import export_graph
from celestial_edge.compress.lowering import lower
from celestial_edge.compress.qat import QatOptions, fine_tune, int8_tensors
from celestial_edge.compress.quantize import balanced_frames
from celestial_edge.compress.ranges import measure_ranges
from celestial_edge.compress.twin import NoTwinError, build_twin, import_model_optimization
from celestial_edge.compress.twin_training import TwinTraining, up_to_logits
from celestial_edge.recipes import STATIC_INT8
from celestialkeras.errors import ExportError, ModelError
from celestialkeras.lcid.dataset import open_dataset
from small_datasets import DatasetFactory, SmallSplit
from toy_networks import conv_norm_relu, network, residual, two_stages

import_model_optimization("testing")

from celestial_edge.compress.fake_quantization import (  # noqa: E402
    ChannelWeights,
    learned_weights,
    set_ranges,
    simulate_int8,
)

SHAPE = (40, 48)
QUICK = QatOptions(epochs=1, batch_size=4, learning_rate=1e-3, calibration_frames=4)


def pooled_twice(layers: Any, x: Any) -> Any:
    """A mean behind a dense layer, beside a maximum: a concatenation whose inputs want different ranges."""
    x = conv_norm_relu(layers, x)
    mean = layers.Dense(5, activation="relu", name="mean_dense")(layers.GlobalAveragePooling2D(name="mean")(x))
    return layers.Concatenate(name="joined")([mean, layers.GlobalMaxPooling2D(name="peak")(x)])


def depthwise(layers: Any, x: Any) -> Any:
    """A depthwise convolution whose batch normalisation only the converter folds."""
    x = conv_norm_relu(layers, x)
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, use_bias=False, name="depthwise")(x)
    x = layers.ReLU(name="depthwise_relu")(layers.BatchNormalization(name="depthwise_norm")(x))
    return layers.GlobalAveragePooling2D(name="mean")(x)


def some_codes(count: int, shape: tuple[int, int]) -> np.ndarray:
    return np.random.default_rng(4).integers(0, 256, (count, *shape)).astype(np.uint8)


def int8_logits(content: bytes, codes: np.ndarray) -> tuple[np.ndarray, float]:
    """Logits of an int8 graph, and the size of one step of them."""
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_content=content)
    interpreter.allocate_tensors()
    (inlet,), (outlet,) = interpreter.get_input_details(), interpreter.get_output_details()
    scale, zero = outlet["quantization"]
    logits = []
    for frame in codes:
        interpreter.set_tensor(inlet["index"], (frame.astype(np.int16) - 128).astype(np.int8)[None, ..., None])
        interpreter.invoke()
        logits.append((interpreter.get_tensor(outlet["index"])[0].astype(np.float32) - zero) * scale)
    return np.array(logits), scale


@pytest.mark.parametrize(
    ("body", "shape"),
    [(pooled_twice, SHAPE), (depthwise, SHAPE), (residual, SHAPE), (two_stages, (120, 120))],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_training_rounds_as_the_artifact_does(body: Callable[..., Any], shape: tuple[int, int]) -> None:
    model = network(body, (*shape, 1))
    codes = some_codes(12, shape)
    reference = lower(model).reference
    # Half of the frames go beyond the ranges of the others: what saturates there must saturate here.
    table = measure_ranges(reference, codes[:6])
    placement = int8_tensors(reference)
    simulated = simulate_int8(up_to_logits(build_twin(model)), placement)
    set_ranges(simulated, placement, table)
    deployed, step = int8_logits(export_graph(reference, STATIC_INT8, table), codes)
    ours = simulated.predict_on_batch(codes[..., None].astype(np.float32) / np.float32(255))
    # A tie in an early layer may round the other way, and then moves what follows by a step.
    assert np.abs(ours - deployed).max() < 1.01 * step
    assert np.mean(np.abs(ours - deployed) < 1e-3 * step) > 0.9


def test_channels_that_were_pruned_away_stay_zero() -> None:
    """Their weights have no range to be rounded by."""
    model = network(conv_norm_relu)
    kernel = np.asarray(model.get_layer("conv").kernel)
    model.get_layer("conv").kernel.assign(kernel * (np.arange(6) != 2))
    placement = int8_tensors(lower(model).reference)
    simulated = simulate_int8(up_to_logits(build_twin(model)), placement)
    set_ranges(simulated, placement, dict.fromkeys(placement.values(), (-4.0, 4.0)))
    rounded = ChannelWeights()(tf.constant(model.get_layer("conv").kernel), True, {}).numpy()
    assert np.all(rounded[..., 2] == 0)
    assert np.all(np.isfinite(simulated.predict_on_batch(np.ones((1, *SHAPE, 1), np.float32))))


def test_int8_tensors_are_named_with_the_ranges_that_they_get() -> None:
    assert int8_tensors(lower(network(pooled_twice)).reference) == {
        "relu": "relu",
        "mean": "mean",
        "mean_dense": "joined",
        "peak": "joined",
        "joined": "joined",
        "logits": "logits",
    }
    # The converter makes the ReLU part of the addition, and the batch normalisation part of the depthwise layer.
    assert set(int8_tensors(lower(network(residual)).reference)) == {"stem", "branch", "joined_relu", "mean", "logits"}
    assert set(int8_tensors(lower(network(depthwise)).reference)) == {"relu", "depthwise_relu", "mean", "logits"}


def test_learned_weights_are_those_before_rounding() -> None:
    model = network(depthwise)
    twin = up_to_logits(build_twin(model))
    placement = int8_tensors(lower(model).reference)
    simulated = simulate_int8(twin, placement)
    set_ranges(simulated, placement, dict.fromkeys(placement.values(), (-1.0, 1.0)))
    before = twin.get_weights()
    simulated.predict_on_batch(np.zeros((1, *SHAPE, 1), np.float32))
    twin.set_weights([np.zeros_like(value) for value in before])
    learned_weights(simulated, twin)
    for value, kept in zip(twin.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)


def test_fine_tuning_learns_and_gives_a_plain_keras_model(make_dataset: DatasetFactory) -> None:
    # Without validation frames the last epoch is kept, so that it shows what was trained.
    dataset = open_dataset(make_dataset(shape=SHAPE, sizes=(SmallSplit(6, 6), SmallSplit(0, 0), SmallSplit(0, 0))))
    model = network(pooled_twice)
    before = model.get_weights()
    tuned = fine_tune(model, dataset, QUICK)

    assert isinstance(tuned, keras.Model)
    assert [(type(layer), layer.name) for layer in tuned.layers] == [(type(one), one.name) for one in model.layers]
    for value, kept in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(value, kept)
    changed = {w.path for w, old in zip(tuned.weights, before, strict=True) if not np.array_equal(w.numpy(), old)}
    learns = {"conv/kernel", "norm/gamma", "norm/beta", "mean_dense/kernel", "mean_dense/bias"}
    # The moving averages are what the deployed graph has folded: they stay.
    assert changed == learns | {"logits/kernel", "logits/bias"}
    again = fine_tune(model, dataset, QUICK)
    for value, other in zip(tuned.get_weights(), again.get_weights(), strict=True):
        np.testing.assert_array_equal(value, other)


def test_what_is_learned_is_what_the_network_gave(make_dataset: DatasetFactory) -> None:
    """A network that gives every frame one answer is not taught the other one."""
    dataset = open_dataset(make_dataset(shape=SHAPE))
    model = network(conv_norm_relu)
    kernel, _ = model.get_layer("logits").get_weights()
    model.get_layer("logits").set_weights([np.zeros_like(kernel), np.array([3.0, -3.0], np.float32)])
    tuned = fine_tune(model, dataset, replace(QUICK, epochs=3, learning_rate=1e-2))
    records = dataset.records("validation")
    frames = np.stack([dataset.codes(record) for record in records])[..., None] / np.float32(255)
    np.testing.assert_allclose(tuned.predict_on_batch(frames), model.predict_on_batch(frames), atol=5e-3)
    assert {record.observation.label for record in records} == {"galaxy", "NSC"}


def test_the_best_epoch_is_kept_and_the_start_counts_as_one(
    make_dataset: DatasetFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(make_dataset(shape=SHAPE))
    model = network(conv_norm_relu)
    tuned = {}
    for losses in ((0.5, 0.4, 0.6), (0.5, 0.9, 0.4), (0.3, 0.4, 0.5)):
        given = iter(losses)
        monkeypatch.setattr(TwinTraining, "validation_loss", lambda self, given=given: next(given))
        tuned[losses] = fine_tune(model, dataset, replace(QUICK, epochs=2)).get_weights()
    first, second, start = tuned.values()
    assert all(np.array_equal(a, b) for a, b in zip(start, model.get_weights(), strict=True))
    assert not np.array_equal(first[0], start[0])
    assert not np.array_equal(second[0], first[0])


def test_a_diverging_training_is_an_error(make_dataset: DatasetFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    losses = iter((0.5, float("nan")))
    monkeypatch.setattr(TwinTraining, "validation_loss", lambda self: next(losses))
    dataset = open_dataset(make_dataset(shape=SHAPE))
    with pytest.raises(
        ExportError, match=r"loss is nan in epoch 1; train with a lower .* Received: learning_rate=0.001"
    ):
        fine_tune(network(conv_norm_relu), dataset, QUICK)


def test_ranges_come_from_the_frames_that_quantizing_takes(
    make_dataset: DatasetFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    dataset = open_dataset(make_dataset(shape=SHAPE))
    seen = []

    def spy(graph: Any, frames: Any) -> Any:
        seen.append(list(frames))
        return measure_ranges(graph, frames)

    monkeypatch.setattr(qat, "measure_ranges", spy)
    fine_tune(network(conv_norm_relu), dataset, replace(QUICK, seed=5))
    wanted = [dataset.codes(record) for record in balanced_frames(dataset.records("train"), 4, seed=5)]
    assert len(seen) == 2
    for frames in seen:
        np.testing.assert_array_equal(frames, wanted)


def test_models_that_cannot_be_trained_so_are_refused(make_dataset: DatasetFactory) -> None:
    dataset = open_dataset(make_dataset(shape=(96, 96)))
    with pytest.raises(ModelError, match="takes 40 x 48 pixels, which no whole binning of 96 x 96 frames gives"):
        fine_tune(network(conv_norm_relu), dataset, QUICK)
    odd = network(lambda layers, x: layers.UpSampling2D(name="larger")(x), (96, 96, 1))
    with pytest.raises(NoTwinError, match="layer 'larger'"):
        fine_tune(odd, dataset, QUICK)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"epochs": 0}, "`epochs` must be at least 1. Received: epochs=0"),
        ({"batch_size": 0}, "`batch_size` must be at least 1. Received: batch_size=0"),
        ({"learning_rate": 0.0}, "`learning_rate` must be finite and above 0. Received: learning_rate=0.0"),
        ({"calibration_frames": 0}, "`calibration_frames` must be at least 1. Received: calibration_frames=0"),
    ],
)
def test_options_are_checked(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        QatOptions(**wrong)
