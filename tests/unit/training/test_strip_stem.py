"""A stem computed in strips is the stem computed whole: logits, loss, gradients and moving averages."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from celestialkeras.errors import ModelError
from celestialkeras.models.registry import build_model
from celestialkeras.training.strip_convolution import StripConvolution, Windows
from celestialkeras.training.strip_stem import StripNetwork, leading_blocks
from toy_networks import network


def block(layers, x, name, filters, kernel, pool, stride=1, padding="valid", **options):
    """Convolution `kernel`/`stride`, batch normalisation, ReLU, max-pooling `pool` = (window, stride)."""
    x = layers.Conv2D(filters, kernel, stride, padding=padding, name=f"{name}_conv")(x)
    x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_norm", **options)(x)
    return layers.MaxPooling2D(*pool, padding=padding, name=f"{name}_pool")(layers.ReLU(name=f"{name}_relu")(x))


def two_large_blocks(layers, x):
    """HR-CelestialNet's first two stages: its pools overlap, and the first leaves rows over."""
    return block(layers, block(layers, x, "one", 5, 7, (8, 4)), "two", 4, 5, (4, 2))


def padded_stem(layers, x):
    """ResNet's stem, and a second block whose gradient crosses the padding of the first."""
    x = block(layers, x, "one", 5, 7, (3, 2), stride=2, padding="same")
    return block(layers, x, "two", 4, 3, (3, 2), padding="same")


def strided_stem(layers, x):
    """AlexNet's stem: the convolution's stride leaves input rows unread in the second block too."""
    x = block(layers, x, "one", 5, 9, (3, 2), stride=4)
    return block(layers, x, "two", 4, 5, (2, 2), stride=3)


def pool_with_gaps(layers, x):
    """A pooling that skips rows, which count in the moments all the same."""
    return block(layers, x, "one", 5, 3, (2, 3))


def relu_by_name(layers, x):
    """An `Activation` and a convolution without a bias."""
    x = layers.Conv2D(5, 3, use_bias=False, name="conv")(x)
    x = layers.Activation("relu")(layers.BatchNormalization(name="norm")(x))
    return layers.MaxPooling2D(2)(x)


STEMS = [
    (two_large_blocks, (61, 54, 1)),
    (two_large_blocks, (60, 53, 1)),
    (padded_stem, (37, 30, 1)),
    (padded_stem, (40, 33, 1)),
    (strided_stem, (113, 100, 1)),
    (strided_stem, (111, 97, 1)),
    (pool_with_gaps, (23, 17, 1)),
    (relu_by_name, (21, 18, 3)),
]


def logits_model(model):
    return keras.Model(model.input, model.get_layer("logits").output)


def bare_network(body):
    """As `network` makes them, with the first weights that Keras gives."""
    keras.utils.set_random_seed(0)
    frame = keras.Input((20, 20, 1))
    logits = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(body(keras.layers, frame)))
    return keras.Model(frame, keras.layers.Softmax()(logits))


def some_batch(model, frames=2):
    rng = np.random.default_rng(3)
    return rng.random((frames, *model.input_shape[1:]), np.float32), np.arange(frames, dtype=np.int32) % 2


def step_of(forward, model, frames, labels):
    """Loss, gradients of all weights by path, and the moving averages afterwards, of one training step."""

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            logits = forward(frames, training=True)
            losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
            loss = tf.reduce_mean(losses * (1.0, 2.0)[: len(labels)])
        return loss, tape.gradient(loss, [one.value for one in model.trainable_variables])

    loss, gradients = step()
    found = {one.path: value.numpy() for one, value in zip(model.trainable_variables, gradients, strict=True)}
    return float(loss), found, {one.path: one.value.numpy() for one in model.non_trainable_variables}


def assert_same_step(found, expected):
    assert found[0] == pytest.approx(expected[0], rel=1e-5)
    assert found[1].keys() == expected[1].keys()
    for path, gradient in expected[1].items():
        if path.endswith("conv/bias"):
            # Normalisation takes it out again: what whole maps give is rounding.
            assert np.abs(gradient).max() < 1e-4
            assert not found[1][path].any()
        else:
            tolerance = 1e-4 * np.abs(gradient).max()
            np.testing.assert_allclose(found[1][path], gradient, rtol=0, atol=tolerance, err_msg=path)
    for path, average in expected[2].items():
        np.testing.assert_allclose(found[2][path], average, rtol=1e-4, atol=1e-6, err_msg=path)


def half_active(model):
    """Offsets that ReLU cuts many maxima at: cutting none, an offset would go as a bias goes, in the next block."""
    for layer in model.layers:
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.beta.assign(layer.beta - 2 * abs(layer.gamma))
    return model


@pytest.mark.parametrize(("stem", "shape"), STEMS)
def test_a_step_in_strips_is_the_plain_step(stem, shape):
    model = half_active(network(stem, shape))
    start = model.get_weights()
    batch = some_batch(model)
    expected = step_of(logits_model(model), model, *batch)
    for strips in (1, 3, 100):
        model.set_weights(start)
        assert_same_step(step_of(StripNetwork(model, strips), model, *batch), expected)


