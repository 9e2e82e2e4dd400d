from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from celestial_edge.compress.export import export_tflite
from celestial_edge.compress.graph import Operator, check_integer, check_standard, read_operators
from celestialkeras.errors import ExportError
from small_artifacts import some_codes


def test_float_export_ends_at_the_logits(small_model: Any) -> None:
    operators = read_operators(export_tflite(small_model, "float32"))
    names = [operator.name for operator in operators]
    assert "SOFTMAX" not in names
    assert names.count("CONV_2D") == 2
    assert all("INT8" not in operator.types for operator in operators)


def test_int8_export_is_int8_throughout(small_model: Any) -> None:
    from ai_edge_litert.interpreter import Interpreter

    content = export_tflite(small_model, "static_wi8_ai8", some_codes(4))
    operators = read_operators(content)
    assert all("FLOAT32" not in operator.types for operator in operators)
    interpreter = Interpreter(model_content=content)
    (entry,), (output,) = interpreter.get_input_details(), interpreter.get_output_details()
    assert (entry["dtype"], output["dtype"]) == (np.int8, np.int8)
    assert tuple(entry["shape"]) == (1, 64, 128, 1)


def test_input_scale_is_one_code_whatever_the_calibration_frames_hold(small_model: Any) -> None:
    from ai_edge_litert.interpreter import Interpreter

    narrow = np.full((3, 64, 128), 90, np.uint8)
    interpreter = Interpreter(model_content=export_tflite(small_model, "static_wi8_ai8", narrow))
    scale, zero_point = interpreter.get_input_details()[0]["quantization"]
    assert scale == pytest.approx(1 / 255, rel=1e-6)
    assert zero_point == -128


def test_unknown_recipe_and_missing_calibration(small_model: Any) -> None:
    with pytest.raises(ExportError, match=r"must be one of static_wi8_ai8, .*, float32. Received: recipe='int4'"):
        export_tflite(small_model, "int4")
    with pytest.raises(ExportError, match="needs calibration frames"):
        export_tflite(small_model, "static_wi8_ai8")


def test_float_convolutions_and_custom_operators_are_refused() -> None:
    standard = Operator("CONV_2D", False, ("INT8", "INT8", "INT32", "INT8"))
    check_integer([standard, Operator("RESHAPE", False, ("INT8", "INT32", "INT8"))])
    with pytest.raises(ExportError, match=r"1 operator\(s\) stayed in floating point: DEPTHWISE_CONV_2D"):
        check_integer([standard, Operator("DEPTHWISE_CONV_2D", False, ("FLOAT32", "INT8", "FLOAT32"))])
    with pytest.raises(ExportError, match="need more than TFLite: FlexConv2D"):
        check_standard([Operator("FlexConv2D", True, ("FLOAT32",))])


def test_layers_that_tflite_lacks_are_refused() -> None:
    import keras
    from keras import layers

    frame = keras.Input((8, 8, 1), name="frame")
    x = layers.Flatten()(keras.ops.bessel_i0(frame)) if hasattr(keras.ops, "bessel_i0") else None
    if x is None:
        x = layers.Flatten()(keras.ops.fft2((frame, frame))[0])
    model = keras.Model(frame, layers.Softmax()(layers.Dense(2, name="logits")(x)), name="odd")
    with pytest.raises(ExportError, match="model 'odd' cannot be converted by recipe float32"):
        export_tflite(model, "float32")
