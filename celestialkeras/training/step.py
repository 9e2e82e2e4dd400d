"""One step of training, from labels alone or with a teacher, and of validation; compiled once for any batch length."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf

from celestialkeras.lcid.manifest import LABELS
from celestialkeras.training.distribution import Distribution
from celestialkeras.training.loss import LabelLoss
from celestialkeras.training.strip_stem import StripNetwork
from celestialkeras.training.teacher import Distillation


@dataclass
class Tally:
    """Running sums over the frames of an epoch, added up in double precision in a fixed order.

    Attributes:
        loss: Sum of class weight times loss, nats.
        weight: Sum of class weights.
        right: Frames told rightly.
        frames: Frames seen.
    """

    loss: float = 0.0
    weight: float = 0.0
    right: int = 0
    frames: int = 0

    def add(self, sums: Any) -> None:
        """Adds what a step returned: `float32 (4,)`."""
        loss, weight, right, frames = (float(one) for one in sums.numpy())
        self.loss += loss
        self.weight += weight
        self.right += int(right)
        self.frames += int(frames)

    @property
    def mean_loss(self) -> float:
        """Class-weighted mean loss, nats a frame."""
        return self.loss / self.weight

    @property
    def accuracy(self) -> float:
        """Share of frames told rightly."""
        return self.right / self.frames


class Steps:
    """The compiled steps of one model.

    Args:
        model: Ends in a layer `logits` and a softmax.
        optimizer: Changes its trainable weights.
        class_weights: Weight of the loss of each class, in label order.
        distillation: How a teacher's logits count; `train` then takes them, `float32 (n, 2)`, after the labels.
            Validation asks for the labels alone, so that its loss compares with that of any other run.
        stem_strips: In how many strips of rows the first blocks are computed; 0 for whole maps.
        label_loss: The loss against the labels in training. Validation has plain cross-entropy, likewise.
        distribution: The replicas that `model` is one of; None for one alone. The steps are those of this worker's
            part of a batch.

    Raises:
        ModelError: There are to be strips, and the model does not begin with blocks that can be computed so.
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        class_weights: tuple[float, ...],
        distillation: Distillation | None = None,
        stem_strips: int = 0,
        label_loss: LabelLoss | None = None,
        distribution: Distribution | None = None,
    ) -> None:
        # The loss is taken from the logits: through the softmax, a confident mistake would have no gradient left.
        self._network = keras.Model(model.input, model.get_layer("logits").output)
        self._logits = StripNetwork(model, stem_strips) if stem_strips else self._network
        self._optimizer = optimizer
        # Built here and not in the first step, which a checkpoint may come before.
        optimizer.build(self._network.trainable_variables)
        self._class_weights = tf.constant(class_weights, tf.float32)
        self._distillation = distillation
        self._label_loss = label_loss or LabelLoss()
        self._distribution = distribution or Distribution()
        # An open batch size: the smaller last batch of an epoch would otherwise be compiled anew.
        batch = [tf.TensorSpec((None, *model.input_shape[1:]), tf.float32), tf.TensorSpec((None,), tf.int32)]
        teacher = [tf.TensorSpec((None, len(LABELS)), tf.float32)] if distillation else []
        self.train = self._distribution.compile(self._train, batch + teacher)
        self.validate = self._distribution.compile(self._validate, batch)

    def _train(self, frames: Any, labels: Any, teacher_logits: Any = None) -> Any:
        weights = self._network.trainable_variables
        with tf.GradientTape() as tape:
            logits = self._logits(frames, training=True)
            losses = self._label_loss.losses(labels, logits)
            if self._distillation is not None:
                losses = self._distillation.losses(losses, logits, teacher_logits)
            losses, sums = self._sums(losses, logits, labels)
            # The mean over frames, not over class weights: each frame has one say, whichever batch it is in. Replicas
            # divide by the frames of all of them, since the optimizer adds their gradients up.
            loss = tf.reduce_sum(losses) / self._distribution.total(sums[-1])
            scaled = self._optimizer.scale_loss(loss + sum(self._network.losses) / self._distribution.replicas)
        gradients = tape.gradient(scaled, weights)
        if isinstance(self._optimizer, keras.optimizers.LossScaleOptimizer):
            gradients = self._distribution.agree_on_overflow(gradients)
        self._optimizer.apply(gradients, weights)
        return sums

    def _validate(self, frames: Any, labels: Any) -> Any:
        logits = self._logits(frames, training=False)
        losses = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        return self._sums(losses, logits, labels)[1]

    def _sums(self, losses: Any, logits: Any, labels: Any) -> tuple[Any, Any]:
        weights = tf.gather(self._class_weights, labels)
        losses = weights * losses
        right = tf.cast(tf.argmax(logits, axis=1, output_type=tf.int32) == labels, tf.float32)
        frames = tf.cast(tf.shape(labels)[0], tf.float32)
        return losses, tf.stack([tf.reduce_sum(losses), tf.reduce_sum(weights), tf.reduce_sum(right), frames])
