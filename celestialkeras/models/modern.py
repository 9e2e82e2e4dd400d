"""What one would pick today: MobileNetV3-Small, EfficientNetV2-B0 and ConvNeXt-Tiny, from `keras.applications`.

They differ from the published networks alike: one channel goes in; no layer scales the frame, so that values from 0 to
1 go in and published weights are scaled instead; moving averages have a momentum of 0.9; and what is no standard layer
is said in standard ones (`applications.py`). All end in a mean over the last maps, as published, and take any size.
"""

from __future__ import annotations

import keras
from keras import layers

from celestialkeras.models.applications import standard_layers
from celestialkeras.models.head import check_head, classifier, pooled
from celestialkeras.models.pretrained import FRESH, SIGNED, STANDARDIZED, Donor, start_from
from celestialkeras.models.registry import FULL_INPUT_SHAPE, HALVED_FIVE_TIMES, register


@register(
    "mobilenet_v3_small",
    source="Howard et al. 2019, ICCV, 1314 (arXiv:1905.02244)",
    summary="of today, for phones: depthwise convolutions with squeeze-and-excitation",
    rule=HALVED_FIVE_TIMES,
)
def mobilenet_v3_small(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE,
    classes: int = 2,
    hidden_units: int = 1024,
    dropout: float = 0.2,
    weights: str = FRESH,
) -> keras.Model:
    """Builds MobileNetV3-Small.

    Its hidden layer behind the mean, a 1x1 convolution as published, is the dense layer that it computes.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 32.
        classes: Number of classes.
        hidden_units: Units of the hidden dense layer.
        dropout: Share of its values that a training step drops.
        weights: `fresh`, `imagenet`, or a file; the dense layers stay fresh.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or an option is refused, or the weights cannot be had or do not fit.
    """
    HALVED_FIVE_TIMES.check(input_shape)
    check_head(classes, hidden_units, dropout)
    frame = keras.Input(input_shape, name="frame")
    published = keras.applications.MobileNetV3Small(
        input_shape, include_top=False, weights=None, input_tensor=frame, include_preprocessing=False
    )
    x = pooled(standard_layers(published.output))
    x = layers.Dense(hidden_units, activation="hard_swish", name="fc1")(x)
    x = layers.Dropout(dropout, name="fc1_dropout")(x)
    model = classifier(frame, x, classes, "mobilenet_v3_small")
    start_from(model, weights, Donor(_colour_mobilenet, SIGNED))
    return model


@register(
    "efficientnet_v2_b0",
    source="Tan and Le 2021, ICML, 10096 (arXiv:2104.00298)",
    summary="of today: fused and depthwise inverted bottlenecks",
    rule=HALVED_FIVE_TIMES,
)
def efficientnet_v2_b0(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE, classes: int = 2, dropout: float = 0.2, weights: str = FRESH
) -> keras.Model:
    """Builds EfficientNetV2-B0. Paths of its blocks are dropped in training as published.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 32.
        classes: Number of classes.
        dropout: Share of the pooled features that a training step drops.
        weights: `fresh`, `imagenet`, or a file; the dense layer stays fresh.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or an option is refused, or the weights cannot be had or do not fit.
    """
    HALVED_FIVE_TIMES.check(input_shape)
    check_head(classes, dropout=dropout)
    frame = keras.Input(input_shape, name="frame")
    published = keras.applications.EfficientNetV2B0(
        include_top=False, weights=None, input_tensor=frame, include_preprocessing=False
    )
    x = pooled(standard_layers(published.output))
    x = layers.Dropout(dropout, name="features_dropout")(x)
    model = classifier(frame, x, classes, "efficientnet_v2_b0")
    start_from(model, weights, Donor(_colour_efficientnet, STANDARDIZED))
    return model


@register(
    "convnext_tiny",
    source="Liu et al. 2022, CVPR, 11976 (arXiv:2201.03545)",
    summary="of today: 7x7 depthwise convolutions and layer normalisation",
    rule=HALVED_FIVE_TIMES,
)
def convnext_tiny(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE, classes: int = 2, weights: str = FRESH
) -> keras.Model:
    """Builds ConvNeXt-Tiny, without the dropping of paths, which `keras.applications` leaves out as well.

    Its layer scale, a class of Keras' own, is a depthwise 1x1 convolution here, and starts as published, at 1e-6.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 32.
        classes: Number of classes.
        weights: `fresh`, `imagenet`, or a file; the last layer normalisation and the dense layer stay fresh.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or an option is refused, or the weights cannot be had or do not fit.
    """
    HALVED_FIVE_TIMES.check(input_shape)
    check_head(classes)
    frame = keras.Input(input_shape, name="frame")
    published = keras.applications.ConvNeXtTiny(
        include_top=False, weights=None, input_tensor=frame, input_shape=input_shape, include_preprocessing=False
    )
    # The published head averages first and normalises then; without its top, Keras normalises every pixel.
    x = pooled(standard_layers(published.layers[-1].input))
    x = layers.LayerNormalization(epsilon=1e-6, name="features_layernorm")(x)
    model = classifier(frame, x, classes, "convnext_tiny")
    start_from(model, weights, Donor(_colour_convnext, STANDARDIZED))
    return model


def _colour_mobilenet(weights: str | None) -> keras.Model:
    # At another size than that of its training Keras would warn; the weights are the same.
    return keras.applications.MobileNetV3Small((224, 224, 3), include_top=False, weights=weights)


def _colour_efficientnet(weights: str | None) -> keras.Model:
    return keras.applications.EfficientNetV2B0(include_top=False, weights=weights)


def _colour_convnext(weights: str | None) -> keras.Model:
    return keras.applications.ConvNeXtTiny(include_top=False, weights=weights)
