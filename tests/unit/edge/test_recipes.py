"""Every recipe in every layout, from a toy network to logits in LiteRT."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import Card, InputContract, hash_files, write_card
from celestial_edge.compress import network as network_module
from celestial_edge.compress.export import export_graph
from celestial_edge.compress.graph import read_operators
from celestial_edge.compress.lowering import lower
from celestial_edge.compress.network import Network, check_recipe
from celestial_edge.device.runtime import Classifier
from celestial_edge.recipes import LAYOUTS, RECIPES
from celestialkeras.errors import ArtifactError, ExportError
from celestialkeras.evaluation.predictor import KerasPredictor
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.stretch import Stretch, bin_codes, encode
from toy_networks import network, residual, two_stages

BINNING = 16
SHAPE = (2048 // BINNING, 4096 // BINNING)

# Largest difference of a logit from Keras, as a share of how much logits vary. What is rounded to 8 bits is off by half
# of a 255th in each layer, what is rounded to 11 bits or more by far less.
TOLERANCE = {
    "float32": 1e-5,
    "float16": 2e-3,
    "dynamic_wi8_afp32": 0.03,
    "static_wi8_ai8": 0.05,
    "static_wi8_ai16": 0.02,
}


def some_codes(count: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    levels = np.linspace(20, 220, count)[:, None, None]
    return np.clip(rng.normal(levels, 25, (count, *SHAPE)), 0, 255).astype(np.uint8)


def write_artifact(folder: Path, model: Any, recipe: str, layout: str) -> Path:
    folder.mkdir()
    made, segments = Network(model, some_codes(6), layout).write(folder, recipe)
    contract = InputContract((2048, 4096), BINNING, RECIPES[recipe].activations, Stretch())
    write_card(folder, Card("toy", recipe, contract, 1.0, hash_files(folder), {}, {}, made, segments))
    return folder


@pytest.fixture(scope="module")
def model() -> Any:
    return network(two_stages, (*SHAPE, 1))


@pytest.fixture(scope="module")
def artifacts(model: Any, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("recipes")
    return {recipe: write_artifact(root / recipe, model, recipe, "whole") for recipe in RECIPES}


def types_of(artifact: Path, operator: str) -> set[tuple[str, ...]]:
    found = read_operators((artifact / "model.tflite").read_bytes())
    return {one.types for one in found if one.name == operator}


@pytest.mark.parametrize("recipe", RECIPES)
def test_logits_are_those_of_keras_up_to_what_the_recipe_rounds(
    artifacts: dict[str, Path], model: Any, recipe: str
) -> None:
    codes = some_codes(6, seed=3)
    expected = KerasPredictor(model).logits(codes)
    found = Classifier(artifacts[recipe]).logits(codes)
    error = np.abs(found - expected).max()
    assert error <= TOLERANCE[recipe] * np.ptp(expected)
    assert (error > 1e-6) == (recipe != "float32"), "every other recipe rounds something"


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("recipe", ["float16", "dynamic_wi8_afp32"])
def test_layouts_of_recipes_that_compute_in_float_agree(
    tmp_path: Path, artifacts: dict[str, Path], model: Any, recipe: str, layout: str
) -> None:
    codes = some_codes(3, seed=4)
    expected = Classifier(artifacts[recipe]).logits(codes)
    classifier = Classifier(write_artifact(tmp_path / layout, model, recipe, layout), threads=2)
    assert classifier.card.layout == layout
    assert classifier.undelegated() == []
    # Weights are rounded alike in every layout; a dynamic range is that of a strip, and differs from the plane's.
    tolerance = 1e-5 if recipe == "float16" else TOLERANCE[recipe]
    assert np.abs(classifier.logits(codes) - expected).max() <= tolerance * np.ptp(expected)


def test_names_decode(artifacts: dict[str, Path]) -> None:
    compute = {recipe: types_of(folder, "CONV_2D") for recipe, folder in artifacts.items()}
    assert compute["float32"] == {("FLOAT32",) * 4}
    assert compute["float16"] == {("FLOAT32",) * 4}
    assert types_of(artifacts["float16"], "DEQUANTIZE") == {("FLOAT16", "FLOAT32")}
    assert compute["dynamic_wi8_afp32"] == {("FLOAT32", "INT8", "FLOAT32", "FLOAT32")}
    assert compute["static_wi8_ai8"] == {("INT8", "INT8", "INT32", "INT8")}
    assert compute["static_wi8_ai16"] == {("INT16", "INT8", "INT64", "INT16")}
    size = {recipe: (folder / "model.tflite").stat().st_size for recipe, folder in artifacts.items()}
    assert size["static_wi8_ai8"] < 0.6 * size["float16"] < 0.36 * size["float32"]
    for name, recipe in RECIPES.items():
        assert name == recipe.name
        assert recipe.calibrated is name.startswith("static")


@pytest.mark.parametrize("recipe", ["dynamic_wi8_afp32", "static_wi8_ai8", "static_wi8_ai16"])
def test_weights_have_a_scale_for_each_channel(artifacts: dict[str, Path], recipe: str) -> None:
    from ai_edge_litert.interpreter import Interpreter

    interpreter = Interpreter(model_path=str(artifacts[recipe] / "model.tflite"))
    operators = [one for one in interpreter._get_ops_details() if one["op_name"] == "CONV_2D"]
    details = {one["index"]: one for one in interpreter.get_tensor_details()}
    kernels = [details[int(one["inputs"][1])] for one in operators]
    assert {"INT8"} == {np.dtype(kernel["dtype"]).name.upper() for kernel in kernels}
    assert [len(kernel["quantization_parameters"]["scales"]) for kernel in kernels] == [
        kernel["shape"][0] for kernel in kernels
    ]
    assert min(kernel["shape"][0] for kernel in kernels) >= 8


@pytest.mark.parametrize("recipe", RECIPES)
def test_a_fits_chip_is_seen_as_its_codes_are(artifacts: dict[str, Path], uvis_raw: Path, recipe: str) -> None:
    classifier = Classifier(artifacts[recipe])
    codes = bin_codes(encode(read_frame(uvis_raw, 1), Stretch()), BINNING)
    np.testing.assert_array_equal(
        np.float32(classifier.classify(uvis_raw, 1).logits), classifier.logits(codes[None])[0]
    )


def test_a_code_is_128_steps_of_an_int16_input(artifacts: dict[str, Path]) -> None:
    classifier = Classifier(artifacts["static_wi8_ai16"])
    assert classifier._chain.input["quantization"] == (pytest.approx(1 / 32640, rel=1e-6), 0)
    codes = np.arange(SHAPE[0] * SHAPE[1]).reshape(SHAPE).astype(np.uint8)
    classifier._chain.put(codes)
    stored = np.array(classifier._chain.frame()[:, :, 0])
    assert stored.dtype == np.int16
    np.testing.assert_array_equal(stored, codes.astype(np.int32) * 128)
    assert classifier.logit_step > 0


def test_int16_is_plain_and_left_to_the_reference_kernels(artifacts: dict[str, Path]) -> None:
    classifier = Classifier(artifacts["static_wi8_ai16"])
    assert classifier.card.layout == "plain"
    assert classifier.undelegated() == ["model.tflite: CONV_2D"] * 3 + ["model.tflite: FULLY_CONNECTED"] * 2
    assert not RECIPES["static_wi8_ai16"].delegated


def test_an_int16_input_of_another_scale_is_refused(artifacts: dict[str, Path], model: Any, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(artifacts["static_wi8_ai16"], tmp_path / "wrong"))
    reference = lower(model).reference
    ranges = {node.values: (0.0, 1.0) for node in reference.nodes}
    (folder / "model.tflite").write_bytes(export_graph(reference, "static_wi8_ai16", ranges))
    write_card(folder, replace(Classifier(artifacts["static_wi8_ai16"]).card, files=hash_files(folder)))
    with pytest.raises(
        ArtifactError, match=r"an int16 input must have scale 1/32640 and zero point 0\. Received: 3.05"
    ):
        Classifier(folder)


def test_large_networks_and_strips_are_refused_in_int16(model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    check_recipe(model, "static_wi8_ai16", "whole")
    check_recipe(model, "static_wi8_ai8", "strips")
    with pytest.raises(ExportError, match=r"static_wi8_ai16 has one layout, plain: .*\. Received: layout='strips'"):
        check_recipe(model, "static_wi8_ai16", "strips")
    monkeypatch.setattr(network_module, "INT16_MACS", 1_000_000)
    with pytest.raises(ExportError, match=r"1\.5 GMAC a second, and is for networks of at most 0\.001 GMAC; .*'toy'"):
        check_recipe(model, "static_wi8_ai16", "whole")
    check_recipe(model, "static_wi8_ai8", "whole")


@pytest.mark.parametrize("recipe", RECIPES)
def test_networks_that_are_no_chain_run_by_every_recipe(tmp_path: Path, recipe: str) -> None:
    model = network(residual, (*SHAPE, 1))
    codes = some_codes(4, seed=5)
    expected = KerasPredictor(model).logits(codes)
    found = Classifier(write_artifact(tmp_path / recipe, model, recipe, "whole")).logits(codes)
    assert np.abs(found - expected).max() <= 2 * TOLERANCE[recipe] * np.ptp(expected)


def called_twice(layers: Any, x: Any) -> Any:
    again = layers.Conv2D(4, 3, 2, padding="same", activation="relu", name="again")
    x = layers.Conv2D(4, 5, 4, activation="relu", name="first")(x)
    return layers.GlobalAveragePooling2D()(again(again(x)))


@pytest.mark.parametrize("recipe", ["float16", "dynamic_wi8_afp32", "static_wi8_ai8"])
def test_models_that_are_no_graph_of_layers_are_converted_as_they_are(tmp_path: Path, recipe: str) -> None:
    model = network(called_twice, (*SHAPE, 1))
    codes = some_codes(4, seed=6)
    expected = KerasPredictor(model).logits(codes)
    classifier = Classifier(write_artifact(tmp_path / recipe, model, recipe, "whole"))
    assert classifier.card.layout == "plain"
    assert np.abs(classifier.logits(codes) - expected).max() <= TOLERANCE[recipe] * np.ptp(expected)


def test_models_that_are_no_graph_of_layers_are_refused_in_int16(tmp_path: Path) -> None:
    model = network(called_twice, (*SHAPE, 1))
    with pytest.raises(ExportError, match=r"static_wi8_ai16 is for models that can be read as a graph .*: model 'toy'"):
        write_artifact(tmp_path / "int16", model, "static_wi8_ai16", "whole")


def test_a_static_recipe_wants_ranges(model: Any) -> None:
    with pytest.raises(ExportError, match=r"recipe static_wi8_ai16 needs a table of ranges; none was given"):
        export_graph(lower(model).reference, "static_wi8_ai16")
    with pytest.raises(ExportError, match=r"must be one of static_wi8_ai8, .*, float32\. Received: recipe='int4'"):
        export_graph(lower(model).reference, "int4")
