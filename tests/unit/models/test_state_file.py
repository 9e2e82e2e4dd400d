"""State dicts on disk: what is in them, or a refusal that says what is wrong with the file."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

from celestialkeras.errors import ModelError
from celestialkeras.models.state_file import read_state
from published_network import write_safetensors

NAMES = {"float64": "F64", "float32": "F32", "float16": "F16", "int64": "I64", "uint16": "BF16"}


def raw_safetensors(path: Path, header: object, data: bytes = b"") -> Path:
    encoded = header if isinstance(header, bytes) else json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    return path


def entry(shape: object, offsets: object, dtype: object = "F32") -> dict[str, object]:
    return {"dtype": dtype, "shape": shape, "data_offsets": offsets}


def refusal(path: Path) -> str:
    with pytest.raises(ModelError) as refused:
        read_state(path)
    message = str(refused.value)
    assert message.startswith(f"{path}: ")
    return message.removeprefix(f"{path}: ")


def test_npz(tmp_path: Path) -> None:
    np.savez(tmp_path / "state.npz", **{"fc1.bias": np.arange(3.0), "conv1.1.num_batches_tracked": np.array(7)})
    state = read_state(tmp_path / "state.npz")
    assert list(state) == ["fc1.bias", "conv1.1.num_batches_tracked"]
    np.testing.assert_array_equal(state["fc1.bias"], [0, 1, 2])
    assert state["conv1.1.num_batches_tracked"].shape == ()


def test_npz_runs_no_pickled_code(tmp_path: Path) -> None:
    np.savez(tmp_path / "state.npz", evil=np.array([object], dtype=object))
    assert "an entry cannot be read; write plain arrays with numpy.savez. Received: Object arrays" in refusal(
        tmp_path / "state.npz"
    )


def test_damaged_npz(tmp_path: Path) -> None:
    path = tmp_path / "state.npz"
    path.write_bytes(b"no archive")
    assert refusal(path).startswith("not an .npz file")
    np.savez(path, bias=np.arange(1000.0))
    damaged = bytearray(path.read_bytes())
    damaged[4000] ^= 1
    path.write_bytes(damaged)
    assert "Received: Bad CRC-32 for file 'bias.npy'" in refusal(path)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("notes.txt", "text")
    assert "`notes.txt` is no array" in refusal(path)


def test_safetensors_of_every_dtype(tmp_path: Path) -> None:
    tensors: dict[str, Any] = {
        "half": np.array([[0.5, -2.0, 3.0]], np.float16),
        "single": np.arange(6, dtype=np.float32).reshape(1, 2, 3),
        "double": np.array(np.pi),
        "count": np.array(140, np.int64),
    }
    # 1.5 and -2 are the upper halves of their float32 patterns.
    bits = {"brain": np.array([0x3FC0, 0xC000], np.uint16)}
    # Three half-precision numbers first leave what follows unaligned.
    state = read_state(write_safetensors(tmp_path / "state.safetensors", tensors | bits, NAMES))
    assert list(state) == [*tensors, "brain"]
    for name, tensor in tensors.items():
        assert (state[name].dtype, state[name].shape) == (tensor.dtype, tensor.shape)
        np.testing.assert_array_equal(state[name], tensor)
    assert state["brain"].dtype == np.float32
    np.testing.assert_array_equal(state["brain"], [1.5, -2.0])


def test_safetensors_may_be_empty_and_list_entries_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    assert read_state(raw_safetensors(path, {})) == {}
    header = {"late": entry([1], [4, 8]), "early": entry([1], [0, 4])}
    state = read_state(raw_safetensors(path, header, np.array([1, 2], "<f4").tobytes()))
    assert {name: tensor.tolist() for name, tensor in state.items()} == {"late": [2.0], "early": [1.0]}


@pytest.mark.parametrize(
    ("header", "data", "message"),
    [
        (
            {"a": entry([2], [0, 8]), "b": entry([1], [4, 8])},
            8,
            "`b` does not begin where the entry before it ends, at",
        ),
        ({"a": entry([1], [0, 4]), "b": entry([1], [8, 12])}, 12, "ends, at 4; fetch or write the file again."),
        ({"a": entry([1], [4, 8])}, 8, "`a` does not begin where the entry before it ends, at 0"),
        ({"a": entry([1], [0, 4])}, 8, "its entries cover 4 bytes; .* Received: 8 bytes of data"),
        ({"a": entry([2], [0, 8])}, 4, "its entries cover 8 bytes; .* Received: 4 bytes of data"),
        ({"a": entry([2], [0, 4])}, 4, r"`a` lies at \[0, 4\], but its shape and dtype make 8 bytes"),
        ({"a": entry([1], [4, 0])}, 4, r"`a` lies at \[4, 0\], but its shape"),
        ({"a": entry([1], [-4, 0])}, 4, r"`a` has the offsets \[-4, 0\], not two whole numbers from 0"),
        ({"a": entry([1], [0, 4, 8])}, 4, "`a` has the offsets"),
        ({"a": entry([True], [0, 4])}, 4, r"`a` has the shape \[True\], not at most 4 whole numbers from 1"),
        ({"a": entry([1.0], [0, 4])}, 4, "`a` has the shape"),
        ({"a": entry([0, 2**80], [0, 0])}, 0, "`a` has the shape"),
        ({"a": entry([1] * 70, [0, 4])}, 4, "`a` has the shape"),
        ({"a": entry("1", [0, 4])}, 4, "`a` has the shape '1'"),
        ({"a": entry([1], [0, 1], "U8")}, 1, "`a` has the dtype 'U8', which is none of F64, F32, F16, BF16, I64"),
        ({"a": entry([1], [0, 4], ["F32"])}, 4, "`a` has the dtype"),
        ({"a": {"dtype": "F32", "shape": [1]}}, 4, "`a` has other fields than dtype, shape and data_offsets"),
        ({"a": [0, 4]}, 4, "`a` has other fields"),
        (b'{"a": 1, "a": 2}', 0, "`a` is there twice"),
        (b" {}", 0, "no JSON object"),
        (b"[]", 0, "no JSON object"),
        (b'{"a": ', 0, "its header is not that of a safetensors file; .* Received: Expecting value"),
        (b'{"\xff": 1}', 0, "Received: 'utf-8' codec can't decode"),
        (b'{"a": ' + b"[" * 100_000, 0, "Received: maximum recursion depth"),
    ],
)
def test_safetensors_that_contradict_themselves_are_refused(
    tmp_path: Path, header: object, data: int, message: str
) -> None:
    path = raw_safetensors(tmp_path / "state.safetensors", header, bytes(data))
    with pytest.raises(ModelError, match=message):
        read_state(path)


@pytest.mark.parametrize("content", [b"", b"1234567", (100).to_bytes(8, "little") + b"{}", b"\xff" * 8 + b"{}"])
def test_safetensors_that_end_within_the_header_are_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "state.safetensors"
    path.write_bytes(content)
    assert refusal(path) == (
        f"ends before its header does; fetch or write the file again. Received: {len(content)} bytes"
    )


def test_headers_longer_than_the_format_allows_are_not_read(tmp_path: Path) -> None:
    path = tmp_path / "state.safetensors"
    with path.open("wb") as target:
        target.write((100_000_001).to_bytes(8, "little"))
        # A hole in the file: it takes no disk.
        target.truncate(100_000_009)
    assert refusal(path).startswith("its header is longer than 100000000 bytes")


def test_pytorch_files_without_pytorch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "state.pt"
    path.write_bytes(b"")
    monkeypatch.setitem(sys.modules, "torch", None)
    message = refusal(path)
    assert "only PyTorch reads this kind of file, and it is not installed: pip install torch, or write" in message
    assert "safetensors.torch.save_file(model.state_dict(), 'state.safetensors')" in message


class StandInTensor:
    """What `read_state` asks of a tensor."""

    def __init__(self, values: Any) -> None:
        self.values = np.asarray(values)

    def is_floating_point(self) -> bool:
        return self.values.dtype.kind == "f"

    def detach(self) -> StandInTensor:
        return self

    def float(self) -> StandInTensor:
        return StandInTensor(self.values.astype(np.float32))

    def numpy(self) -> Any:
        return self.values


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A module `torch` that knows tensors; tests give it what `load` answers."""
    torch = ModuleType("torch")
    torch.Tensor = StandInTensor  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torch", torch)
    return torch


