from __future__ import annotations

import builtins
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.compress import onnx_export
from celestial_edge.compress.onnx_export import OPSET, TOLERANCE, check_onnx, convert, export_onnx
from celestialkeras.errors import ExportError, MissingExtraError, ModelError
from celestialkeras.files import sha256_of
from celestialkeras.lcid.dataset import open_dataset
from small_artifacts import some_codes
from toy_networks import conv_norm_relu, logits_of, network, overlapping_pool, residual, two_stages

onnx = pytest.importorskip("onnx", reason="ONNX is exported with the extra `onnx`, which is not installed")
onnxruntime = pytest.importorskip("onnxruntime", reason="logits are compared by the extra `onnx`, not installed")
pytest.importorskip("tf2onnx", reason="ONNX is exported with the extra `onnx`, which is not installed")


def called_twice(layers: Any, x: Any) -> Any:
    """One layer in two places, which cannot be read as a graph of layers."""
    x = layers.Conv2D(4, 3, 2, padding="same", name="stem")(x)
    twice = layers.Conv2D(4, 3, padding="same", activation="relu", name="twice")
    return layers.GlobalMaxPooling2D(name="peak")(twice(twice(x)))


def depthwise(layers: Any, x: Any) -> Any:
    """Layers that no rewrite touches."""
    x = layers.DepthwiseConv2D(3, 2, padding="same", name="depthwise")(x)
    x = layers.AveragePooling2D(2, name="average")(layers.Activation("tanh", name="tanh")(x))
    return layers.Concatenate(name="both")([layers.Flatten(name="flat")(x), layers.GlobalMaxPooling2D(name="peak")(x)])


def run(content: bytes, frames: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return np.concatenate([session.run(["logits"], {"frame": frame[None]})[0] for frame in frames])


@pytest.mark.parametrize(
    "body", [conv_norm_relu, overlapping_pool(3, 2), two_stages, residual, depthwise, called_twice]
)
def test_logits_are_those_of_keras(body: Any) -> None:
    model = network(body, (96, 112, 1))
    proto = convert(model)
    codes = np.random.default_rng(4).integers(0, 256, (3, 96, 112), np.uint8)
    frames = codes[..., None].astype(np.float32) / 255
    expected = logits_of(model, frames)
    assert np.ptp(expected) > 1e-3, "frames must differ for this test to mean something"
    np.testing.assert_allclose(run(proto.SerializeToString(), frames), expected, atol=1e-5 * np.abs(expected).max())
    check = check_onnx(proto.SerializeToString(), model, codes)
    assert check is not None
    assert check.tolerance == pytest.approx(TOLERANCE * max(1.0, np.abs(expected).max()), rel=1e-4)
    assert check.difference <= check.tolerance
    assert check.frames == 3


def test_graph_has_fixed_shapes_and_folded_norms() -> None:
    proto = convert(network(two_stages, (96, 112, 1)))
    shapes = {
        entry.name: [dimension.dim_value for dimension in entry.type.tensor_type.shape.dim]
        for entry in (*proto.graph.input, *proto.graph.output)
    }
    assert shapes == {"frame": [1, 96, 112, 1], "logits": [1, 2]}
    operators = {node.op_type for node in proto.graph.node}
    assert operators == {"Conv", "MaxPool", "Relu", "Reshape", "Transpose", "Gemm"}
    constants = {entry.name: tuple(entry.dims) for entry in proto.graph.initializer}
    assert {(96, 40), (40, 2)} <= set(constants.values()), "weights lie in the file and are no inputs"
    (opset,) = [entry.version for entry in proto.opset_import if not entry.domain]
    assert opset == OPSET


def test_file_says_what_goes_in_and_comes_out(small_model: Any, make_dataset: Any, tmp_path: Path) -> None:
    saved, file = tmp_path / "model.keras", tmp_path / "out" / "small.onnx"
    small_model.save(saved)
    result = export_onnx(saved, file)
    told = {entry.key: entry.value for entry in onnx.load(file).metadata_props}
    assert told == result.metadata
    assert json.loads(told["labels"]) == ["galaxy", "NSC"]
    assert json.loads(told["frame_shape"]) == [2048, 4096]
    assert told["binning"] == "32"
    assert json.loads(told["stretch"])["black"] == -4.0
    assert told["model_sha256"] == sha256_of(saved)
    assert (result.opset, result.input_shape) == (OPSET, (1, 64, 128, 1))
    assert result.operators["Conv"] == 2
    assert result.check is not None
    assert result.check.frames == 4

    on_data = export_onnx(saved, file, open_dataset(make_dataset()))
    assert on_data.metadata["binning"] == "1"
    assert json.loads(on_data.metadata["frame_shape"]) == [64, 128]


def test_a_file_that_gives_other_logits_is_not_written(
    small_model: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    saved = tmp_path / "model.keras"
    small_model.save(saved)
    other = convert(network(residual, (64, 128, 1)))
    monkeypatch.setattr(onnx_export, "convert", lambda model: other)
    with pytest.raises(ExportError, match=r"within 1\.0e-04 of those in Keras.* Received: a difference of"):
        export_onnx(saved, tmp_path / "model.onnx")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model.keras"]


def test_without_the_runtime_it_is_not_checked_and_without_the_converter_refused(
    small_model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = builtins.__import__
    missing = "onnxruntime"

    def without(name: str, *arguments: Any, **named: Any) -> Any:
        if name == missing:
            raise ModuleNotFoundError(name)
        return real(name, *arguments, **named)

    monkeypatch.setattr(builtins, "__import__", without)
    assert check_onnx(b"", small_model, some_codes(1)) is None
    missing = "tf2onnx"
    with pytest.raises(MissingExtraError, match=r"exporting to ONNX needs the extra `onnx`: pip install"):
        convert(small_model)


def test_a_model_that_no_frame_fits_is_refused(tmp_path: Path) -> None:
    network(residual, (40, 48, 1)).save(tmp_path / "odd.keras")
    with pytest.raises(ModelError, match="takes 40 x 48 pixels, which no whole binning of 2048 x 4096 frames gives"):
        export_onnx(tmp_path / "odd.keras", tmp_path / "odd.onnx")
