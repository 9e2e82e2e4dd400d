"""What convolutions do at the edges of their maps: go on over zeros, or end where the map ends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from celestialkeras.errors import ModelError

SAME = "same"
"""Zeros around a map, so that only strides shorten it."""

VALID = "valid"
"""No zeros: a kernel of `k` pixels shortens a map by `k` - 1."""


@dataclass(frozen=True)
class Window:
    """What slides over a map without padding: a kernel or a pooling.

    Attributes:
        extent: Pixels from its first to its last, gaps included.
        stride: Pixels from one place to the next.
    """

    extent: int
    stride: int = 1


def check_padding(padding: str) -> None:
    """Refuses what no convolution here does.

    Args:
        padding: `same` or `valid`.

    Raises:
        ModelError: It is neither.
    """
    if padding not in (SAME, VALID):
        raise ModelError(f"`padding` must be {SAME!r} or {VALID!r}. Received: padding={padding!r}")


def smallest_side(windows: Sequence[Window]) -> int:
    """The shortest side of a map of which windows, one after another, leave a pixel."""
    side = 1
    for window in reversed(windows):
        side = (side - 1) * window.stride + window.extent
    return side
