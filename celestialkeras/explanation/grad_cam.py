"""Grad-CAM (Selvaraju et al. 2017, arXiv:1610.02391): where on the frame the evidence for a class lies.

Only the head is differentiated: the trunk up to the last feature map runs forward once, as at inference, so that the
gradient costs next to nothing even of HR-CelestialNet on whole frames.
"""

from __future__ import annotations

from dataclasses import dataclass

import keras
import numpy as np
from numpy.typing import NDArray

from celestialkeras.backend import import_tensorflow
from celestialkeras.evaluation.predictor import LOGITS_LAYER, network_input
from celestialkeras.explanation.feature_map import last_feature_map


@dataclass(frozen=True, eq=False)
class Evidence:
    """What a network said of one frame, and where from.

    Attributes:
        logits: `float32 (2,)`, in the order galaxy, NSC.
        for_nsc: `float32 (rows, columns)`, evidence of the feature map's cells for NSC where positive, and for galaxy
            where negative.
    """

    logits: NDArray[np.float32]
    for_nsc: NDArray[np.float32]

    @property
    def margin(self) -> float:
        """Logit of NSC minus that of galaxy."""
        return float(self.logits[1]) - float(self.logits[0])


class GradCam:
    """Grad-CAM of one network.

    The score that is differentiated is the difference of the two logits. Selvaraju et al. take the logit of a class
    alone; of two classes the softmax knows nothing but the difference, and what raises both logits alike speaks for
    neither. So one signed map holds those of both classes: the paper's map for a class, its equation 2, is the positive
    part of this one, or of its negative.

    Attributes:
        feature_map: The map that it is computed on.
    """

    def __init__(self, model: keras.Model) -> None:
        """Takes a network apart at its last feature map.

        Args:
            model: A functional model of fixed input size with a layer `logits` of two units.

        Raises:
            ModelError: It has no such map.
        """
        self.feature_map = last_feature_map(model)
        self._trunk = keras.Model(model.inputs, self.feature_map.tensor)
        self._head = keras.Model(self.feature_map.tensor, model.get_layer(LOGITS_LAYER).output)

    def explain(self, codes: NDArray[np.uint8]) -> Evidence:
        """Runs one frame.

        Args:
            codes: `uint8 (H, W)`, at the network's size.
        """
        tf = import_tensorflow("Grad-CAM")
        features = tf.convert_to_tensor(self._trunk.predict_on_batch(network_input(codes[np.newaxis])))
        with tf.GradientTape() as tape:
            tape.watch(features)
            logits = self._head(features, training=False)
            score = logits[0, 1] - logits[0, 0]
        gradient = np.asarray(tape.gradient(score, features)[0], np.float32)
        # Equation 1: a feature's weight is its gradient's mean over the places.
        weights = gradient.mean(axis=(0, 1))
        for_nsc = np.asarray(features[0], np.float32) @ weights
        return Evidence(np.asarray(logits[0], np.float32), for_nsc)
