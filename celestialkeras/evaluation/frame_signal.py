"""How much light a frame shows, in units of its noise, measured on its codes."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from celestialkeras.lcid.stretch import Stretch

SIGNAL_TO_NOISE = "signal_to_noise"
"""Name of the measurement among those of a frame."""

SIGNAL_NOTE = (
    "measured: level of the brightest of 8 x 16 regions of the frame above that of its darkest one, in noises of one"
    " pixel of the whole frame; a level is the median of a region's pixels, which single stars and cosmic rays do not"
    " move"
)
"""What the measurement is, in words for whoever reads it."""

# Regions from top to bottom and from left to right; 256 pixels square on a whole chip.
_REGIONS = (8, 16)

# Pixels on a side of a region that are looked at, at most: their median is uncertain by 0.04 noises.
_SIDE = 32


def signal_to_noise(codes: NDArray[np.uint8], stretch: Stretch) -> float:
    """Light of the brightest region of a frame above its darkest, a pixel, over the noise.

    The frame's sky level is no better reference than the darkest region: in a frame that its object fills, it is the
    object. Flat field and amplifiers alone give up to 0.6.

    Args:
        codes: `uint8 (H, W)`; averaging frames leaves the levels as they are. Frames of fewer rows or columns than
            there are regions have one of each.
        stretch: Shape of the map that the codes were made with.

    Returns:
        The signal, in noises of one pixel at full resolution; at most what code 255 stands for, less code 0.
    """
    down, across = (min(count, side) for count, side in zip(_REGIONS, codes.shape, strict=True))
    rows, columns = codes.shape[0] // down, codes.shape[1] // across
    regions = codes[: down * rows, : across * columns].reshape(down, rows, across, columns)
    regions = regions[:, :: max(1, rows // _SIDE), :, :: max(1, columns // _SIDE)]
    # The stretch is monotone: the code of the median pixel stands for the median signal.
    levels = np.median(regions, axis=(1, 3))
    signals = np.interp(levels, np.arange(len(stretch.signals())), stretch.signals())
    return float(signals.max() - signals.min())
