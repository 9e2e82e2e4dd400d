"""How every network ends: two named layers, one for the logits and one for the probabilities."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from celestialkeras.errors import ModelError

FEATURES = "features"
"""Name of the layer that pools the last feature maps: what lies behind it is the head."""


def classifier(frame: Any, features: Any, classes: int, name: str) -> keras.Model:
    """A network from its input and its last features.

    Args:
        frame: The Keras input, `(n, height, width, 1)`.
        features: Keras tensor `(n, features)` computed from it.
        classes: Number of classes.
        name: Name of the model.

    Returns:
        A functional model that ends in a dense layer `logits` and a softmax `probabilities`, both in float32: under
        mixed precision, half a float would round confidences away.
    """
    logits = layers.Dense(classes, name="logits", dtype="float32")(features)
    outputs = layers.Softmax(name="probabilities", dtype="float32")(logits)
    return keras.Model(frame, outputs, name=name)


def hidden_layers(features: Any, units: int, dropout: float) -> Any:
    """The two hidden dense layers of AlexNet and VGGNet, a dropout behind each.

    Args:
        features: Keras tensor `(n, features)`.
        units: Units of each.
        dropout: Share of values that a training step drops.

    Returns:
        Keras tensor `(n, units)`.
    """
    for number in (1, 2):
        features = layers.Dense(units, activation="relu", name=f"fc{number}")(features)
        features = layers.Dropout(dropout, name=f"fc{number}_dropout")(features)
    return features


def pooled(maps: Any) -> Any:
    """The mean of each feature map, whatever the size of the frame.

    Args:
        maps: Keras tensor `(n, height, width, features)`.

    Returns:
        Keras tensor `(n, features)`, of the layer `features`.
    """
    return layers.GlobalAveragePooling2D(name=FEATURES)(maps)


def check_head(classes: int, hidden_units: int = 1, dropout: float = 0.0) -> None:
    """Refuses options that no head can have.

    Args:
        classes: Number of classes, at least 2.
        hidden_units: Units of the hidden dense layers, at least 1.
        dropout: Share of values that a training step drops, at least 0 and below 1.

    Raises:
        ModelError: One of them is out of its range.
    """
    if classes < 2:
        raise ModelError(f"`classes` must be at least 2. Received: classes={classes}")
    if hidden_units < 1:
        raise ModelError(f"`hidden_units` must be at least 1. Received: hidden_units={hidden_units}")
    if not 0 <= dropout < 1:
        raise ModelError(f"`dropout` must be at least 0 and below 1. Received: dropout={dropout}")
