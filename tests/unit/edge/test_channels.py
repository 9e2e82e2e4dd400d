from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from celestial_edge.compress.channel_units import find_units
from celestial_edge.compress.channels import PrunedLayer, PrunedModel, prune_channels, remove_units
from celestial_edge.compress.importance import filter_contributions
from celestialkeras.errors import ModelError
from celestialkeras.evaluation.evaluate import FrameBatch
from celestialkeras.lcid.manifest import LABELS, Observation
from celestialkeras.models.cost import model_cost
from toy_networks import logits_of, network, residual, some_frames, two_stages


def labelled_frames(model: Any, count: int = 4) -> FrameBatch:
    """Random frames of a model's size, of each class in turn."""
    shape = model.inputs[0].shape[1:3]
    codes = np.random.default_rng(2).integers(0, 256, (count, *shape)).astype(np.uint8)
    rows = [
        Observation("M 51", "ACS/WFC", f"jaaa{number:05d}", "F814W", 10.0, 5.0, 1, LABELS[number % 2])
        for number in range(count)
    ]
    return FrameBatch(codes, rows)


def weakened(model: Any, share: float) -> PrunedModel:
    return prune_channels(model, share, labelled_frames(model))


def convolution(x: Any, name: str, filters: int = 8, **options: Any) -> Any:
    x = layers.Conv2D(filters, 3, padding="same", use_bias=False, name=name, **options)(x)
    return layers.ReLU(name=f"{name}_relu")(layers.BatchNormalization(name=f"{name}_bn")(x))


def plain(_: Any, x: Any) -> Any:
    return convolution(convolution(x, "one"), "two", 12)


def concatenated(_: Any, x: Any) -> Any:
    joined = layers.Concatenate(name="joined")([convolution(x, "left"), convolution(x, "right", 4)])
    return convolution(joined, "behind", 4)


def pooled_twice(_: Any, x: Any) -> Any:
    x = convolution(x, "features")
    mean = layers.Dense(4, activation="relu", name="mean_dense")(layers.GlobalAveragePooling2D(name="mean")(x))
    peak = layers.GlobalMaxPooling2D(name="peak")(x)
    return layers.Concatenate(name="pooled")([mean, peak])


def depthwise(_: Any, x: Any) -> Any:
    x = layers.DepthwiseConv2D(3, depth_multiplier=2, name="depthwise")(convolution(x, "pointwise", 6))
    return layers.BatchNormalization(name="depthwise_bn")(x)


def added(_: Any, x: Any) -> Any:
    x = convolution(x, "stem")
    branch = layers.Conv2D(8, 3, padding="same", name="branch2")(convolution(x, "branch1"))
    return layers.ReLU(name="out")(layers.Add(name="joined")([x, branch]))


def zero_filters(model: Any, dead: dict[str, list[int]]) -> None:
    """Sets filters, and whatever would make them give a constant, to zero."""
    for name, filters in dead.items():
        layer = model.get_layer(name)
        layer.set_weights([_zeroed(weight, filters) for weight in layer.get_weights()])
        if any(other.name == f"{name}_bn" for other in model.layers):
            norm = model.get_layer(f"{name}_bn")
            gamma, beta, mean, variance = norm.get_weights()
            norm.set_weights([_zeroed(gamma, filters), _zeroed(beta, filters), mean, variance])


def _zeroed(weight: np.ndarray, filters: list[int]) -> np.ndarray:
    weight = weight.copy()
    weight[..., filters] = 0
    return weight


@pytest.mark.parametrize(
    ("body", "dead"),
    [
        (plain, {"one": [0, 3, 5, 6], "two": [1, 2, 4, 7, 8, 11]}),
        (concatenated, {"left": [1, 2, 6, 7], "right": [0, 3], "behind": [1, 3]}),
        (pooled_twice, {"features": [0, 2, 3, 7]}),
        (added, {"stem": [0, 1, 4, 6], "branch1": [2, 3, 5, 7], "branch2": [0, 1, 4, 6]}),
    ],
)
def test_taking_out_zeroed_filters_changes_no_output(body: Any, dead: dict[str, list[int]]) -> None:
    model = network(body, (12, 16, 1))
    zero_filters(model, dead)
    frames = some_frames(model, 3)
    expected = logits_of(model, frames)
    pruned = weakened(model, 0.5)
    np.testing.assert_allclose(logits_of(pruned.model, frames), expected, atol=1e-5)
    assert {layer.name: layer.before - layer.after for layer in pruned.layers} == {
        name: len(filters) for name, filters in dead.items()
    }
    assert logits_of(model, frames).tolist() == expected.tolist()


