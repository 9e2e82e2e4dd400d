"""The published network once more, in NumPy and from PyTorch's point of view: channels first, layer by layer.

Written from the paper's table and the names of the release, with nothing of the Keras network in it.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.floating]

# Kernel and published filters of each convolution; side and stride of the pooling.
PUBLISHED_STAGES = [
    ([(7, 32)], (8, 4)),
    ([(7, 64)], (4, 2)),
    ([(5, 128), (5, 128)], (2, 2)),
    ([(3, 256), (3, 256)], (2, 2)),
    ([(3, 256), (3, 256)], (2, 2)),
    ([(3, 512), (3, 512)], (2, 2)),
    ([(3, 512), (3, 512)], (2, 2)),
]
PUBLISHED_UNITS = 4096


def state_shapes(divisor: int, positions: int, classes: int = 2) -> dict[str, tuple[int, ...]]:
    """Entries and shapes of a state dict whose filters and dense units are the published ones over `divisor`."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 1
    for stage, (convolutions, _) in enumerate(PUBLISHED_STAGES, start=1):
        for index, (kernel, published) in enumerate(convolutions):
            filters = published // divisor
            conv, norm = f"conv{stage}.{3 * index}", f"conv{stage}.{3 * index + 1}"
            shapes[f"{conv}.weight"] = (filters, channels, kernel, kernel)
            shapes[f"{conv}.bias"] = (filters,)
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                shapes[f"{norm}.{tensor}"] = (filters,)
            shapes[f"{norm}.num_batches_tracked"] = ()
            channels = filters
    units = PUBLISHED_UNITS // divisor
    for name, outputs, inputs in (
        ("fc1", units, channels * positions),
        ("fc2", units, units),
        ("fc3", classes, units),
    ):
        shapes[f"{name}.weight"] = (outputs, inputs)
        shapes[f"{name}.bias"] = (outputs,)
    return shapes


def random_state(divisor: int, positions: int, seed: int = 0) -> dict[str, npt.NDArray[np.generic]]:
    """A state dict with weights that keep signals near 1, and norms that are all but neutral."""
    rng = np.random.default_rng(seed)
    state: dict[str, npt.NDArray[np.generic]] = {}
    for name, shape in state_shapes(divisor, positions).items():
        if name.endswith("num_batches_tracked"):
            state[name] = np.array(140, np.int64)
        elif name.endswith("running_var"):
            state[name] = rng.uniform(0.3, 2.0, shape).astype(np.float32)
        elif len(shape) == 1:
            state[name] = rng.normal(1.0 if ".1.w" in name or ".4.w" in name else 0.1, 0.3, shape).astype(np.float32)
        else:
            state[name] = rng.normal(0, np.sqrt(2 / np.prod(shape[1:])), shape).astype(np.float32)
    return state


def published_logits(state: dict[str, npt.NDArray[np.generic]], frame: Array) -> Array:
    """The logits of one frame `(height, width)`, in float64."""
    weights = {name: tensor.astype(np.float64) for name, tensor in state.items()}
    x = frame[np.newaxis].astype(np.float64)
    for stage, (convolutions, (side, stride)) in enumerate(PUBLISHED_STAGES, start=1):
        for index in range(len(convolutions)):
            conv, norm = f"conv{stage}.{3 * index}", f"conv{stage}.{3 * index + 1}"
            x = _convolved(x, weights[f"{conv}.weight"], weights[f"{conv}.bias"])
            scale = weights[f"{norm}.weight"] / np.sqrt(weights[f"{norm}.running_var"] + 1e-5)
            x = (x - _planes(weights[f"{norm}.running_mean"])) * _planes(scale) + _planes(weights[f"{norm}.bias"])
            x = np.maximum(x, 0)
        x = _pooled(x, side, stride)
    x = x.ravel()
    for name in ("fc1", "fc2"):
        x = np.maximum(weights[f"{name}.weight"] @ x + weights[f"{name}.bias"], 0)
    return weights["fc3.weight"] @ x + weights["fc3.bias"]


def write_safetensors(path: Path, state: dict[str, npt.NDArray[np.generic]], dtypes: dict[str, str]) -> Path:
    """Writes a state dict in the format's own terms; `dtypes` names the format's dtype of each NumPy dtype."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    data = b""
    for name, tensor in state.items():
        begin, data = len(data), data + tensor.tobytes()
        header[name] = {
            "dtype": dtypes[tensor.dtype.name],
            "shape": list(tensor.shape),
            "data_offsets": [begin, len(data)],
        }
    encoded = json.dumps(header).encode()
    path.write_bytes(len(encoded).to_bytes(8, "little") + encoded + data)
    return path


def _planes(values: Array) -> Array:
    return values[:, np.newaxis, np.newaxis]


def _convolved(x: Array, kernel: Array, bias: Array) -> Array:
    rows, columns = x.shape[1] - kernel.shape[2] + 1, x.shape[2] - kernel.shape[3] + 1
    out = np.tile(_planes(bias), (1, rows, columns))
    for i in range(kernel.shape[2]):
        for j in range(kernel.shape[3]):
            out += np.tensordot(kernel[:, :, i, j], x[:, i : i + rows, j : j + columns], 1)
    return out


def _pooled(x: Array, side: int, stride: int) -> Array:
    rows, columns = ((length - side) // stride + 1 for length in x.shape[1:])
    offsets = [(i, j) for i in range(side) for j in range(side)]
    strided = (x[:, i::stride, j::stride][:, :rows, :columns] for i, j in offsets)
    return functools.reduce(np.maximum, strided)
