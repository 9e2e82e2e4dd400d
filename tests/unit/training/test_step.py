import keras
import numpy as np
import pytest
from keras import layers

from celestialkeras.training.step import Steps, Tally
from toy_networks import conv_norm_relu, network

WEIGHTS = (0.75, 1.5)


def pooled_stem(layers, x):
    return layers.MaxPooling2D(3, 2)(conv_norm_relu(layers, x))


@pytest.fixture
def model():
    keras.utils.set_random_seed(2)
    inputs = keras.Input((4, 4, 1))
    x = layers.BatchNormalization()(layers.Conv2D(3, 3)(inputs))
    x = layers.Dense(2, name="logits")(layers.Flatten()(x))
    return keras.Model(inputs, layers.Softmax()(x))


@pytest.fixture
def batch():
    rng = np.random.default_rng(2)
    return rng.random((5, 4, 4, 1), np.float32), np.array([0, 1, 1, 0, 1], np.int32)


def test_validation_sums_are_the_weighted_cross_entropy(model, batch):
    frames, labels = batch
    tally = Tally()
    tally.add(Steps(model, keras.optimizers.Adam(), WEIGHTS).validate(frames, labels))
    probabilities = model.predict(frames, verbose=0)
    weights = np.array(WEIGHTS)[labels]
    expected = (weights * -np.log(probabilities[np.arange(5), labels])).sum() / weights.sum()
    assert tally.mean_loss == pytest.approx(expected, rel=1e-5)
    assert tally.accuracy == np.mean(probabilities.argmax(1) == labels)
    assert tally.frames == 5


def test_validation_changes_nothing(model, batch):
    before = model.get_weights()
    Steps(model, keras.optimizers.Adam(), WEIGHTS).validate(*batch)
    assert all(np.array_equal(a, b) for a, b in zip(before, model.get_weights(), strict=True))


def test_training_lowers_the_loss_and_moves_the_averages(model, batch):
    steps = Steps(model, keras.optimizers.Adam(0.01), WEIGHTS)
    means = np.array(model.layers[2].moving_mean.value.numpy())
    losses = []
    for _ in range(30):
        tally = Tally()
        tally.add(steps.train(*batch))
        losses.append(tally.mean_loss)
    assert losses[-1] < 0.5 * losses[0]
    assert not np.allclose(means, model.layers[2].moving_mean.value.numpy())


def test_batches_of_any_length_are_compiled_once(model, batch):
    steps = Steps(model, keras.optimizers.Adam(), WEIGHTS)
    for length in (5, 3, 1, 4):
        steps.train(*(one[:length] for one in batch))
        steps.validate(*(one[:length] for one in batch))
    assert steps.train.experimental_get_tracing_count() == 1
    assert steps.validate.experimental_get_tracing_count() == 1


def test_steps_in_strips_train_the_same_network():
    """Without a bias, whose gradient is nothing but rounding with whole maps, which Adam makes as large as any."""

    def losses(stem_strips):
        steps = Steps(network(pooled_stem, (21, 18, 1)), keras.optimizers.Adam(0.01), WEIGHTS, stem_strips=stem_strips)
        rng = np.random.default_rng(2)
        batch = rng.random((5, 21, 18, 1), np.float32), np.array([0, 1, 1, 0, 1], np.int32)
        tallies = []
        for take in (*[steps.train] * 6, steps.validate):
            tallies.append(Tally())
            tallies[-1].add(take(*batch))
        return [tally.mean_loss for tally in tallies]

    whole = losses(0)
    assert whole[5] < 0.9 * whole[0]
    assert losses(4) == pytest.approx(whole, rel=1e-3)


def test_penalties_of_layers_are_part_of_the_trained_loss(batch):
    def kernel_after_a_step(strength):
        keras.utils.set_random_seed(2)
        inputs = keras.Input((4, 4, 1))
        dense = layers.Dense(2, name="logits", kernel_regularizer=keras.regularizers.L2(strength))
        model = keras.Model(inputs, layers.Softmax()(dense(layers.Flatten()(inputs))))
        Steps(model, keras.optimizers.SGD(0.1), WEIGHTS).train(*batch)
        return np.linalg.norm(dense.kernel.value.numpy())

    assert kernel_after_a_step(1.0) < 0.95 * kernel_after_a_step(0.0)
