"""Factorization: a dense layer becomes two thin ones, by the truncated singular value decomposition of its weights.

The best approximation of a rank in the least-squares sense (Eckart and Young 1936, Psychometrika 1, 211). A layer of
n inputs and m units costs n m weights and as many operations a frame, the two of rank r cost r (n + m).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import LOGITS_LAYER

FACTOR_SUFFIX = "_factor"
"""Ends the name of the first of the two layers; the second takes the name of the layer that they replace."""

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FactorizedLayer:
    """One dense layer.

    Attributes:
        name: Its name.
        shape: Inputs and units.
        rank: Rank that was asked for, or that the energy needs.
        energy: Share of the sum of squared singular values that this rank keeps.
        replaced: Whether two layers of this rank have fewer weights than the one, and so took its place.
    """

    name: str
    shape: tuple[int, int]
    rank: int
    energy: float
    replaced: bool


@dataclass(frozen=True, eq=False)
class FactorizedModel:
    """A network with thinner dense layers.

    Attributes:
        model: A Keras 3 functional model; the names of the original's layers are all there.
        layers: The dense layers of the original but for `logits`, which holds few weights, in order.
    """

    model: Any
    layers: tuple[FactorizedLayer, ...]


def factorize(model: Any, energy: float | None = None, rank: int | None = None) -> FactorizedModel:
    """Factorizes every dense layer that gets cheaper by it, but for `logits`.

    Args:
        model: A Keras 3 functional model, its layers parts of the model itself; it is not changed.
        energy: Share of the sum of squared singular values that each layer keeps at least, above 0 and up to 1.
        rank: Rank of every layer, at least 1; of a smaller matrix its own. One of `energy` and `rank` is given.

    Returns:
        The network, not fine-tuned. Biases and activations are those of the original.

    Raises:
        ModelError: Not one of `energy` and `rank` is given, it is out of bounds, or no dense layer gets cheaper.
    """
    if (energy is None) == (rank is None):
        raise ModelError(f"one of `energy` and `rank` must be given. Received: energy={energy}, rank={rank}")
    if energy is not None and not 0 < energy <= 1:
        raise ModelError(f"`energy` must be above 0 and at most 1. Received: energy={energy}")
    if rank is not None and rank < 1:
        raise ModelError(f"`rank` must be at least 1. Received: rank={rank}")
    decided: list[FactorizedLayer] = []
    factors: dict[str, tuple[Matrix, Matrix]] = {}
    for layer in _dense_layers(model):
        left, values, right = np.linalg.svd(np.asarray(layer.kernel, np.float32), full_matrices=False)
        kept = min(rank, len(values)) if rank else rank_for_energy(values, energy or 1.0)
        inputs, units = layer.kernel.shape
        pays = kept * (inputs + units) < inputs * units
        decided.append(FactorizedLayer(layer.name, (inputs, units), kept, float(_energies(values)[kept - 1]), pays))
        if pays:
            factors[layer.name] = balanced_factors(left, values, right, kept)
    if not factors:
        found = ", ".join(f"{one.name} {one.shape[0]} x {one.shape[1]} at rank {one.rank}" for one in decided)
        raise ModelError(
            f"model {model.name!r} has no dense layer that two of this rank would make cheaper; ask for less. "
            f"Received: {found or 'no dense layers'}"
        )
    return FactorizedModel(replace_dense(model, factors), tuple(decided))


def rank_for_energy(values: npt.NDArray[np.floating[Any]], energy: float) -> int:
    """The lowest rank that keeps a share of the sum of squared singular values.

    Args:
        values: Singular values, the largest first.
        energy: The share, above 0 and up to 1.

    Returns:
        At least 1. Where all values are 0, 1.
    """
    enough = np.flatnonzero(_energies(values) >= energy)
    return int(enough[0]) + 1


def balanced_factors(left: Matrix, values: Matrix, right: Matrix, rank: int) -> tuple[Matrix, Matrix]:
    """Two matrices whose product is the best approximation of a rank, and whose ranges of numbers are alike.

    Args:
        left: `(n, k)`, left singular vectors.
        values: `(k,)`, singular values, the largest first.
        right: `(k, m)`, right singular vectors.
        rank: At most k.

    Returns:
        `float32 (n, rank)` and `float32 (rank, m)`. Each has the roots of the singular values: in int8, one that had
        them all would leave the other's outputs few codes.
    """
    roots = np.sqrt(values[:rank])
    return (left[:, :rank] * roots).astype(np.float32), (roots[:, None] * right[:rank]).astype(np.float32)


def replace_dense(model: Any, factors: Mapping[str, tuple[Matrix, Matrix]]) -> Any:
    """Builds a model anew with two dense layers in the place of one.

    Args:
        model: A Keras 3 functional model; it is not changed.
        factors: By name of a dense layer, the kernels of the two. The first layer has no bias and no activation and is
            called `NAME_factor`; the second is the original with a smaller kernel.

    Returns:
        The model, with the weights of the original everywhere else.
    """
    import keras

    def call(layer: Any, tensor: Any, *args: Any, **options: Any) -> Any:
        if layer.name in factors:
            rank = factors[layer.name][0].shape[1]
            first = keras.layers.Dense(
                rank, use_bias=False, name=f"{layer.name}{FACTOR_SUFFIX}", dtype=layer.dtype_policy
            )
            tensor = first(tensor)
        return layer(tensor, *args, **options)

    rebuilt = keras.models.clone_model(model, call_function=call)
    for layer in model.layers:
        weights = layer.get_weights()
        if layer.name in factors:
            first, second = factors[layer.name]
            rebuilt.get_layer(f"{layer.name}{FACTOR_SUFFIX}").set_weights([first])
            weights = [second, *weights[1:]]
        rebuilt.get_layer(layer.name).set_weights(weights)
    return rebuilt


def _dense_layers(model: Any) -> list[Any]:
    from keras import layers

    return [layer for layer in model.layers if isinstance(layer, layers.Dense) and layer.name != LOGITS_LAYER]


def _energies(values: npt.NDArray[np.floating[Any]]) -> npt.NDArray[np.float64]:
    """Share of the sum of squares that the first 1, 2, ... values keep; the last is 1 exactly."""
    sums = np.cumsum(values.astype(np.float64) ** 2)
    return sums / sums[-1] if sums[-1] > 0 else np.ones(len(values))
