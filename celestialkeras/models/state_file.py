"""State dicts on disk, as names and NumPy arrays: `.npz`, `.safetensors`, and `.pt` where PyTorch is installed.

Safetensors files are read here and not by the package of that name: the format is a length, a JSON header and raw
little-endian numbers, and NumPy alone, which that package would hand them to, cannot hold its `BF16`.
"""

from __future__ import annotations

import importlib
import json
import math
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import ModelError

State = Mapping[str, npt.NDArray[Any]]
"""The entries of a state dict by name, in the order of the file."""

_LENGTH_BYTES = 8

# The limit of the format's own readers; the header of the published network takes 8 kB.
_LONGEST_HEADER = 100_000_000

_MOST_AXES = 4

# What a network's state dict holds: weights, and the batches that its norms have seen. BF16 is the upper half of F32.
_DTYPES = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "BF16": "<u2", "I64": "<i8"}


def read_state(path: str | Path) -> State:
    """Reads a state dict; no code in the file is run.

    Args:
        path: A `.npz`, `.safetensors`, `.pt` or `.pth` file.

    Returns:
        Its entries. Those of safetensors files are views of the mapped file, `BF16` apart.

    Raises:
        ModelError: There is no such file, its kind is not known, PyTorch is not installed to read it, or it is damaged.
    """
    path = Path(path)
    if path.suffix not in _READERS:
        raise ModelError(f"a state dict must be a file of the kind {', '.join(_READERS)}. Received: {path}")
    if not path.is_file():
        raise ModelError(f"{path}: no such state dict; PyTorch code saves one, as model.state_dict()")
    state: State = _READERS[path.suffix](path)
    return state


def _read_npz(path: Path) -> State:
    if not zipfile.is_zipfile(path):
        raise ModelError(f"{path}: not an .npz file; write it again with numpy.savez. Received: no zip archive")
    try:
        with np.load(path, allow_pickle=False) as archive:
            state = {name: archive[name] for name in archive.files}
    # NumPy passes on whatever zip and its own parser meet: any of it means that this file gives no state dict.
    except Exception as error:
        raise ModelError(
            f"{path}: an entry cannot be read; write plain arrays with numpy.savez. Received: {error}"
        ) from error
    for name, tensor in state.items():
        # Members that are no arrays come as their bytes.
        if not isinstance(tensor, np.ndarray):
            raise ModelError(f"{path}: `{name}` is no array; write it with numpy.savez. Received: {type(tensor)}")
    return state


def _read_pt(path: Path) -> State:
    try:
        # By name, so that checking types needs no PyTorch either.
        torch = importlib.import_module("torch")
    except ModuleNotFoundError as error:
        raise ModelError(
            f"{path}: only PyTorch reads this kind of file, and it is not installed: pip install torch, or write a"
            " .safetensors file where it is, with safetensors.torch.save_file(model.state_dict(), 'state.safetensors')."
            f" Received: a {path.suffix} file"
        ) from error
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    # PyTorch passes on whatever its unpickler meets: any of it means that this file gives no state dict.
    except Exception as error:
        # The first sentence tells the cause; those after it tell how to run the file's code all the same.
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0].partition(". ")[0].rstrip(".")
        raise ModelError(
            f"{path}: cannot be read with weights_only=True, which runs no code of the file; save model.state_dict()"
            f" alone. Received: {cause}"
        ) from error
    if not isinstance(content, Mapping):
        raise ModelError(f"{path}: not a state dict; save model.state_dict() alone. Received: {type(content)}")
    for name, tensor in content.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ModelError(
                f"{path}: `{name}` is no tensor of a state dict; save model.state_dict() alone."
                f" Received: {type(tensor)}"
            )
    # NumPy has no bfloat16, and the network is float32.
    plain = {name: one.detach().float() if one.is_floating_point() else one for name, one in content.items()}
    return {name: one.numpy() for name, one in plain.items()}


