"""CelestialNet-Edge, this project's own compact network: dense 3x3 layers behind a stem that strides early."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.models.head import check_head, classifier
from celestialkeras.models.padding import SAME, VALID, Window, check_padding, smallest_side
from celestialkeras.models.registry import FULL_INPUT_SHAPE, InputRule, register
from celestialkeras.models.width import check_width, scaled
from celestialkeras.suggestions import did_you_mean

STEM_KERNEL = 8
"""Side of the stem's kernel, pixels: at stride 8 the patches tile the frame, at 4 and 2 they overlap."""

LARGEST_STEM_KERNEL = 16
"""Largest side that it can be given."""

STEM_FILTERS = 32
"""Output channels of the stem."""

STEM_STRIDES = (2, 4, 8)
"""Strides that the stem can take. Its weights have the same shape at each."""


@dataclass(frozen=True)
class Stage:
    """Equal 3x3 convolutions, each followed by batch normalisation and ReLU.

    Attributes:
        convolutions: How many.
        filters: Output channels of each.
        stride: Stride of the first; the others have stride 1.
    """

    convolutions: int
    filters: int
    stride: int


STAGES = (
    Stage(convolutions=1, filters=32, stride=1),
    Stage(convolutions=2, filters=64, stride=2),
    Stage(convolutions=2, filters=128, stride=2),
    Stage(convolutions=2, filters=160, stride=2),
)
"""What follows the stem."""

ATTENTIONS = ("none", "squeeze_excite")
"""What can stand behind each stage."""

SQUEEZED = 8
"""How many channels become one where attention is squeezed; Hu et al. have 16, of wider layers."""

FEWEST_SQUEEZED = 4
"""Fewest channels that attention is squeezed to: a narrower layer may give zeros alone, of which int8 has no scale."""

POOLED_UNITS = 64
"""Units of the dense layer behind each of the two global poolings."""

RULE = InputRule(
    minimum_side=32,
    multiple_of=32,
    reason="the stem and the strided stages halve the sides again and again, and a remainder would be padding",
)


@register(
    "celestialnet_edge",
    source="this project's own; compared with Zhang et al. 2024, MNRAS 527, 11935 (arXiv:2312.04948)",
    summary="ours: early-striding stem, seven 3x3 layers, global pooling; for boards and for training on a CPU",
    rule=RULE,
)
def celestialnet_edge(
    input_shape: tuple[int, int, int] = FULL_INPUT_SHAPE,
    width: float = 1.0,
    classes: int = 2,
    stem_stride: int = 8,
    stem_kernel: int = STEM_KERNEL,
    padding: str = SAME,
    attention: str = ATTENTIONS[0],
    dilation: int = 1,
) -> keras.Model:
    """Builds CelestialNet-Edge: 0.73 M parameters, and 5.95 GMAC on a whole frame.

    Plain convolutions rather than depthwise ones: they run at twice the rate in XNNPACK's int8 kernels, so that
    milliseconds, not operations, are saved. Galaxies and nebulae show in a few bright knots as well as in
    the diffuse light of the whole chip: the maximum of each feature over the frame is kept beside its mean.

    Args:
        input_shape: `(height, width, 1)`, pixels; both sides multiples of 32.
        width: Factor on the filters and on the dense units.
        classes: Number of classes.
        stem_stride: 2, 4 or 8. At 8 a frame binned by 4 costs 0.37 GMAC, at 4 four times as much; on the simulated
            demo the two told unseen objects equally well.
        stem_kernel: Side of the stem's kernel, 2 to 16 pixels. Below the stride it skips pixels.
        padding: Of all convolutions: `same` or `valid`, which takes sides of at least 360 pixels at stride 8.
        attention: `none`, or `squeeze_excite` behind each stage: every channel is weighed by what two small layers make
            of the means of all (Hu, Shen and Sun 2018, CVPR, 7132; arXiv:1709.01507).
        dilation: Pixels from one place of the kernel to the next in the second convolution of each stage that has two;
            1 leaves no gaps (Yu and Koltun 2016, ICLR; arXiv:1511.07122).

    Returns:
        A functional model: `float32 (n, height, width, 1)` in [0, 1] to `float32 (n, classes)` probabilities.

    Raises:
        ModelError: The input shape or one of the options is refused.
    """
    RULE.check(input_shape)
    check_width(width)
    check_head(classes)
    if stem_stride not in STEM_STRIDES:
        raise ModelError(f"`stem_stride` must be 2, 4 or 8. Received: stem_stride={stem_stride}")
    if not 2 <= stem_kernel <= LARGEST_STEM_KERNEL:
        raise ModelError(
            f"`stem_kernel` must be 2 to {LARGEST_STEM_KERNEL} pixels. Received: stem_kernel={stem_kernel}"
        )
    check_padding(padding)
    if attention not in ATTENTIONS:
        hint = did_you_mean(attention, ATTENTIONS)
        raise ModelError(f"`attention` must be one of {', '.join(ATTENTIONS)}{hint}. Received: attention={attention!r}")
    if dilation < 1:
        raise ModelError(f"`dilation` must be at least 1. Received: dilation={dilation}")
    stem = _Convolution("stem", scaled(STEM_FILTERS, width), stem_kernel, stem_stride, padding)
    stages = [[*_convolutions(number, width, padding, dilation)] for number in range(1, len(STAGES) + 1)]
    if padding == VALID:
        _check_sides(input_shape, [stem, *(one for stage in stages for one in stage)])

    inputs = keras.Input(input_shape, name="frame")
    x = _convolved(inputs, stem)
    for number, stage in enumerate(stages, start=1):
        for convolution in stage:
            x = _convolved(x, convolution)
        if attention == "squeeze_excite":
            x = _weighed(x, f"stage{number}")
    # Maxima are four to five times larger than means. An int8 concatenation has one scale, which would leave the means
    # the fewest codes: a dense layer of its own brings each to a range of its own choosing first.
    units = scaled(POOLED_UNITS, width)
    mean = layers.GlobalAveragePooling2D(name="mean")(x)
    mean = layers.Dense(units, activation="relu", name="mean_dense")(mean)
    peak = layers.GlobalMaxPooling2D(name="peak")(x)
    peak = layers.Dense(units, activation="relu", name="peak_dense")(peak)
    x = layers.Concatenate(name="pooled")([mean, peak])
    return classifier(inputs, x, classes, "celestialnet_edge")


