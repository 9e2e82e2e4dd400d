import math

import keras
import pytest
import tensorflow as tf

from celestialkeras.errors import ModelError
from celestialkeras.models.hr_celestialnet import RULE, STAGES, hr_celestialnet


@pytest.fixture(scope="module")
def full_size():
    # In a graph that never runs, the 97 M weights have shapes but no memory.
    with tf.Graph().as_default():
        yield hr_celestialnet()


# Output H x W x C of each stage, as the paper's table gives them.
PUBLISHED_SHAPES = {
    "stage1_pool": (509, 1021, 32),
    "stage2_pool": (250, 506, 64),
    "stage3_pool": (121, 249, 128),
    "stage4_pool": (58, 122, 256),
    "stage5_pool": (27, 59, 256),
    "stage6_pool": (11, 27, 512),
    "stage7_pool": (3, 11, 512),
    "flatten": (16896,),
    "fc1": (4096,),
    "fc2": (4096,),
    "logits": (2,),
    "probabilities": (2,),
}


@pytest.mark.parametrize("layer", PUBLISHED_SHAPES)
def test_every_stage_gives_the_published_shape(full_size, layer):
    assert full_size.get_layer(layer).output.shape == (None, *PUBLISHED_SHAPES[layer])


def test_has_the_published_number_of_trainable_parameters(full_size):
    assert sum(weight.shape.num_elements() for weight in full_size.trainable_weights) == 97_048_130
    dense = sum(full_size.get_layer(name).count_params() for name in ("fc1", "fc2", "logits"))
    assert round(dense / 97_048_130, 3) == 0.886


def test_convolutions_are_the_published_ones(full_size):
    convolutions = [layer for layer in full_size.layers if isinstance(layer, keras.layers.Conv2D)]
    assert [(layer.kernel_size, layer.filters) for layer in convolutions] == [
        ((7, 7), 32),
        ((7, 7), 64),
        ((5, 5), 128),
        ((5, 5), 128),
        ((3, 3), 256),
        ((3, 3), 256),
        ((3, 3), 256),
        ((3, 3), 256),
        ((3, 3), 512),
        ((3, 3), 512),
        ((3, 3), 512),
        ((3, 3), 512),
    ]
    assert all(layer.use_bias and layer.padding == "valid" and layer.strides == (1, 1) for layer in convolutions)


def test_each_convolution_is_followed_by_batch_normalisation_and_relu(full_size):
    kinds = [type(layer).__name__ for layer in full_size.layers]
    expected = ["InputLayer"]
    for stage in STAGES:
        expected += ["Conv2D", "BatchNormalization", "ReLU"] * stage.convolutions + ["MaxPooling2D"]
    assert kinds == [*expected, "Flatten", "Dense", "Dense", "Dense", "Softmax"]


def test_batch_normalisation_matches_the_release(full_size):
    norms = [layer for layer in full_size.layers if isinstance(layer, keras.layers.BatchNormalization)]
    assert len(norms) == 12
    assert {(layer.epsilon, layer.momentum) for layer in norms} == {(1e-5, 0.9)}


def test_poolings_are_the_published_ones(full_size):
    pools = [layer for layer in full_size.layers if isinstance(layer, keras.layers.MaxPooling2D)]
    assert [(p.pool_size[0], p.strides[0]) for p in pools] == [(8, 4), (4, 2)] + [(2, 2)] * 5


def test_smallest_side_is_what_the_stages_leave_one_pixel_of():
    side = 1
    for stage in reversed(STAGES):
        side = (side - 1) * stage.stride + stage.pool + stage.convolutions * (stage.kernel - 1)
    assert side == RULE.minimum_side == 1322
    smallest = hr_celestialnet((side, side, 1), width=0.02)
    assert smallest.get_layer("stage7_pool").output.shape[1:3] == (1, 1)


@pytest.mark.parametrize("shape", [(1321, 4096, 1), (2048, 1024, 1)])
def test_shorter_sides_are_refused_with_the_reason(shape):
    with pytest.raises(ModelError, match="at least 1322 pixels: the seven unpadded stages leave nothing"):
        hr_celestialnet(shape)


def test_width_scales_filters_and_hidden_units():
    model = hr_celestialnet((1322, 1322, 1), width=0.0625)
    assert model.get_layer("stage1_conv1").filters == 2
    assert model.get_layer("stage7_conv2").filters == 32
    assert model.get_layer("fc1").units == 256
    assert model.get_layer("logits").units == 2


@pytest.mark.parametrize(
    ("option", "value"), [("width", 0), ("width", -1.0), ("width", math.nan), ("width", math.inf), ("classes", 1)]
)
def test_senseless_options_are_refused(option, value):
    with pytest.raises(ModelError, match=f"`{option}` must be .* Received: {option}={value}"):
        hr_celestialnet((1322, 1322, 1), **{option: value})