def _read_safetensors(path: Path) -> State:
    def damaged(what: str, received: Any) -> ModelError:
        return ModelError(f"{path}: {what}; fetch or write the file again. Received: {received}")

    size = path.stat().st_size
    with path.open("rb") as source:
        prefix = source.read(_LENGTH_BYTES)
        length = int.from_bytes(prefix, "little")
        if len(prefix) < _LENGTH_BYTES or length > size - _LENGTH_BYTES:
            raise damaged("ends before its header does", f"{size} bytes")
        if length > _LONGEST_HEADER:
            raise damaged(f"its header is longer than {_LONGEST_HEADER} bytes", f"{length} bytes")
        encoded = source.read(length)
    try:
        entries = _parse_header(encoded)
    except (ValueError, RecursionError) as error:
        raise damaged("its header is not that of a safetensors file", error) from error
    begin = _LENGTH_BYTES + length
    # An empty file cannot be mapped.
    data = np.asarray(np.memmap(path, np.uint8, "r", begin)) if size > begin else np.empty(0, np.uint8)

    covered = 0
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        first, last = entry["data_offsets"]
        if first != covered:
            raise damaged(f"`{name}` does not begin where the entry before it ends, at {covered}", first)
        covered = last
    if covered != data.size:
        raise damaged(f"its entries cover {covered} bytes", f"{data.size} bytes of data")
    return {name: _tensor(data, entry) for name, entry in entries.items()}


def _parse_header(encoded: bytes) -> dict[str, dict[str, Any]]:
    """The header's entries, each of a known dtype and of the length that its shape gives; ValueError otherwise."""
    if not encoded.startswith(b"{"):
        raise ValueError("no JSON object")
    header = json.loads(encoded.decode("utf-8"), object_pairs_hook=_without_repeats)
    header.pop("__metadata__", None)
    for name, entry in header.items():
        if not isinstance(entry, dict) or set(entry) != {"dtype", "shape", "data_offsets"}:
            raise ValueError(f"`{name}` has other fields than dtype, shape and data_offsets")
        dtype, shape, offsets = entry["dtype"], entry["shape"], entry["data_offsets"]
        if not isinstance(dtype, str) or dtype not in _DTYPES:
            raise ValueError(f"`{name}` has the dtype {dtype!r}, which is none of {', '.join(_DTYPES)}")
        # The format allows tensors of no numbers and of many axes; this network has none, and NumPy has limits.
        if not _are_sizes(shape, least=1) or len(shape) > _MOST_AXES:
            raise ValueError(f"`{name}` has the shape {shape!r}, not at most {_MOST_AXES} whole numbers from 1")
        if not _are_sizes(offsets, least=0) or len(offsets) != 2:
            raise ValueError(f"`{name}` has the offsets {offsets!r}, not two whole numbers from 0")
        length = math.prod(shape) * np.dtype(_DTYPES[dtype]).itemsize
        if offsets[1] - offsets[0] != length:
            raise ValueError(f"`{name}` lies at {offsets}, but its shape and dtype make {length} bytes")
    entries: dict[str, dict[str, Any]] = header
    return entries


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"`{next(name for name in names if names.count(name) > 1)}` is there twice")
    return fields


def _are_sizes(values: Any, least: int) -> bool:
    # JSON's true is an int to Python.
    return isinstance(values, list) and all(type(value) is int and value >= least for value in values)


def _tensor(data: npt.NDArray[np.uint8], entry: Mapping[str, Any]) -> npt.NDArray[Any]:
    first, last = entry["data_offsets"]
    numbers = data[first:last].view(_DTYPES[entry["dtype"]])
    if entry["dtype"] == "BF16":
        numbers = (numbers.astype("<u4") << 16).view("<f4")
    return numbers.reshape(entry["shape"])


_READERS = {".npz": _read_npz, ".safetensors": _read_safetensors, ".pt": _read_pt, ".pth": _read_pt}
