"""Keras model -> `.tflite`, by recipes with decodable names."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.compress.graph import check_integer, check_standard, read_activations, read_operators
from celestial_edge.compress.keras_graphs import build_model
from celestial_edge.compress.layers import Graph, NotLowerableError, hands_on
from celestial_edge.compress.ranges import FRAME_RANGE, RangeTable
from celestial_edge.recipes import FLOAT16, FLOAT32, RECIPES, Recipe
from celestialkeras.backend import import_tensorflow
from celestialkeras.descriptors import held_back
from celestialkeras.errors import ExportError
from celestialkeras.evaluation.predictor import LOGITS_LAYER, network_input

# Layers of lowered graphs are named `VALUES.NUMBER`; TensorFlow numbers the scopes of those that it meets again.
_LAYER = re.compile(r"(.+)\.\d+(?:_\d+)?")

# Name, rank and range of a tensor.
_TensorRange = tuple[str, int, tuple[float, float]]

# Convolutions and dense layers keep their weights in half precision, and unpack them before use.
_HALF_PRECISION = [
    {
        "regex": ".*",
        "operation": "*",
        "algorithm_key": "float_casting",
        "op_config": {
            "weight_tensor_config": {"num_bits": 16, "dtype": "FLOAT"},
            "compute_precision": "FLOAT",
            "explicit_dequantize": True,
        },
    }
]

# Operators whose outputs are among their inputs.
_HANDING_ON = ("CONCATENATION", "MAX_POOL_2D", "RESHAPE", "SLICE", "STRIDED_SLICE")


def export_tflite(model: Any, recipe: str, calibration: Iterable[npt.NDArray[np.uint8]] = ()) -> bytes:
    """Converts a model as it is, up to its logits, for frames one at a time.

    Args:
        model: A Keras 3 model with a layer `logits`, input `(H, W, 1)` in [0, 1].
        recipe: Name of one of `RECIPES`.
        calibration: For a static recipe, frames as codes, `uint8 (H, W)`.

    Returns:
        The contents of a `.tflite` file, made of built-in operators alone.

    Raises:
        MissingExtraError: TensorFlow is not installed.
        ExportError: Unknown recipe, or one in int16; no calibration frames for a static one; the conversion failed, or
            its result holds operators that it must not.
    """
    chosen = _recipe(recipe)
    if chosen.activations == "int16":
        # Where a layer is called twice its bias has two scales; the converter gives it one: off by 7 % on a toy.
        raise ExportError(
            f"recipe {recipe} is for models that can be read as a graph of layers, each called once; take another one."
            f" Received: model {model.name!r}"
        )
    tf = import_tensorflow("exporting to TFLite")
    import keras

    logits = keras.Model(model.inputs, model.get_layer(LOGITS_LAYER).output)
    # A batch of one, fixed: an open batch would leave shape arithmetic in the graph.
    frame = keras.Input(batch_shape=(1, *model.inputs[0].shape[1:]), name="frame")
    converter = tf.lite.TFLiteConverter.from_keras_model(keras.Model(frame, logits(frame)))
    if chosen.calibrated:
        frames = list(calibration)
        if not frames:
            raise ExportError(f"recipe {recipe} needs calibration frames; none were given")
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
        converter.representative_dataset = lambda: _representative(frames)
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.inference_input_type = tf.int8
        converter.inference_output_type = tf.int8
    content = _converted(converter, f"model {model.name!r}", recipe)
    if not chosen.calibrated and chosen.weights != "float32":
        content = _quantized(content, chosen, None)
    return _checked(content, chosen)


def export_graph(graph: Graph, recipe: str = FLOAT32, table: RangeTable | None = None) -> bytes:
    """Converts a layer graph.

    Args:
        graph: The graph.
        recipe: Name of one of `RECIPES`.
        table: Ranges of its layers, which a static recipe needs.

    Returns:
        The contents of a `.tflite` file, made of built-in operators alone.

    Raises:
        NotLowerableError: A layer becomes several operators, between which no ranges are known.
        ExportError: Unknown recipe, no table for a static one, the conversion failed, or its result holds operators
            that it must not.
    """
    chosen = _recipe(recipe)
    if chosen.calibrated and table is None:
        raise ExportError(f"recipe {recipe} needs a table of ranges; none was given")
    tf = import_tensorflow("exporting to TFLite")
    content = _converted(tf.lite.TFLiteConverter.from_keras_model(build_model(graph)), "the lowered graph", FLOAT32)
    if chosen.weights != "float32":
        ranges = _tensor_ranges(content, graph, table) if chosen.calibrated and table else None
        content = _quantized(content, chosen, ranges)
    return _checked(content, chosen)


def _recipe(name: str) -> Recipe:
    if name not in RECIPES:
        raise ExportError(f"`recipe` must be one of {', '.join(RECIPES)}. Received: recipe={name!r}")
    return RECIPES[name]


def _checked(content: bytes, recipe: Recipe) -> bytes:
    check = check_integer if recipe.calibrated else check_standard
    check(read_operators(content))
    return content


def _quantized(content: bytes, recipe: Recipe, ranges: Iterable[_TensorRange] | None) -> bytes:
    """A float model in another recipe; the ranges are those of all its tensors, for a static one."""
    from ai_edge_quantizer import quantizer
    from ai_edge_quantizer import recipe as recipes

    class Quantizer(quantizer.Quantizer):  # type: ignore[misc]
        def _ensure_model_qsv_sufficient(self, calibration_result: object) -> None:
            """Leaves out its check that no range is missing, which `_tensor_ranges` sees to.

            It would load the float model with all tensors kept: at full size gigabytes that nothing else needs.
            """

    # The names of its recipes are ours; it has none for half precision.
    rules = _HALF_PRECISION if recipe.name == FLOAT16 else getattr(recipes, recipe.name)()
    calibration = None
    if ranges is not None:
        calibration = {
            name: {"min": np.full((1,) * rank, low, np.float32), "max": np.full((1,) * rank, high, np.float32)}
            for name, rank, (low, high) in ranges
        }
    try:
        # A number too large for its integer is stored as another one, with no more than a warning.
        with held_back(), np.errstate(invalid="raise"):
            made = Quantizer(bytearray(content), rules)
            result = made.quantize(calibration, enable_progress_bar=False, enable_progress_report=False)
    # It has no error of its own: whatever it raises means that there is no model.
    except Exception as error:
        raise ExportError(f"the graph cannot be quantized by recipe {recipe.name}: {error}") from error
    return bytes(result.quantized_model)


def _tensor_ranges(content: bytes, graph: Graph, table: RangeTable) -> Iterator[_TensorRange]:
    """Name, rank and range of every tensor that is computed, found by the layer that its name holds."""
    order = {node.values: number for number, node in enumerate(graph.nodes)}
    steps = Counter(node.values for node in graph.nodes if not hands_on(node.operation))
    for tensor in read_activations(content):
        if not tensor.operator or tensor.output:
            layer = (graph.output if tensor.output else graph.nodes[0]).values
        else:
            # A tensor of fused layers bears the names of all; its values are those of the last.
            found = [match.group(1) for match in map(_LAYER.fullmatch, re.split("[/;]", tensor.name)) if match]
            known = [name for name in found if name in order]
            if not known:
                raise NotLowerableError(f"no range is known for a tensor of the graph. Received: {tensor.name!r}")
            layer = max(known, key=lambda name: order[name])
        if tensor.operator and tensor.operator not in _HANDING_ON:
            steps[layer] -= 1
            if steps[layer] < 0:
                raise NotLowerableError(f"layer {layer!r} computes in several steps; only its result's range is known")
        if layer not in table:
            raise ExportError(f"the table of ranges has no layer {layer!r}; measure it on the same network")
        yield tensor.name, tensor.rank, table[layer]


def _converted(converter: Any, what: str, recipe: str) -> bytes:
    try:
        with held_back(), warnings.catch_warnings():
            # It asks for statistics that only quantization before conversion has.
            warnings.filterwarnings("ignore", "Statistics for quantized inputs were expected")
            content: bytes = converter.convert()
    # The converter has no kind of its own that is public: whatever it raises means that there is no model.
    except Exception as error:
        raise ExportError(f"{what} cannot be converted by recipe {recipe}: {error}") from error
    return content


def _representative(frames: list[npt.NDArray[np.uint8]]) -> Iterator[list[npt.NDArray[np.float32]]]:
    for number, codes in enumerate(frames):
        frame = network_input(codes[None])
        if number == 0:
            # The input's scale must be 1/255 whatever the frames hold: two pixels pin its range.
            frame[0, 0, :2, 0] = FRAME_RANGE
        yield [frame]