def test_flattened_maps_lose_every_value_of_a_channel() -> None:
    model = network(two_stages, (80, 80, 1))
    dead = list(range(0, 16, 2))
    norm = model.get_layer("three_norm")
    gamma, beta, mean, variance = norm.get_weights()
    norm.set_weights([_zeroed(gamma, dead), _zeroed(beta, dead), mean, variance])
    units = find_units(model)
    positions = int(np.prod(model.get_layer("three_pool").output.shape[1:3]))
    filters = units.outputs["three_conv"]
    assert units.inputs["fc"].tolist() == filters.tolist() * positions
    smaller = remove_units(model, units, filters[dead].tolist()).model
    assert smaller.get_layer("fc").kernel.shape == (8 * positions, 40)
    frames = some_frames(model, 2)
    np.testing.assert_allclose(logits_of(smaller, frames), logits_of(model, frames), atol=1e-5)


def test_depthwise_convolutions_follow_the_layer_before() -> None:
    model = network(depthwise, (12, 16, 1))
    dead = [1, 2, 5]
    zero_filters(model, {"pointwise": dead})
    follower, norm = model.get_layer("depthwise"), model.get_layer("depthwise_bn")
    outputs = [2 * one + copy for one in dead for copy in (0, 1)]
    kernel, bias = follower.get_weights()
    follower.set_weights([kernel, _zeroed(bias, outputs)])
    gamma, beta, mean, variance = norm.get_weights()
    norm.set_weights([gamma, _zeroed(beta, outputs), _zeroed(mean, outputs), variance])
    frames = some_frames(model, 2)
    units = find_units(model)
    pruned = remove_units(model, units, units.outputs["pointwise"][dead].tolist()).model
    assert pruned.get_layer("depthwise").kernel.shape == (3, 3, 3, 2)
    np.testing.assert_allclose(logits_of(pruned, frames), logits_of(model, frames), atol=1e-5)


def test_parameters_and_operations_are_those_of_the_smaller_network() -> None:
    model = network(plain, (12, 16, 1))
    before, after = model_cost(model), model_cost(weakened(model, 0.25).model)
    positions = 12 * 16
    assert before.macs == positions * (9 * 1 * 8 + 9 * 8 * 12 + 12 * 2)
    assert after.macs == positions * (9 * 1 * 6 + 9 * 6 * 9 + 9 * 2)
    assert after.trainable == 9 * 1 * 6 + 2 * 6 + 9 * 6 * 9 + 2 * 9 + (positions * 9 * 2 + 2)
    assert after.total == after.trainable + 2 * (6 + 9)


def losses(model: Any, frames: FrameBatch) -> np.ndarray:
    logits = logits_of(model, frames.codes[..., None].astype(np.float32) / np.float32(255)).astype(np.float64)
    labels = [observation.label_code for observation in frames.observations]
    return np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(len(labels)), labels]


@pytest.mark.parametrize("name", ["stem", "branch2"])
def test_contributions_are_the_slopes_along_the_outputs_of_filters(name: str) -> None:
    """The first has batch normalisation behind it, the second has not."""
    model = network(added, (12, 16, 1))
    frames = labelled_frames(model)
    contributions = filter_contributions(model, frames)[name]
    assert contributions.shape == (4, 8)
    scaled = model.get_layer("stem_bn" if name == "stem" else name)
    weights, step = scaled.get_weights(), 1e-2
    for filters in (0, 5):
        sides = []
        for factor in (1 + step, 1 - step):
            changed = [weight.copy() for weight in weights]
            for weight in changed[:2]:
                weight[..., filters] *= factor
            scaled.set_weights(changed)
            sides.append(losses(model, frames))
        scaled.set_weights(weights)
        np.testing.assert_allclose(contributions[:, filters], (sides[0] - sides[1]) / (2 * step), rtol=0.02, atol=2e-4)


def test_weights_that_stay_are_untouched_and_the_filters_that_matter_stay() -> None:
    model = network(plain, (12, 16, 1))
    importance = (filter_contributions(model, labelled_frames(model))["one"] ** 2).mean(axis=0)
    kernel = model.get_layer("one").get_weights()[0]
    stay = np.sort(np.argsort(importance)[2:])
    pruned = weakened(model, 0.25).model
    np.testing.assert_array_equal(pruned.get_layer("one").get_weights()[0], kernel[..., stay])
    for given, kept in zip(model.get_layer("one_bn").get_weights(), pruned.get_layer("one_bn").get_weights(), strict=1):
        np.testing.assert_array_equal(kept, given[stay])


def test_added_paths_lose_the_filters_that_matter_least_together() -> None:
    units = find_units(network(added, (12, 16, 1)))
    assert [group.convolutions for group in units.groups] == [("branch1",), ("stem", "branch2")]
    assert units.outputs["stem"].tolist() == units.outputs["branch2"].tolist()
    model = network(residual)
    pruned = weakened(model, 0.5)
    assert pruned.layers == (PrunedLayer("stem", 8, 4), PrunedLayer("branch", 8, 4))
    contributions = filter_contributions(model, labelled_frames(model))
    together = ((contributions["stem"] + contributions["branch"]) ** 2).mean(axis=0)
    stay = np.sort(np.argsort(together)[4:])
    np.testing.assert_array_equal(
        pruned.model.get_layer("branch").get_weights()[0],
        model.get_layer("branch").get_weights()[0][:, :, stay][..., stay],
    )


