"""Twins: a Keras 3 model rebuilt with tf_keras, which tensorflow-model-optimization works on, and nothing else does.

Keras 3 configurations are not what tf_keras reads, so the graph is built anew, layer by layer, from the settings that
decide what a layer computes. What only shapes training, such as initializers and regularizers, is left behind.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from celestialkeras.backend import import_tensorflow
from celestialkeras.descriptors import held_back
from celestialkeras.errors import ExportError, MissingExtraError

_CONVOLUTION = ("kernel_size", "strides", "padding", "data_format", "dilation_rate", "activation", "use_bias")
_POOLING = ("pool_size", "strides", "padding", "data_format")
_GLOBAL_POOLING = ("data_format", "keepdims")

SETTINGS: Mapping[str, tuple[str, ...]] = {
    "Activation": ("activation",),
    "Add": (),
    "AveragePooling2D": _POOLING,
    "BatchNormalization": ("axis", "momentum", "epsilon", "center", "scale"),
    "Concatenate": ("axis",),
    "Conv2D": ("filters", "groups", *_CONVOLUTION),
    "Cropping2D": ("cropping", "data_format"),
    "Dense": ("units", "activation", "use_bias"),
    "DepthwiseConv2D": ("depth_multiplier", *_CONVOLUTION),
    "Dropout": ("rate", "noise_shape", "seed"),
    "Flatten": ("data_format",),
    "GlobalAveragePooling2D": _GLOBAL_POOLING,
    "GlobalMaxPooling2D": _GLOBAL_POOLING,
    "MaxPooling2D": _POOLING,
    "Multiply": (),
    "ReLU": ("max_value", "negative_slope", "threshold"),
    "Reshape": ("target_shape",),
    "Softmax": ("axis",),
    "ZeroPadding2D": ("padding", "data_format"),
}
"""The kinds of layers that twins are made of, and the settings that both Keras have for them under one name."""

ACTIVATIONS = ("linear", "relu", "sigmoid", "softmax", "tanh")
"""Activations that both Keras compute alike."""


class NoTwinError(ExportError):
    """The model holds what twins are not made of."""


def import_tf_keras(needed_for: str) -> Any:
    """Imports tf_keras.

    Args:
        needed_for: What asks for it, for the error message.

    Returns:
        The module.

    Raises:
        MissingExtraError: It, or TensorFlow, is not installed.
    """
    import_tensorflow(needed_for)
    with _extra("train", needed_for):
        import tf_keras
    return tf_keras


def import_model_optimization(needed_for: str) -> Any:
    """Imports tensorflow-model-optimization, and leaves the Keras of this process and its children as it was.

    Args:
        needed_for: What asks for it, for the error message.

    Returns:
        The module.

    Raises:
        MissingExtraError: It, tf_keras or TensorFlow is not installed.
    """
    tf = import_tensorflow(needed_for)
    # Which Keras `tf.keras` stands for is decided when it is first touched, by a variable that the package sets.
    _ = tf.keras.layers
    before = os.environ.get("TF_USE_LEGACY_KERAS")
    try:
        with _extra("train", needed_for):
            import tensorflow_model_optimization
    finally:
        if before is None:
            os.environ.pop("TF_USE_LEGACY_KERAS", None)
        else:
            os.environ["TF_USE_LEGACY_KERAS"] = before
    return tensorflow_model_optimization


def build_twin(model: Any) -> Any:
    """The same network of tf_keras layers, under the same names, with the same weights.

    Args:
        model: A Keras 3 functional model of layers of the kinds in `SETTINGS`, each called once.

    Returns:
        A tf_keras functional model whose outputs are those of `model`.

    Raises:
        MissingExtraError: tf_keras is not installed.
        NoTwinError: A layer is of another kind, has an activation not in `ACTIVATIONS`, or is called more than once;
            the message names it.
    """
    tf_keras = import_tf_keras("making a tf_keras twin")
    tensors: dict[int, Any] = {}

    def visit(tensor: Any) -> Any:
        if id(tensor) not in tensors:
            layer = tensor._keras_history.operation
            if len(layer._inbound_nodes) > 1:
                raise NoTwinError(
                    f"layer {layer.name!r} of model {model.name!r} is called more than once; give each call a layer of"
                    f" its own. Received: {len(layer._inbound_nodes)} calls"
                )
            inputs = [visit(source) for source in layer._inbound_nodes[0].input_tensors]
            tensors[id(tensor)] = _twin_of(layer, tf_keras)(inputs if len(inputs) > 1 else inputs[0])
        return tensors[id(tensor)]

    for inlet in model.inputs:
        tensors[id(inlet)] = tf_keras.Input(tuple(inlet.shape[1:]), name=inlet.name)
    outputs = [visit(tensor) for tensor in model.outputs]
    twin = tf_keras.Model([tensors[id(inlet)] for inlet in model.inputs], outputs, name=model.name)
    copy_weights(model, twin)
    return twin


def copy_weights(source: Any, target: Any) -> None:
    """Copies weights from a model to its twin or from a twin to its model, layer by layer.

    Args:
        source: Where they are taken from.
        target: Where they go, a model with layers of the same names and shapes.
    """
    for layer in source.layers:
        if layer.weights:
            target.get_layer(layer.name).set_weights(layer.get_weights())


def _twin_of(layer: Any, tf_keras: Any) -> Any:
    kind = type(layer).__name__
    if kind not in SETTINGS or not type(layer).__module__.startswith("keras."):
        raise NoTwinError(
            f"layer {layer.name!r} is of a kind that has no tf_keras twin; use {', '.join(sorted(SETTINGS))}."
            f" Received: {kind}"
        )
    config = layer.get_config()
    activation = config.get("activation", "linear")
    if activation not in ACTIVATIONS:
        raise NoTwinError(
            f"layer {layer.name!r} has an activation that the two Keras may compute differently; use"
            f" {', '.join(ACTIVATIONS)}. Received: activation={activation!r}"
        )
    settings = {name: config[name] for name in SETTINGS[kind]}
    return getattr(tf_keras.layers, kind)(**settings, name=layer.name, dtype="float32")


@contextmanager
def _extra(extra: str, needed_for: str) -> Iterator[None]:
    """Holds back what a library says while it loads, and names the extra that brings it when it is missing."""
    try:
        with held_back(), warnings.catch_warnings():
            # tensorflow-model-optimization compares versions as distutils did.
            warnings.simplefilter("ignore", DeprecationWarning)
            yield
    except ModuleNotFoundError as error:
        raise MissingExtraError(extra, needed_for) from error
