"""Fine-tuning of tf_keras twins, with the frames, flips, class weights and rates that training has."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celestial_edge.compress.twin import import_tf_keras
from celestialkeras.backend import import_tensorflow
from celestialkeras.evaluation.predictor import LOGITS_LAYER
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.pipeline import batches

# The cosine ends at this share of its height, as in training from nothing.
_FINAL_RATE = 0.01


@dataclass(frozen=True)
class FineTuneOptions:
    """How a network that has learned is trained on.

    Attributes:
        epochs: Passes over the training frames.
        learning_rate: Highest rate of Adam, at the start; it falls by a cosine. A tenth of what training from nothing
            takes leaves what was learned in place.
        batch_size: Frames a step.
        seed: Of the order of frames, their flips and dropout.
        augment: Whether frames are flipped about their axes.

    Raises:
        ValueError: A field has a wrong value.
    """

    epochs: int = 10
    learning_rate: float = 1e-4
    batch_size: int = 8
    seed: int = 0
    augment: bool = True

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={getattr(self, name)}")
        if not 0 < self.learning_rate < math.inf:
            raise ValueError(
                f"`learning_rate` must be finite and above 0. Received: learning_rate={self.learning_rate}"
            )

    def steps(self, dataset: LcidDataset) -> int:
        """Batches of one epoch."""
        # It imports Keras, which a process that only reads options need not have.
        from celestialkeras.training.schedule import steps_an_epoch

        return steps_an_epoch(len(dataset.records("train")), self.batch_size)


class TwinTraining:
    """The training of one twin, epoch by epoch."""

    def __init__(
        self, network: Any, dataset: LcidDataset, binning: int, options: FineTuneOptions, teacher: Any | None = None
    ) -> None:
        """Compiles a twin; TensorFlow is told to use deterministic operations, which holds for the whole process.

        Args:
            network: A tf_keras model that ends at the logits.
            dataset: The data set.
            binning: What brings its frames to the size of the network's input.
            options: How to train.
            teacher: A tf_keras model that ends at the logits, whose probabilities are learned; without one the labels
                are, each class with the same say.

        Raises:
            RunError: There is no teacher, and a class has no training frames.
        """
        from celestialkeras.training.schedule import class_weights

        tf_keras = import_tf_keras("fine-tuning")
        self._network = network
        self._dataset = dataset
        self._binning = binning
        self._options = options
        self._teacher = teacher
        self._class_weights = None if teacher else dict(enumerate(class_weights(dataset)))
        self._steps = options.steps(dataset)
        tf_keras.utils.set_random_seed(options.seed)
        import_tensorflow("fine-tuning").config.experimental.enable_op_determinism()
        schedule = tf_keras.optimizers.schedules.CosineDecay(
            options.learning_rate, options.epochs * self._steps, alpha=_FINAL_RATE
        )
        losses = tf_keras.losses
        loss = losses.CategoricalCrossentropy if teacher else losses.SparseCategoricalCrossentropy
        network.compile(tf_keras.optimizers.Adam(schedule), loss(from_logits=True))

    def run_epoch(self, epoch: int, callbacks: Sequence[Any] = ()) -> None:
        """Trains on every training frame once.

        Args:
            epoch: Its number, from 1: with the seed it decides the order and the flips.
            callbacks: tf_keras callbacks.
        """
        self._network.fit(
            self._batches("train", shuffle_seed=(self._options.seed, epoch), augment=self._options.augment),
            steps_per_epoch=self._steps,
            class_weight=self._class_weights,
            callbacks=list(callbacks),
            verbose=0,
        )

    def validation_loss(self) -> float | None:
        """Mean cross-entropy with what is learned over the validation frames, nats; None if there are none."""
        if not self._dataset.records("validation"):
            return None
        return float(self._network.evaluate(self._batches("validation"), verbose=0))

    def _batches(self, split: str, **order: Any) -> Any:
        size, teacher = self._options.batch_size, self._teacher
        found = batches(self._dataset, split, size=self._binning, batch_size=size, **order)
        if teacher is None:
            return found
        softmax = import_tensorflow("fine-tuning").nn.softmax
        return found.map(lambda frames, labels: (frames, softmax(teacher(frames, training=False))))


def up_to_logits(twin: Any) -> Any:
    """The twin without its softmax, sharing its weights: through the softmax a confident mistake has no gradient.

    Args:
        twin: A tf_keras model with a layer `logits`.

    Returns:
        A tf_keras model.
    """
    tf_keras = import_tf_keras("fine-tuning")
    return tf_keras.Model(twin.inputs, twin.get_layer(LOGITS_LAYER).output, name=twin.name)
