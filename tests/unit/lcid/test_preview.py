from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from celestialkeras.errors import DatasetError
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.preview import contact_sheet, draw_frames
from small_datasets import SmallSplit


def test_classes_take_turns_and_objects_come_once_before_any_comes_twice(make_dataset: Any) -> None:
    dataset = open_dataset(make_dataset())
    drawn = draw_frames(dataset, "train", 6)
    assert [record.observation.label for record in drawn] == ["galaxy", "NSC"] * 3
    assert len({record.observation.object_id for record in drawn}) == 6
    assert draw_frames(dataset, "train", 6) == drawn
    assert draw_frames(dataset, "train", 6, seed=1) != drawn
    everything = draw_frames(dataset, "train", 100)
    assert len({record.offset for record in everything}) == len(everything) == 12


def test_sheet_is_a_picture_of_the_frames(make_dataset: Any, tmp_path: Path) -> None:
    from matplotlib.image import imread

    dataset = open_dataset(make_dataset())
    path = tmp_path / "sheet.png"
    contact_sheet(dataset, draw_frames(dataset, "train", 5), path, binning=2)
    pixels = imread(path)
    assert pixels.shape[1] > pixels.shape[0] > 200
    assert pixels[..., :3].std() > 0.1


def test_empty_side_is_named(make_dataset: Any) -> None:
    nothing = SmallSplit(0, 0)
    dataset = open_dataset(make_dataset(sizes=(SmallSplit(2, 2), nothing, nothing)))
    with pytest.raises(DatasetError, match="no frames on the side 'test'"):
        draw_frames(dataset, "test", 3)
