"""Real HST files: each is read, or refused with the right reason."""

from __future__ import annotations

import os
from pathlib import Path

import astropy
import pytest

from celestialkeras.errors import FrameError, UnsupportedDetectorError
from celestialkeras.lcid.frames import read_frame

# Files of the wheel of drizzlepac 3.11 and of the source distribution of stwcs 1.7.7, unpacked to any depth.
EXPECTED = {
    "sample_svm_flc.fits": "unsupported-readout",  # WFC3/UVIS with its full header, pixels cut to 10 x 10
    "sample_ipppssoot_flc.fits": "unsupported-readout",
    "sample_svm_flt.fits": "unsupported-detector",  # WFC3/IR
    "j94f05bgq_flt.fits": "blank",  # ACS/WFC, full size, all pixels zero
    "o4k19a010_flt.fits": "unsupported-detector",  # STIS
    "u40x010hm_c0f.fits": "unsupported-detector",  # WFPC2
}


@pytest.mark.parametrize("name", EXPECTED)
def test_real_hst_file_is_refused_with_its_reason(name: str) -> None:
    folder = os.environ.get("CELESTIAL_REAL_FILES")
    if not folder:
        pytest.skip("CELESTIAL_REAL_FILES does not name a folder of real HST files")
    found = sorted(Path(folder).rglob(name))
    if not found:
        pytest.skip(f"{name} is not in CELESTIAL_REAL_FILES")
    for hdu in (1, 4):
        with pytest.raises(FrameError) as caught:
            read_frame(found[0], hdu)
        assert caught.value.reason == EXPECTED[name]


def test_astropys_own_files_are_all_refused_by_name() -> None:
    folder = Path(astropy.__file__).parent / "io/fits/tests/data"
    files = [path for path in sorted(folder.rglob("*")) if ".fits" in path.name]
    if not files:
        pytest.skip("this astropy comes without its test data")
    for path in files:
        with pytest.raises(FrameError) as caught:
            read_frame(path, 1)
        assert str(path) in str(caught.value)
    with pytest.raises(UnsupportedDetectorError):
        read_frame(folder / "test0.fits", 1)
