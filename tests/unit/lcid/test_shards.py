from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from celestialkeras.errors import DatasetError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.lcid.manifest import SPLITS, Observation
from celestialkeras.lcid.shards import EncodedFrame, data_digest, is_finished, read_index, write_shard, write_summary
from celestialkeras.lcid.stretch import Stretch, bin_codes
from small_datasets import DatasetFactory

SHARD = "train-00000.tfrecord"


def encoded(index: int, split: str = "train", shape: tuple[int, int] = (16, 32)) -> EncodedFrame:
    row = Observation(
        object_id='NGC "4298", μ',
        instrument="WFC3/UVIS",
        obsid=f"iddt{index:05d}",
        filter="F625W",
        ra=185.432173,
        dec=-14.588604,
        hdu=(1, 4)[index % 2],
        label=("galaxy", "NSC")[index % 2],
        extra={"split": split, "note": "a, b\nc"},
    )
    codes = np.random.default_rng(index).integers(0, 256, shape).astype(np.uint8)
    return EncodedFrame(row, codes, {"sky": 39.98942565917969, "noise": 3.03, "exptime": 350.0})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A finished data set: two training shards of two frames, one frame for validation."""
    folder = tmp_path / "set"
    write_shard(folder, SHARD, [encoded(0), encoded(1)])
    write_shard(folder, "train-00001.tfrecord", [encoded(2), encoded(3)])
    write_shard(folder, "validation-00000.tfrecord", [encoded(4, "validation")])
    names = [SHARD, "train-00001.tfrecord", "validation-00000.tfrecord"]
    write_summary(folder, names, Stretch(white=1500.0), split_seed=3)
    return folder


def test_codes_rows_and_measurements_come_back(folder: Path) -> None:
    dataset = open_dataset(folder)
    assert dataset.shape == (16, 32)
    assert dataset.stretch == Stretch(white=1500.0)
    assert dataset.bad_frames == []
    assert [len(dataset.records(split)) for split in SPLITS] == [4, 1, 0]
    written = [encoded(index) for index in range(4)]
    for record, frame in zip(dataset.records("train"), written, strict=True):
        assert record.observation == frame.observation
        assert record.measured == frame.measured
        codes = dataset.codes(record)
        assert codes.dtype == np.uint8
        np.testing.assert_array_equal(codes, frame.codes)


def test_digest_follows_rows_sides_pixels_and_stretch(folder: Path) -> None:
    records = [record for split in SPLITS for record in open_dataset(folder).records(split)]
    stretch = Stretch(white=1500.0)
    assert data_digest(records, stretch) == open_dataset(folder).digest
    first, *rest = records
    moved = replace(first, observation=replace(first.observation, extra={**first.observation.extra, "split": "test"}))
    renamed = replace(first, observation=replace(first.observation, object_id="M 31"))
    others = [[moved, *rest], [renamed, *rest], [replace(first, crc32=first.crc32 ^ 1), *rest], rest]
    digests = {data_digest(changed, stretch) for changed in others} | {data_digest(records, Stretch())}
    assert len(digests) == 5
    assert open_dataset(folder).digest not in digests


def test_summary_says_what_the_folder_holds(folder: Path) -> None:
    summary = json.loads((folder / "dataset.json").read_text())
    assert summary["schema"] == 1
    assert summary["frames"] == {"train": 4, "validation": 1, "test": 0}
    assert summary["shape"] == [16, 32]
    assert summary["split_seed"] == 3


@pytest.mark.parametrize("binning", [2, 4, 16])
def test_binned_codes_are_those_of_bin_codes(folder: Path, binning: int) -> None:
    dataset = open_dataset(folder)
    for record, index in zip(dataset.records("train"), range(4), strict=True):
        for _ in range(2):
            np.testing.assert_array_equal(dataset.codes(record, binning), bin_codes(encoded(index).codes, binning))


@pytest.mark.parametrize("binning", [1, 4])
def test_codes_cannot_be_written_to(folder: Path, binning: int) -> None:
    dataset = open_dataset(folder)
    codes = dataset.codes(dataset.records("train")[0], binning)
    with pytest.raises(ValueError, match="read-only"):
        codes[0, 0] = 1


@pytest.mark.parametrize("binning", [0, 3, 32])
def test_a_binning_that_does_not_divide_the_frame(folder: Path, binning: int) -> None:
    dataset = open_dataset(folder)
    with pytest.raises(
        DatasetError, match=rf"{folder}: a whole binning must divide frames of 16 x 32; .* size={binning}"
    ):
        dataset.codes(dataset.records("train")[0], binning)


def test_plain_tensorflow_reads_the_shards(folder: Path) -> None:
    scalar = {name: tf.io.FixedLenFeature([], tf.string) for name in ("codes", "object", "obsid", "filter", "extra")}
    scalar |= {name: tf.io.FixedLenFeature([], tf.int64) for name in ("height", "width", "label", "hdu")}
    scalar |= {name: tf.io.FixedLenFeature([], tf.float32) for name in ("ra", "dec", "measured/sky")}
    records = list(tf.data.TFRecordDataset(str(folder / "shards" / SHARD)))
    assert len(records) == 2
    for record, index in zip(records, range(2), strict=True):
        frame = encoded(index)
        parsed = {name: value.numpy() for name, value in tf.io.parse_single_example(record, scalar).items()}
        shape = int(parsed["height"]), int(parsed["width"])
        np.testing.assert_array_equal(np.frombuffer(parsed["codes"], np.uint8).reshape(shape), frame.codes)
        assert parsed["object"].decode() == frame.observation.object_id
        assert parsed["obsid"].decode() == frame.observation.obsid
        assert parsed["filter"] == b"F625W"
        assert (parsed["label"], parsed["hdu"]) == (frame.observation.label_code, frame.observation.hdu)
        assert parsed["ra"] == np.float32(185.432173)
        assert parsed["dec"] == np.float32(-14.588604)
        assert json.loads(parsed["extra"]) == frame.observation.extra
        assert parsed["measured/sky"] == np.float32(frame.measured["sky"])


def test_offsets_point_at_the_payloads(folder: Path) -> None:
    content = (folder / "shards" / SHARD).read_bytes()
    payloads = [bytes(record.numpy()) for record in tf.data.TFRecordDataset(str(folder / "shards" / SHARD))]
    for record, payload in zip(read_index(folder, SHARD), payloads, strict=True):
        assert content[record.offset : record.offset + record.length] == payload


def test_features_lie_in_order_so_that_every_process_writes_the_same_bytes(folder: Path) -> None:
    for record in tf.data.TFRecordDataset(str(folder / "shards" / SHARD)):
        payload = record.numpy()
        example = tf.train.Example.FromString(payload)
        assert payload == example.SerializeToString(deterministic=True)
        places = [
            payload.index(b"\n" + bytes([len(name)]) + name.encode()) for name in sorted(example.features.feature)
        ]
        assert places == sorted(places)


def test_the_same_frames_give_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        write_shard(tmp_path / name, SHARD, [encoded(0), encoded(1)])
    for suffix in (".tfrecord", ".json"):
        first, second = (tmp_path / name / "shards" / f"train-00000{suffix}" for name in "ab")
        assert sha256_of(first) == sha256_of(second)


@pytest.mark.parametrize("split", ["Train", "", "all"])
def test_a_side_that_is_none(folder: Path, split: str) -> None:
    with pytest.raises(
        DatasetError, match=f"`split` must be one of train, validation, test. Received: split='{split}'"
    ):
        open_dataset(folder).records(split)


def flip_a_bit(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x10
    path.write_bytes(content)


def test_an_altered_byte_is_refused_by_name_and_the_other_frames_are_read(folder: Path) -> None:
    dataset = open_dataset(folder)
    first, second, *_ = dataset.records("train")
    path = folder / "shards" / SHARD
    flip_a_bit(path, first.offset + first.length // 2)
    with pytest.raises(DatasetError, match=rf"{path}: the frame at byte {first.offset} was altered; remove the shard"):
        dataset.codes(first)
    np.testing.assert_array_equal(dataset.codes(second), encoded(1).codes)


def test_a_shard_that_was_cut_short(folder: Path) -> None:
    dataset = open_dataset(folder)
    path = folder / "shards" / SHARD
    path.write_bytes(path.read_bytes()[:-100])
    with pytest.raises(DatasetError, match="was altered"):
        dataset.codes(dataset.records("train")[1])
    np.testing.assert_array_equal(dataset.codes(dataset.records("train")[0]), encoded(0).codes)


def test_a_missing_shard(folder: Path) -> None:
    path = folder / "shards" / SHARD
    path.unlink()
    dataset = open_dataset(folder)
    with pytest.raises(DatasetError, match=rf"{path}: cannot be read \(No such file.*\); build the data set again"):
        dataset.codes(dataset.records("train")[0])


def test_a_missing_index(folder: Path) -> None:
    path = (folder / "shards" / SHARD).with_suffix(".json")
    path.unlink()
    with pytest.raises(DatasetError, match=rf"{path}: cannot be read .*; build the data set again"):
        open_dataset(folder)


def edited(path: Path, change: Callable[[Any], Any]) -> None:
    path.write_text(json.dumps(change(json.loads(path.read_text()))))


def without(name: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda entries: {key: value for key, value in entries.items() if key != name}


INDEX_EDITS: dict[str, tuple[Callable[[Any], Any], str]] = {
    "no JSON object": (lambda index: [1], "not an index of schema 1"),
    "other schema": (lambda index: {**index, "schema": 2}, "not an index of schema 1"),
    "no records": (without("records"), "not an index of schema 1"),
    "record without offset": (
        lambda index: {**index, "records": [without("offset")(index["records"][0])]},
        r"not an index that a build wrote \(KeyError\('offset'\)\)",
    ),
    "row with a stray column": (
        lambda index: {**index, "records": [{**index["records"][0], "observation": {"redshift": 1}}]},
        "not an index that a build wrote",
    ),
    "record taken out": (
        lambda index: {**index, "records": index["records"][:1]},
        "the shards' indexes are not those of dataset.json",
    ),
}


@pytest.mark.parametrize(("change", "why"), INDEX_EDITS.values(), ids=INDEX_EDITS.keys())
def test_an_index_that_is_not_the_builds(folder: Path, change: Callable[[Any], Any], why: str) -> None:
    edited((folder / "shards" / SHARD).with_suffix(".json"), change)
    with pytest.raises(DatasetError, match=why):
        open_dataset(folder)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda summary: {**summary, "schema": 7}, "schema must be 1. Received: 7; build again"),
        (without("schema"), "schema must be 1. Received: None"),
        (lambda summary: [summary], "schema must be 1. Received: None"),
        (without("shards"), r"not what a build wrote \(KeyError\('shards'\)\)"),
        (without("shape"), r"not what a build wrote \(KeyError\('shape'\)\)"),
        (lambda summary: {**summary, "stretch": {"black": 1.0}}, "not what a build wrote"),
        (lambda summary: {**summary, "data_sha256": "0"}, "the shards' indexes are not those of dataset.json"),
    ],
)
def test_a_summary_that_is_not_the_builds(folder: Path, change: Callable[[Any], Any], why: str) -> None:
    edited(folder / "dataset.json", change)
    with pytest.raises(DatasetError, match=why):
        open_dataset(folder)


def test_a_summary_that_is_no_json(folder: Path) -> None:
    (folder / "dataset.json").write_text("{")
    with pytest.raises(DatasetError, match=rf"{folder}/dataset.json: cannot be read"):
        open_dataset(folder)


def test_an_unfinished_folder_and_an_empty_one(folder: Path, tmp_path: Path) -> None:
    (folder / "dataset.json").unlink()
    with pytest.raises(DatasetError, match=rf"{folder}: an unfinished build; run `celestial data build MANIFEST --to"):
        open_dataset(folder)
    with pytest.raises(DatasetError, match=rf"{tmp_path}/absent: no data set; run `celestial data build"):
        open_dataset(tmp_path / "absent")


def test_binned_frames_stay_in_memory_as_far_as_it_reaches(folder: Path) -> None:
    # Two of the 4 x 8 frames of 32 bytes fit.
    dataset = open_dataset(folder, cache_bytes=80)
    records = dataset.records("train")
    for record in records:
        dataset.codes(record, 4)
    for path in (folder / "shards").glob("*.tfrecord"):
        path.unlink()
    kept = []
    for index, record in enumerate(records):
        try:
            np.testing.assert_array_equal(dataset.codes(record, 4), bin_codes(encoded(index).codes, 4))
            kept.append(index)
        except DatasetError:
            assert index >= 2
    assert kept == [0, 1]


def test_full_frames_and_other_binnings_are_not_taken_from_the_cache(folder: Path) -> None:
    dataset = open_dataset(folder)
    record = dataset.records("train")[0]
    assert dataset.codes(record, 4).shape == (4, 8)
    assert dataset.codes(record, 2).shape == (8, 16)
    assert dataset.codes(record).shape == (16, 32)
    (folder / "shards" / SHARD).unlink()
    assert dataset.codes(record, 4).shape == (4, 8)
    with pytest.raises(DatasetError, match="cannot be read"):
        dataset.codes(record)


def test_threads_may_read_at_once(folder: Path) -> None:
    dataset = open_dataset(folder, cache_bytes=70)
    records = dataset.records("train")
    expected = {binning: [bin_codes(encoded(i).codes, binning) for i in range(4)] for binning in (1, 2, 4)}

    def read(turn: int) -> bool:
        index, binning = turn % 4, (1, 2, 4)[turn % 3]
        return bool(np.array_equal(dataset.codes(records[index], binning), expected[binning][index]))

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(read, range(600)))


def test_a_shard_is_finished_when_it_is_whole(folder: Path) -> None:
    path = folder / "shards" / SHARD
    whole, index = path.read_bytes(), path.with_suffix(".json").read_bytes()
    assert is_finished(folder, SHARD)
    assert not is_finished(folder, "train-00009.tfrecord")
    for damaged in (whole[:-1], whole + b"\0", b""):
        path.write_bytes(damaged)
        assert not is_finished(folder, SHARD)
    path.write_bytes(whole)
    for damaged in (index[:-9], b"", b"[]"):
        path.with_suffix(".json").write_bytes(damaged)
        assert not is_finished(folder, SHARD)
    path.with_suffix(".json").unlink()
    assert not is_finished(folder, SHARD)


def test_a_shard_that_met_bad_frames_is_not_finished_but_readable(tmp_path: Path) -> None:
    bad = {"obsid": "iddt00009", "hdu": 1, "reason": "truncated", "message": "ends early"}
    write_shard(tmp_path, SHARD, [encoded(0)], [bad])
    assert not is_finished(tmp_path, SHARD)
    write_summary(tmp_path, [SHARD], Stretch())
    dataset = open_dataset(tmp_path)
    assert dataset.bad_frames == [bad]
    assert len(dataset.records("train")) == 1


def test_a_data_set_without_frames_is_none(tmp_path: Path) -> None:
    bad = {"obsid": "iddt00009", "hdu": 1, "reason": "truncated", "message": "x_raw.fits: ends early"}
    write_shard(tmp_path, SHARD, [], [bad])
    with pytest.raises(DatasetError, match=r"none of 1 frames could be read; the first: x_raw.fits: ends early"):
        write_summary(tmp_path, [SHARD], Stretch())
    assert not (tmp_path / "dataset.json").exists()


def test_frames_of_two_sizes_are_no_data_set(tmp_path: Path) -> None:
    write_shard(tmp_path, SHARD, [encoded(0), encoded(1, shape=(8, 8))])
    with pytest.raises(DatasetError, match=r"frames must have one size. Received: \[\(8, 8\), \(16, 32\)\]"):
        write_summary(tmp_path, [SHARD], Stretch())


def test_a_shard_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(AttributeError):
        write_shard(tmp_path, SHARD, [encoded(0), "no frame"])  # type: ignore[list-item]
    assert list((tmp_path / "shards").iterdir()) == []


def test_data_sets_of_the_factory_open(make_dataset: DatasetFactory) -> None:
    dataset = open_dataset(make_dataset())
    assert [len(dataset.records(split)) for split in SPLITS] == [12, 6, 6]
