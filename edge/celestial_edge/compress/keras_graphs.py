"""Keras functional model -> layer graph, and back to a Keras model that is ready to be converted."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.compress.layers import (
    BatchNorm,
    Convolution,
    Crop,
    Dense,
    Flatten,
    FoldColumns,
    Frame,
    Graph,
    JoinRows,
    MaxPool,
    Node,
    NotLowerableError,
    Operation,
    Other,
    Relu,
    UnfoldColumns,
    hands_on,
)

# XNNPACK joins at most five tensors in one operator.
_JOINED_AT_ONCE = 4


def read_model(model: Any, output: str) -> Graph:
    """The layer graph of a Keras functional model, up to one of its layers.

    Args:
        model: A Keras 3 functional model with one input of fixed size.
        output: Name of the layer that gives the output.

    Returns:
        The graph. Layers that do nothing at inference are left out.

    Raises:
        NotLowerableError: The model has several inputs, an open size, or a layer that is called more than once.
    """
    if len(model.inputs) != 1 or None in model.inputs[0].shape[1:]:
        shapes = [tuple(tensor.shape) for tensor in model.inputs]
        raise NotLowerableError(f"model {model.name!r} must have one input of fixed size. Received: {shapes}")
    names: dict[int, str] = {}
    nodes: list[Node] = []

    def visit(tensor: Any) -> str:
        if id(tensor) in names:
            return names[id(tensor)]
        layer = tensor._keras_history.operation
        if len(layer._inbound_nodes) > 1 or len(layer._inbound_nodes[0].outputs) > 1:
            raise NotLowerableError(f"layer {layer.name!r} of model {model.name!r} is called more than once")
        inputs = tuple(visit(source) for source in layer._inbound_nodes[0].input_tensors)
        operation = _operation(layer)
        if operation is None:
            names[id(tensor)] = inputs[0]
        else:
            values = (
                next(node.values for node in nodes if node.name == inputs[0]) if hands_on(operation) else layer.name
            )
            nodes.append(Node(layer.name, operation, inputs, values))
            names[id(tensor)] = layer.name
        return names[id(tensor)]

    visit(model.get_layer(output).output)
    return Graph(tuple(nodes))


def build_model(graph: Graph, name: str = "lowered") -> Any:
    """A Keras model that computes a layer graph, one frame at a time.

    Args:
        graph: The graph.
        name: Name of the model.

    Returns:
        A functional model of batch size 1 with the graph's weights, its layers named as by `build_tensors`.
    """
    from keras import Model

    inlet, tensors = build_tensors(graph)
    return Model(inlet, tensors[graph.output.name], name=name)


def build_tensors(graph: Graph) -> tuple[Any, dict[str, Any]]:
    """Keras tensors of every node of a graph, for models that give more than its output.

    A layer is named `VALUES.NUMBER` after the node's `values`, so that the tensors of a converted file tell which
    range of the table is theirs.

    Args:
        graph: The graph.

    Returns:
        The input of batch size 1, and all tensors by name of the node.
    """
    import keras

    shapes = graph.shapes()
    tensors: dict[str, Any] = {}
    shared: dict[int, Any] = {}
    for number, node in enumerate(graph.nodes):
        operation = node.operation
        if isinstance(operation, Frame):
            # A batch of one, fixed: an open batch would leave shape arithmetic in the graph.
            tensors[node.name] = keras.Input(batch_shape=(1, *operation.shape), name="frame")
            continue
        inputs = [tensors[name] for name in node.inputs]
        title = f"{node.values}.{number}"
        if isinstance(operation, JoinRows):
            tensors[node.name] = _join(inputs, title)
            continue
        # Strips of one convolution share its weights.
        if id(operation) not in shared or hands_on(operation):
            shared[id(operation)] = _layer(operation, shapes[node.inputs[0]], shapes[node.name], title)
        layer = shared[id(operation)]
        tensors[node.name] = layer(inputs if len(inputs) > 1 else inputs[0])
        if isinstance(operation, Convolution | Dense):
            layer.set_weights([operation.kernel, operation.bias])
        elif isinstance(operation, BatchNorm):
            zeros, ones = np.zeros_like(operation.scale), np.ones_like(operation.scale)
            layer.set_weights([operation.scale, operation.offset, zeros, ones])
        elif isinstance(operation, Other):
            layer.set_weights(operation.layer.get_weights())
    return tensors[graph.nodes[0].name], tensors


def _operation(layer: Any) -> Operation | None:
    """What a Keras layer does, or None if it does nothing at inference."""
    from keras import layers

    channels_last = getattr(layer, "data_format", "channels_last") == "channels_last"
    match layer:
        case layers.InputLayer():
            return Frame(tuple(layer.batch_shape[1:]))
        case layers.Dropout() | layers.SpatialDropout2D() | layers.GaussianNoise():
            return None
        case layers.DepthwiseConv2D() | layers.SeparableConv2D() | layers.Conv2DTranspose():
            return Other(layer)
        case layers.Conv2D() if (
            channels_last and layer.groups == 1 and layer.dilation_rate == (1, 1) and _activation(layer) is not None
        ):
            kernel, bias = _weights(layer)
            return Convolution(kernel, bias, layer.strides, layer.padding == "same", _activation(layer) == "relu")
        case layers.Dense() if len(layer.input.shape) == 2 and _activation(layer) is not None:
            kernel, bias = _weights(layer)
            return Dense(kernel, bias, _activation(layer) == "relu")
        case layers.BatchNormalization() if layer.axis in (-1, len(layer.input.shape) - 1):
            return _batch_norm(layer)
        case layers.ReLU() if layer.max_value is None and not layer.negative_slope and not layer.threshold:
            return Relu()
        case layers.Activation() if _activation(layer) == "relu":
            return Relu()
        case layers.MaxPooling2D() if channels_last and layer.padding == "valid":
            return MaxPool(tuple(layer.pool_size), tuple(layer.strides))
        case layers.Flatten() if channels_last:
            return Flatten()
        case layers.Layer():
            return Other(layer)
        case _:
            raise NotLowerableError(f"an operation outside a layer cannot be lowered. Received: {layer.name!r}")


def _activation(layer: Any) -> str | None:
    """`linear` or `relu`; None for any other activation."""
    name = getattr(layer.activation, "__name__", "")
    return name if name in ("linear", "relu") else None


def _weights(layer: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    kernel = np.asarray(layer.kernel, np.float32)
    return kernel, np.asarray(layer.bias, np.float32) if layer.use_bias else np.zeros(kernel.shape[-1], np.float32)


def _batch_norm(layer: Any) -> BatchNorm:
    mean, variance = (np.asarray(value, np.float64) for value in (layer.moving_mean, layer.moving_variance))
    scale = 1 / np.sqrt(variance + layer.epsilon)
    if layer.scale:
        scale *= np.asarray(layer.gamma, np.float64)
    offset = -mean * scale
    if layer.center:
        offset += np.asarray(layer.beta, np.float64)
    return BatchNorm(scale.astype(np.float32), offset.astype(np.float32))


def _layer(operation: Operation, given: tuple[int, ...], made: tuple[int, ...], name: str) -> Any:
    from keras import layers

    match operation:
        case Convolution():
            return layers.Conv2D(
                operation.kernel.shape[3],
                operation.kernel.shape[:2],
                operation.strides,
                padding="same" if operation.same else "valid",
                activation="relu" if operation.relu else None,
                name=name,
            )
        case Dense():
            return layers.Dense(operation.kernel.shape[1], activation="relu" if operation.relu else None, name=name)
        case BatchNorm():
            return layers.BatchNormalization(epsilon=0.0, name=name)
        case Relu():
            return layers.ReLU(name=name)
        case MaxPool(window=window, strides=strides):
            return layers.MaxPooling2D(window, strides, name=name)
        case Crop(rows=rows, columns=columns):
            cut = ((rows[0], given[0] - rows[1]), (columns[0], given[1] - columns[1]))
            return layers.Cropping2D(cut, name=name)
        case FoldColumns() | UnfoldColumns() | Flatten():
            return layers.Reshape(made, name=name)
        case Other(layer=layer):
            return type(layer).from_config({**layer.get_config(), "name": name})
        case _:
            raise AssertionError(operation)


def _join(tensors: list[Any], name: str) -> Any:
    from keras import layers

    level = 0
    while len(tensors) > 1:
        groups = [tensors[first : first + _JOINED_AT_ONCE] for first in range(0, len(tensors), _JOINED_AT_ONCE)]
        tensors = [
            layers.Concatenate(axis=1, name=f"{name}{level:02}{number:03}")(group) if len(group) > 1 else group[0]
            for number, group in enumerate(groups)
        ]
        level += 1
    return tensors[0]
