"""How much each filter of a network matters to its loss, to first order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.compress.channel_units import is_convolution
from celestialkeras.backend import import_tensorflow
from celestialkeras.evaluation.evaluate import FrameBatch
from celestialkeras.evaluation.predictor import LOGITS_LAYER, network_input

Contributions = npt.NDArray[np.float64]
"""What the loss of each frame would fall by, to first order, without each filter, nats: `float64 (frames, filters)`."""


def filter_contributions(model: Any, frames: FrameBatch) -> dict[str, Contributions]:
    """The slope of each frame's loss along the output of each filter.

    With a factor before its output, the slope of the loss along that factor at 1 says to first order what taking the
    filter out does (Molchanov et al. 2019, arXiv:1906.10771). No factors are needed for it: it is the sum of weight
    times gradient over the scale and offset of the batch normalisation behind the filter, or over kernel and bias
    where none follows.

    Args:
        model: A Keras 3 functional model with a layer `logits`.
        frames: Frames of the model's size, with their labels. One at a time is run through the network and back, which
            takes as much memory as training on one.

    Returns:
        The slopes, for each `Conv2D` by name.
    """
    import keras

    tf = import_tensorflow("ranking filters")
    network = keras.Model(model.inputs, model.get_layer(LOGITS_LAYER).output)
    carriers = _carriers(model)
    weights = [weight.value for name in carriers for weight in carriers[name]]

    @tf.function(autograph=False)  # type: ignore[untyped-decorator]
    def slopes(frame: Any, label: Any) -> Any:
        with tf.GradientTape() as tape:
            loss = tf.nn.sparse_softmax_cross_entropy_with_logits(label, network(frame, training=False))
        # Weight times gradient, added up over all that belongs to one filter: the last axis.
        return [
            tf.reduce_sum(tf.reshape(weight * gradient, (-1, weight.shape[-1])), axis=0)
            for weight, gradient in zip(weights, tape.gradient(loss, weights), strict=True)
        ]

    rows: dict[str, list[npt.NDArray[np.float64]]] = {name: [] for name in carriers}
    for codes, observation in zip(frames.codes, frames.observations, strict=True):
        frame = network_input(codes[None])
        parts = iter(slopes(tf.constant(frame), tf.constant([observation.label_code])))
        for name, held in carriers.items():
            rows[name].append(sum(next(parts).numpy().astype(np.float64) for _ in held))
    return {name: np.stack(part) for name, part in rows.items()}


def _carriers(model: Any) -> dict[str, Sequence[Any]]:
    """The weights that a filter's output is proportional to, for each convolution by name."""
    from keras import layers

    convolutions = {id(layer.output): layer for layer in model.layers if is_convolution(layer)}
    carriers: dict[str, Sequence[Any]] = {
        layer.name: [layer.kernel, *([layer.bias] if layer.use_bias else ())] for layer in convolutions.values()
    }
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization) and layer.scale and id(layer.input) in convolutions:
            carriers[convolutions[id(layer.input)].name] = [layer.gamma, *([layer.beta] if layer.center else ())]
    return carriers
