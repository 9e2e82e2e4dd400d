"""Keras model -> `.tflite`, by recipes with decodable names."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.compress.graph import check_int8, check_standard, read_operators
from celestial_edge.recipes import RECIPES, STATIC_INT8
from celestialkeras.backend import import_tensorflow
from celestialkeras.descriptors import held_back
from celestialkeras.errors import ExportError
from celestialkeras.evaluation.predictor import LOGITS_LAYER


def export_tflite(model: Any, recipe: str, calibration: Iterable[npt.NDArray[np.uint8]] = ()) -> bytes:
    """Converts a model, up to its logits, for frames one at a time.

    Args:
        model: A Keras 3 model with a layer `logits`, input `(H, W, 1)` in [0, 1].
        recipe: One of `RECIPES`.
        calibration: For a static recipe, frames as codes, `uint8 (H, W)`.

    Returns:
        The contents of a `.tflite` file, made of built-in operators alone.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        ExportError: Unknown recipe, no calibration frames for a static one, the conversion failed, or its result holds
            operators that it must not.
    """
    if recipe not in RECIPES:
        raise ExportError(f"`recipe` must be one of {', '.join(RECIPES)}. Received: recipe={recipe!r}")
    tf = import_tensorflow("exporting to TFLite")
    import keras

    logits = keras.Model(model.inputs, model.get_layer(LOGITS_LAYER).output)
    # A batch of one, fixed: an open batch would leave shape arithmetic in the graph.
    frame = keras.Input(batch_shape=(1, *model.inputs[0].shape[1:]), name="frame")
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(frame, logits(frame)))
    if recipe == STATIC_INT8:
        frames = list(calibration)
        if not frames:
            raise ExportError(f"recipe {recipe} needs calibration frames; none were given")
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _representative(frames)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    try:
        with held_back(), warnings.catch_warnings():
            # It asks for statistics that only quantization before conversion has.
            warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")
            content: bytes = converter.convert()
    # The converter has no kind of its own that is public: whatever it raises means that there is no model.
    except Exception as error:
        raise ExportError(f"model {model.name!r} cannot be converted by recipe {recipe}: {error}") from error
    check = check_int8 if recipe == STATIC_INT8 else check_standard
    check(read_operators(content))
    return content


def _representative(frames: list[npt.NDArray[np.uint8]]) -> Iterator[list[npt.NDArray[np.float32]]]:
    for number, codes in enumerate(frames):
        frame = codes[None, ..., None].astype(np.float32) / np.float32(255)
        if number == 0:
            # The input's scale must be 1/255 whatever the frames hold: two pixels pin its range to [0, 1].
            frame[0, 0, :2, 0] = 0.0, 1.0
        yield [frame]
