"""VGG-16 (Simonyan and Zisserman 2015), one of the networks that Zhang et al. 2024 compare theirs with."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.models.applications import BATCH_NORM_MOMENTUM, standard_layers
from celestialkeras.models.head import check_head, classifier, hidden_layers, pooled
from celestialkeras.models.pretrained import CENTRED, FRESH, IMAGENET, Donor, start_from
from celestialkeras.models.registry import FULL_INPUT_SHAPE, HALVED_FIVE_TIMES, register


@register(
    "vgg16",
    source="Simonyan and Zisserman 2015, arXiv:1409.1556; compared with by Zhang et al. 2024",
    summary="baseline: thirteen 3x3 convolutions, two hidden dense layers",
    rule=HALVED_FIVE_TIMES,
)
def vgg16(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE,
    classes: int = 2,
    batch_norm: bool = True,
    hidden_units: int = 4096,
    dropout: float = 0.5,
    weights: str = FRESH,
) -> keras.Model:
    """Builds VGG-16 from `keras.applications` for frames of any size.

    What is not as published, and why:

    * One channel goes in, and the sizes of the frame are free: the last maps are averaged, where the published network
      flattens 7 x 7 of them. Flattened, a frame of 512 x 1024 pixels would need 1074 M weights in the first of the
      dense layers.
    * Batch normalisation behind each convolution, unless it is refused: without it the authors could not start from
      fresh weights, and began with a shallower network that they trained first (their section 3.1). ImageNet's weights
      are of the network without it.
    * No layer scales the frame: values from 0 to 1 go in, and published weights are scaled instead.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 32.
        classes: Number of classes.
        batch_norm: Whether each convolution is followed by batch normalisation.
        hidden_units: Units of the two hidden dense layers.
        dropout: Share of their values that a training step drops.
        weights: `fresh`, `imagenet` (with `batch_norm=False`), or a file; the dense layers stay fresh.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or an option is refused, or the weights cannot be had or do not fit.
    """
    HALVED_FIVE_TIMES.check(input_shape)
    check_head(classes, hidden_units, dropout)
    if batch_norm and weights == IMAGENET:
        raise ModelError(
            "the ImageNet weights of vgg16 are of the network without batch normalisation; ask for `batch_norm=False`"
            f" with them. Received: batch_norm={batch_norm}, weights={weights!r}"
        )
    frame = keras.Input(input_shape, name="frame")
    published = keras.applications.VGG16(include_top=False, weights=None, input_tensor=frame)
    maps = standard_layers(published.output, {layers.Conv2D: _normalized} if batch_norm else {})
    x = hidden_layers(pooled(maps), hidden_units, dropout)
    model = classifier(frame, x, classes, "vgg16")
    start_from(model, weights, Donor(_colour_network, CENTRED))
    return model


def _colour_network(weights: str | None) -> keras.Model:
    return keras.applications.VGG16(include_top=False, weights=weights)


def _normalized(convolution: keras.layers.Conv2D, x: Any) -> Any:
    name = convolution.name
    x = layers.Conv2D(convolution.filters, convolution.kernel_size, padding="same", use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
