"""From a state dict of the authors' PyTorch class `HR_CelestialNet` to the Keras network with the same answers.

The layers are the same and their numbers lie in another order. A kernel is (filters, channels, rows, columns) there and
(rows, columns, channels, filters) here; a dense weight is (outputs, inputs) there and (inputs, outputs) here; and
what PyTorch flattens channel by channel, Keras flattens position by position: the inputs of `fc1` change places.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import keras
import numpy as np
import numpy.typing as npt

from celestialkeras.errors import ModelError
from celestialkeras.files import replacing
from celestialkeras.lcid.detectors import CHIP_SHAPE
from celestialkeras.models.hr_celestialnet import DENSE_UNITS, STAGES, hr_celestialnet
from celestialkeras.models.state_file import State, read_state
from celestialkeras.models.width import scaled

# What the state dicts of `torch.compile` and of several graphics cards (`DataParallel`) have before every name, in the
# order in which one wrapped in both has them.
_WRAPPERS = ("_orig_mod.", "module.")

# Counts of batches, which nothing here needs; files written by hand leave them out.
_UNUSED = "num_batches_tracked"

_NORM_TENSORS = ("weight", "bias", "running_mean", "running_var")

_MOST_NAMED = 8


@dataclass(frozen=True)
class TorchNetwork:
    """What the shapes in a state dict say about its network.

    Attributes:
        width: Factor on the published filters and dense units: the simplest fraction that gives the shapes.
        classes: Number of logits.
        features: Rows, columns and channels of what is flattened for `fc1`.
        size: Height and width of its frames, pixels.
    """

    width: float
    classes: int
    features: tuple[int, int, int]
    size: tuple[int, int]


@dataclass(frozen=True)
class TorchImport:
    """An imported network.

    Attributes:
        path: The `.keras` file.
        network: What the state dict was found to be.
        entries: Number of entries of the state dict.
        parameters: Number of weights that training changes.
    """

    path: Path
    network: TorchNetwork
    entries: int
    parameters: int


def import_torch(
    state_path: str | Path, path: str | Path, size: tuple[int, int] | None = None, *, nsc_first: bool = False
) -> TorchImport:
    """Writes the Keras model of a state dict.

    Args:
        state_path: The state dict; see `read_state` for the kinds of files.
        path: The `.keras` file to write; one that is there is replaced.
        size: Height and width of the frames, pixels; None for whole frames.
        nsc_first: Whether the state dict's logits are NSC, galaxy: here galaxy comes first.

    Returns:
        What was written.

    Raises:
        ModelError: `path` is no `.keras` file, the state dict cannot be read, or it is not one of this network.
    """
    path = Path(path)
    if path.suffix != ".keras":
        raise ModelError(f"a model is written as a .keras file; name one, such as model.keras. Received: {path}")
    state = _unwrapped(read_state(state_path))
    network = network_of(state, size)
    model = keras_network(state, network, nsc_first=nsc_first)
    with replacing(path) as partial:
        model.save(partial)
    trainable = sum(math.prod(weight.shape) for weight in model.trainable_weights)
    return TorchImport(path, network, len(state), trainable)


def network_of(state: State, size: tuple[int, int] | None = None) -> TorchNetwork:
    """Finds out what network a state dict belongs to.

    The shapes give the width and the number of classes. Of the frame's size they give only how many positions `fc1`
    sees, 3 x 11 = 33 for a whole frame, and any factors of that number would do.

    Args:
        state: The entries, named as in the authors' class.
        size: Height and width of the frames, pixels; None for whole frames.

    Raises:
        ModelError: Entries are missing, unknown or of another shape, or `fc1` does not fit frames of that size.
    """
    _check_names(state)
    width = _width_of(state)
    channels = scaled(STAGES[-1].filters, width)
    positions = max(1, _length(state["fc1.weight"], 1) // channels)
    classes = _length(state["fc3.weight"], 0)
    _check_shapes(state, _shapes(width, positions, classes))
    height, breadth = size or CHIP_SHAPE
    rows, columns = _positions(height), _positions(breadth)
    if rows * columns != positions or min(rows, columns) < 1:
        raise ModelError(
            f"`fc1` takes {positions} positions of {channels} channels, which a frame of {height} x {breadth} pixels"
            f" does not give; name the size that the network was trained on: {'; '.join(_fitting_sizes(positions))}."
            f" Received: size={height}x{breadth}"
        )
    return TorchNetwork(width, classes, (rows, columns, channels), (height, breadth))


def keras_network(state: State, network: TorchNetwork, *, nsc_first: bool = False) -> keras.Model:
    """Builds the Keras network with the weights of a state dict.

    Args:
        state: The entries, of the shapes that `network_of` has checked.
        network: What `network_of` found.
        nsc_first: Whether the state dict's logits are NSC, galaxy: here galaxy comes first.

    Returns:
        `hr_celestialnet` of that size, width and number of classes.

    Raises:
        ModelError: A weight is no finite number, a variance is below 0, there are fewer than two classes, or other
            than two to put the other way round.
    """
    if nsc_first and network.classes != 2:
        raise ModelError(f"`nsc_first` is for two classes; leave it out. Received: {network.classes} classes")
    model = hr_celestialnet((*network.size, 1), width=network.width, classes=network.classes)
    for layer in _convolutions():
        kernel = _weights(state, f"{layer.torch_conv}.weight").transpose(2, 3, 1, 0)
        model.get_layer(layer.keras_conv).set_weights([kernel, _weights(state, f"{layer.torch_conv}.bias")])
        norm = [_weights(state, f"{layer.torch_norm}.{tensor}") for tensor in _NORM_TENSORS]
        if np.min(norm[-1]) < 0:
            name = f"{layer.torch_norm}.{_NORM_TENSORS[-1]}"
            raise ModelError(f"`{name}` is a variance and cannot be below 0. Received: {np.min(norm[-1])}")
        model.get_layer(layer.keras_norm).set_weights(norm)

    rows, columns, channels = network.features
    positions = rows * columns
    first = _weights(state, "fc1.weight").reshape(-1, channels, positions).transpose(2, 1, 0)
    model.get_layer("fc1").set_weights([first.reshape(positions * channels, -1), _weights(state, "fc1.bias")])
    model.get_layer("fc2").set_weights([_weights(state, "fc2.weight").T, _weights(state, "fc2.bias")])
    order = slice(None, None, -1 if nsc_first else 1)
    last = [_weights(state, "fc3.weight")[order].T, _weights(state, "fc3.bias")[order]]
    model.get_layer("logits").set_weights(last)
    return model


@dataclass(frozen=True)
class _Convolution:
    """One convolution and its norm, by their names in both networks."""

    torch_conv: str
    torch_norm: str
    keras_conv: str
    keras_norm: str
    kernel: int
    filters: int


def _convolutions() -> Iterator[_Convolution]:
    for number, stage in enumerate(STAGES, start=1):
        for j in range(stage.convolutions):
            # Convolution, norm and ReLU are counted within PyTorch's stage.
            names = (f"conv{number}.{3 * j}", f"conv{number}.{3 * j + 1}")
            ours = (f"stage{number}_conv{j + 1}", f"stage{number}_bn{j + 1}")
            yield _Convolution(*names, *ours, stage.kernel, stage.filters)


def _shapes(width: float, positions: int, classes: int) -> dict[str, tuple[int, ...]]:
    """The entries of a state dict and their shapes."""
    shapes: dict[str, tuple[int, ...]] = {}
    channels = 1
    for layer in _convolutions():
        filters = scaled(layer.filters, width)
        shapes[f"{layer.torch_conv}.weight"] = (filters, channels, layer.kernel, layer.kernel)
        shapes[f"{layer.torch_conv}.bias"] = (filters,)
        shapes |= {f"{layer.torch_norm}.{tensor}": (filters,) for tensor in _NORM_TENSORS}
        shapes[f"{layer.torch_norm}.{_UNUSED}"] = ()
        channels = filters
    hidden = scaled(DENSE_UNITS, width)
    units = (channels * positions, hidden, hidden, classes)
    for number in (1, 2, 3):
        shapes[f"fc{number}.weight"] = (units[number], units[number - 1])
        shapes[f"fc{number}.bias"] = (units[number],)
    return shapes


def _unwrapped(state: State) -> State:
    for wrapper in _WRAPPERS:
        if all(name.startswith(wrapper) for name in state):
            state = {name.removeprefix(wrapper): tensor for name, tensor in state.items()}
    return state


def _check_names(state: State) -> None:
    known = _shapes(1.0, 1, 2)
    missing = [name for name in known if name not in state and not name.endswith(_UNUSED)]
    unexpected = [name for name in state if name not in known]
    problems = [f"missing: {_listed(missing)}"] if missing else []
    problems += [f"unexpected: {_listed(unexpected)}"] if unexpected else []
    if problems:
        raise ModelError(
            "not a state dict of HR_CelestialNet, whose layers are conv1 to conv7 and fc1 to fc3; save"
            f" model.state_dict() of that class. Received: {len(state)} entries; {'; '.join(problems)}"
        )


def _check_shapes(state: State, expected: dict[str, tuple[int, ...]]) -> None:
    wrong = [
        f"{name} is {state[name].shape}, not {shape}"
        for name, shape in expected.items()
        if name in state and state[name].shape != shape
    ]
    if wrong:
        raise ModelError(
            "entries do not have the shapes of the published network at the width of most of its layers; save"
            f" model.state_dict() of that class. Received: {_listed(wrong)}"
        )


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMED
    return ", ".join(names[:_MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _width_of(state: State) -> float:
    """The width that most layers agree on: a layer of the wrong shape is then named, and not all others."""
    published = [(f"{layer.torch_conv}.weight", layer.filters) for layer in _convolutions()]
    published += [(f"fc{number}.weight", DENSE_UNITS) for number in (1, 2)]
    # Rounding to whole channels leaves each layer a range of widths; one channel is what all small widths give.
    ranges = [
        ((n - 0.5) / full if n > 1 else 0.0, (n + 0.5) / full)
        for n, full in ((_length(state[name], 0), full) for name, full in published)
    ]
    agreeing = max(([one for one in ranges if one[0] <= low < one[1]] for low, _ in ranges), key=len)
    return _simplest_fraction(max(low for low, _ in agreeing), min(high for _, high in agreeing))


def _simplest_fraction(low: float, high: float) -> float:
    """The fraction with the smallest denominator between two numbers, such as 1/32."""
    above = ((math.floor(low * denominator) + 1) / denominator for denominator in count(1))
    return next(fraction for fraction in above if fraction < high)


def _length(tensor: npt.NDArray[Any], axis: int) -> int:
    """The length along an axis; 0 where a tensor has too few, which `_check_shapes` then names."""
    return tensor.shape[axis] if tensor.ndim > axis else 0


def _positions(side: int) -> int:
    """How many positions the stages leave of a side of the frame, pixels; none or fewer of one that is too short."""
    for stage in STAGES:
        side = (side - stage.convolutions * (stage.kernel - 1) - stage.pool) // stage.stride + 1
    return side


def _shortest_side(positions: int) -> int:
    """The shortest side, pixels, of which the stages leave so many positions."""
    side = positions
    for stage in reversed(STAGES):
        side = (side - 1) * stage.stride + stage.pool + stage.convolutions * (stage.kernel - 1)
    return side


def _fitting_sizes(positions: int) -> Iterable[str]:
    """The ranges of heights and widths that give a number of positions, in words."""
    for rows in range(1, positions + 1):
        if positions % rows == 0:
            spans = [f"{_shortest_side(n)} to {_shortest_side(n + 1) - 1}" for n in (rows, positions // rows)]
            yield f"{spans[0]} high and {spans[1]} wide"


def _weights(state: State, name: str) -> npt.NDArray[np.float32]:
    """An entry as float32; refused where it holds other than finite numbers, or overflows."""
    tensor = state[name]
    if tensor.dtype.kind != "f":
        raise ModelError(f"`{name}` must hold floating-point numbers. Received: dtype={tensor.dtype}")
    with np.errstate(over="ignore"):
        weights = tensor.astype(np.float32)
    if not np.isfinite(weights).all():
        raise ModelError(
            f"`{name}` holds numbers that are not finite in float32; the training must have diverged."
            f" Received: {np.count_nonzero(~np.isfinite(weights))} of {weights.size}"
        )
    return weights
