"""How far a network's logits are from a frame's label: cross-entropy, and two losses made of it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from celestialkeras.backend import import_tensorflow
from celestialkeras.errors import RunError
from celestialkeras.lcid.manifest import LABELS

# About the spacing of float32 at 1.
_LEAST_UNSURE = 1e-7


@dataclass(frozen=True)
class LabelLoss:
    """The loss of a frame against its label; plain cross-entropy where both numbers are 0.

    Attributes:
        focal_gamma: Exponent of the focal loss, (1 - p)^gamma times the cross-entropy, where p is the probability of
            the true class: frames that are told surely count less (Lin et al. 2017, ICCV, 2999; arXiv:1708.02002,
            equation 4; 2 there).
        label_smoothing: Share of a label that is spread evenly over the classes (Szegedy et al. 2016, CVPR, 2818;
            arXiv:1512.00567, section 7; 0.1 there): no logits are far enough apart any more.

    Raises:
        RunError: A number is out of its range, or both are given.
    """

    focal_gamma: float = 0.0
    label_smoothing: float = 0.0

    def __post_init__(self) -> None:
        if not _is_number(self.focal_gamma) or not 0 <= self.focal_gamma < math.inf:
            raise RunError(
                "`focal_gamma` must be a finite number of at least 0, which is plain cross-entropy."
                f" Received: focal_gamma={self.focal_gamma!r}"
            )
        if not _is_number(self.label_smoothing) or not 0 <= self.label_smoothing < 1:
            raise RunError(
                "`label_smoothing` must be a number of at least 0 and below 1."
                f" Received: label_smoothing={self.label_smoothing!r}"
            )
        if self.focal_gamma and self.label_smoothing:
            raise RunError(
                "`focal_gamma` and `label_smoothing` are two losses; give one of them."
                f" Received: focal_gamma={self.focal_gamma}, label_smoothing={self.label_smoothing}"
            )

    def losses(self, labels: Any, logits: Any) -> Any:
        """The loss of each frame.

        Args:
            labels: `int32 (n,)`, classes in label order.
            logits: `float32 (n, 2)`.

        Returns:
            `float32 (n,)`, nats.
        """
        tf = import_tensorflow("training")
        if self.label_smoothing:
            spread = self.label_smoothing / len(LABELS)
            targets = tf.one_hot(labels, len(LABELS), 1 - self.label_smoothing + spread, spread)
            return tf.nn.softmax_cross_entropy_with_logits(targets, logits)
        entropy = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
        if not self.focal_gamma:
            return entropy
        # 1 - p, without the rounding of a difference; for exponents below 1, the gradient at 0 would be infinite.
        unsure = tf.maximum(-tf.math.expm1(-entropy), _LEAST_UNSURE)
        return entropy * unsure**self.focal_gamma


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
