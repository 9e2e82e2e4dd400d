from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from celestialkeras.errors import (
    BlankFrameError,
    FrameNotFoundError,
    NoDataError,
    NotPictureError,
    OversizedPictureError,
)
from celestialkeras.lcid.picture_files import MAX_PIXELS, read_picture
from picture_files import shown_sky, write_picture

CODES = np.array([[0, 128, 255], [64, 32, 16]], np.uint8)
# IEC 61966-2-1, worked out by hand for a few codes.
LIGHT = {0: 0.0, 16: 0.005182, 32: 0.014444, 64: 0.051269, 128: 0.215861, 255: 1.0}


def linear(codes: np.ndarray) -> np.ndarray:
    return np.vectorize(LIGHT.__getitem__)(codes)


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_grey_is_brought_back_to_light_with_row_0_at_the_bottom(tmp_path: Path, suffix: str) -> None:
    picture = read_picture(write_picture(tmp_path / f"a{suffix}", CODES))
    assert picture.light.dtype == np.float32
    np.testing.assert_allclose(picture.light[::-1], linear(CODES), atol=1e-6)
    assert picture.seen[::-1].tolist() == [[False, True, True], [True, True, True]]


def test_sixteen_bits_follow_the_same_curve(tmp_path: Path) -> None:
    picture = read_picture(write_picture(tmp_path / "a.png", CODES.astype(np.uint16) * 257))
    np.testing.assert_allclose(picture.light[::-1], linear(CODES), atol=1e-6)


def test_colours_count_by_luminance(tmp_path: Path) -> None:
    pixels = np.zeros((1, 4, 3), np.uint8)
    pixels[0, [0, 1, 2], [0, 1, 2]] = 255
    pixels[0, 3] = 128
    picture = read_picture(write_picture(tmp_path / "a.png", pixels))
    np.testing.assert_allclose(picture.light[0], [0.2126, 0.7152, 0.0722, LIGHT[128]], atol=1e-6)


def test_what_is_transparent_is_not_seen(tmp_path: Path) -> None:
    pixels = np.full((2, 2, 4), 255, np.uint8)
    pixels[0, 0, 3], pixels[0, 1, 3] = 0, 51
    picture = read_picture(write_picture(tmp_path / "a.png", pixels))
    assert picture.seen[::-1].tolist() == [[False, True], [True, True]]
    np.testing.assert_allclose(picture.light[::-1], [[0.0, 0.2], [1.0, 1.0]], atol=1e-6)


def test_palettes_and_jpeg(tmp_path: Path) -> None:
    sky = shown_sky()
    Image.fromarray(sky).convert("P").save(tmp_path / "a.png")
    Image.fromarray(sky).save(tmp_path / "b.jpg", quality=95)
    exact = read_picture(write_picture(tmp_path / "c.png", sky)).light
    np.testing.assert_allclose(read_picture(tmp_path / "a.png").light, exact, atol=1e-6)
    assert np.abs(read_picture(tmp_path / "b.jpg").light - exact).max() < 0.1


def test_floating_tiff_and_fits_are_light_already(tmp_path: Path) -> None:
    light = np.linspace(-3, 900, 12, dtype=np.float32).reshape(3, 4)
    Image.fromarray(light).save(tmp_path / "a.tiff")
    np.testing.assert_array_equal(read_picture(tmp_path / "a.tiff").light[::-1], light)
    light[1, 1] = np.nan
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(light)]).writeto(tmp_path / "a.fits")
    picture = read_picture(tmp_path / "a.fits")
    assert not picture.seen[1, 1]
    assert picture.seen.sum() == 11
    np.testing.assert_array_equal(picture.light, np.nan_to_num(light))


def test_planes_of_a_fits_cube_are_averaged(tmp_path: Path) -> None:
    cube = np.stack([np.arange(6.0).reshape(2, 3), np.full((2, 3), 4.0)])
    fits.writeto(tmp_path / "a.fits", cube[:, np.newaxis])
    np.testing.assert_array_equal(read_picture(tmp_path / "a.fits").light, cube.mean(axis=0))


def png_chunk(name: bytes, data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + name + data + zlib.crc32(name + data).to_bytes(4, "big")


def png_of_size(width: int, height: int) -> bytes:
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes((8, 0, 0, 0, 0))
    return (
        b"\x89PNG\r\n\x1a\n"
        + png_chunk(b"IHDR", header)
        + png_chunk(b"IDAT", zlib.compress(b"\0"))
        + png_chunk(b"IEND", b"")
    )


@pytest.mark.parametrize("size", [(8193, 8192), (10_000, 10_000), (60_000, 60_000)])
def test_a_bomb_is_refused_by_its_header(tmp_path: Path, size: tuple[int, int]) -> None:
    (tmp_path / "a.png").write_bytes(png_of_size(*size))
    with pytest.raises(OversizedPictureError, match=f"a.png: .*at most {MAX_PIXELS} pixels are read"):
        read_picture(tmp_path / "a.png")


def test_a_fits_bomb_is_refused_by_its_header(tmp_path: Path) -> None:
    header = fits.Header([("SIMPLE", True), ("BITPIX", -64), ("NAXIS", 2), ("NAXIS1", 90_000), ("NAXIS2", 90_000)])
    (tmp_path / "a.fits").write_bytes(header.tostring().encode())
    with pytest.raises(OversizedPictureError, match="Received: 90000 x 90000; make it smaller"):
        read_picture(tmp_path / "a.fits")


def test_damaged_and_foreign_files_are_named(tmp_path: Path) -> None:
    whole = write_picture(tmp_path / "whole.png", shown_sky()).read_bytes()
    (tmp_path / "cut.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "text.png").write_text("no picture")
    (tmp_path / "empty.jpg").touch()
    fits.writeto(tmp_path / "whole.fits", shown_sky().astype(np.float32))
    (tmp_path / "cut.fits").write_bytes((tmp_path / "whole.fits").read_bytes()[:4000])
    (tmp_path / "text.fits").write_text("no picture")
    for name in ("cut.png", "text.png", "empty.jpg", "cut.fits", "text.fits"):
        with pytest.raises(NotPictureError, match=rf"{name}: (no whole picture of PNG|not a whole FITS file)"):
            read_picture(tmp_path / name)
    with pytest.raises(FrameNotFoundError, match=r"none.png: no such file"):
        read_picture(tmp_path / "none.png")
    fits.PrimaryHDU().writeto(tmp_path / "header.fits")
    with pytest.raises(NoDataError, match=r"header.fits: no image of two axes in any HDU"):
        read_picture(tmp_path / "header.fits")


def test_pictures_that_show_nothing_are_refused(tmp_path: Path) -> None:
    write_picture(tmp_path / "one.png", np.full((1, 1), 90, np.uint8))
    with pytest.raises(BlankFrameError, match=r"one.png: 1 pixels of 1 show anything; they are all 0.102242"):
        read_picture(tmp_path / "one.png")
    write_picture(tmp_path / "black.png", np.zeros((4, 4), np.uint8))
    with pytest.raises(BlankFrameError, match=r"black.png: 0 pixels of 16 show anything"):
        read_picture(tmp_path / "black.png")
    fits.writeto(tmp_path / "nan.fits", np.full((4, 4), np.nan, np.float32))
    with pytest.raises(BlankFrameError, match=r"nan.fits: 0 pixels of 16 show anything"):
        read_picture(tmp_path / "nan.fits")
