import keras
import numpy as np
import pytest
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.models.cost import model_cost, registered_cost


def chain(*stack, shape=(10, 12, 1)):
    return keras.Sequential([keras.Input(shape), *stack])


def test_convolution_is_counted_by_hand():
    # 8 x 10 output pixels, 3 x 3 x 1 products for each of 4 filters.
    cost = model_cost(chain(layers.Conv2D(4, 3)))
    assert cost.macs == 8 * 10 * 9 * 4
    assert (cost.trainable, cost.total) == (9 * 4 + 4, 9 * 4 + 4)
    assert cost.input_shape == (10, 12, 1)


@pytest.mark.parametrize(
    ("layer", "channels", "macs"),
    [
        (layers.Conv2D(4, 3, strides=2, padding="same"), 2, 5 * 6 * 9 * 2 * 4),
        (layers.Conv2D(4, 3, groups=2), 2, 8 * 10 * 9 * 1 * 4),
        (layers.DepthwiseConv2D(3, depth_multiplier=2), 3, 8 * 10 * 9 * 6),
        (layers.SeparableConv2D(5, 3), 3, 8 * 10 * (9 * 3 + 3 * 5)),
        (layers.Dense(7), 3, 10 * 12 * 3 * 7),
        (layers.MaxPooling2D(2), 3, 0),
        (layers.BatchNormalization(), 3, 0),
    ],
)
def test_each_kind_of_layer_is_counted(layer, channels, macs):
    assert model_cost(chain(layer, shape=(10, 12, channels))).macs == macs


def test_moving_averages_are_weights_but_not_trainable():
    cost = model_cost(chain(layers.BatchNormalization(), shape=(4, 4, 3)))
    assert (cost.trainable, cost.total) == (6, 12)


def test_nested_models_are_counted_through():
    inner = chain(layers.Conv2D(4, 3))
    assert model_cost(chain(inner, layers.Flatten(), layers.Dense(2))).macs == 8 * 10 * 9 * 4 + 8 * 10 * 4 * 2


def test_another_shape_is_counted_without_touching_the_model():
    model = chain(layers.Conv2D(4, 3), layers.Flatten(), layers.Dense(2))
    weights = model.get_weights()
    cost = model_cost(model, (20, 24, 1))
    assert cost.macs == 18 * 22 * 9 * 4 + 18 * 22 * 4 * 2
    assert cost.total == 40 + 18 * 22 * 4 * 2 + 2
    assert all(np.array_equal(a, b) for a, b in zip(model.get_weights(), weights, strict=True))


def test_impossible_shape_is_refused():
    with pytest.raises(ModelError, match=r"cannot take this shape .* Received: input_shape=\(2, 2, 1\)"):
        model_cost(chain(layers.Conv2D(4, 3)), (2, 2, 1))


def test_open_shape_needs_one():
    model = chain(layers.Conv2D(4, 3), shape=(None, None, 1))
    with pytest.raises(ModelError, match="leaves its input shape open"):
        model_cost(model)
    assert model_cost(model, (10, 12, 1)).macs == 8 * 10 * 9 * 4


def test_unknown_work_is_refused_rather_than_left_out():
    with pytest.raises(ModelError, match="class Conv2DTranspose"):
        model_cost(chain(layers.Conv2DTranspose(4, 3)))


def test_published_network_costs_what_the_paper_size_says():
    cost = registered_cost("hr_celestialnet")
    assert cost.input_shape == (2048, 4096, 1)
    assert cost.trainable == 97_048_130
    assert cost.total == 97_048_130 + 2 * (32 + 64 + 2 * 128 + 4 * 256 + 4 * 512)
    assert round(cost.gmac, 1) == 177.9
