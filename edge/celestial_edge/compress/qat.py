"""Quantization-aware fine-tuning: a network learns to do without what its int8 artifact rounds away.

It is trained with the rounding of the very graph that is deployed:

- Weights are rounded to int8 with one scale for each output channel. Batch normalisation computes with its fixed
  moving averages: folding it multiplies each channel by a number, which its scale takes up, so that rounding before
  the fold and after it are the same.
- Activations are rounded where the deployed graph has int8 tensors: behind a fused ReLU and not before it, and what
  goes into a concatenation only, by the range of the concatenation.
- Their ranges come from the table that is deployed by (`ranges.py`), measured on the same calibration frames, again
  after every epoch, since the weights move.

What differs from the artifact is what real numbers cannot show: biases of 32 bits, and ties that round another way.

What is learned are the probabilities that the network gives without rounding, not the labels: a few hundred of these
move it away from what it had learned. Where rounding took 24.1 points (`benchmarks/bench_qat.py`, seed 1), labels won
17.8 of them back in 20 epochs, the network's own probabilities 22.2 in 15.
"""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from celestial_edge.compress.layers import BatchNorm, Frame, Graph, Node, Other, Relu, hands_on
from celestial_edge.compress.lowering import lower
from celestial_edge.compress.quantize import balanced_frames
from celestial_edge.compress.ranges import measure_ranges
from celestial_edge.compress.twin import build_twin, copy_weights, import_model_optimization
from celestial_edge.compress.twin_training import FineTuneOptions, TwinTraining, up_to_logits
from celestialkeras.errors import ExportError
from celestialkeras.evaluation.predictor import binning_of
from celestialkeras.lcid.dataset import LcidDataset

if TYPE_CHECKING:
    import keras

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class QatOptions(FineTuneOptions):
    """How a network is trained with the rounding of int8.

    Attributes:
        calibration_frames: Training frames that the activations' ranges come from, at most. With the same number and
            the same seed as in quantizing, they are the same frames.

    Raises:
        ValueError: A field has a wrong value.
    """

    calibration_frames: int = 32

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.calibration_frames < 1:
            raise ValueError(
                f"`calibration_frames` must be at least 1. Received: calibration_frames={self.calibration_frames}"
            )


def fine_tune(model: keras.Model, dataset: LcidDataset, options: QatOptions | None = None) -> keras.Model:
    """Trains a network on with the rounding of its int8 artifact.

    Args:
        model: A Keras 3 model with a layer `logits`; it is left as it is.
        dataset: The data set that it was trained on.
        options: How to train.

    Returns:
        A plain Keras 3 model of the same layers, to be deployed as `static_wi8_ai8`: the weights of the epoch that,
        rounding included, comes nearest to what `model` gives on validation frames, or those of the last one if there
        are no validation frames. When no epoch comes nearer than the model as it came, that is what is given back.

    Raises:
        MissingExtraError: tensorflow-model-optimization or tf_keras is not installed.
        NoTwinError: A layer is of a kind that has no tf_keras twin.
        NotLowerableError: The model is no graph of layers, so that its ranges cannot be measured.
        ModelError: The model is not built for a whole binning of the data set's frames.
        ExportError: There are no training frames, or the training diverges.
    """
    options = options or QatOptions()
    import_model_optimization("quantization-aware training")
    import keras

    from celestial_edge.compress.fake_quantization import learned_weights, set_ranges, simulate_int8

    binning = binning_of(model, dataset.shape)
    calibration = _calibration_codes(dataset, binning, options)
    learned = keras.models.clone_model(model)
    learned.set_weights(model.get_weights())
    placement = int8_tensors(lower(learned).reference)
    twin = up_to_logits(build_twin(learned))
    simulated = simulate_int8(twin, placement)
    training = TwinTraining(simulated, dataset, binning, options, teacher=up_to_logits(build_twin(model)))

    def measure() -> float | None:
        set_ranges(simulated, placement, measure_ranges(lower(learned).reference, calibration))
        return training.validation_loss()

    best = measure()
    kept = learned.get_weights()
    _LOG.info("int8 without training: validation loss %s", best)
    for epoch in range(1, options.epochs + 1):
        training.run_epoch(epoch)
        learned_weights(simulated, twin)
        copy_weights(twin, learned)
        loss = measure()
        _LOG.info("epoch %d of %d: validation loss %s", epoch, options.epochs, loss)
        if loss is not None and not math.isfinite(loss):
            raise ExportError(
                f"the validation loss is {loss} in epoch {epoch}; train with a lower `learning_rate`."
                f" Received: learning_rate={options.learning_rate}"
            )
        if loss is None or best is None or loss < best:
            best, kept = loss, learned.get_weights()
    learned.set_weights(kept)
    return learned


def int8_tensors(graph: Graph) -> dict[str, str]:
    """The layers whose outputs are int8 tensors of the deployed graph, and whose range each is quantized by.

    Args:
        graph: The reference graph, batch normalisation folded and ReLUs fused.

    Returns:
        Names of layers, with the entry of the table of ranges. What hands on its input's values rounds nothing; nor
        does what the converter makes part of the operator behind it.
    """
    return {
        node.name: _quantized_as(node, graph.consumers(node.name)).values
        for node in graph.nodes
        if not isinstance(node.operation, Frame)
        and not hands_on(node.operation)
        and not _fused_into(graph.consumers(node.name))
    }


def _fused_into(consumers: tuple[Node, ...]) -> bool:
    return len(consumers) == 1 and isinstance(consumers[0].operation, BatchNorm | Relu)


def _quantized_as(node: Node, consumers: tuple[Node, ...]) -> Node:
    """A concatenation wants all its inputs at its own scale; what nothing else takes is made at that scale."""
    if len(consumers) == 1 and isinstance(consumers[0].operation, Other):
        layer: Any = consumers[0].operation.layer
        if type(layer).__name__ == "Concatenate":
            return consumers[0]
    return node


def _calibration_codes(dataset: LcidDataset, binning: int, options: QatOptions) -> list[npt.NDArray[np.uint8]]:
    records = balanced_frames(dataset.records("train"), options.calibration_frames, options.seed)
    if not records:
        raise ExportError(f"{dataset.folder}: has no training frames; build it with a share for each side")
    return [dataset.codes(record, binning) for record in records]