@dataclass(frozen=True)
class _Convolution:
    """A convolution of square kernels, followed by batch normalisation and ReLU."""

    name: str
    filters: int
    kernel: int
    stride: int
    padding: str
    dilation: int = 1


def _convolutions(number: int, width: float, padding: str, dilation: int) -> Iterator[_Convolution]:
    """Those of a stage, counted from 1."""
    stage = STAGES[number - 1]
    filters = scaled(stage.filters, width)
    for j in range(1, stage.convolutions + 1):
        stride, gaps = (stage.stride, 1) if j == 1 else (1, dilation)
        yield _Convolution(f"stage{number}_{j}", filters, 3, stride, padding, gaps)


def _convolved(x: Any, one: _Convolution) -> Any:
    x = layers.Conv2D(
        one.filters,
        one.kernel,
        one.stride,
        padding=one.padding,
        dilation_rate=one.dilation,
        use_bias=False,
        name=f"{one.name}_conv",
    )(x)
    # A run on 150 frames has some 20 steps an epoch: at Keras' 0.99 the averages would lag behind by five epochs.
    x = layers.BatchNormalization(momentum=0.9, name=f"{one.name}_bn")(x)
    return layers.ReLU(name=f"{one.name}_relu")(x)


def _weighed(x: Any, name: str) -> Any:
    """Squeeze and excitation. Convolutions of 1x1 rather than dense layers: filters can then be pruned through it."""
    filters = x.shape[-1]
    gate = layers.GlobalAveragePooling2D(keepdims=True, name=f"{name}_squeeze")(x)
    gate = layers.Conv2D(max(FEWEST_SQUEEZED, filters // SQUEEZED), 1, activation="relu", name=f"{name}_reduce")(gate)
    gate = layers.Conv2D(filters, 1, name=f"{name}_expand")(gate)
    gate = layers.Activation("sigmoid", name=f"{name}_gate")(gate)
    return layers.Multiply(name=f"{name}_weighed")([x, gate])


def _check_sides(input_shape: tuple[int, int, int], convolutions: list[_Convolution]) -> None:
    """Refuses frames of which unpadded convolutions leave nothing."""
    windows = [Window((one.kernel - 1) * one.dilation + 1, one.stride) for one in convolutions]
    if min(input_shape[:2]) < (smallest := smallest_side(windows)):
        raise ModelError(
            f"`input_shape` must have sides of at least {smallest} pixels with these unpadded convolutions; larger"
            f" frames, or padding='same'. Received: input_shape={input_shape}"
        )
