"""Manifest rows and the files that they stand for: none outside the folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from celestialkeras.errors import ManifestError, MismatchedFrameError
from celestialkeras.lcid.listed import ListedFiles, read_listed_frame
from celestialkeras.lcid.manifest import Observation, read_manifest

HEADER = ",ID,Instrument,OBSID,Filter,RA,DEC,HDU Index,Label\n"


def test_the_product_that_the_paper_uses_comes_first(tmp_path: Path) -> None:
    folder = tmp_path / "frames"
    (folder / "below").mkdir(parents=True)
    for name in ("iddt11fxq_flc.fits", "below/iddt11fxq_raw.fits.gz", "jaaa00aaq_flt.fits.fz", "jaaa00aaq_drz.fits"):
        (folder / name).touch()
    files = ListedFiles(folder)
    assert files.get("iddt11fxq") == folder / "below/iddt11fxq_raw.fits.gz"
    assert files.get("jaaa00aaq") == folder / "jaaa00aaq_flt.fits.fz"
    assert files.get("jaaa00abq") is None


def test_of_two_files_alike_the_first_by_name_is_taken(tmp_path: Path) -> None:
    for below in ("b", "a", "c"):
        (tmp_path / below).mkdir()
        (tmp_path / below / "iddt11fxq_raw.fits").touch()
    assert ListedFiles(tmp_path).get("iddt11fxq") == tmp_path / "a" / "iddt11fxq_raw.fits"


@pytest.mark.parametrize(
    "obsid", ["../iddt11", "/etc/pass", "..\\iddt1", "a/b/c/d/e", ".........", "iddt11fx\x00", "iddt11fxq/../x"]
)
def test_rootnames_that_are_paths_are_refused(tmp_path: Path, obsid: str) -> None:
    path = tmp_path / "list.csv"
    path.write_text(f'{HEADER}0,NGC4298,WFC3/UVIS,"{obsid}",F625W,185.4,14.6,1,galaxy\n')
    with pytest.raises(ManifestError, match=r"row 2, column 'OBSID': must be a rootname of nine lower-case letters"):
        read_manifest(path)


def test_no_row_finds_a_file_outside_the_folder(tmp_path: Path) -> None:
    (tmp_path / "iddt11fxq_raw.fits").touch()
    folder = tmp_path / "frames"
    folder.mkdir()
    assert ListedFiles(folder).get("iddt11fxq") is None


def test_a_file_of_another_exposure_is_refused(uvis_raw: Path) -> None:
    row = Observation("NGC4298", "WFC3/UVIS", "iddt11fyq", "F625W", 185.4, 14.6, 1, "galaxy")
    with pytest.raises(MismatchedFrameError, match=r"lists iddt11fyq WFC3/UVIS F625W. Received: iddt11fxq WFC3/UVIS"):
        read_listed_frame(uvis_raw, row)
