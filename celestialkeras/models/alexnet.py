"""AlexNet (Krizhevsky, Sutskever and Hinton 2012), one of the networks that Zhang et al. 2024 compare theirs with."""

from __future__ import annotations

import keras
from keras import layers

from celestialkeras.models.convolution import normalized_convolution
from celestialkeras.models.head import check_head, classifier, hidden_layers, pooled
from celestialkeras.models.pretrained import FRESH, Donor, start_from
from celestialkeras.models.registry import FULL_INPUT_SHAPE, InputRule, register
from celestialkeras.models.width import check_width, scaled

RULE = InputRule(
    minimum_side=67,
    multiple_of=1,
    reason="the strided stem and the three unpadded poolings leave nothing of a shorter side",
)

_POOL, _POOL_STRIDE = 3, 2


@register(
    "alexnet",
    source="Krizhevsky, Sutskever and Hinton 2012, NIPS 25; compared with by Zhang et al. 2024",
    summary="baseline: five convolutions behind an 11x11 stem, two hidden dense layers",
    rule=RULE,
)
def alexnet(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE,
    width: float = 1.0,
    classes: int = 2,
    hidden_units: int = 4096,
    dropout: float = 0.5,
    weights: str = FRESH,
) -> keras.Model:
    """Builds AlexNet for frames of any size.

    What is not as published, and why:

    * One channel goes in, and the sizes of the frame are free: the last maps are averaged, where the published network
      flattens 6 x 6 of them. Flattened, a frame of 512 x 1024 pixels would need 440 M weights in the first of the dense
      layers.
    * The convolutions have no two groups, which were there to share the network between two GPUs.
    * Batch normalisation behind each convolution takes the place of the local response normalisation behind two of
      them, for which Keras has no layer.

    Args:
        input_shape: `(height, width, 1)`, pixels; no side below 67.
        width: Factor on the filters; 1.0 is the published network.
        classes: Number of classes.
        hidden_units: Units of the two hidden dense layers.
        dropout: Share of their values that a training step drops.
        weights: `fresh`, or a `.keras` file of this network; none are published with Keras.

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or an option is refused, or the weights cannot be had or do not fit.
    """
    RULE.check(input_shape)
    check_head(classes, hidden_units, dropout)
    check_width(width)

    frame = keras.Input(input_shape, name="frame")
    x = normalized_convolution(frame, "conv1", scaled(96, width), 11, 4, "valid")
    x = layers.MaxPooling2D(_POOL, _POOL_STRIDE, name="pool1")(x)
    x = normalized_convolution(x, "conv2", scaled(256, width), 5)
    x = layers.MaxPooling2D(_POOL, _POOL_STRIDE, name="pool2")(x)
    x = normalized_convolution(x, "conv3", scaled(384, width), 3)
    x = normalized_convolution(x, "conv4", scaled(384, width), 3)
    x = normalized_convolution(x, "conv5", scaled(256, width), 3)
    x = layers.MaxPooling2D(_POOL, _POOL_STRIDE, name="pool5")(x)
    x = hidden_layers(pooled(x), hidden_units, dropout)
    model = classifier(frame, x, classes, "alexnet")
    start_from(model, weights, Donor())
    return model
