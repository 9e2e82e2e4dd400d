from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import Card, InputContract, hash_files, write_card
from celestial_edge.compress.dead_channels import revive_channels
from celestial_edge.compress.export import export_graph
from celestial_edge.compress.layers import Convolution
from celestial_edge.compress.lowering import lower
from celestial_edge.compress.network import Network
from celestial_edge.compress.ranges import measure_ranges
from celestial_edge.device.runtime import Classifier
from celestial_edge.recipes import RECIPES
from celestialkeras.errors import ExportError
from celestialkeras.evaluation.predictor import KerasPredictor
from celestialkeras.lcid.stretch import Stretch
from toy_networks import network, two_stages

SHAPE = (128, 136)


def some_codes(count: int) -> np.ndarray:
    return np.random.default_rng(1).integers(0, 256, (count, *SHAPE), np.uint8)


@pytest.fixture(scope="module")
def pruned() -> Any:
    """Filters of the first convolution and units of the dense layer without weights, their biases not zero."""
    model = network(two_stages, (*SHAPE, 1), seed=4)
    for name, dead in (("one_conv", [0, 5]), ("fc", [3])):
        kernel, bias = model.get_layer(name).get_weights()
        kernel[..., dead], bias[dead] = 0, 2
        model.get_layer(name).set_weights([kernel, bias])
    # The second stage then leans on what the dead filters of the first say.
    kernel, bias = model.get_layer("two_conv").get_weights()
    kernel[:, :, 0] *= 4
    model.get_layer("two_conv").set_weights([kernel, bias])
    return model


@pytest.mark.parametrize(
    ("recipe", "layout"), [("static_wi8_ai8", "plain"), ("static_wi8_ai8", "strips"), ("static_wi8_ai16", "plain")]
)
def test_channels_without_weights_keep_their_biases(pruned: Any, tmp_path: Path, recipe: str, layout: str) -> None:
    codes = some_codes(4)
    made, segments = Network(pruned, codes, layout).write(tmp_path, recipe)
    contract = InputContract(SHAPE, 1, RECIPES[recipe].activations, Stretch())
    write_card(tmp_path, Card("toy", recipe, contract, 1.0, hash_files(tmp_path), {}, {}, made, segments))
    expected = KerasPredictor(pruned).logits(codes)
    found = Classifier(tmp_path).logits(codes)
    assert np.abs(found - expected).max() < 0.05 * np.ptp(expected)


def test_without_room_the_quantizer_is_stopped(pruned: Any) -> None:
    reference = lower(pruned).reference
    table = measure_ranges(reference, some_codes(2))
    with pytest.raises(ExportError, match="cannot be quantized by recipe static_wi8_ai8: invalid value"):
        export_graph(reference, "static_wi8_ai8", table)


def test_one_weight_is_raised_by_hardly_anything(pruned: Any) -> None:
    reference = lower(pruned).reference
    table = measure_ranges(reference, some_codes(2))
    revived = revive_channels(reference, table, "int8")
    before, after = (graph.nodes[1].operation for graph in (reference, revived))
    assert isinstance(before, Convolution)
    assert isinstance(after, Convolution)
    changed = before.kernel != after.kernel
    assert np.flatnonzero(changed.any(axis=(0, 1, 2))).tolist() == [0, 5]
    assert changed.sum() == 2
    # An int8 input moves by 1/255 a step, and the bias is to be less than 2**30 steps.
    needed = 127 * 255 * np.abs(before.bias[[0, 5]]) / 2**30
    np.testing.assert_allclose(np.abs(after.kernel[changed]), needed, rtol=1e-6)
    assert needed.max() < 1e-3


def test_a_network_that_has_all_its_weights_is_left_alone() -> None:
    reference = lower(network(two_stages, (*SHAPE, 1))).reference
    table = measure_ranges(reference, some_codes(2))
    assert revive_channels(reference, table, "int8") is reference
