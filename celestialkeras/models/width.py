"""Networks at other widths than the one that they are described at."""

from __future__ import annotations

import math

from celestialkeras.errors import ModelError


def check_width(width: float) -> None:
    """Refuses a factor that leaves no network.

    Args:
        width: Factor on filters and units.

    Raises:
        ModelError: It is not finite, or not above 0.
    """
    if not math.isfinite(width) or width <= 0:
        raise ModelError(f"`width` must be finite and above 0. Received: width={width}")


def scaled(channels: int, width: float) -> int:
    """The filters or units of a layer that has so many at width 1; at least one."""
    return max(1, round(channels * width))
