"""Networks of `keras.applications`, said again in standard layers that any Keras process loads and any converter knows.

Three things in them are no standard layers: `LayerScale` of ConvNeXt, sums and products written with `+` and `*`, and
models inside models. Each has an equal among the standard layers, with the same weights in the same number.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import keras
from keras import layers

Exchange = Callable[[keras.layers.Layer, Any], Any]
"""Takes a layer and its new input, gives the new output, or None where the layer is to be kept as it is."""

BATCH_NORM_MOMENTUM = 0.9
"""Weight of the old moving averages. Keras' 0.99 and MobileNetV3's 0.999 are for tens of thousands of steps: a run of
some hundreds would end with averages that lag behind the weights."""


def standard_layers(features: Any, exchange: Mapping[type, Exchange] | None = None) -> Any:
    """The same computation in standard layers, with fresh weights.

    Grouped convolutions of one channel a group become `DepthwiseConv2D`, whose gradient TensorFlow also has on a CPU;
    `LayerScale` becomes a depthwise 1x1 convolution without bias; `x + y` becomes `Add`, and the hard sigmoid
    that MobileNetV3 writes as `relu6(x + 3) / 6` an `Activation`. Models inside the network are taken apart. Layers
    keep their names. Moving averages get `BATCH_NORM_MOMENTUM`.

    Args:
        features: Keras tensor, an output of some layer of the network.
        exchange: What to build in place of layers of a class, by that class.

    Returns:
        Keras tensor of the same shape, from the same input.

    Raises:
        TypeError: The network has an operation that is neither a layer nor one of these.
    """
    known: dict[int, Any] = {}

    def visit(tensor: Any) -> Any:
        if id(tensor) not in known:
            known[id(tensor)] = _rebuilt(tensor, visit, exchange or {})
        return known[id(tensor)]

    return visit(features)


def _rebuilt(tensor: Any, visit: Callable[[Any], Any], exchange: Mapping[type, Exchange]) -> Any:
    operation = tensor._keras_history.operation
    if isinstance(operation, layers.InputLayer):
        return tensor
    if isinstance(operation, layers.Layer):
        inputs = [visit(source) for source in operation._inbound_nodes[0].input_tensors]
        return _applied(operation, inputs if len(inputs) > 1 else inputs[0], exchange)
    arguments = operation._inbound_nodes[0].arguments.args
    kind = type(operation).__name__
    if kind == "Add" and all(keras.backend.is_keras_tensor(one) for one in arguments):
        return layers.Add(name=f"{operation.name}_paths")([visit(one) for one in arguments])
    inside = _inside_hard_sigmoid(operation)
    if inside is None:
        raise TypeError(f"no standard layer is known for an operation. Received: {operation.name!r} of class {kind}")
    return layers.Activation("hard_sigmoid", name=f"{operation.name}_hard_sigmoid")(visit(inside))


def _applied(layer: keras.layers.Layer, inputs: Any, exchange: Mapping[type, Exchange]) -> Any:
    if isinstance(layer, keras.Sequential):
        for one in layer.layers:
            inputs = _applied(one, inputs, exchange)
        return inputs
    if type(layer) in exchange:
        exchanged = exchange[type(layer)](layer, inputs)
        if exchanged is not None:
            return exchanged
    config = layer.get_config()
    if type(layer).__name__ == "LayerScale":
        start = keras.initializers.Constant(layer.init_values)
        return layers.DepthwiseConv2D(1, use_bias=False, depthwise_initializer=start, name=layer.name)(inputs)
    if isinstance(layer, layers.Conv2D) and layer.groups == layer.filters > 1:
        return _depthwise(config)(inputs)
    if isinstance(layer, layers.BatchNormalization):
        config["momentum"] = BATCH_NORM_MOMENTUM
    return type(layer).from_config(config)(inputs)


def _depthwise(convolution: dict[str, Any]) -> keras.layers.Layer:
    kept = ("name", "strides", "padding", "dilation_rate", "activation", "use_bias", "bias_initializer")
    return layers.DepthwiseConv2D(
        convolution["kernel_size"],
        depthwise_initializer=convolution["kernel_initializer"],
        **{key: convolution[key] for key in kept},
    )


def _inside_hard_sigmoid(product: Any) -> Any:
    """The `x` of `relu6(x + 3) / 6`, or None where the product is something else."""
    if type(product).__name__ != "Multiply":
        return None
    clipped, share = product._inbound_nodes[0].arguments.args
    relu = clipped._keras_history.operation
    if not isinstance(relu, layers.ReLU) or relu.max_value != 6 or not math.isclose(share, 1 / 6):
        return None
    total = relu.input._keras_history.operation
    if type(total).__name__ != "Add":
        return None
    x, offset = total._inbound_nodes[0].arguments.args
    return x if offset == 3 else None