def test_a_path_added_to_the_frame_keeps_all_its_filters() -> None:
    def body(_: Any, x: Any) -> Any:
        return layers.Add(name="joined")([x, convolution(convolution(x, "first"), "last", 1)])

    pruned = weakened(network(body, (12, 16, 1)), 0.5)
    assert pruned.layers == (PrunedLayer("first", 8, 4), PrunedLayer("last", 1, 1))


def test_layers_that_are_not_known_to_work_by_channel_keep_what_they_read() -> None:
    def body(_: Any, x: Any) -> Any:
        return layers.Permute((2, 1, 3), name="turned")(convolution(convolution(x, "free"), "read"))

    def by_row(_: Any, x: Any) -> Any:
        x = layers.BatchNormalization(axis=1, name="norm")(layers.Conv2D(8, 3, name="read")(convolution(x, "free")))
        return layers.ReLU(name="relu")(x)

    def softmax(_: Any, x: Any) -> Any:
        return convolution(convolution(x, "free", activation="softmax"), "behind")

    assert weakened(network(body, (12, 16, 1)), 0.5).layers == (
        PrunedLayer("free", 8, 4),
        PrunedLayer("read", 8, 8),
    )
    assert [layer.after for layer in weakened(network(by_row, (12, 16, 1)), 0.5).layers] == [4, 8]
    assert weakened(network(softmax, (12, 16, 1)), 0.5).layers[0] == PrunedLayer("free", 8, 8)


def test_each_convolution_of_a_tied_set_keeps_a_filter() -> None:
    def body(_: Any, x: Any) -> Any:
        joined = layers.Concatenate(name="joined")([convolution(x, "weak", 4), convolution(x, "strong", 4)])
        return layers.Add(name="sum")([joined, convolution(x, "other", 8)])

    model = network(body, (12, 16, 1))
    zero_filters(model, {"weak": [0, 1, 2, 3], "other": [0, 1, 2, 3]})
    pruned = weakened(model, 0.5)
    assert [layer.after for layer in pruned.layers] == [1, 3, 4]


def test_names_number_formats_and_loading_survive(tmp_path: Path) -> None:
    frame = keras.Input((12, 16, 1), name="frame")
    x = layers.Conv2D(8, 3, name="conv", dtype="mixed_bfloat16", kernel_regularizer="l2")(frame)
    x = layers.GlobalMaxPooling2D(name="peak", dtype="mixed_bfloat16")(x)
    logits = layers.Dense(2, name="logits", dtype="float32")(x)
    model = keras.Model(frame, layers.Softmax(name="probabilities", dtype="float32")(logits), name="mixed")
    pruned = weakened(model, 0.5).model
    assert pruned.name == "mixed"
    assert [layer.name for layer in pruned.layers] == ["frame", "conv", "peak", "logits", "probabilities"]
    assert pruned.get_layer("conv").dtype_policy.name == "mixed_bfloat16"
    assert isinstance(pruned.get_layer("conv").kernel_regularizer, keras.regularizers.L2)
    pruned.save(tmp_path / "pruned.keras")
    loaded = keras.models.load_model(tmp_path / "pruned.keras", safe_mode=True)
    assert [weight.shape for weight in loaded.weights] == [(3, 3, 1, 4), (4,), (4, 2), (2,)]
    assert {entry["module"] for entry in loaded.get_config()["layers"]} == {"keras.layers"}


def test_what_cannot_be_pruned_is_refused_by_name() -> None:
    def shared(_: Any, x: Any) -> Any:
        twice = layers.Conv2D(1, 3, padding="same", name="twice")
        return twice(twice(x))

    def nested(_: Any, x: Any) -> Any:
        return keras.Sequential([keras.Input((12, 16, 1)), layers.MaxPooling2D()], name="inner")(x)

    with pytest.raises(ModelError, match="'twice' in model 'toy', called 2 times"):
        weakened(network(shared, (12, 16, 1)), 0.5)
    with pytest.raises(ModelError, match="'inner' of class Sequential"):
        weakened(network(nested, (12, 16, 1)), 0.5)
    with pytest.raises(ModelError, match=r"no filter to spare at this share.*share=0\.05, convolutions: one, two"):
        weakened(network(plain, (12, 16, 1)), 0.05)
    for share in (0.0, 1.0, -0.5, float("nan")):
        with pytest.raises(ModelError, match="`share` must be above 0 and below 1"):
            weakened(network(plain, (12, 16, 1)), share)
