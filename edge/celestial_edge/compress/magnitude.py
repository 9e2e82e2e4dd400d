"""Magnitude pruning: the smallest weights of every kernel become zero, and the others learn to do without them.

The file compresses to less; nothing else changes. XNNPACK computes with zeros as with any other number: its sparse
kernels are for float 1x1 convolutions behind a particular stem, which no network here has. What saves time and memory
is to take whole filters out (`channels.py`).
"""

from __future__ import annotations

import gzip
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from celestial_edge.compress.twin import build_twin, copy_weights, import_model_optimization
from celestial_edge.compress.twin_training import FineTuneOptions, TwinTraining, up_to_logits
from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import LOGITS_LAYER, binning_of
from celestialkeras.lcid.dataset import LcidDataset

if TYPE_CHECKING:
    import keras

_LOG = logging.getLogger(__name__)

TIME_NOTE = "Magnitude pruning shrinks the compressed file alone: XNNPACK takes as long, and as much memory, as before."
"""What a user is to be told beside the figures."""

# tensorflow-model-optimization leaves depthwise kernels as they are: they hold few of a network's weights.
_PRUNED = ("Conv2D", "Dense")


@dataclass(frozen=True)
class PruneOptions(FineTuneOptions):
    """How a network is trained while its weights are taken away.

    Attributes:
        ramp: Share of all steps over which the sparsity rises to its height; over the rest the weights that are left
            recover.
        updates: How often the mask is drawn anew while the sparsity rises.

    Raises:
        ValueError: A field has a wrong value.
    """

    ramp: float = 0.6
    updates: int = 20

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 < self.ramp <= 1:
            raise ValueError(f"`ramp` must be above 0 and at most 1. Received: ramp={self.ramp}")
        if self.updates < 1:
            raise ValueError(f"`updates` must be at least 1. Received: updates={self.updates}")


def prune(
    model: keras.Model, dataset: LcidDataset, sparsity: float, options: PruneOptions | None = None
) -> keras.Model:
    """Sets the smallest weights of every kernel to zero, a few more at a time, and trains the others on.

    The sparsity rises by the cubic schedule of Zhu and Gupta 2017 (arXiv:1710.01878), in tensorflow-model-optimization.
    The kernels of convolutions and dense layers are pruned, each to the same sparsity; those of depthwise convolutions
    and of the layer `logits`, biases and batch normalisation are not.

    Args:
        model: A Keras 3 model with a layer `logits`; it is left as it is.
        dataset: The data set that it was trained on.
        sparsity: Share of the weights of each kernel that become zero, above 0 and below 1.
        options: How to train.

    Returns:
        A plain Keras 3 model of the same layers and shapes, with the zeros among its weights. It takes as long as
        before. Training it on by other means fills the zeros again.

    Raises:
        MissingExtraError: tensorflow-model-optimization or tf_keras is not installed.
        NoTwinError: A layer is of a kind that has no tf_keras twin.
        ModelError: The model is not built for a whole binning of the data set's frames, or nothing in it is pruned.
        RunError: A class has no training frames.
        ValueError: `sparsity` is not between 0 and 1.
    """
    if not 0 < sparsity < 1:
        raise ValueError(f"`sparsity` must be above 0 and below 1. Received: sparsity={sparsity}")
    options = options or PruneOptions()
    api = import_model_optimization("magnitude pruning").sparsity.keras
    import keras
    import tf_keras

    twin = up_to_logits(build_twin(model))
    if not any(_is_pruned(layer) for layer in twin.layers):
        raise ModelError(
            f"model {model.name!r} has nothing to prune: neither a convolution nor a dense layer before"
            f" {LOGITS_LAYER!r}. Received: {', '.join(layer.name for layer in model.layers)}"
        )
    binning = binning_of(model, dataset.shape)
    end, frequency = _ramp(options.epochs * options.steps(dataset), options)
    schedule = api.PolynomialDecay(0.0, sparsity, begin_step=0, end_step=end, frequency=frequency)
    network = tf_keras.models.clone_model(
        twin, clone_function=lambda layer: api.prune_low_magnitude(layer, schedule) if _is_pruned(layer) else layer
    )
    training = TwinTraining(network, dataset, binning, options)
    for epoch in range(1, options.epochs + 1):
        training.run_epoch(epoch, [api.UpdatePruningStep()])
        _LOG.info("epoch %d of %d: validation loss %s", epoch, options.epochs, training.validation_loss())
    pruned = keras.models.clone_model(model)
    copy_weights(api.strip_pruning(network), pruned)
    return pruned


def kernel_sparsity(model: keras.Model) -> float:
    """Share of zeros among the weights of the kernels that `prune` prunes.

    Args:
        model: A Keras 3 model.
    """
    kernels = [np.asarray(layer.kernel) for layer in model.layers if _is_pruned(layer)]
    return 1 - sum(np.count_nonzero(kernel) for kernel in kernels) / sum(kernel.size for kernel in kernels)


def compressed_bytes(path: str | Path) -> int:
    """Size that a file has when it is sent or stored compressed: what magnitude pruning makes smaller.

    Args:
        path: The file, such as a `.keras` or `.tflite` one, or a folder, whose files are then added up.

    Returns:
        Bytes, by gzip at its highest level.
    """
    path = Path(path)
    files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
    return sum(len(gzip.compress(file.read_bytes(), mtime=0)) for file in files)


def _is_pruned(layer: Any) -> bool:
    return type(layer).__name__ in _PRUNED and layer.name != LOGITS_LAYER


def _ramp(steps: int, options: PruneOptions) -> tuple[int, int]:
    """The step at which the last mask is drawn, and the steps from one mask to the next."""
    length = max(1, int(options.ramp * steps))
    frequency = max(1, length // options.updates)
    # The last mask must fall on the end: only there is the sparsity the one that was asked for.
    return length - length % frequency, frequency
