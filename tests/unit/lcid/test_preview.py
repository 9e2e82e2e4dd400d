from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestialkeras.errors import DatasetError, ManifestError
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.manifest import SPLITS, Observation
from celestialkeras.lcid.preview import (
    PreviewItem,
    Tile,
    draw_tiles,
    items_of_dataset,
    items_of_folder,
    items_of_manifest,
    with_subtype,
)
from celestialkeras.lcid.stretch import Stretch, bin_codes, encode
from raw_files import RawFile

ROW = Observation("NGC4298", "WFC3/UVIS", "iddt11fxq", "F625W", 185.4, 14.6, 1, "galaxy", {"subtype": "spiral"})


def some_items(count: int, label: str, objects: int) -> list[PreviewItem]:
    tile = Tile(np.zeros((2, 4), np.uint8), ())
    return [
        PreviewItem(f"{label}{index}", 1, label, f"{label}-{index % objects}", "", lambda binning: tile)
        for index in range(count)
    ]


def test_classes_take_turns_and_objects_come_once_before_any_comes_twice() -> None:
    items = some_items(6, "galaxy", 3) + some_items(6, "NSC", 3)
    drawn, bad = draw_tiles(items, 6, 1)
    assert bad == []
    assert [one.item.label for one in drawn] == ["galaxy", "NSC"] * 3
    assert len({one.item.object_id for one in drawn}) == 6
    names = [one.item.name for one in drawn]
    assert names == [one.item.name for one in draw_tiles(items, 6, 1)[0]]
    assert names != [one.item.name for one in draw_tiles(items, 6, 1, seed=1)[0]]
    everything, _ = draw_tiles(items, 100, 1)
    assert len({one.item.name for one in everything}) == len(everything) == 12


def test_the_sides_of_a_data_set_are_drawn_as_stored(make_dataset: Any) -> None:
    dataset = open_dataset(make_dataset())
    assert len(items_of_dataset(dataset, SPLITS)) == 24
    items = items_of_dataset(dataset, ["test"])
    assert len(items) == 6
    drawn, _ = draw_tiles(items, 1, 4)
    (record,) = [r for r in dataset.records("test") if r.observation.obsid == drawn[0].item.name]
    np.testing.assert_array_equal(drawn[0].tile.codes, dataset.codes(record, 4))
    assert drawn[0].tile.facts == (record.observation.object_id, record.observation.instrument, "F814W")
    with pytest.raises(DatasetError, match=r"a whole binning must divide frames of 64 x 128; .* Received: size=7"):
        draw_tiles(items, 1, 7)


def test_a_manifest_is_drawn_past_missing_files(uvis_raw: Path) -> None:
    rows = [ROW, replace(ROW, obsid="iddt11aaq", label="NSC", object_id="M42")]
    drawn, bad = draw_tiles(items_of_manifest(rows, uvis_raw.parent), 5, 8)
    assert [one.item.name for one in drawn] == ["iddt11fxq"]
    assert drawn[0].tile.facts == ("NGC4298", "spiral", "WFC3/UVIS", "F625W", "350 s")
    np.testing.assert_array_equal(drawn[0].tile.codes, bin_codes(encode(read_frame(uvis_raw, 1), Stretch()), 8))
    assert [(error.reason, str(error)) for error in bad] == [
        ("not-found", f"{uvis_raw.parent}: no iddt11aaq_raw.fits, _flc.fits or _flt.fits")
    ]


def test_a_folder_needs_no_labels(uvis_raw: Path, tmp_path: Path) -> None:
    drawn, bad = draw_tiles(items_of_folder(uvis_raw.parent), 5, 8)
    assert bad == []
    assert sorted(one.item.hdu for one in drawn) == [1, 4]
    assert {one.item.label for one in drawn} == {""}
    assert {one.tile.facts[:4] for one in drawn} == {("NGC4298", "WFC3/UVIS", "F625W", "350 s")}
    one_chip = RawFile().hdus()[:2]
    one_chip.writeto(tmp_path / "window.fits")
    drawn, bad = draw_tiles(items_of_folder(tmp_path), 5, 8)
    assert bad == []
    assert [one.tile.facts[-1] for one in drawn] == ["HDU 1"]


def test_subtypes_are_chosen_in_either_case(tmp_path: Path) -> None:
    rows = [ROW, replace(ROW, hdu=4, extra={"subtype": "irregular"}), replace(ROW, obsid="iddt11aaq", extra={})]
    items = items_of_manifest(rows, tmp_path)
    assert [item.hdu for item in with_subtype(items, "Irregular")] == [4]
    with pytest.raises(ManifestError, match="no frame of the subtype 'remnant'; known: irregular, spiral"):
        with_subtype(items, "remnant")


def test_nothing_to_draw_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there are no frames to draw; choose another side or another folder"):
        draw_tiles([], 3, 8)
    with pytest.raises(DatasetError, match=f"none of 1 frames can be read; the first: {tmp_path}: no iddt11fxq_raw"):
        draw_tiles(items_of_manifest([ROW], tmp_path), 3, 8)
    with pytest.raises(DatasetError, match="no FITS files and no data set; name a manifest"):
        items_of_folder(tmp_path)
    with pytest.raises(DatasetError, match="nowhere: no such manifest, folder of FITS files or data set"):
        items_of_folder(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="nowhere: no such folder of FITS files"):
        items_of_manifest([ROW], tmp_path / "nowhere")
