"""What a network costs, counted from its layer graph: no frame is run and no weight is allocated."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.models.registry import FULL_INPUT_SHAPE, build_model

# Layers whose weights cost a few operations a pixel at most, or none once folded into a convolution.
_FREE = (layers.BatchNormalization, layers.LayerNormalization, layers.GroupNormalization, layers.Rescaling)


@dataclass(frozen=True)
class Cost:
    """Size and work of one network at one input shape.

    Attributes:
        input_shape: `(height, width, channels)`, pixels.
        trainable: Number of weights that training changes.
        total: Number of all weights, the moving averages of batch normalisation among them.
        macs: Multiply-accumulate operations for one frame, in convolutions and dense layers. Biases, batch
            normalisation (which folds into the convolution before it), activations and pooling are not counted.
    """

    input_shape: tuple[int, ...]
    trainable: int
    total: int
    macs: int

    @property
    def gmac(self) -> float:
        """Multiply-accumulate operations for one frame, in units of 10^9."""
        return self.macs / 1e9


def registered_cost(name: str, input_shape: Sequence[int] = FULL_INPUT_SHAPE, **options: Any) -> Cost:
    """Counts a registered network without making its weights.

    Args:
        name: A name from `list_models`.
        input_shape: `(height, width, 1)`, pixels.
        **options: Keyword options of its factory.

    Returns:
        Its cost.

    Raises:
        ModelError: The name, an option or the shape is refused, or a layer's work cannot be counted.
    """
    # Variables made in a graph that no session ever runs take no memory: 97 M weights cost as little as ten.
    with tf.Graph().as_default():
        return model_cost(build_model(name, input_shape, **options))


def model_cost(model: keras.Model, input_shape: Sequence[int] | None = None) -> Cost:
    """Counts any single-input model of convolutions and dense layers.

    Args:
        model: A built functional model; it is not changed.
        input_shape: `(height, width, channels)` to count at; by default the shape it was built for. At another shape
            it is the same architecture that is counted: a dense layer after a `Flatten` grows with the shape.

    Returns:
        Its cost.

    Raises:
        ModelError: The height or width is open and no `input_shape` is given, the architecture cannot take the
            shape, or a layer with weights is of a kind whose work is not known.
    """
    if input_shape is not None and tuple(input_shape) != tuple(model.input_shape[1:]):
        with tf.Graph().as_default():
            try:
                # A clone's variables lie in a graph that never runs and take no memory.
                resized = keras.models.clone_model(model, input_tensors=keras.Input(tuple(input_shape)))
            except ValueError as error:
                raise ModelError(
                    f"model {model.name!r} cannot take this shape ({error}). Received: input_shape={input_shape}"
                ) from error
            return model_cost(resized)
    shape = tuple(model.input_shape[1:])
    if None in shape:
        raise ModelError(
            f"model {model.name!r} leaves its input shape open; say at which `input_shape` to count."
            f" Received: input_shape={shape}"
        )
    return Cost(
        input_shape=shape,
        trainable=sum(math.prod(weight.shape) for weight in model.trainable_weights),
        total=model.count_params(),
        macs=sum(layer_macs(layer) for layer in leaf_layers(model)),
    )


def leaf_layers(model: keras.Model) -> Iterator[keras.layers.Layer]:
    """The layers of a model, those of models inside it among them."""
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaf_layers(layer)
        else:
            yield layer


def layer_macs(layer: keras.layers.Layer) -> int:
    """Multiply-accumulate operations of one layer for one frame.

    Args:
        layer: A built layer of a functional model.

    Raises:
        ModelError: It has weights and is of a kind whose work is not known.
    """
    outputs: int = math.prod(layer.output.shape[1:])
    products: int = 0
    if isinstance(layer, layers.SeparableConv2D):
        outputs //= layer.filters
        products = math.prod(layer.depthwise_kernel.shape) + math.prod(layer.pointwise_kernel.shape)
    elif isinstance(layer, layers.DepthwiseConv2D):
        products = math.prod(layer.kernel_size)
    elif isinstance(layer, layers.Conv2D):
        # A kernel is (height, width, inputs of one group, filters).
        products = math.prod(layer.kernel.shape[:3])
    elif isinstance(layer, layers.Dense):
        products = layer.kernel.shape[0]
    elif layer.weights and not isinstance(layer, _FREE):
        raise ModelError(
            f"the work of a layer of this kind is not known; it can be counted for Conv2D, DepthwiseConv2D,"
            f" SeparableConv2D and Dense. Received: layer {layer.name!r} of class {type(layer).__name__}"
        )
    return outputs * products
