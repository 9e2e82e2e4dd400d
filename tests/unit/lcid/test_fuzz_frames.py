"""Whatever becomes of a FITS file on its way here: a frame, or an error with a name."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celestial_edge.device.quality import judge_frame
from celestialkeras.errors import FrameError, NotFitsError
from celestialkeras.lcid.detectors import CHIP_HDUS
from celestialkeras.lcid.frames import Frame, read_frame
from celestialkeras.lcid.stretch import Stretch, encode, estimate_background
from fuzz_frames import SHAPE, mutate_file, small_chips, whole_files

FILES = whole_files()


@pytest.fixture(autouse=True, scope="module")
def _small() -> Iterator[None]:
    with small_chips():
        yield


def read(path: Path, content: bytes, hdu: int = 1) -> Frame:
    path.write_bytes(content)
    return read_frame(path, hdu)


def with_card(name: str, card: str, content: bytes = FILES["uvis_raw.fits"]) -> bytes:
    """The file with the first card of this name replaced."""
    start = content.index(name.ljust(8).encode())
    return content[:start] + card.ljust(80).encode("latin-1") + content[start + 80 :]


@pytest.mark.parametrize("hdu", CHIP_HDUS)
@pytest.mark.parametrize("name", FILES)
def test_files_are_whole_before_they_are_mutated(tmp_path: Path, name: str, hdu: int) -> None:
    frame = read(tmp_path / name, FILES[name], hdu)
    assert (frame.data.shape, frame.hdu) == (SHAPE, hdu)


@settings(
    max_examples=200, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(name=st.sampled_from(sorted(FILES)), seed=st.integers(0, 2**32 - 1), hdu=st.sampled_from(CHIP_HDUS))
def test_mutated_files_give_frames_or_errors_with_names(tmp_path: Path, name: str, seed: int, hdu: int) -> None:
    try:
        frame = read(tmp_path / name, mutate_file(FILES[name], np.random.default_rng(seed)), hdu)
    except FrameError as error:
        refused = str(error)
    else:
        refused = ""
    if refused:
        assert refused.startswith(f"{tmp_path / name}: ")
        return
    assert frame.data.shape == SHAPE
    background = estimate_background(frame)
    judge_frame(frame, background)
    assert encode(frame, Stretch(), background).shape == SHAPE


def test_the_same_seed_gives_the_same_bytes() -> None:
    once, again, other = (mutate_file(FILES["uvis_raw.fits.gz"], np.random.default_rng(seed)) for seed in (1, 1, 2))
    assert once == again != other


@pytest.mark.parametrize(
    "name", ["INSTRUME", "DETECTOR", "CCDAMP", "SUBARRAY", "FILTER", "ROOTNAME", "EXPTIME", "TARGNAME", "DATE-OBS"]
)
def test_cards_beyond_parsing_are_named(tmp_path: Path, name: str) -> None:
    content = with_card(name, f"{name:<8}= = = =")
    with pytest.raises(NotFitsError, match=rf"the headers cannot be read \(Unparsable card \({name}\)"):
        read(tmp_path / "iddt11fxq_raw.fits", content)


@pytest.mark.parametrize("value", ["1E999", "-1E999"])
def test_sizes_without_end_are_refused(tmp_path: Path, value: str) -> None:
    content = FILES["uvis_raw.fits"]
    extension = content.index(b"XTENSION")
    damaged = content[:extension] + with_card("NAXIS1", f"NAXIS1  = {value}", content[extension:])
    for hdu in CHIP_HDUS:
        with pytest.raises(NotFitsError, match=r"the header of HDU 1 cannot be read \(cannot convert float infinity"):
            read(tmp_path / "iddt11fxq_raw.fits", damaged, hdu)


def test_infinities_that_cancel_out_are_sky(tmp_path: Path) -> None:
    frame = read(tmp_path / "uvis_flt.fits", FILES["uvis_flt.fits"])
    background = estimate_background(frame)
    frame.data[5, 7:9] = -np.inf, np.nan
    # As of a file whose bytes slipped: its noise is as large as float32 goes.
    wide = type(background)(background.sky, 3e38)
    codes = encode(frame, Stretch(), wide)
    assert codes[5, 7] == codes[5, 8]


def test_a_file_that_says_continue_after_a_number_is_refused(tmp_path: Path) -> None:
    content = FILES["uvis_raw.fits"]
    start = content.index(b"EXPTIME ")
    damaged = content[: start + 80] + b"CONTINUE  12".ljust(80) + content[start + 160 :]
    with pytest.raises(NotFitsError, match=r"the headers cannot be read \(CONTINUE cards must have string values"):
        read(tmp_path / "iddt11fxq_raw.fits", damaged)
    assert fits.Header.fromstring(damaged[:2880]) is not None, "it is found out when the card is asked for"


@pytest.mark.parametrize("value", ["0", "1000", "4294967295", "'many'"])
def test_tables_of_more_columns_than_there_may_be_are_refused_at_once(tmp_path: Path, value: str) -> None:
    damaged = with_card("TFIELDS", f"TFIELDS = {value:>20}", FILES["uvis_raw.fits.fz"])
    with pytest.raises(NotFitsError, match=r"a table has 1 to 999 columns|the headers cannot be read"):
        read(tmp_path / "iddt11fxq_raw.fits.fz", damaged)
