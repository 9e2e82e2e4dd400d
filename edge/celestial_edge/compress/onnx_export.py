"""Keras model -> ONNX, up to its logits, for TensorRT and ONNX Runtime; checked against the model it was made from.

By tf2onnx itself: Keras' own `Model.export(format="onnx")` calls the same converter, but writes the file before any
metadata can be put in, names the output `Identity:0`, and patches NumPy on the way.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.card import InputContract
from celestial_edge.compress.keras_graphs import build_model
from celestial_edge.compress.layers import NotLowerableError
from celestial_edge.compress.lowering import lower
from celestialkeras.backend import import_tensorflow
from celestialkeras.descriptors import held_back
from celestialkeras.errors import ExportError, MissingExtraError
from celestialkeras.evaluation.predictor import LOGITS_LAYER, KerasPredictor, binning_of, load_model, network_input
from celestialkeras.files import replacing, sha256_of
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.detectors import CHIP_SHAPE
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.stretch import Stretch

OPSET = 13
"""Version of ONNX's operators: the newest that the parser of TensorRT 8.4 reads; nothing here needs a newer one."""

TOLERANCE = 1e-4
"""Largest difference of a logit from the Keras model's, as a share of the largest logit, or of 1."""

_FRAME = "frame"

# Enough to tell a wrong network from rounding; at full size a frame of HR-CelestialNet takes seconds in each.
_CHECKED_FRAMES = 4


@dataclass(frozen=True)
class OnnxCheck:
    """How near the exported model comes to the Keras model.

    Attributes:
        runtime: What ran it, such as `onnxruntime 1.32.0`, on the processor.
        frames: Number of frames.
        difference: Largest difference of a logit.
        tolerance: Largest difference that was allowed.
    """

    runtime: str
    frames: int
    difference: float
    tolerance: float


@dataclass(frozen=True)
class OnnxExport:
    """An ONNX file that was written.

    Attributes:
        path: The file.
        opset: Version of ONNX's operators.
        input_shape: `(1, H, W, 1)`.
        operators: How many nodes of each operator it has.
        metadata: What its `metadata_props` say.
        check: How near it comes to the Keras model; None where ONNX Runtime is not installed.
    """

    path: Path
    opset: int
    input_shape: tuple[int, ...]
    operators: Mapping[str, int]
    metadata: Mapping[str, str]
    check: OnnxCheck | None


def export_onnx(model_path: str | Path, path: str | Path, dataset: LcidDataset | None = None) -> OnnxExport:
    """Writes a `.keras` file as ONNX, once its logits are found to be those of the Keras model.

    The file takes `frame`, `float32 (1, H, W, 1)`, codes / 255, and gives `logits`, `float32 (1, 2)`. The batch is one,
    fixed: frames come one at a time, TensorRT plans its memory and picks its kernels for the one shape, without an
    optimization profile, and no shape arithmetic is left in the graph.

    Args:
        model_path: The `.keras` file.
        path: The ONNX file, replaced if it exists.
        dataset: Where validation frames to compare logits on, and the stretch for the metadata, come from; without one,
            random frames and the default stretch.

    Returns:
        What was written.

    Raises:
        MissingExtraError: TensorFlow, ONNX or tf2onnx is not installed.
        ModelError: The model cannot be loaded, or is not built for a whole binning of the frames.
        ExportError: It cannot be converted, or its logits differ by more than `TOLERANCE`; no file is written.
    """
    model_path, path = Path(model_path), Path(path)
    model = load_model(model_path)
    shape = dataset.shape if dataset else CHIP_SHAPE
    contract = InputContract(shape, binning_of(model, shape), "float32", dataset.stretch if dataset else Stretch())
    proto = convert(model)
    import onnx

    metadata = {"model": model.name, "model_sha256": sha256_of(model_path), **_metadata(contract)}
    onnx.helper.set_model_props(proto, metadata)
    operators = Counter(node.op_type for node in proto.graph.node)
    content = proto.SerializeToString()
    # At full size HR-CelestialNet is 388 MB, and comparing takes gigabytes.
    del proto
    check = check_onnx(content, model, _frames(contract, dataset))
    with replacing(path) as partial:
        partial.write_bytes(content)
    return OnnxExport(
        path=path,
        opset=OPSET,
        input_shape=(1, *contract.model_shape, 1),
        operators=dict(operators.most_common()),
        metadata=metadata,
        check=check,
    )


