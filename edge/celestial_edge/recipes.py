"""How weights and activations are stored, by names that decode: `static_wi8_ai8` = weights int8, activations int8."""

from __future__ import annotations

from dataclasses import dataclass

FLOAT32 = "float32"
"""Weights, activations, input and output in float32."""

FLOAT16 = "float16"
"""Weights in half precision, unpacked when they are loaded; everything is computed in float32."""

DYNAMIC_INT8 = "dynamic_wi8_afp32"
"""Weights int8 per channel; activations float32 between layers, rounded to int8 by their own range in each of them."""

STATIC_INT8 = "static_wi8_ai8"
"""Weights int8 per channel, activations int8 with ranges from calibration frames, int8 input and output."""

STATIC_INT16 = "static_wi8_ai16"
"""Weights int8 per channel, activations int16 with ranges from calibration frames, int16 input and output."""


@dataclass(frozen=True)
class Recipe:
    """How an artifact stores and computes.

    Attributes:
        name: One of the names above.
        weights: Type of the weights in the file: `float32`, `float16` or `int8`.
        activations: Type of what lies between the layers, of the input and of the output: `float32`, `int8` or
            `int16`.
    """

    name: str
    weights: str
    activations: str

    @property
    def calibrated(self) -> bool:
        """Whether the ranges of the activations come from calibration frames."""
        return self.activations != "float32"

    @property
    def delegated(self) -> bool:
        """Whether XNNPACK computes it; it has no kernels for int16, which is left to LiteRT's reference kernels."""
        return self.activations != "int16"


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(STATIC_INT8, "int8", "int8"),
        Recipe(STATIC_INT16, "int8", "int16"),
        Recipe(DYNAMIC_INT8, "int8", "float32"),
        Recipe(FLOAT16, "float16", "float32"),
        Recipe(FLOAT32, "float32", "float32"),
    )
}
"""Every recipe that models are exported by, in the order in which a run's artifacts are listed."""

REFERENCE_MACS_PER_SECOND = 1.5e9
"""What LiteRT's reference kernels for int16 reach on one core; they use no second one."""

INT16_MACS = 10_000_000_000
"""Most multiply-accumulate operations of a network that is exported in int16: 7 s a frame already."""

INT16_STEPS = 128
"""Steps of an int16 input that one code of a frame is: a scale of 1/32640, so that codes are met exactly."""

PLAIN = "plain"
"""One graph as the converter makes it, nothing rewritten: what the other layouts are compared with."""

WHOLE = "whole"
"""One graph, rewritten to cost less, for any TFLite runtime."""

STRIPS = "strips"
"""A few graphs, each run over strips of rows, one after another: the least memory."""

LAYOUTS = (PLAIN, WHOLE, STRIPS)
"""Every layout that models are exported in."""
