"""Rounding as the deployed int8 graph rounds, for training with: what tensorflow-model-optimization is told to do.

Its own 8-bit scheme describes another deployment: dense weights of one scale, activations by moving averages, each
input of a concatenation by itself. What is exported here has one scale for each output channel of every weight, and
activations by one table of measured ranges (`ranges.py`). So the scheme below rewrites nothing, and the quantizers
take their ranges from there.

This module imports tensorflow-model-optimization when it is imported; `qat.py` sees to it that it is installed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import tensorflow as tf
import tensorflow_model_optimization as tfmot
import tf_keras

from celestial_edge.compress.ranges import RangeTable

_KERNELS = {"Conv2D": "kernel", "Dense": "kernel", "DepthwiseConv2D": "depthwise_kernel"}

_PREFIX = "quant_"


class ChannelWeights(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """Weights to [-127, 127] steps of a scale for each output channel, symmetric about zero.

    It has no state: what it rounds by are the weights of the moment, in training and in validation alike.
    """

    def __init__(self, channel_axes: int = 1) -> None:
        """Says what is a channel.

        Args:
            channel_axes: Last axes that count output channels: 1, or 2 for depthwise kernels.
        """
        self.channel_axes = channel_axes

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """No variables."""
        return {}

    def __call__(self, inputs: Any, training: Any, weights: Mapping[str, Any], **_: Any) -> Any:
        """The weights, rounded; gradients pass as if they were not."""
        channels = inputs.shape[-self.channel_axes :].num_elements()
        flat = tf.reshape(inputs, (-1, channels))
        limit = tf.stop_gradient(tf.reduce_max(tf.abs(flat), axis=0))
        rounded = tf.quantization.fake_quant_with_min_max_vars_per_channel(flat, -limit, limit, narrow_range=True)
        return tf.reshape(rounded, inputs.shape)

    def get_config(self) -> dict[str, Any]:
        """Its one setting."""
        return {"channel_axes": self.channel_axes}


class TableRange(tfmot.quantization.keras.quantizers.Quantizer):  # type: ignore[misc]
    """Activations to 256 steps between two values that `set_ranges` writes, and training does not."""

    def build(self, tensor_shape: Any, name: str, layer: Any) -> dict[str, Any]:
        """The two values."""
        return {end: layer.add_weight(f"{name}_{end}", shape=(), trainable=False) for end in ("low", "high")}

    def __call__(self, inputs: Any, training: Any, weights: Mapping[str, Any], **_: Any) -> Any:
        """The activations, rounded; gradients pass where the range was not left."""
        return tf.quantization.fake_quant_with_min_max_vars(inputs, weights["low"], weights["high"])

    def get_config(self) -> dict[str, Any]:
        """No settings."""
        return {}


class Int8Layer(tfmot.quantization.keras.QuantizeConfig):  # type: ignore[misc]
    """A layer with int8 weights, and with int8 output where the deployed graph has a tensor of it."""

    def __init__(self, output: bool) -> None:
        """Says what is rounded.

        Args:
            output: Whether the output is; the weights are in any case.
        """
        self.output = output

    def get_weights_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """The kernel, if the layer has one."""
        kind = type(layer).__name__
        if kind not in _KERNELS:
            return []
        return [(getattr(layer, _KERNELS[kind]), ChannelWeights(2 if kind == "DepthwiseConv2D" else 1))]

    def set_quantize_weights(self, layer: Any, quantize_weights: list[Any]) -> None:
        """Makes the layer compute with the rounded kernel."""
        for kernel in quantize_weights:
            setattr(layer, _KERNELS[type(layer).__name__], kernel)

    def get_activations_and_quantizers(self, layer: Any) -> list[tuple[Any, Any]]:
        """None: an activation function is part of what the output quantizer rounds."""
        return []

    def set_quantize_activations(self, layer: Any, quantize_activations: list[Any]) -> None:
        """Nothing to set."""
        assert not quantize_activations

    def get_output_quantizers(self, layer: Any) -> list[Any]:
        """One, where the output is rounded."""
        return [TableRange()] if self.output else []

    def get_config(self) -> dict[str, Any]:
        """Its one setting."""
        return {"output": self.output}


class FixedNorm(tf_keras.layers.BatchNormalization):  # type: ignore[misc]
    """Batch normalisation by its moving averages in training too.

    They are what is folded into the deployed convolution. Scale and offset still learn.
    """

    def call(self, inputs: Any, training: Any = None) -> Any:
        """Normalises."""
        return super().call(inputs, training=False)


class _AsPlaced(
    tfmot.quantization.keras.QuantizeScheme,  # type: ignore[misc]
    tfmot.quantization.keras.QuantizeLayoutTransform,  # type: ignore[misc]
    tfmot.quantization.keras.QuantizeRegistry,  # type: ignore[misc]
):
    """Quantizes the layers that are annotated, as they are annotated, and rewrites nothing."""

    def get_layout_transformer(self) -> Any:
        return self

    def get_quantize_registry(self) -> Any:
        return self

    def apply(self, model: Any, layer_quantize_map: Any) -> tuple[Any, Any]:
        return model, layer_quantize_map

    def supports(self, layer: Any) -> bool:
        return False

    def get_quantize_config(self, layer: Any) -> Any:
        raise AssertionError(layer)


def simulate_int8(twin: Any, placement: Mapping[str, str]) -> Any:
    """A network that computes in float what its int8 artifact would, and can be trained.

    Args:
        twin: A tf_keras model.
        placement: The layers whose outputs are int8 tensors of the deployed graph, with the entries of the table of
            ranges that they are quantized by.

    Returns:
        A tf_keras model with the twin's weights; `set_ranges` is to be called before it is used.
    """

    def annotated(layer: Any) -> Any:
        if type(layer) is tf_keras.layers.BatchNormalization:
            layer = FixedNorm.from_config(layer.get_config())
        output = layer.name in placement
        if not output and type(layer).__name__ not in _KERNELS:
            return layer
        return tfmot.quantization.keras.quantize_annotate_layer(layer, Int8Layer(output))

    with tfmot.quantization.keras.quantize_scope({one.__name__: one for one in (Int8Layer, FixedNorm)}):
        marked = tf_keras.models.clone_model(twin, clone_function=annotated)
        marked.set_weights(twin.get_weights())
        return tfmot.quantization.keras.quantize_apply(marked, _AsPlaced(), quantized_layer_name_prefix=_PREFIX)


def set_ranges(simulated: Any, placement: Mapping[str, str], table: RangeTable) -> None:
    """Takes the ranges of activations from a table; zero is made part of each, as in the deployed graph.

    Args:
        simulated: From `simulate_int8`.
        placement: What it was made with.
        table: Ranges of the layers.
    """
    for name, entry in placement.items():
        low, high = table[entry]
        variables = _variables(simulated.get_layer(_PREFIX + name))
        variables["output_low"].assign(min(low, 0.0))
        variables["output_high"].assign(max(high, 0.0))


def learned_weights(simulated: Any, twin: Any) -> None:
    """Copies the weights that were trained, not rounded, to the twin that they came from.

    Args:
        simulated: From `simulate_int8`.
        twin: What it was made from.
    """
    names = {layer.name for layer in simulated.layers}
    for layer in twin.layers:
        if layer.weights:
            found = _variables(
                simulated.get_layer(_PREFIX + layer.name if _PREFIX + layer.name in names else layer.name)
            )
            for name, variable in _variables(layer).items():
                variable.assign(found[name])


def _variables(layer: Any) -> dict[str, Any]:
    """Variables of a layer by the last part of their names, such as `kernel`."""
    return {variable.name.rpartition("/")[2].partition(":")[0]: variable for variable in layer.weights}
