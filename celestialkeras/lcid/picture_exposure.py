"""Light of a picture -> codes, as if a chip had been exposed to it.

Models are trained on codes of single exposures: a sky with noise at code 41, light above it stretched by asinh. A
picture has neither: it was stretched for a screen, its background often cut to black and its edges masked. So it is
laid on a chip in linear light, given sky noise, and from there on goes the way of every frame: the same estimate of
sky and noise, the same stretch, the same binning. Noise at the strength of the sky's buries the steps of 8-bit codes,
the traces of compression and the edges of masks, none of which may tell a model its class.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.detectors import CHIP_SHAPE
from celestialkeras.lcid.frames import Frame
from celestialkeras.lcid.picture_files import Picture, import_pillow
from celestialkeras.lcid.stretch import Background, Stretch, bin_codes, encode, estimate_background

FITS_OF_PICTURES = ("cover", "contain", "none")
"""How a picture is laid on a frame: `cover` scales it until it fills the frame and cuts what stands over, `contain`
until all of it is in and pads the rest with sky, `none` lays one pixel on one pixel; always about the centre."""

# Binning by more than 8 leaves no noise that the codes could show.
_MAX_BINNING = 8

# A picture is trimmed of its empty margins, but a small object keeps the sky around it.
_LEAST_TRIMMED = 0.5

_SKY_PERCENTILE = 10
_WHITE_PERCENTILE = 99.5


@dataclass(frozen=True)
class ExposureRule:
    """How pictures become codes.

    Attributes:
        shape: Rows and columns of the codes.
        fit: One of `FITS_OF_PICTURES`.
        depth: Light of the picture's brightest half per cent above its sky, in units of the noise of one pixel of a
            chip.
        seed: Seed of the noise.
    """

    shape: tuple[int, int] = (CHIP_SHAPE[0] // 4, CHIP_SHAPE[1] // 4)
    fit: str = "cover"
    depth: float = 200.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Checks the rule.

        Raises:
            DatasetError: A value is not allowed.
        """
        if not all(1 <= side <= limit for side, limit in zip(self.shape, CHIP_SHAPE, strict=True)):
            rows, columns = CHIP_SHAPE
            raise DatasetError(f"`shape` must be 1 x 1 to {rows} x {columns} pixels. Received: shape={self.shape}")
        if self.fit not in FITS_OF_PICTURES:
            raise DatasetError(f"`fit` must be one of {', '.join(FITS_OF_PICTURES)}. Received: fit={self.fit!r}")
        if not (math.isfinite(self.depth) and self.depth > 0):
            raise DatasetError(f"`depth` must be a number above 0. Received: depth={self.depth}")

    @property
    def binning(self) -> int:
        """Side of the squares of chip pixels averaged into one: the largest, up to 8, that a chip has room for.

        So a picture's noise and stars are averaged as those of frames that are trained at the same size.
        """
        rooms = (limit // side for side, limit in zip(self.shape, CHIP_SHAPE, strict=True))
        return min(*rooms, _MAX_BINNING)

    def __str__(self) -> str:
        """All that decides the codes, for the data set's record."""
        rows, columns = self.shape
        return (
            f"{rows} x {columns} pixels binned by {self.binning}, fit {self.fit}, depth {self.depth:g}, "
            f"noise seed {self.seed}"
        )


def expose(
    picture: Picture, rule: ExposureRule, stretch: Stretch, noise_seed: int
) -> tuple[npt.NDArray[np.uint8], Background]:
    """Makes the codes of a picture.

    In order: margins that show nothing are trimmed, to no less than half of either side; what shows nothing, and what
    is dimmer, is raised to the sky, the 10th percentile of what shows something; the picture is scaled in linear light
    (cubic) and laid on the frame; white noise of 1 / `depth` of the picture's range (sky to the 99.5th percentile) is
    added to every pixel of the chip; sky and noise are estimated, the stretch applied and the codes binned as for any
    frame.

    Args:
        picture: The picture.
        rule: How.
        stretch: Shape of the stretch.
        noise_seed: What tells this picture's noise from that of others.

    Returns:
        Codes, `uint8 rule.shape`, and the sky and noise of the exposure, in units of its noise.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    light, seen = _trim(picture)
    shown = light[seen]
    sky, white = (float(level) for level in np.percentile(shown, (_SKY_PERCENTILE, _WHITE_PERCENTILE)))
    # Where half a per cent holds all the light, such as one star on an even sky, the brightest pixel is white.
    span = white - sky or float(shown.max()) - sky or 1.0
    above = np.where(seen, np.maximum((light - np.float32(sky)) / np.float32(span), 0), np.float32(0))
    binning = rule.binning
    height, width = (side * binning for side in rule.shape)
    exposed = np.random.default_rng((rule.seed, noise_seed)).standard_normal((height, width), np.float32)
    _add(above.astype(np.float32), exposed, rule)
    frame = Frame(
        data=exposed,
        bias=(0.0,),
        channel_columns=((0, width),),
        obsid="",
        hdu=0,
        instrument="",
        filter="",
        exptime=math.nan,
        target="",
        ra=math.nan,
        dec=math.nan,
        date="",
    )
    background = estimate_background(frame)
    return bin_codes(encode(frame, stretch, background), binning), background


def _trim(picture: Picture) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    window = []
    for axis, side in enumerate(picture.seen.shape):
        (inside,) = np.nonzero(picture.seen.any(axis=1 - axis))
        start, stop = int(inside[0]), int(inside[-1]) + 1
        length = max(stop - start, math.ceil(_LEAST_TRIMMED * side))
        start = min(max((start + stop - length) // 2, 0), side - length)
        window.append(slice(start, start + length))
    rows, columns = window
    return picture.light[rows, columns], picture.seen[rows, columns]


def _add(light: npt.NDArray[np.float32], frame: npt.NDArray[np.float32], rule: ExposureRule) -> None:
    """Lays light, 0 to 1 and beyond, on a frame of unit noise."""
    image_module = import_pillow("scaling pictures")
    ratios = [large / small for large, small in zip(frame.shape, light.shape, strict=True)]
    scale = {"cover": max(ratios), "contain": min(ratios), "none": float(rule.binning)}[rule.fit]
    # What stands over is cut before scaling: a long thin picture that covers a frame would else be scaled to gigabytes.
    needed = [min(small, math.ceil(large / scale)) for large, small in zip(frame.shape, light.shape, strict=True)]
    light = light[tuple(_centred(small, part) for small, part in zip(light.shape, needed, strict=True))]
    size = [max(1, min(large, round(scale * small))) for large, small in zip(frame.shape, light.shape, strict=True)]
    scaled = image_module.fromarray(np.ascontiguousarray(light)).resize(size[::-1], image_module.Resampling.BICUBIC)
    rows, columns = (_centred(large, part) for large, part in zip(frame.shape, size, strict=True))
    # Cubic scaling dips below the sky beside bright stars.
    frame[rows, columns] += np.float32(rule.depth) * np.maximum(np.asarray(scaled), 0)


def _centred(whole: int, part: int) -> slice:
    start = (whole - part) // 2
    return slice(start, start + part)
