"""HR-CelestialNet, the network of Zhang et al. 2024 (MNRAS 527, 11935), layer for layer as its authors released it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import keras
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.models.head import check_head, classifier
from celestialkeras.models.padding import VALID, Window, check_padding, smallest_side
from celestialkeras.models.registry import FULL_INPUT_SHAPE, InputRule, register
from celestialkeras.models.width import check_width, scaled

SOURCE = "Zhang et al. 2024, MNRAS 527, 11935 (arXiv:2312.04948)"


@dataclass(frozen=True)
class Stage:
    """One row of the paper's table: equal convolutions, then one max-pooling; as published, nothing is padded.

    Attributes:
        convolutions: How many, each followed by batch normalisation and ReLU.
        kernel: Side of their square kernels, pixels.
        filters: Output channels of each.
        pool: Side of the pooling window, pixels.
        stride: Stride of the pooling, pixels.
    """

    convolutions: int
    kernel: int
    filters: int
    pool: int
    stride: int


STAGES = (
    Stage(convolutions=1, kernel=7, filters=32, pool=8, stride=4),
    Stage(convolutions=1, kernel=7, filters=64, pool=4, stride=2),
    Stage(convolutions=2, kernel=5, filters=128, pool=2, stride=2),
    Stage(convolutions=2, kernel=3, filters=256, pool=2, stride=2),
    Stage(convolutions=2, kernel=3, filters=256, pool=2, stride=2),
    Stage(convolutions=2, kernel=3, filters=512, pool=2, stride=2),
    Stage(convolutions=2, kernel=3, filters=512, pool=2, stride=2),
)
"""The seven convolutional stages, in the paper's order."""

DENSE_UNITS = 4096
"""Units of each of the two hidden dense layers."""

STEM_KERNELS = (7, 5, 3)
"""Sides that the kernels of the first two stages can have; the published one leads."""


def _stages(stem_kernel: int) -> tuple[Stage, ...]:
    """The stages with other kernels in the first two, and in the third ones that are two pixels smaller, 3 at least."""
    first, second, third, *rest = STAGES
    inner = max(3, stem_kernel - 2)
    return (
        replace(first, kernel=stem_kernel),
        replace(second, kernel=stem_kernel),
        replace(third, kernel=inner),
        *rest,
    )


def _windows(stages: tuple[Stage, ...], padding: str) -> Iterator[Window]:
    for stage in stages:
        if padding == VALID:
            yield from [Window(stage.kernel)] * stage.convolutions
        yield Window(stage.pool, stage.stride)


def _rule(stages: tuple[Stage, ...], padding: str) -> InputRule:
    what = "seven unpadded stages" if padding == VALID else "seven poolings"
    return InputRule(
        minimum_side=smallest_side([*_windows(stages, padding)]),
        multiple_of=1,
        reason=f"the {what} leave nothing of a shorter side",
    )


RULE = _rule(STAGES, VALID)
"""Of the published network: no side below 1322 pixels."""


@register(
    "hr_celestialnet",
    source=SOURCE,
    summary="the paper's network: seven unpadded stages and three dense layers on whole frames",
    rule=RULE,
)
def hr_celestialnet(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE,
    width: float = 1.0,
    classes: int = 2,
    stem_kernel: int = STEM_KERNELS[0],
    padding: str = VALID,
) -> keras.Model:
    """Builds HR-CelestialNet.

    At its published size it has 97,048,130 trainable parameters and costs 177.9 GMAC a frame. The layers are
    named `stageK_convJ`, `stageK_bnJ`, `stageK_reluJ`, `stageK_pool`, then `flatten`, `fc1`, `fc2`, `logits` and
    `probabilities`.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 1322, or with padded convolutions 268.
        width: Factor on the filters and on the hidden dense units; 1.0 is the published network.
        classes: Number of classes.
        stem_kernel: 7, 5 or 3: side of the kernels of the first two stages. Those of the third are two pixels smaller,
            3 at least. 7 is the published network.
        padding: Of the convolutions: `valid`, as published, or `same`. Poolings are never padded.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or one of the options is refused.
    """
    if stem_kernel not in STEM_KERNELS:
        raise ModelError(f"`stem_kernel` must be 7, 5 or 3. Received: stem_kernel={stem_kernel}")
    check_padding(padding)
    stages = _stages(stem_kernel)
    _rule(stages, padding).check(input_shape)
    check_width(width)
    check_head(classes)

    inputs = keras.Input(input_shape, name="frame")
    x = inputs
    for number, stage in enumerate(stages, start=1):
        name = f"stage{number}"
        for j in range(1, stage.convolutions + 1):
            filters = scaled(stage.filters, width)
            x = layers.Conv2D(filters, stage.kernel, padding=padding, name=f"{name}_conv{j}")(x)
            # PyTorch's momentum of 0.1 weighs the new batch; Keras' 0.9 weighs the old average.
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn{j}")(x)
            x = layers.ReLU(name=f"{name}_relu{j}")(x)
        x = layers.MaxPooling2D(stage.pool, stage.stride, name=f"{name}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    for number in (1, 2):
        x = layers.Dense(scaled(DENSE_UNITS, width), activation="relu", name=f"fc{number}")(x)
    return classifier(inputs, x, classes, "hr_celestialnet")
