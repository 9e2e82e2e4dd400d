"""ResNet-18 and ResNet-50 (He et al. 2016), of a family that Zhang et al. 2024 compare theirs with."""

from __future__ import annotations

from typing import Any

import keras
from keras import layers

from celestialkeras.models.applications import BATCH_NORM_MOMENTUM, standard_layers
from celestialkeras.models.head import check_head, classifier, pooled
from celestialkeras.models.pretrained import CENTRED, FRESH, Donor, start_from
from celestialkeras.models.registry import FULL_INPUT_SHAPE, HALVED_FIVE_TIMES, register
from celestialkeras.models.width import check_width, scaled

SOURCE = "He et al. 2016, CVPR, 770 (arXiv:1512.03385); compared with by Zhang et al. 2024"

RESNET18_STAGES = (64, 128, 256, 512)
"""Filters of the four stages, two blocks of two 3x3 convolutions in each."""


@register(
    "resnet18",
    source=SOURCE,
    summary="baseline: eight residual blocks of two 3x3 convolutions",
    rule=HALVED_FIVE_TIMES,
)
def resnet18(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE, width: float = 1.0, classes: int = 2, weights: str = FRESH
) -> keras.Model:
    """Builds ResNet-18, which `keras.applications` does not have.

    What is not as published: one channel goes in. The mean over the last maps is the published one and takes any size.
    Strided layers are padded as Keras pads (`same`), so that no side needs to be a multiple of 32. Moving averages have
    a momentum of 0.9, which is PyTorch's default of 0.1 the other way round.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 32.
        width: Factor on the filters; 1.0 is the published network.
        classes: Number of classes.
        weights: `fresh`, or a `.keras` file of this network; none are published with Keras.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or an option is refused, or the weights cannot be had or do not fit.
    """
    HALVED_FIVE_TIMES.check(input_shape)
    check_head(classes)
    check_width(width)

    frame = keras.Input(input_shape, name="frame")
    x = _convolution(frame, "stem", scaled(RESNET18_STAGES[0], width), 7, 2)
    x = layers.ReLU(name="stem_relu")(x)
    x = layers.MaxPooling2D(3, 2, padding="same", name="stem_pool")(x)
    for stage, filters in enumerate(RESNET18_STAGES, start=1):
        for block in (1, 2):
            stride = 2 if stage > 1 and block == 1 else 1
            x = _basic_block(x, f"stage{stage}_block{block}", scaled(filters, width), stride)
    model = classifier(frame, pooled(x), classes, "resnet18")
    start_from(model, weights, Donor())
    return model


@register(
    "resnet50",
    source=SOURCE,
    summary="baseline: sixteen residual bottleneck blocks",
    rule=HALVED_FIVE_TIMES,
)
def resnet50(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE, classes: int = 2, weights: str = FRESH
) -> keras.Model:
    """Builds ResNet-50 from `keras.applications`.

    What is not as published: one channel goes in, and moving averages have a momentum of 0.9. The mean over the last
    maps is the published one and takes any size. No layer scales the frame: values from 0 to 1 go in, and published
    weights are scaled instead.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 32.
        classes: Number of classes.
        weights: `fresh`, `imagenet`, or a file; the dense layer stays fresh.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or an option is refused, or the weights cannot be had or do not fit.
    """
    HALVED_FIVE_TIMES.check(input_shape)
    check_head(classes)
    frame = keras.Input(input_shape, name="frame")
    published = keras.applications.ResNet50(include_top=False, weights=None, input_tensor=frame)
    model = classifier(frame, pooled(standard_layers(published.output)), classes, "resnet50")
    start_from(model, weights, Donor(_colour_network, CENTRED))
    return model


def _colour_network(weights: str | None) -> keras.Model:
    return keras.applications.ResNet50(include_top=False, weights=weights)


def _basic_block(x: Any, name: str, filters: int, stride: int) -> Any:
    shortcut = x
    if stride > 1 or x.shape[-1] != filters:
        shortcut = _convolution(x, f"{name}_shortcut", filters, 1, stride)
    x = _convolution(x, f"{name}_conv1", filters, 3, stride)
    x = layers.ReLU(name=f"{name}_relu1")(x)
    x = _convolution(x, f"{name}_conv2", filters, 3, 1)
    x = layers.Add(name=f"{name}_add")([shortcut, x])
    return layers.ReLU(name=f"{name}_relu2")(x)


def _convolution(x: Any, name: str, filters: int, kernel: int, stride: int) -> Any:
    x = layers.Conv2D(filters, kernel, stride, padding="same", use_bias=False, name=name)(x)
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, epsilon=1e-5, name=f"{name}_bn")(x)
