from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from keras import layers

from celestial_edge.compress.factorize import (
    FactorizedLayer,
    balanced_factors,
    factorize,
    rank_for_energy,
    replace_dense,
)
from celestialkeras.errors import ModelError
from celestialkeras.models.cost import model_cost
from toy_networks import logits_of, network, some_frames

SHAPE = (10, 12, 1)


def two_dense(_: Any, x: Any) -> Any:
    x = layers.Flatten(name="flatten")(layers.Conv2D(2, 3, name="conv")(x))
    x = layers.Dense(60, activation="relu", name="fc1")(x)
    return layers.Dense(30, activation="relu", use_bias=False, name="fc2")(x)


def kernel(model: Any, name: str) -> np.ndarray:
    return np.asarray(model.get_layer(name).kernel)


def test_full_rank_gives_the_same_network() -> None:
    model = network(two_dense, SHAPE)
    factors = {}
    for name in ("fc1", "fc2", "logits"):
        left, values, right = np.linalg.svd(kernel(model, name), full_matrices=False)
        factors[name] = balanced_factors(left, values, right, len(values))
    frames = some_frames(model, 4)
    rebuilt = replace_dense(model, factors)
    assert rebuilt.count_params() > model.count_params()
    np.testing.assert_allclose(logits_of(rebuilt, frames), logits_of(model, frames), atol=1e-5)


def test_a_layer_of_low_rank_is_replaced_without_loss() -> None:
    model = network(two_dense, SHAPE)
    rng = np.random.default_rng(4)
    fc1 = model.get_layer("fc1")
    low = rng.normal(0, 0.2, (160, 5)) @ rng.normal(0, 0.2, (5, 60))
    fc1.set_weights([low, fc1.get_weights()[1]])
    frames = some_frames(model, 4)
    result = factorize(model, rank=5)
    assert [(one.name, one.rank, one.replaced) for one in result.layers] == [
        ("fc1", 5, True),
        ("fc2", 5, True),
    ]
    only = replace_dense(model, {"fc1": (kernel(result.model, "fc1_factor"), kernel(result.model, "fc1"))})
    np.testing.assert_allclose(logits_of(only, frames), logits_of(model, frames), atol=1e-5)
    assert result.layers[0].energy == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("energy", [0.3, 0.5, 0.8, 0.9])
def test_the_rank_is_the_lowest_that_keeps_the_energy(energy: float) -> None:
    model = network(two_dense, SHAPE)
    # Singular values that fall off, as those of trained layers do.
    for name, inputs, units in (("fc1", 160, 60), ("fc2", 60, 30)):
        rng = np.random.default_rng(inputs)
        left, _ = np.linalg.qr(rng.normal(size=(inputs, units)))
        right, _ = np.linalg.qr(rng.normal(size=(units, units)))
        layer = model.get_layer(name)
        layer.set_weights([(left * 0.9 ** np.arange(units)) @ right, *layer.get_weights()[1:]])
    for one in factorize(model, energy=energy).layers:
        squares = np.linalg.svd(kernel(model, one.name), compute_uv=False).astype(np.float64) ** 2
        kept = squares.cumsum() / squares.sum()
        assert kept[one.rank - 1] >= energy
        assert one.rank == 1 or kept[one.rank - 2] < energy
        assert one.energy == pytest.approx(kept[one.rank - 1], abs=1e-6)


def test_the_product_is_the_best_approximation_of_its_rank() -> None:
    model = network(two_dense, SHAPE)
    result = factorize(model, rank=7).model
    left, values, right = np.linalg.svd(kernel(model, "fc1"), full_matrices=False)
    product = kernel(result, "fc1_factor") @ kernel(result, "fc1")
    np.testing.assert_allclose(product, (left[:, :7] * values[:7]) @ right[:7], atol=1e-6)
    assert np.linalg.norm(product - kernel(model, "fc1")) == pytest.approx(np.sqrt((values[7:] ** 2).sum()), rel=1e-5)
    # Neither factor has all of the scale.
    norms = [np.linalg.norm(kernel(result, name)) for name in ("fc1_factor", "fc1")]
    assert norms[0] == pytest.approx(norms[1], rel=1e-4)


