from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.contact_sheet import write_contact_sheet
from celestialkeras.lcid.preview import DrawnTile, PreviewItem, Tile


def drawn_of(codes: np.ndarray, label: str = "galaxy", facts: tuple[str, ...] = ("M51",)) -> DrawnTile:
    tile = Tile(codes, facts)
    return DrawnTile(PreviewItem("a", 1, label, "M51", "", lambda binning: tile), tile)


def sheet_of(path: Path) -> np.ndarray:
    with Image.open(path) as sheet:
        return np.asarray(sheet)


def test_a_code_is_a_pixel_and_row_0_is_at_the_bottom(tmp_path: Path) -> None:
    codes = np.full((100, 300), 20, np.uint8)
    codes[0, 0], codes[99, 299], codes[50, 100] = 200, 110, 255
    write_contact_sheet([drawn_of(codes), drawn_of(codes, "NSC"), drawn_of(codes, "")], tmp_path / "a.png", 2)
    sheet = sheet_of(tmp_path / "a.png")
    assert sheet.shape == (2 * (100 + 34 + 6) + 6, 2 * 306 + 6, 3)
    frame = sheet[6 + 34 : 6 + 34 + 100, 6:306]
    assert frame[99, 0].tolist() == [255, 255, 255]
    assert frame[0, 299].tolist() == [127, 127, 127]
    assert frame[49, 100].tolist() == [255, 255, 255]
    assert np.count_nonzero(frame) == 9
    np.testing.assert_array_equal(sheet[40:140, 312:612], frame)


def test_titles_are_inked_by_class_and_kept_within_their_frame(tmp_path: Path) -> None:
    codes = np.full((40, 240), 20, np.uint8)
    frames = [drawn_of(codes, label, ("a very long name " * 20,)) for label in ("galaxy", "NSC")]
    write_contact_sheet(frames, tmp_path / "a.png", 2)
    sheet = sheet_of(tmp_path / "a.png").astype(int)
    first, second = sheet[6:21, 6:246], sheet[6:21, 252:492]
    assert (first[..., 0] - first[..., 2]).max() > 100
    assert (second[..., 2] - second[..., 0]).max() > 100
    between = sheet[:, 246:252].reshape(-1, 3)
    assert len(np.unique(between, axis=0)) == 1


def test_small_frames_are_enlarged_by_whole_factors(tmp_path: Path) -> None:
    codes = np.arange(20, 200, 5, dtype=np.uint8).reshape(3, 12)
    write_contact_sheet([drawn_of(codes)], tmp_path / "a.png")
    frame = sheet_of(tmp_path / "a.png")[40:100, 6:246, 0]
    assert frame.shape == (60, 240)
    np.testing.assert_array_equal(frame, np.kron(frame[::20, ::20], np.ones((20, 20))))


def test_sheets_that_cannot_be(tmp_path: Path) -> None:
    small, large = np.zeros((2, 300), np.uint8), np.broadcast_to(np.uint8(0), (20_000, 20_000))
    with pytest.raises(DatasetError, match=r"must have one size. Received: \[\(2, 300\), \(20000, 20000\)\]"):
        write_contact_sheet([drawn_of(small), drawn_of(large)], tmp_path / "a.png")
    with pytest.raises(DatasetError, match="is too large; ask for fewer frames or a larger binning"):
        write_contact_sheet([drawn_of(large)], tmp_path / "a.png")
    assert list(tmp_path.iterdir()) == []