def test_normalization_without_scale_and_offset():
    model = bare_network(lambda layers, x: block(layers, x, "one", 5, 3, (2, 2), scale=False, center=False))
    start, batch = model.get_weights(), some_batch(model)
    expected = step_of(logits_model(model), model, *batch)
    model.set_weights(start)
    assert_same_step(step_of(StripNetwork(model, 3), model, *batch), expected)


def test_validation_in_strips_gives_the_same_logits_and_moves_nothing():
    model = network(two_large_blocks, (60, 53, 1))
    frames, _ = some_batch(model, frames=3)
    before = model.get_weights()
    found = tf.function(StripNetwork(model, 4))(frames, training=False)
    np.testing.assert_allclose(found, logits_model(model)(frames, training=False), rtol=1e-4, atol=1e-5)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_the_variance_of_a_map_far_from_zero_is_not_lost():
    """A sum of squares less the square of the sum would have no digit left."""
    model = network(relu_by_name, (21, 18, 3))
    frames, labels = some_batch(model)
    frames = 0.01 * frames + 100
    expected = step_of(logits_model(model), model, frames, labels)[2]
    same = network(relu_by_name, (21, 18, 3))
    found = step_of(StripNetwork(same, 3), same, frames, labels)[2]
    np.testing.assert_allclose(found["norm/moving_variance"], expected["norm/moving_variance"], rtol=1e-4)


def test_moments_of_a_large_map_keep_their_digits():
    """Added up in one go in float32, these variances would be up to 0.05 % off."""
    rng = np.random.default_rng(3)
    frames = rng.random((1, 1000, 1000, 1), np.float32)
    kernel = rng.normal(0, 0.05, (7, 7, 1, 4)).astype(np.float32)
    exact = tf.nn.conv2d(frames.astype(np.float64), kernel.astype(np.float64), 1, "VALID").numpy()
    convolution = StripConvolution(
        (1000, 1000), Windows((7, 7), (1, 1), same=False), Windows((8, 8), (4, 4), same=False), strips=32
    )
    _, mean, variance = convolution(tf.constant(frames), tf.constant(kernel))
    np.testing.assert_allclose(mean, exact.mean((0, 1, 2)), rtol=1e-5)
    np.testing.assert_allclose(variance, exact.var((0, 1, 2)), rtol=1e-4)


def test_half_precision_stays_that_of_the_convolution():
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        model = network(relu_by_name, (21, 18, 3))
    finally:
        keras.mixed_precision.set_dtype_policy("float32")
    frames, labels = some_batch(model)
    expected, start = logits_model(model)(frames, training=False), model.get_weights()
    found = StripNetwork(model, 3)
    np.testing.assert_allclose(found(frames, training=False), expected, atol=0.1)
    loss, gradients, _ = step_of(logits_model(model), model, frames, labels)
    model.set_weights(start)
    again = step_of(found, model, frames, labels)
    assert again[0] == pytest.approx(loss, abs=0.05)
    kernel = gradients["conv/kernel"]
    assert np.corrcoef(again[1]["conv/kernel"].ravel(), kernel.ravel())[0, 1] > 0.98


@pytest.mark.parametrize(
    ("name", "shape", "convolutions"),
    [
        ("hr_celestialnet", (1322, 1322, 1), ["stage1_conv1", "stage2_conv1"]),
        ("alexnet", (67, 67, 1), ["conv1", "conv2"]),
        ("resnet18", (32, 32, 1), ["stem"]),
    ],
)
def test_the_blocks_of_registered_networks(name, shape, convolutions):
    with tf.Graph().as_default():
        blocks = leading_blocks(build_model(name, shape, width=0.1))
    assert [block.convolution.name for block in blocks] == convolutions


def test_a_network_without_such_a_block_is_refused():
    model = build_model("celestialnet_edge", (32, 32, 1), width=0.1)
    with pytest.raises(ModelError, match=r"its first four layers must be a Conv2D, .* train it with `stem_strips` 0"):
        StripNetwork(model, 4)


def unlike(**change):
    """A block that is one but for one thing."""

    def body(layers, x):
        convolution = {"filters": 4, "kernel_size": 3, **change.get("convolution", {})}
        x = layers.Conv2D(**convolution)(x)
        normalized = layers.BatchNormalization(**change.get("normalization", {}))(x)
        x = layers.MaxPooling2D(2)(change.get("activation", layers.ReLU())(normalized))
        return layers.Add()([x, layers.MaxPooling2D(2)(normalized)]) if change.get("shared") else x

    return body


@pytest.mark.parametrize(
    "change",
    [
        {"convolution": {"dilation_rate": 2}},
        {"convolution": {"activation": "relu"}},
        {"convolution": {"strides": 4}},
        {"normalization": {"trainable": False}},
        {"normalization": {"axis": 1}},
        {"activation": keras.layers.ReLU(negative_slope=0.1)},
        {"activation": keras.layers.Activation("gelu")},
        {"shared": True},
    ],
    ids=repr,
)
def test_what_would_not_be_the_same_is_refused(change):
    with tf.Graph().as_default(), pytest.raises(ModelError, match="cannot be trained in strips"):
        leading_blocks(bare_network(unlike(**change)))