@pytest.mark.parametrize("name", ["state.pt", "state.pth"])
def test_pytorch_reads_weights_only(tmp_path: Path, stand_in: Any, name: str) -> None:
    asked = {}

    def load(path: Path, **options: Any) -> dict[str, StandInTensor]:
        asked.update(options, path=path)
        return {"fc1.bias": StandInTensor([1.0, 2.0]), "conv1.1.num_batches_tracked": StandInTensor(3)}

    stand_in.load = load
    path = tmp_path / name
    path.write_bytes(b"")
    state = read_state(path)
    assert asked == {"path": path, "map_location": "cpu", "weights_only": True}
    assert state["fc1.bias"].dtype == np.float32
    assert state["fc1.bias"].tolist() == [1.0, 2.0]
    assert state["conv1.1.num_batches_tracked"].dtype == np.int64


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"epoch": 3}, "`epoch` is no tensor of a state dict; save model.state_dict() alone. Received: <class 'int'>"),
        ({1: StandInTensor(1.0)}, "`1` is no tensor of a state dict"),
        (StandInTensor(1.0), "not a state dict; save model.state_dict() alone. Received: <class"),
    ],
)
def test_checkpoints_with_more_than_a_state_dict_are_refused(
    tmp_path: Path, stand_in: Any, content: object, message: str
) -> None:
    stand_in.load = lambda *_, **__: content
    path = tmp_path / "state.pt"
    path.write_bytes(b"")
    assert refusal(path).startswith(message)


def test_what_pytorch_refuses_is_refused(tmp_path: Path, stand_in: Any) -> None:
    def load(*_: object, **__: object) -> None:
        raise RuntimeError(
            "Weights only load failed. This file can still be loaded, \033[1mif you trust it\033[0m.\nRe-run"
        )

    stand_in.load = load
    path = tmp_path / "state.pt"
    path.write_bytes(b"")
    assert refusal(path) == (
        "cannot be read with weights_only=True, which runs no code of the file; save model.state_dict() alone."
        " Received: Weights only load failed"
    )


def test_files_of_no_known_kind_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"kind .npz, .safetensors, .pt, .pth. Received: weights.h5"):
        read_state("weights.h5")
    assert refusal(tmp_path / "none.npz").startswith("no such state dict")