def convert(model: Any) -> Any:
    """Converts a Keras model, up to its logits, for frames one at a time.

    Args:
        model: A Keras 3 model with a layer `logits`, input `(H, W, 1)` in [0, 1].

    Returns:
        An ONNX `ModelProto`, batch normalisation folded where the model can be read as a graph of layers.

    Raises:
        MissingExtraError: TensorFlow, ONNX or tf2onnx is not installed.
        ExportError: The model cannot be converted to ONNX's own operators.
    """
    tf = import_tensorflow("exporting to ONNX")
    try:
        import onnx
        import tf2onnx
    except ModuleNotFoundError as error:
        raise MissingExtraError("onnx", "exporting to ONNX") from error
    import keras

    try:
        network = build_model(lower(model).reference)
    except NotLowerableError:
        network = keras.Model(model.inputs, model.get_layer(LOGITS_LAYER).output)
    # TensorFlow copies constants dozens of times when it freezes a graph: HR-CelestialNet took 16 GB and more. The
    # matrices of its dense layers, nine tenths of it, go in as inputs and become constants in the ONNX graph only.
    matrices = {f"matrix_{number}": value for number, value in enumerate(network.weights) if len(value.shape) == 2}
    signature = [
        tf.TensorSpec((1, *model.inputs[0].shape[1:]), tf.float32, name=_FRAME),
        *(tf.TensorSpec(value.shape, tf.float32, name=name) for name, value in matrices.items()),
    ]

    def compute(frame: Any, *given: Any) -> dict[str, Any]:
        replaced = dict(zip(map(id, matrices.values()), given, strict=True))
        trained, other = (
            [replaced.get(id(value), value) for value in values]
            for values in (network.trainable_variables, network.non_trainable_variables)
        )
        logits, _ = network.stateless_call(trained, other, frame, training=False)
        return {LOGITS_LAYER: logits}

    try:
        with held_back():
            function = tf.function(compute, input_signature=signature)
            proto, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=OPSET)
        inputs = {entry.name: entry for entry in proto.graph.input}
        for name, value in matrices.items():
            proto.graph.input.remove(inputs[name])
            proto.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        onnx.checker.check_model(proto, full_check=True)
    # tf2onnx has no error of its own: whatever it raises means that there is no model.
    except Exception as error:
        raise ExportError(f"model {model.name!r} cannot be converted to ONNX: {error}") from error
    return proto


def check_onnx(content: bytes, model: Any, frames: npt.NDArray[np.uint8]) -> OnnxCheck | None:
    """Compares the logits of an ONNX model with those of the Keras model, on this machine's processor.

    Args:
        content: The contents of the ONNX file.
        model: The Keras model that it was made from.
        frames: `uint8 (n, H, W)`, codes at the model's input size.

    Returns:
        How near it comes; None where ONNX Runtime is not installed.

    Raises:
        ExportError: A logit differs by more than `TOLERANCE`.
    """
    try:
        import onnxruntime
    except ModuleNotFoundError:
        return None
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    predictor = KerasPredictor(model)
    expected = np.concatenate([predictor.logits(codes[np.newaxis]) for codes in frames])
    scaled = network_input(frames[:, np.newaxis])
    found = np.concatenate([session.run([LOGITS_LAYER], {_FRAME: frame})[0] for frame in scaled])
    difference = float(np.abs(found - expected).max())
    tolerance = TOLERANCE * max(1.0, float(np.abs(expected).max()))
    # Written so that what is not a number fails.
    if not difference <= tolerance:
        raise ExportError(
            f"model {model.name!r}: its logits in ONNX Runtime must be within {tolerance:.1e} of those in Keras, and no"
            f" file was written; report it with the model. Received: a difference of {difference:.1e}"
        )
    return OnnxCheck(f"onnxruntime {onnxruntime.__version__}", len(frames), difference, tolerance)


def _frames(contract: InputContract, dataset: LcidDataset | None) -> npt.NDArray[np.uint8]:
    if dataset is None:
        return np.random.default_rng(0).integers(0, 256, (_CHECKED_FRAMES, *contract.model_shape), np.uint8)
    records = dataset.records("validation")[:_CHECKED_FRAMES]
    if not records:
        raise ExportError(f"{dataset.folder}: has no validation frames to check on; leave out --data for random ones")
    return np.stack([dataset.codes(record, contract.binning) for record in records])


def _metadata(contract: InputContract) -> dict[str, str]:
    """What a runtime must know of input and output, as ONNX keeps it: texts by name; lists and tables in JSON."""
    return {
        "input": "codes / 255",
        "frame_shape": json.dumps(contract.frame_shape),
        "binning": str(contract.binning),
        "stretch": json.dumps(asdict(contract.stretch)),
        "output": LOGITS_LAYER,
        "labels": json.dumps(LABELS),
        "celestialkeras": version("celestialkeras"),
    }
