"""Training a network whose first blocks are computed in strips of rows, so that their large maps are never held whole.

A block is a convolution, batch normalisation, ReLU and a max-pooling. Normalisation and ReLU are monotone in each
channel, so that with s the sign of a channel's scale gamma

    max-pool(relu(gamma (z - mean) / deviation + beta)) = relu(|gamma| (max-pool(s z) - s mean) / deviation + beta).

So the convolution (its kernel times s) and the pooling go first, in strips, and the moments are taken on the way
(`strip_convolution`); normalisation and ReLU then see the pooled map alone, as does what is kept for their gradient.
In exact arithmetic nothing differs from the layers one by one: loss, gradients and moving averages are the same. Only
a bias before normalisation shows the rounding: its gradient is zero here, and noise with whole maps, which Adam makes
steps of that are as large as any. While moving averages lag behind those steps, validation losses can differ.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import LOGITS_LAYER
from celestialkeras.models.registry import build_model
from celestialkeras.training.options import TrainOptions
from celestialkeras.training.strip_convolution import StripConvolution, Windows


@dataclass(frozen=True)
class Block:
    """Four layers, each taking what the one before it gives, and nothing else taking it.

    Attributes:
        convolution: With or without a bias.
        normalization: Over channels.
        activation: ReLU.
        pooling: Maxima.
    """

    convolution: keras.layers.Conv2D
    normalization: keras.layers.BatchNormalization
    activation: keras.layers.Layer
    pooling: keras.layers.MaxPooling2D


def leading_blocks(model: keras.Model) -> tuple[Block, ...]:
    """The blocks that a network begins with.

    Args:
        model: A functional model with one input of fixed size.

    Returns:
        At least one block.

    Raises:
        ModelError: The first layers are not such a block.
    """
    chain = _leading_chain(model)
    blocks: list[Block] = []
    for start in range(0, len(chain) - 3, 4):
        found = chain[start : start + 4]
        if not all(fits(layer) for fits, layer in zip(_KINDS, found, strict=True)):
            break
        blocks.append(Block(*found))
    if not blocks:
        first = ", ".join(f"{layer.name} ({type(layer).__name__})" for layer in chain[:4])
        raise ModelError(
            f"model {model.name!r} cannot be trained in strips: its first four layers must be a Conv2D, a"
            " BatchNormalization, a ReLU and a MaxPooling2D, each taken from by the next alone; train it with"
            f" `stem_strips` 0. Received: {first or 'no layers in a row'}"
        )
    return tuple(blocks)


def check_stem(options: TrainOptions, frame_shape: tuple[int, int], model: keras.Model | None = None) -> None:
    """Refuses to train a network in strips that does not begin with a block.

    Args:
        options: What a run is asked to do.
        frame_shape: Rows and columns of the data set's frames, pixels.
        model: The network that training starts from; None for the registered one.

    Raises:
        ModelError: There are to be strips, and the network does not begin with a block.
    """
    if not options.stem_strips:
        return
    if model is not None:
        leading_blocks(model)
        return
    # Variables made in a graph that no session ever runs take no memory.
    with tf.Graph().as_default():
        leading_blocks(build_model(options.model, options.input_shape(frame_shape), **options.model_options))


class StripNetwork:
    """A network up to its logits, with its first blocks in strips.

    Args:
        model: Ends in a layer `logits` and a softmax; its weights and moving averages are used as they are.
        strips: In how many strips of rows each block is computed.

    Raises:
        ModelError: The network does not begin with a block.
    """

    def __init__(self, model: keras.Model, strips: int) -> None:
        self._blocks = [(block, _strip_convolution(block, strips)) for block in leading_blocks(model)]
        self._rest = keras.Model(self._blocks[-1][0].pooling.output, model.get_layer(LOGITS_LAYER).output)

    def __call__(self, frames: Any, training: bool) -> Any:
        """Logits of frames, as the model itself gives them.

        Args:
            frames: `float32 (n, height, width, 1)`; no gradient goes back to them.
            training: Whether normalisation takes the moments of these frames, and moves its averages towards them.

        Returns:
            `float32 (n, classes)`.
        """
        x = frames
        for block, convolution in self._blocks:
            x = _apply(block, convolution, x, training, input_gradient=x is not frames)
        return self._rest(x, training=training)


def _apply(block: Block, convolution: StripConvolution, x: Any, training: bool, input_gradient: bool) -> Any:
    kernel, norm = block.convolution.kernel.value, block.normalization
    gamma = norm.gamma.value if norm.scale else tf.ones(kernel.shape[-1])
    bias = block.convolution.bias.value if block.convolution.use_bias else 0.0
    # Normalisation takes a bias out again: only the moments shift with it. Its gradient is zero, yet must be there.
    beta = (norm.beta.value if norm.center else 0.0) + 0.0 * bias
    sign = tf.where(gamma < 0, -1.0, 1.0)
    pooled, mean, variance = convolution(x, kernel * sign, input_gradient)
    if training:
        for average, found in ((norm.moving_mean, sign * mean + bias), (norm.moving_variance, variance)):
            average.assign(average.value * norm.momentum + found * (1.0 - norm.momentum))
    else:
        mean, variance = sign * (norm.moving_mean.value - bias), norm.moving_variance.value
    pooled = tf.nn.batch_normalization(pooled, mean, variance, beta, gamma * sign, norm.epsilon)
    return block.activation(pooled)


def _strip_convolution(block: Block, strips: int) -> StripConvolution:
    convolution, pooling = block.convolution, block.pooling
    return StripConvolution(
        tuple(convolution.input.shape[1:3]),
        Windows(convolution.kernel_size, convolution.strides, convolution.padding == "same"),
        Windows(pooling.pool_size, pooling.strides, pooling.padding == "same"),
        strips,
        convolution.compute_dtype,
    )


def _leading_chain(model: keras.Model) -> list[keras.layers.Layer]:
    """The layers from the input on that each take from the one before it alone, which nothing else takes from."""
    chain: list[keras.layers.Layer] = []
    tensor = model.inputs[0]
    while True:
        takers = [
            layer
            for layer in model.layers
            for node in layer._inbound_nodes
            if any(source is tensor for source in node.input_tensors)
        ]
        if len(takers) != 1 or len(takers[0]._inbound_nodes) != 1:
            return chain
        layer = takers[0]
        if len(layer._inbound_nodes[0].input_tensors) != 1 or len(layer._inbound_nodes[0].outputs) != 1:
            return chain
        chain.append(layer)
        tensor = layer.output


def _is_convolution(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is layers.Conv2D
        and layer.padding in ("valid", "same")
        and layer.groups == 1
        and layer.dilation_rate == (1, 1)
        and layer.data_format == "channels_last"
        and layer.activation is keras.activations.linear
        and all(size >= stride for size, stride in zip(layer.kernel_size, layer.strides, strict=True))
    )


def _is_normalization(layer: keras.layers.Layer) -> bool:
    return (
        type(layer) is layers.BatchNormalization
        and layer.axis in (-1, 3)
        and layer.trainable
        and not layer.synchronized
        and not getattr(layer, "renorm", False)
    )


def _is_relu(layer: keras.layers.Layer) -> bool:
    if type(layer) is layers.ReLU:
        return not layer.negative_slope and not layer.threshold
    return type(layer) is layers.Activation and layer.activation is keras.activations.relu


def _is_pooling(layer: keras.layers.Layer) -> bool:
    return type(layer) is layers.MaxPooling2D and layer.data_format == "channels_last"


_KINDS = (_is_convolution, _is_normalization, _is_relu, _is_pooling)
