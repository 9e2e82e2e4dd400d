"""The layer that AlexNet and VGG-16 are built of here: a convolution, batch normalisation and ReLU."""

from __future__ import annotations

from typing import Any

from keras import layers

from celestialkeras.models.applications import BATCH_NORM_MOMENTUM


def normalized_convolution(
    x: Any, name: str, filters: int, kernel: int | tuple[int, int], stride: int = 1, padding: str = "same"
) -> Any:
    """A convolution whose bias is that of the batch normalisation behind it, then ReLU.

    Args:
        x: Keras tensor `(n, height, width, channels)`.
        name: Of the convolution; the others are called `NAME_bn` and `NAME_relu`.
        filters: Output channels.
        kernel: Side of the kernel, or both sides.
        stride: Stride along both sides.
        padding: `same` or `valid`.

    Returns:
        Keras tensor `(n, height, width, filters)`.
    """
    x = layers.Conv2D(filters, kernel, stride, padding=padding, use_bias=False, name=name)(x)
    x = layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name=f"{name}_bn")(x)
    return layers.ReLU(name=f"{name}_relu")(x)
