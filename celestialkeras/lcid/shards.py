"""Decoded frames -> TFRecord shards, and back: a data set folder that trains without its FITS files.

A data set folder holds `dataset.json` (what it is made of) and `shards/SPLIT-NNNNN.tfrecord`, each with a `.json` index
of its records beside it. Records are `tf.train.Example` with the full-resolution codes uncompressed: their noise leaves
nothing worth deflating, and a frame is read back in one copy. Any TFRecord reader can read them; ours goes straight to
a record by its offset, so that every epoch can have its own full shuffle.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import DatasetError
from celestialkeras.files import replacing, write_text
from celestialkeras.lcid.manifest import SPLITS, Observation, manifest_digest
from celestialkeras.lcid.stretch import Stretch

SCHEMA = 1
"""Version of the folder layout; other versions are refused."""

# A TFRecord is: length (8 bytes), its checksum (4), the payload, its checksum (4).
_RECORD_HEADER = 12
_RECORD_FOOTER = 4


@dataclass(frozen=True, eq=False)
class EncodedFrame:
    """A frame ready for a shard.

    Attributes:
        observation: Its manifest row.
        codes: Stretched pixels, `uint8 (H, W)`.
        measured: What was measured on the way, by name: sky and noise (DN), exposure time (s), bias (DN).
    """

    observation: Observation
    codes: npt.NDArray[np.uint8]
    measured: Mapping[str, float]


@dataclass(frozen=True)
class Record:
    """Where one frame lies in the shards.

    Attributes:
        observation: Its manifest row; `extra["split"]` names its side.
        shard: File name of the shard.
        offset: First byte of the record's payload.
        length: Bytes of the payload.
        crc32: Checksum of the payload.
        measured: As in `EncodedFrame`.
    """

    observation: Observation
    shard: str
    offset: int
    length: int
    crc32: int
    measured: Mapping[str, float]


def write_shard(
    folder: Path, name: str, frames: Sequence[EncodedFrame], bad_frames: Sequence[Mapping[str, Any]] = ()
) -> None:
    """Writes `shards/NAME` and, when it is whole, its index.

    Args:
        folder: The data set folder.
        name: File name of the shard.
        frames: What goes in, in this order.
        bad_frames: What was meant to go in and could not be read; kept in the index.
    """
    tf = _tensorflow()
    rows = []
    path = folder / "shards" / name
    with replacing(path) as partial:
        offset = 0
        with tf.io.TFRecordWriter(str(partial)) as writer:
            for frame in frames:
                payload = _example(frame)
                writer.write(payload)
                rows.append(
                    {
                        "observation": asdict(frame.observation),
                        "offset": offset + _RECORD_HEADER,
                        "length": len(payload),
                        "crc32": zlib.crc32(payload),
                        "shape": frame.codes.shape,
                        "measured": dict(frame.measured),
                    }
                )
                offset += _RECORD_HEADER + len(payload) + _RECORD_FOOTER
        if frames:
            _check_framing(partial, rows)
    index = {"schema": SCHEMA, "records": rows, "bad_frames": list(bad_frames)}
    write_text(path.with_suffix(".json"), json.dumps(index, indent=1) + "\n")


def write_summary(folder: Path, names: Sequence[str], stretch: Stretch, **provenance: Any) -> None:
    """Writes `dataset.json`, which makes the folder a data set.

    Args:
        folder: The data set folder, its shards written.
        names: File names of the shards, in order.
        stretch: Shape of the stretch of their codes.
        **provenance: More entries that say where the data come from, such as the seed of the split.

    Raises:
        DatasetError: No frame could be read, or frames differ in size.
    """
    records = [record for name in names for record in read_index(folder, name)]
    bad = [entry for name in names for entry in _index(folder, name)["bad_frames"]]
    if not records:
        reason = f"; the first: {bad[0]['message']}" if bad else ""
        raise DatasetError(f"{folder}: none of {len(bad)} frames could be read{reason}")
    shapes = {tuple(row["shape"]) for name in names for row in _index(folder, name)["records"]}
    if len(shapes) > 1:
        raise DatasetError(f"{folder}: frames must have one size. Received: {sorted(shapes)}")
    summary = {
        "schema": SCHEMA,
        "shape": shapes.pop(),
        "stretch": asdict(stretch),
        "data_sha256": data_digest(records, stretch),
        "frames": {split: sum(r.observation.extra["split"] == split for r in records) for split in SPLITS},
        "bad_frames": bad,
        "shards": list(names),
        **provenance,
    }
    write_text(folder / "dataset.json", json.dumps(summary, indent=1) + "\n")


def read_codes(folder: Path, record: Record) -> npt.NDArray[np.uint8]:
    """Reads the codes of one frame at full resolution.

    Args:
        folder: The data set folder.
        record: Where the frame lies.

    Returns:
        `uint8 (H, W)`, read-only.

    Raises:
        DatasetError: The shard is missing or altered.
    """
    example = _tensorflow().train.Example()
    path = folder / "shards" / record.shard
    try:
        with path.open("rb") as shard:
            shard.seek(record.offset)
            payload = shard.read(record.length)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be read ({error.strerror}); build the data set again") from error
    if len(payload) != record.length or zlib.crc32(payload) != record.crc32:
        raise DatasetError(f"{path}: the frame at byte {record.offset} was altered; remove the shard and build again")
    example.ParseFromString(payload)
    features = example.features.feature
    shape = features["height"].int64_list.value[0], features["width"].int64_list.value[0]
    return np.frombuffer(features["codes"].bytes_list.value[0], np.uint8).reshape(shape)


def data_digest(records: Sequence[Record], stretch: Stretch) -> str:
    """SHA-256 of what a model can see of a data set: rows, sides, pixels and the shape of the stretch.

    Args:
        records: All records, in order.
        stretch: Shape of the stretch of their codes.
    """
    sides = [(record.observation.extra["split"], record.crc32) for record in records]
    content = [manifest_digest(record.observation for record in records), sides, asdict(stretch)]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def read_index(folder: Path, name: str) -> list[Record]:
    """The records of one shard, from its index.

    Raises:
        DatasetError: The index is missing or not what a build writes.
    """
    return [_record(folder, name, row) for row in _index(folder, name)["records"]]


def is_finished(folder: Path, name: str) -> bool:
    """Whether a shard is whole, by its size and its index, and every frame meant for it was read."""
    try:
        index = _index(folder, name)
        records = read_index(folder, name)
        size = (folder / "shards" / name).stat().st_size
    except (DatasetError, OSError):
        return False
    end = 0
    for record in records:
        if record.offset != end + _RECORD_HEADER:
            return False
        end = record.offset + record.length + _RECORD_FOOTER
    return end == size and not index["bad_frames"]


def _record(folder: Path, name: str, row: Mapping[str, Any]) -> Record:
    try:
        return Record(
            observation=Observation(**row["observation"]),
            shard=name,
            offset=int(row["offset"]),
            length=int(row["length"]),
            crc32=int(row["crc32"]),
            measured=row["measured"],
        )
    except (KeyError, TypeError, ValueError) as error:
        path = _index_path(folder, name)
        raise DatasetError(f"{path}: not an index that a build wrote ({error!r}); build the data set again") from error


def _index_path(folder: Path, name: str) -> Path:
    return (folder / "shards" / name).with_suffix(".json")


def _index(folder: Path, name: str) -> dict[str, Any]:
    path = _index_path(folder, name)
    try:
        index = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); build the data set again") from error
    if not isinstance(index, dict) or index.get("schema") != SCHEMA or not {"records", "bad_frames"} <= index.keys():
        raise DatasetError(f"{path}: not an index of schema {SCHEMA}; build the data set again")
    return index


def _check_framing(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    # Offsets are computed, not reported by the writer: the last record's own length prefix proves them.
    last = rows[-1]
    with path.open("rb") as shard:
        shard.seek(last["offset"] - _RECORD_HEADER)
        (length,) = struct.unpack("<Q", shard.read(8))
    if length != last["length"]:
        raise DatasetError(f"{path}: records do not lie where they should; is the disk full?")


def _example(frame: EncodedFrame) -> bytes:
    tf = _tensorflow()
    row = frame.observation

    def text(value: str) -> Any:
        return tf.train.Feature(bytes_list=tf.train.BytesList(value=[value.encode()]))

    def whole(value: int) -> Any:
        return tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))

    def real(value: float) -> Any:
        return tf.train.Feature(float_list=tf.train.FloatList(value=[value]))

    features = {
        "codes": tf.train.Feature(bytes_list=tf.train.BytesList(value=[frame.codes.tobytes()])),
        "height": whole(frame.codes.shape[0]),
        "width": whole(frame.codes.shape[1]),
        "label": whole(row.label_code),
        "object": text(row.object_id),
        "instrument": text(row.instrument),
        "obsid": text(row.obsid),
        "filter": text(row.filter),
        "hdu": whole(row.hdu),
        "ra": real(row.ra),
        "dec": real(row.dec),
        "extra": text(json.dumps(dict(row.extra))),
        **{f"measured/{name}": real(value) for name, value in frame.measured.items()},
    }
    example = tf.train.Example(features=tf.train.Features(feature=features))
    # Features are a map, which every process would otherwise write in an order of its own.
    payload: bytes = example.SerializeToString(deterministic=True)
    return payload


def _tensorflow() -> Any:
    return import_tensorflow("reading and writing shards")
