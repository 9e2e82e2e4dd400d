"""VGG-16 (Simonyan and Zisserman 2015), one of the networks that Zhang et al. 2024 compare theirs with.

There are two of it, as elsewhere: `vgg16` as published, for which ImageNet's weights exist, and `vgg16_bn` with batch
normalisation, which learns from fresh weights. Both differ from the publication in this:

* One channel goes in, and the sizes of the frame are free: the last maps are averaged, where the published network
  flattens 7 x 7 of them. Flattened, a frame of 512 x 1024 pixels would need 1074 M weights in the first of the dense
  layers.
* No layer scales the frame: values from 0 to 1 go in, and published weights are scaled instead.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
from keras import layers

from celestialkeras.models.applications import Exchange, standard_layers
from celestialkeras.models.convolution import normalized_convolution
from celestialkeras.models.head import check_head, classifier, hidden_layers, pooled
from celestialkeras.models.pretrained import CENTRED, FRESH, Donor, start_from
from celestialkeras.models.registry import FULL_INPUT_SHAPE, HALVED_FIVE_TIMES, register

SOURCE = "Simonyan and Zisserman 2015, arXiv:1409.1556; compared with by Zhang et al. 2024"


@register(
    "vgg16",
    source=SOURCE,
    summary="baseline: thirteen 3x3 convolutions as published, to start from ImageNet's weights",
    rule=HALVED_FIVE_TIMES,
)
def vgg16(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE,
    classes: int = 2,
    hidden_units: int = 4096,
    dropout: float = 0.5,
    weights: str = FRESH,
) -> keras.Model:
    """Builds VGG-16 from `keras.applications` for frames of any size.

    To be trained from fresh weights, take `vgg16_bn`: the authors could not start this one so, and began with a
    shallower network that they trained first (their section 3.1).

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 32.
        classes: Number of classes.
        hidden_units: Units of the two hidden dense layers.
        dropout: Share of their values that a training step drops.
        weights: `fresh`, `imagenet`, or a file; the dense layers stay fresh.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or an option is refused, or the weights cannot be had or do not fit.
    """
    check_head(classes, hidden_units, dropout)
    frame, maps = _convolutions(input_shape, {})
    model = classifier(frame, hidden_layers(pooled(maps), hidden_units, dropout), classes, "vgg16")
    start_from(model, weights, Donor(_colour_network, CENTRED))
    return model


@register(
    "vgg16_bn",
    source=SOURCE,
    summary="baseline: vgg16 with batch normalisation, to be trained from fresh weights",
    rule=HALVED_FIVE_TIMES,
)
def vgg16_bn(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE,
    classes: int = 2,
    hidden_units: int = 4096,
    dropout: float = 0.5,
    weights: str = FRESH,
) -> keras.Model:
    """Builds VGG-16 with batch normalisation behind each convolution, which takes the place of the latter's bias.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 32.
        classes: Number of classes.
        hidden_units: Units of the two hidden dense layers.
        dropout: Share of their values that a training step drops.
        weights: `fresh`, or a `.keras` file of this network; none are published with Keras.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or an option is refused, or the weights cannot be had or do not fit.
    """
    check_head(classes, hidden_units, dropout)
    frame, maps = _convolutions(input_shape, {layers.Conv2D: _normalized})
    model = classifier(frame, hidden_layers(pooled(maps), hidden_units, dropout), classes, "vgg16_bn")
    start_from(model, weights, Donor())
    return model


def _convolutions(input_shape: tuple[int, int, int], exchange: Mapping[type, Exchange]) -> tuple[Any, Any]:
    """The input, and the last maps of the published network with some of its layers exchanged."""
    HALVED_FIVE_TIMES.check(input_shape)
    frame = keras.Input(input_shape, name="frame")
    published = keras.applications.VGG16(include_top=False, weights=None, input_tensor=frame)
    return frame, standard_layers(published.output, exchange)


def _colour_network(weights: str | None) -> keras.Model:
    return keras.applications.VGG16(include_top=False, weights=weights)


def _normalized(convolution: keras.layers.Conv2D, x: Any) -> Any:
    return normalized_convolution(x, convolution.name, convolution.filters, convolution.kernel_size)
