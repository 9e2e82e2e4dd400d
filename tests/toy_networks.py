"""Toy networks, each named after what it has that a rewrite is about; weights and norms are random."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

Layers = Callable[[Any], Any]


def network(body: Callable[[Any, Any], Any], shape: tuple[int, int, int] = (40, 48, 1), seed: int = 0) -> Any:
    """A model of the project's kind: `body(layers, x)`, pooled or flattened to two logits and a softmax."""
    import keras
    from keras import layers

    keras.utils.set_random_seed(seed)
    frame = keras.Input(shape, name="frame")
    x = body(layers, frame)
    if len(x.shape) == 4:
        x = layers.Flatten(name="flatten")(x)
    logits = layers.Dense(2, name="logits")(x)
    model = keras.Model(frame, layers.Softmax(name="probabilities")(logits), name="toy")
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            n = layer.gamma.shape[0]
            # Negative scales too: they swap maxima and minima, which a pooling must not notice.
            layer.set_weights(
                [rng.normal(0.5, 0.7, n), rng.normal(0, 0.2, n), rng.normal(0, 0.3, n), rng.uniform(0.3, 2, n)]
            )
        elif layer.weights:
            layer.bias.assign(rng.normal(0, 0.1, layer.bias.shape)) if layer.use_bias else None
    return model


def conv_norm_relu(layers: Any, x: Any) -> Any:
    """Convolution, batch normalisation, ReLU: the order of every network here."""
    x = layers.Conv2D(6, 3, use_bias=False, name="conv")(x)
    return layers.ReLU(name="relu")(layers.BatchNormalization(name="norm")(x))


def overlapping_pool(window: int, stride: int) -> Callable[[Any, Any], Any]:
    """A convolution and a max-pooling of this window and stride."""

    def body(layers: Any, x: Any) -> Any:
        x = layers.Conv2D(5, 3, activation="relu", name="conv")(x)
        return layers.MaxPooling2D(window, stride, name="pool")(x)

    return body


def few_channels(kernel: int, stride: int = 1, pool: Sequence[int] = (), padding: str = "valid") -> Layers:
    """A large kernel over one channel, as stems have, perhaps with a max-pooling `(window, stride)` behind it."""

    def body(layers: Any, x: Any) -> Any:
        x = layers.Conv2D(6, kernel, stride, padding=padding, activation="relu", name="stem")(x)
        return layers.MaxPooling2D(*pool, name="pool")(x) if pool else x

    return body


def two_stages(layers: Any, x: Any) -> Any:
    """HR-CelestialNet in small: two stages of large kernels and overlapping pools, a third, two dense layers."""
    for name, kernel, filters, pool in (("one", 7, 8, (8, 4)), ("two", 5, 12, (4, 2)), ("three", 3, 16, (2, 2))):
        x = layers.Conv2D(filters, kernel, name=f"{name}_conv")(x)
        x = layers.BatchNormalization(name=f"{name}_norm")(x)
        x = layers.ReLU(name=f"{name}_relu")(x)
        x = layers.MaxPooling2D(*pool, name=f"{name}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    return layers.Dense(40, activation="relu", name="fc")(x)


def residual(layers: Any, x: Any) -> Any:
    """Two paths that are added, a ReLU behind them, and a mean over the map."""
    x = layers.Conv2D(8, 7, 2, padding="same", name="stem")(x)
    y = layers.Conv2D(8, 3, padding="same", name="branch")(x)
    x = layers.ReLU(name="joined_relu")(layers.Add(name="joined")([x, y]))
    return layers.GlobalAveragePooling2D(name="mean")(x)


def logits_of(model: Any, frames: np.ndarray) -> np.ndarray:
    """What a model of the project gives before its softmax."""
    import keras

    return np.asarray(keras.Model(model.inputs, model.get_layer("logits").output).predict_on_batch(frames))


def some_frames(model: Any, count: int = 1, seed: int = 9) -> np.ndarray:
    """Frames for a model, `float32 (count, H, W, 1)` in [0, 1]."""
    shape = model.inputs[0].shape[1:]
    return np.random.default_rng(seed).random((count, *shape), np.float32)
