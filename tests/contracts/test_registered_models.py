"""What every registered network promises, whoever wrote it."""

import json
import re
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf
from ai_edge_litert.interpreter import Interpreter

from celestialkeras.explanation.grad_cam import GradCam
from celestialkeras.models.listing import count_model, read_listing
from celestialkeras.models.registry import build_model, get_model, list_models

# A process that knows Keras and nothing of this project.
LOAD_ELSEWHERE = """
import json, sys
import numpy as np, keras
for name, path in json.loads(sys.argv[1]).items():
    model = keras.models.load_model(path, safe_mode=True)
    np.save(path + ".out.npy", model.predict(np.load(path + ".in.npy"), verbose=0))
assert not [name for name in sys.modules if name.startswith(("celestial", "celestialkeras"))]
"""


def tiny(name):
    entry = get_model(name)
    side = -(-max(entry.rule.minimum_side, 32) // entry.rule.multiple_of) * entry.rule.multiple_of
    small = {"width": 0.03, "hidden_units": 16}
    options = {name: value for name, value in small.items() if name in entry.options}
    return build_model(name, (side, side + entry.rule.multiple_of, 1), **options)


def frames(model, count=2):
    return np.random.default_rng(7).random((count, *model.input_shape[1:]), np.float32)


def settle(model):
    """Moving averages as training leaves them: fresh ones would hide a lost one, and let deep networks fade out."""
    norms = [layer for layer in model.layers if isinstance(layer, keras.layers.BatchNormalization)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(np.concatenate([frames(model, 3), 0 * frames(model, 1)]), training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum


@pytest.fixture(scope="module")
def built():
    models = {}
    for name in list_models():
        # A seed for each, so that a new network leaves the weights of the others as they are.
        keras.utils.set_random_seed(3)
        models[name] = tiny(name)
        settle(models[name])
    return models


@pytest.fixture(scope="module")
def loaded_elsewhere(built, tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    paths = {}
    for name, model in built.items():
        paths[name] = str(folder / f"{name}.keras")
        model.save(paths[name])
        np.save(paths[name] + ".in.npy", frames(model))
    subprocess.run([sys.executable, "-c", LOAD_ELSEWHERE, json.dumps(paths)], check=True, cwd=folder)
    return {name: np.load(path + ".out.npy") for name, path in paths.items()}


@pytest.fixture(params=list_models())
def name(request):
    return request.param


@pytest.fixture
def model(name, built):
    return built[name]


def logits_only(model):
    return keras.Model(model.input, model.get_layer("logits").output)


def test_name_is_one_to_type_and_its_factory_carries_it(name):
    assert re.fullmatch(r"[a-z][a-z0-9_]*", name)
    assert get_model(name).factory.__name__ == name


def test_tells_where_it_comes_from(name):
    entry = get_model(name)
    assert re.search(r"\d{4}|our|this project", entry.source)
    assert entry.summary
    assert "\n" not in entry.summary


def test_the_listing_says_what_counting_gives(name):
    (listed,) = [one for one in read_listing() if one.name == name]
    assert listed == count_model(name), "python benchmarks/list_models.py writes the listing anew"


def test_the_listing_names_every_network():
    assert [one.name for one in read_listing()] == list_models()


def test_is_functional_of_standard_layers_only(model):
    assert type(model).__name__ == "Functional"
    for layer in model.layers:
        assert type(layer) is getattr(keras.layers, type(layer).__name__), layer.name
        assert not isinstance(layer, keras.layers.Lambda)


def test_takes_one_frame_and_ends_in_logits_and_softmax(model):
    assert model.input_shape[0] is None
    assert model.input_shape[3] == 1
    assert model.input.dtype == "float32"
    assert model.output_shape == (None, 2)
    dense, softmax = model.layers[-2:]
    assert isinstance(dense, keras.layers.Dense)
    assert dense.name == "logits"
    assert keras.activations.serialize(dense.activation) == "linear"
    assert isinstance(softmax, keras.layers.Softmax)


def test_number_of_classes_can_be_asked_for(name):
    entry = get_model(name)
    assert entry.options["classes"] == 2


def test_gives_probabilities(model):
    probabilities = model.predict(frames(model), verbose=0)
    assert probabilities.dtype == np.float32
    assert np.all(probabilities >= 0)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)


def test_two_frames_do_not_give_one_answer(model):
    logits = logits_only(model).predict(np.concatenate([frames(model, 1), 0 * frames(model, 1)]), verbose=0)
    assert not np.allclose(logits[0], logits[1], atol=1e-6)


def test_loads_in_a_process_that_never_saw_this_project(name, model, loaded_elsewhere):
    np.testing.assert_array_equal(loaded_elsewhere[name], model.predict(frames(model), verbose=0))


def test_gives_a_map_of_its_evidence(model):
    network = GradCam(model)
    codes = np.random.default_rng(5).integers(0, 256, model.input_shape[1:3], np.uint8)
    evidence = network.explain(codes)
    assert evidence.logits.shape == (2,)
    assert evidence.for_nsc.shape == network.feature_map.shape
    assert np.isfinite(evidence.for_nsc).all()
    assert network.feature_map.upsample(evidence.for_nsc, (24, 32)).shape == (24, 32)
    # The places are those of the frame, not of some branch: the middle cell sees its middle.
    for axis in (network.feature_map.rows, network.feature_map.columns):
        middle = axis.first + (axis.cells - 1) / 2 * axis.step
        assert abs(middle - (axis.pixels - 1) / 2) <= axis.step


@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_logits_and_softmax_stay_float32_under_mixed_precision(name, policy):
    before = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy(policy)
    try:
        mixed = tiny(name)
    finally:
        keras.mixed_precision.set_dtype_policy(before)
    assert mixed.layers[1].compute_dtype == policy.removeprefix("mixed_")
    assert mixed.get_layer("logits").compute_dtype == "float32"
    assert mixed.layers[-1].compute_dtype == "float32"


def test_converts_to_tflite_without_flex_ops_and_agrees(model):
    logits = logits_only(model)
    interpreter = Interpreter(model_content=tf.lite.TFLiteConverter.from_keras_model(logits).convert())
    interpreter.allocate_tensors()
    assert not [op["op_name"] for op in interpreter._get_ops_details() if op["op_name"].startswith("Flex")]
    one = frames(model, 1)
    interpreter.set_tensor(interpreter.get_input_details()[0]["index"], one)
    interpreter.invoke()
    got = interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    expected = logits.predict(one, verbose=0)
    # Each layer rounds in an order of its own, and with fresh weights nothing damps what the ones before it left.
    depth = sum(hasattr(layer, "kernel") for layer in model.layers)
    np.testing.assert_allclose(got, expected, rtol=0, atol=1e-5 * max(10, depth) * max(1.0, np.abs(expected).max()))