def test_only_layers_that_get_cheaper_are_replaced_and_biases_are_kept() -> None:
    model = network(two_dense, SHAPE)
    # 160 x 60 pays below rank 43.6, 60 x 30 below 20.
    result = factorize(model, rank=20)
    assert [(one.shape, one.rank, one.replaced) for one in result.layers] == [
        ((160, 60), 20, True),
        ((60, 30), 20, False),
    ]
    names = ["frame", "conv", "flatten", "fc1_factor", "fc1", "fc2", "logits", "probabilities"]
    assert [layer.name for layer in result.model.layers] == names
    first, second = result.model.get_layer("fc1_factor"), result.model.get_layer("fc1")
    assert not first.use_bias
    assert first.activation.__name__ == "linear"
    assert second.activation.__name__ == "relu"
    np.testing.assert_array_equal(second.bias, model.get_layer("fc1").bias)
    np.testing.assert_array_equal(kernel(result.model, "fc2"), kernel(model, "fc2"))
    np.testing.assert_array_equal(kernel(result.model, "conv"), kernel(model, "conv"))
    before, after = model_cost(model), model_cost(result.model)
    assert before.macs - after.macs == 160 * 60 - 20 * (160 + 60)
    assert before.trainable - after.trainable == 160 * 60 - 20 * (160 + 60)


def test_number_formats_and_loading_survive(tmp_path: Path) -> None:
    frame = keras.Input((6, 6, 1), name="frame")
    x = layers.Flatten(name="flatten")(frame)
    x = layers.Dense(20, name="fc", dtype="mixed_bfloat16")(x)
    logits = layers.Dense(2, name="logits", dtype="float32")(x)
    model = keras.Model(frame, layers.Softmax(name="probabilities", dtype="float32")(logits), name="mixed")
    result = factorize(model, rank=3)
    assert result.model.name == "mixed"
    assert result.model.get_layer("fc_factor").dtype_policy.name == "mixed_bfloat16"
    result.model.save(tmp_path / "thin.keras")
    loaded = keras.models.load_model(tmp_path / "thin.keras", safe_mode=True)
    assert [layer.name for layer in loaded.layers] == ["frame", "flatten", "fc_factor", "fc", "logits", "probabilities"]
    assert loaded.get_layer("fc_factor").kernel.shape == (36, 3)
    assert {entry["module"] for entry in loaded.get_config()["layers"]} == {"keras.layers"}


def test_rank_for_energy_of_plain_numbers() -> None:
    values = np.array([3.0, 2.0, 1.0, 0.0])
    assert [rank_for_energy(values, energy) for energy in (0.1, 9 / 14, 0.65, 13 / 14, 0.93, 1.0)] == [1, 1, 2, 2, 3, 3]
    assert rank_for_energy(np.zeros(4), 0.9) == 1


def test_what_cannot_be_factorized_is_refused() -> None:
    model = network(two_dense, SHAPE)
    with pytest.raises(ModelError, match=r"no dense layer .* fc1 160 x 60 at rank 60, fc2 60 x 30 at rank 30$"):
        factorize(model, energy=1.0)
    with pytest.raises(ModelError, match="one of `energy` and `rank`"):
        factorize(model)
    with pytest.raises(ModelError, match="one of `energy` and `rank`"):
        factorize(model, energy=0.5, rank=3)
    with pytest.raises(ModelError, match="`energy` must be above 0 and at most 1"):
        factorize(model, energy=1.5)
    with pytest.raises(ModelError, match="`rank` must be at least 1"):
        factorize(model, rank=0)


def test_a_decision_is_plain_data() -> None:
    found = factorize(network(two_dense, SHAPE), rank=30).layers[1]
    assert found == FactorizedLayer("fc2", (60, 30), 30, 1.0, False)
