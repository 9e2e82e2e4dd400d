"""HR-CelestialNet, the network of Zhang et al. 2024 (MNRAS 527, 11935), layer for layer as its authors released it."""

from __future__ import annotations

from dataclasses import dataclass

import keras
from keras import layers

from celestialkeras.models.head import check_head, classifier
from celestialkeras.models.registry import FULL_INPUT_SHAPE, InputRule, register
from celestialkeras.models.width import check_width, scaled

SOURCE = "Zhang et al. 2024, MNRAS 527, 11935 (arXiv:2312.04948)"


@dataclass(frozen=True)
class Stage:
    """One row of the paper's table: equal convolutions, then one max-pooling; nothing is padded.

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

RULE = InputRule(
    minimum_side=1322,
    multiple_of=1,
    reason="the seven unpadded stages leave nothing of a shorter side",
)


@register(
    "hr_celestialnet",
    source=SOURCE,
    summary="the paper's network: seven unpadded stages and three dense layers on whole frames",
    rule=RULE,
)
def hr_celestialnet(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE, width: float = 1.0, classes: int = 2
) -> keras.Model:
    """Builds HR-CelestialNet.

    At its published size it has 97,048,130 trainable parameters and costs 177.9 GMAC a frame. The layers are
    named `stageK_convJ`, `stageK_bnJ`, `stageK_reluJ`, `stageK_pool`, then `flatten`, `fc1`, `fc2`, `logits` and
    `probabilities`.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 1322.
        width: Factor on the filters and on the hidden dense units; 1.0 is the published network.
        classes: Number of classes.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape, the width or the number of classes is refused.
    """
    RULE.check(input_shape)
    check_width(width)
    check_head(classes)

    inputs = keras.Input(input_shape, name="frame")
    x = inputs
    for number, stage in enumerate(STAGES, start=1):
        name = f"stage{number}"
        for j in range(1, stage.convolutions + 1):
            x = layers.Conv2D(scaled(stage.filters, width), stage.kernel, name=f"{name}_conv{j}")(x)
            # PyTorch's momentum of 0.1 weighs the new batch; Keras' 0.9 weighs the old average.
            x = layers.BatchNormalization(momentum=0.9, epsilon=1e-5, name=f"{name}_bn{j}")(x)
            x = layers.ReLU(name=f"{name}_relu{j}")(x)
        x = layers.MaxPooling2D(stage.pool, stage.stride, name=f"{name}_pool")(x)
    x = layers.Flatten(name="flatten")(x)
    for number in (1, 2):
        x = layers.Dense(scaled(DENSE_UNITS, width), activation="relu", name=f"fc{number}")(x)
    return classifier(inputs, x, classes, "hr_celestialnet")
