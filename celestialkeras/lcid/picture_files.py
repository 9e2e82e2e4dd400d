"""Picture files -> light: PNG, JPEG, TIFF and FITS images of any size, as linear grey.

8- and 16-bit pictures are taken as coded for a screen and are brought back to linear light by the sRGB curve
(IEC 61966-2-1); 32-bit and floating-point TIFF and FITS pixels are taken as linear already. Colours count by their
luminance, 0.2126 R + 0.7152 G + 0.0722 B in linear light (ITU-R BT.709). Pixels that are transparent, or not finite,
are not seen. Pillow reads 16-bit colour as 8-bit, which is stated here because it cannot be seen.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.io import fits

from celestialkeras.errors import (
    BlankFrameError,
    FrameError,
    FrameNotFoundError,
    MissingExtraError,
    NoDataError,
    NotPictureError,
    OversizedPictureError,
)

FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz", ".fits.fz")
"""File name endings that are read as FITS; every other file is read by its content."""

MAX_PIXELS = 1 << 26
"""8192 x 8192: beyond it a picture is refused by its header, before memory is allocated for it."""

_FORMATS = ("PNG", "JPEG", "TIFF")

# A picture cut to black is not quite black after lossy compression: up to this share of the brightest code counts.
_BLACK = 3 / 255

_LUMINANCE = np.array([0.2126, 0.7152, 0.0722], np.float32)


@dataclass(frozen=True, eq=False)
class Picture:
    """What a picture shows.

    Attributes:
        light: Linear grey, `float32 (H, W)`, in a unit of its own, finite. Row 0 is the bottom of the picture, as in
            FITS.
        seen: Which pixels show anything, `bool (H, W)`: neither transparent, nor undefined, nor cut to black.
    """

    light: npt.NDArray[np.float32]
    seen: npt.NDArray[np.bool_]


def read_picture(path: Path) -> Picture:
    """Reads one picture; of several in one file, the first.

    Args:
        path: The file.

    Returns:
        Its light.

    Raises:
        FrameNotFoundError: No such file.
        NotPictureError: Neither PNG, JPEG, TIFF nor FITS, or damaged.
        OversizedPictureError: More than `MAX_PIXELS` pixels.
        NoDataError: A FITS file without an image of two axes.
        BlankFrameError: All pixels that show anything have one value, or none does.
        MissingExtraError: Pillow is not installed.
    """
    if not path.is_file():
        raise FrameNotFoundError(f"{path}: no such file")
    is_fits = path.name.lower().endswith(FITS_SUFFIXES)
    light, seen = _read_fits(path) if is_fits else _read_raster(path)
    values = light[seen]
    if not values.size or values.min() == values.max():
        value = f"; they are all {values[0]:g}" if values.size else ""
        raise BlankFrameError(f"{path}: {values.size} pixels of {light.size} show anything{value}")
    return Picture(np.where(seen, light, np.float32(0)), seen)


def import_pillow(needed_for: str) -> Any:
    """Imports Pillow's `PIL.Image`.

    Args:
        needed_for: What asks for it, for the error message.

    Raises:
        MissingExtraError: It is not installed.
    """
    try:
        from PIL import Image
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", needed_for) from error
    return Image


def _read_raster(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    image_module = import_pillow("reading pictures")
    try:
        with warnings.catch_warnings():
            # Pillow only warns of sizes that are refused below, and of odd metadata that does not matter here.
            warnings.simplefilter("ignore")
            with image_module.open(path, formats=_FORMATS) as image:
                _check_size(path, image.size[::-1])
                image.load()
                light, seen = _to_light(image)
    except FrameError:
        raise
    except image_module.DecompressionBombError as error:
        raise OversizedPictureError(f"{path}: {error}; at most {MAX_PIXELS} pixels are read") from error
    # Pillow's readers raise kinds of their own at whatever they stumble over: any of them means damage.
    except Exception as error:
        raise NotPictureError(
            f"{path}: no whole picture of {', '.join(_FORMATS)} or FITS ({str(error).strip() or type(error).__name__})"
        ) from error
    return light[::-1], seen[::-1]


def _to_light(image: Any) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    # Older Pillows give 16-bit grey PNG as 32-bit integers.
    if image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG"):
        shown = np.asarray(image).astype(np.float32) / np.float32(65535)
        return _linear(shown), shown > _BLACK
    if image.mode in ("I", "F"):
        light = np.asarray(image).astype(np.float32)
        return light, np.isfinite(light)
    if image.mode in ("1", "L") and "transparency" not in image.info:
        shown = np.asarray(image.convert("L")).astype(np.float32) / np.float32(255)
        return _linear(shown), shown > _BLACK
    colours = np.asarray(image.convert("RGBA"))
    light = np.zeros(colours.shape[:2], np.float32)
    for channel, weight in enumerate(_LUMINANCE):
        light += weight * _linear(colours[..., channel].astype(np.float32) / np.float32(255))
    opacity = colours[..., 3].astype(np.float32) / np.float32(255)
    # Half-transparent light over nothing is as much weaker.
    return light * opacity, (colours[..., :3].max(axis=-1) * opacity) > 255 * _BLACK


def _linear(shown: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Codes of a screen, 0 to 1 -> light, 0 to 1 (IEC 61966-2-1)."""
    light = np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
    return light.astype(np.float32)


def _read_fits(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(path, memmap=False, lazy_load_hdus=True) as hdus:
                for hdu in hdus:
                    shape = tuple(side for side in getattr(hdu, "shape", ()) if side != 1)
                    if not hdu.is_image or len(shape) not in (2, 3) or 0 in shape:
                        continue
                    _check_size(path, hdu.shape)
                    pixels = np.asarray(hdu.data, np.float64).reshape(shape)
                    # Of a cube the planes are colours, bands or exposures: grey is their mean.
                    pixels = pixels.mean(axis=0) if pixels.ndim == 3 else pixels
                    with np.errstate(over="ignore"):
                        light = pixels.astype(np.float32)
                    return light, np.isfinite(light)
    except FrameError:
        raise
    # astropy passes on whatever its parsers and decompressors raise: any of it means damage.
    except Exception as error:
        raise NotPictureError(
            f"{path}: not a whole FITS file ({str(error).strip() or type(error).__name__})"
        ) from error
    raise NoDataError(f"{path}: no image of two axes in any HDU")


def _check_size(path: Path, shape: tuple[int, ...]) -> None:
    pixels = int(np.prod(shape, dtype=np.int64))
    if pixels > MAX_PIXELS:
        size = " x ".join(map(str, shape))
        raise OversizedPictureError(f"{path}: at most {MAX_PIXELS} pixels are read. Received: {size}; make it smaller")
