"""How weights and activations are stored, by names that decode: `static_wi8_ai8` = weights int8, activations int8."""

from __future__ import annotations

FLOAT32 = "float32"
"""Weights, activations, input and output in float32."""

STATIC_INT8 = "static_wi8_ai8"
"""Weights int8 per channel, activations int8 with ranges from calibration frames, int8 input and output."""

RECIPES = (FLOAT32, STATIC_INT8)
"""Every recipe that models are exported by."""

PLAIN = "plain"
"""One graph as the converter makes it, nothing rewritten: what the other layouts are compared with."""

WHOLE = "whole"
"""One graph, rewritten to cost less, for any TFLite runtime."""

STRIPS = "strips"
"""A few graphs, each run over strips of rows, one after another: the least memory."""

LAYOUTS = (PLAIN, WHOLE, STRIPS)
"""Every layout that models are exported in."""
