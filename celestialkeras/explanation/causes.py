"""Likely causes of errors, after the three that Zhang et al. 2024 name: classes alike, too few features, noise.

The paper names them and measures none. Here each has a proxy that is measured on every frame, and a threshold that the
frames told rightly in the same evaluation set: what a frame must have less of than most frames that this very network
could tell. Nothing is tuned to the errors, and since some frames told rightly lie beyond a threshold too, it is said
of each cause how many of them do: a cause that is as frequent among them explains nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

import numpy as np

from celestialkeras.explanation.proxies import Proxies

LOW_PERCENTILE = 10.0
"""Percentile of the frames told rightly at or below which a margin or a signal is low: one in ten is."""

FEW_PERCENTILE = 25.0
"""Percentile of the frames told rightly at or below which structures, and sources, are few.

Both must be few: one frame in sixteen has both in its lower quarter where the two have nothing to do with each other,
and one in four where they are the same; so about as many as in the tenth of the other proxies.
"""

FEWEST_FRAMES = 20
"""Frames told rightly without which no threshold is set: a tenth of them would be no two frames."""


class Cause(Enum):
    """Why a frame may have been told wrongly."""

    NOISE = "noise"
    FEW_FEATURES = "too few features"
    ALIKE = "classes alike"
    NONE = "none of the three"
    UNKNOWN = "not judged"


@dataclass(frozen=True)
class Measured:
    """All that causes are judged by, of one frame.

    Attributes:
        margin: Distance of the two logits, 0 or more: natural logarithm of the odds for the class that was told.
        proxies: What was measured on the frame.
    """

    margin: float
    proxies: Proxies


@dataclass(frozen=True)
class Thresholds:
    """Where a frame begins to lack something.

    Attributes:
        margin: Distance of the logits at or below which the network saw both classes alike.
        signal_to_noise: Signal at or below which a frame is noisy, noises of a pixel.
        structures: Number at or below which structures are few.
        sources: Number at or below which point sources are few.
        frames: Frames told rightly that set them.
    """

    margin: float
    signal_to_noise: float
    structures: float
    sources: float
    frames: int


RULES: Mapping[Cause, str] = {
    Cause.NOISE: (
        f"signal to noise at or below the {LOW_PERCENTILE:g}th percentile of the frames told rightly"
        " (signal of the brightest region above the darkest, in noises of a pixel)"
    ),
    Cause.FEW_FEATURES: (
        f"structures and point sources both at or below the {FEW_PERCENTILE:g}th percentile of the frames told rightly"
    ),
    Cause.ALIKE: (
        f"enough signal and features, and the logits no further apart than at the {LOW_PERCENTILE:g}th percentile of"
        " the frames told rightly: the network was torn"
    ),
    Cause.NONE: (
        "signal, features and margin as in frames told rightly: the network was sure and wrong; look at the label, and"
        " at what is rare in training"
    ),
    Cause.UNKNOWN: f"fewer than {FEWEST_FRAMES} frames were told rightly, which set no thresholds",
}
"""What each cause means, in words for whoever reads the results."""


def thresholds_of(rightly: Sequence[Measured]) -> Thresholds | None:
    """Sets the thresholds.

    Args:
        rightly: The frames that were told rightly.

    Returns:
        The thresholds; None with fewer than `FEWEST_FRAMES`.
    """
    if len(rightly) < FEWEST_FRAMES:
        return None
    return Thresholds(
        margin=float(np.percentile([one.margin for one in rightly], LOW_PERCENTILE)),
        signal_to_noise=float(np.percentile([one.proxies.signal_to_noise for one in rightly], LOW_PERCENTILE)),
        structures=float(np.percentile([one.proxies.structures for one in rightly], FEW_PERCENTILE)),
        sources=float(np.percentile([one.proxies.sources for one in rightly], FEW_PERCENTILE)),
        frames=len(rightly),
    )


def applying(measured: Measured, thresholds: Thresholds) -> tuple[Cause, ...]:
    """All causes that a frame is beyond the threshold of, of the three, in the order in which they are taken.

    What the frame lacks comes before what the network made of it: a network is torn between the classes because of
    noise as well, and then noise is the cause.

    Args:
        measured: The frame.
        thresholds: The thresholds.
    """
    proxies = measured.proxies
    beyond = {
        Cause.NOISE: proxies.signal_to_noise <= thresholds.signal_to_noise,
        Cause.FEW_FEATURES: proxies.structures <= thresholds.structures and proxies.sources <= thresholds.sources,
        Cause.ALIKE: measured.margin <= thresholds.margin,
    }
    return tuple(cause for cause, applies in beyond.items() if applies)


def likely_cause(measured: Measured, thresholds: Thresholds | None) -> Cause:
    """The likely cause of one error.

    Args:
        measured: The frame that was told wrongly.
        thresholds: The thresholds, if there are any.

    Returns:
        The first cause that applies; `NONE` if none does, `UNKNOWN` without thresholds.
    """
    if thresholds is None:
        return Cause.UNKNOWN
    return next(iter(applying(measured, thresholds)), Cause.NONE)
