"""What operators a `.tflite` holds, read from its flatbuffer, and whether an integer one is so throughout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from celestialkeras.errors import ExportError

_COMPUTE = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


@dataclass(frozen=True)
class Operator:
    """One operator of a graph.

    Attributes:
        name: Built-in name such as `CONV_2D`, or the custom code such as `FlexConv2D`.
        custom: Whether it is not built into every runtime.
        types: Type names of its input and output tensors, such as `INT8`.
    """

    name: str
    custom: bool
    types: tuple[str, ...]


def read_operators(model: bytes) -> list[Operator]:
    """The operators of every subgraph, in order.

    Args:
        model: Contents of a `.tflite` file that was just converted, hence trusted.
    """
    from ai_edge_litert import schema_py_generated as schema

    flat = schema.ModelT.InitFromPackedBuf(model, 0)
    builtin = _names(schema.BuiltinOperator)
    tensor_type = _names(schema.TensorType)
    operators = []
    for subgraph in flat.subgraphs:
        for operator in subgraph.operators:
            code = flat.operatorCodes[operator.opcodeIndex]
            # Files written before the enumeration outgrew a byte hold small codes in the deprecated field alone.
            number = max(code.builtinCode, code.deprecatedBuiltinCode)
            custom = number == schema.BuiltinOperator.CUSTOM
            tensors = [index for index in (*operator.inputs, *operator.outputs) if index >= 0]
            types = tuple(tensor_type[subgraph.tensors[index].type] for index in tensors)
            operators.append(Operator(code.customCode.decode() if custom else builtin[number], custom, types))
    return operators


@dataclass(frozen=True)
class Activation:
    """A tensor that is computed, or comes in.

    Attributes:
        name: Its name.
        rank: Number of its dimensions.
        operator: Name of the operator that computes it; empty for the input of the graph.
        output: Whether it is the output of the graph.
    """

    name: str
    rank: int
    operator: str
    output: bool


def read_activations(model: bytes) -> list[Activation]:
    """The tensors of the first subgraph that hold no weights, in order.

    Args:
        model: Contents of a `.tflite` file that was just converted, hence trusted.
    """
    from ai_edge_litert import schema_py_generated as schema

    flat = schema.Model.GetRootAs(model, 0)
    graph, builtin = flat.Subgraphs(0), _names(schema.BuiltinOperator)
    outputs = graph.OutputsAsNumpy().tolist()
    makers = dict.fromkeys(graph.InputsAsNumpy().tolist(), "")
    for number in range(graph.OperatorsLength()):
        operator = graph.Operators(number)
        code = flat.OperatorCodes(operator.OpcodeIndex())
        name = builtin[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
        makers.update(dict.fromkeys(operator.OutputsAsNumpy().tolist(), name))
    tensors = ((index, graph.Tensors(index)) for index in sorted(makers))
    return [
        Activation(tensor.Name().decode(), tensor.ShapeLength(), makers[index], index in outputs)
        for index, tensor in tensors
    ]


def check_standard(operators: Sequence[Operator]) -> None:
    """Refuses operators that not every TFLite runtime has.

    Raises:
        ExportError: A custom or Flex operator is in the graph.
    """
    custom = sorted({operator.name for operator in operators if operator.custom})
    if custom:
        raise ExportError(f"the graph holds operators that need more than TFLite: {', '.join(custom)}")


def check_integer(operators: Sequence[Operator]) -> None:
    """Refuses convolutions and dense layers that still compute in floating point.

    Raises:
        ExportError: One of them has a floating-point tensor; or a custom operator is in the graph.
    """
    check_standard(operators)
    floats = [operator.name for operator in operators if operator.name in _COMPUTE and "FLOAT32" in operator.types]
    if floats:
        raise ExportError(f"{len(floats)} operator(s) stayed in floating point: {', '.join(sorted(set(floats)))}")


def _names(enumeration: Any) -> dict[int, str]:
    return {value: name for name, value in vars(enumeration).items() if isinstance(value, int)}
