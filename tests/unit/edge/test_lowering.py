from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import Card, InputContract, Segment, hash_files, write_card
from celestial_edge.compress.export import export_graph
from celestial_edge.compress.graph import read_operators
from celestial_edge.compress.keras_graphs import build_model, read_model
from celestial_edge.compress.layers import Convolution, NotLowerableError
from celestial_edge.compress.lowering import Lowered, lay_out, lower
from celestial_edge.compress.network import Network
from celestial_edge.compress.planner import Piece, fewer_pointers, join_within, pieces_within
from celestial_edge.compress.ranges import RangeTable, measure_ranges
from celestial_edge.device.runtime import Classifier
from celestialkeras.errors import ArtifactError, ExportError
from celestialkeras.lcid.frames import read_frame
from celestialkeras.lcid.stretch import Stretch, encode
from celestialkeras.models.registry import build_model as build_registered
from toy_networks import few_channels, logits_of, network, residual, some_frames, two_stages

SHAPE = (128, 136)


def some_codes(count: int, shape: tuple[int, int] = SHAPE, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (count, *shape), np.uint8)


def write_artifact(folder: Path, pieces: list[Piece], table: RangeTable | None, shape: tuple[int, int]) -> Path:
    folder.mkdir()
    recipe = "static_wi8_ai8" if table else "float32"
    segments = []
    for number, piece in enumerate(pieces):
        segments.append(Segment(f"model-{number}.tflite", piece.stride))
        (folder / segments[-1].file).write_bytes(export_graph(piece.graph, recipe, table))
    contract = InputContract(shape, 1, "int8" if table else "float32", Stretch())
    write_card(folder, Card("toy", recipe, contract, 1.0, hash_files(folder), {}, {}, "strips", tuple(segments)))
    return folder


@pytest.fixture(scope="module")
def model() -> Any:
    return network(two_stages, (*SHAPE, 1))


@pytest.fixture(scope="module")
def lowered(model: Any) -> Lowered:
    return lower(model)


@pytest.fixture(scope="module")
def table(lowered: Lowered) -> dict[str, tuple[float, float]]:
    return measure_ranges(lowered.reference, some_codes(3))


@pytest.fixture(scope="module")
def layouts(
    lowered: Lowered, table: dict[str, tuple[float, float]], tmp_path_factory: pytest.TempPathFactory
) -> dict[tuple[str, str], Path]:
    """Artifacts of every layout and recipe, cut far smaller than a whole frame would need."""
    folder = tmp_path_factory.mktemp("layouts")
    cuts = {
        "plain": lay_out(lowered, "plain"),
        "whole": [Piece(join_within(fewer_pointers(lowered.graph, 50_000, 1.2), 20_000), 1, 1)],
        "strips": pieces_within(lowered.graph, 20_000),
    }
    return {
        (layout, recipe): write_artifact(folder / f"{layout}-{recipe}", pieces, ranges, SHAPE)
        for layout, pieces in cuts.items()
        for recipe, ranges in (("int8", table), ("float32", None))
    }


def test_int8_logits_are_equal_to_the_bit_in_every_layout(layouts: dict[tuple[str, str], Path]) -> None:
    codes = some_codes(12, seed=1)
    # Frames of very different brightness, so that logits differ.
    codes = (codes * np.linspace(0.1, 1, len(codes))[:, None, None]).astype(np.uint8)
    plain = Classifier(layouts["plain", "int8"]).logits(codes)
    assert len(np.unique(plain)) > 8
    for layout in ("whole", "strips"):
        np.testing.assert_array_equal(Classifier(layouts[layout, "int8"]).logits(codes), plain)


def test_float_logits_are_the_keras_models(layouts: dict[tuple[str, str], Path], model: Any) -> None:
    codes = some_codes(3, seed=1)
    expected = logits_of(model, codes[..., None].astype(np.float32) / np.float32(255))
    for layout in ("plain", "whole", "strips"):
        found = Classifier(layouts[layout, "float32"]).logits(codes)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5)


def test_xnnpack_takes_every_convolution_and_dense_layer(layouts: dict[tuple[str, str], Path]) -> None:
    for folder in layouts.values():
        assert Classifier(folder).undelegated() == []


def test_no_requantization_comes_in_between(layouts: dict[tuple[str, str], Path]) -> None:
    for layout in ("plain", "whole", "strips"):
        files = sorted(layouts[layout, "int8"].glob("*.tflite"))
        operators = [operator for path in files for operator in read_operators(path.read_bytes())]
        assert {"QUANTIZE", "DEQUANTIZE", "SHAPE", "PACK"}.isdisjoint(operator.name for operator in operators)
        assert sum(operator.name == "FULLY_CONNECTED" for operator in operators) == 2


def test_strips_are_several_files_and_their_order_is_checked(
    layouts: dict[tuple[str, str], Path], tmp_path: Path
) -> None:
    source = layouts["strips", "int8"]
    classifier = Classifier(source)
    assert len(classifier.card.segments) == len(list(source.glob("*.tflite"))) == 3
    assert classifier.card.segments[0].stride == 4
    for path in source.glob("*.tflite"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    swapped = tuple(reversed(classifier.card.segments))
    write_card(tmp_path, replace(classifier.card, segments=swapped))
    with pytest.raises(ArtifactError, match=r"which the card's chain does not give\. Received:"):
        Classifier(tmp_path)


def test_ranges_do_not_depend_on_the_strips_that_they_are_measured_in(
    lowered: Lowered, table: dict[str, tuple[float, float]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("celestial_edge.compress.ranges._STRIP_BYTES", 100_000)
    in_strips = measure_ranges(lowered.reference, some_codes(3))
    assert table["frame"] == in_strips["frame"] == (0.0, 1.0)
    assert set(table) == {"frame", "one_relu", "two_relu", "three_relu", "fc", "logits"} == set(in_strips)
    for name, ends in table.items():
        np.testing.assert_allclose(in_strips[name], ends, rtol=1e-4, atol=1e-6)


def test_ranges_hold_what_the_layers_give(model: Any, table: dict[str, tuple[float, float]]) -> None:
    import keras

    frames = some_codes(3)[..., None].astype(np.float32) / np.float32(255)
    for name in ("one_relu", "fc", "logits"):
        values = keras.Model(model.inputs, model.get_layer(name).output).predict_on_batch(frames)
        np.testing.assert_allclose(table[name], (values.min(), values.max()), rtol=1e-4, atol=1e-6)


def test_a_table_of_another_network_is_refused(lowered: Lowered, table: dict[str, tuple[float, float]]) -> None:
    foreign = {name: ends for name, ends in table.items() if name != "two_relu"}
    with pytest.raises(ExportError, match="the table of ranges has no layer 'two_relu'"):
        export_graph(lowered.reference, "static_wi8_ai8", foreign)


def test_a_network_with_a_residual_and_a_mean_is_lowered_and_quantized(tmp_path: Path) -> None:
    model = network(residual, (*SHAPE, 1))
    lowered = lower(model)
    assert lowered.graph == lowered.reference, "its stem is padded and nothing else applies"
    table = measure_ranges(lowered.reference, some_codes(3))
    folder = write_artifact(tmp_path / "residual", lay_out(lowered, "strips"), table, SHAPE)
    codes = some_codes(2, seed=5)
    expected = logits_of(model, codes[..., None].astype(np.float32) / np.float32(255))
    found = Classifier(folder).logits(codes)
    np.testing.assert_allclose(found, expected, atol=0.05 * np.ptp(expected) + 0.02)


def test_layers_of_several_operators_are_left_to_the_plain_converter(tmp_path: Path) -> None:
    def body(layers: Any, x: Any) -> Any:
        x = layers.MaxPooling2D(4)(layers.BatchNormalization(name="norm")(x))
        return layers.Conv2D(4, 3, activation="relu")(x)

    model = network(body, (*SHAPE, 1))
    lowered = lower(model)
    assert lowered.refusals[0].rewrite == "fold_batch_norm"
    with pytest.raises(NotLowerableError, match="layer 'norm' computes in several steps"):
        export_graph(lowered.graph, "static_wi8_ai8", measure_ranges(lowered.reference, some_codes(1)))
    layout, segments = Network(model, some_codes(2), "whole").write(tmp_path, "static_wi8_ai8")
    assert (layout, segments) == ("plain", (Segment("model.tflite", 1),))
    with pytest.raises(NotLowerableError, match="computes in several steps"):
        Network(model, some_codes(2), "strips").write(tmp_path, "static_wi8_ai8")


def test_models_that_are_no_graph_of_single_layers_are_refused() -> None:
    import keras
    from keras import layers

    def shared(layers: Any, x: Any) -> Any:
        layer = layers.Conv2D(1, 3, padding="same", name="twice")
        return layer(layer(x))

    with pytest.raises(NotLowerableError, match="layer 'twice' of model 'toy' is called more than once"):
        lower(network(shared))
    with pytest.raises(NotLowerableError, match="an operation outside a layer cannot be lowered"):
        lower(network(lambda layers, x: keras.ops.abs(x)))
    frame = keras.Input((None, 16, 1))
    logits = layers.Dense(2, name="logits")(layers.GlobalMaxPooling2D()(frame))
    with pytest.raises(NotLowerableError, match="must have one input of fixed size"):
        lower(keras.Model(frame, logits, name="open"))


def test_dropout_is_left_out_and_other_layers_are_kept() -> None:
    def body(layers: Any, x: Any) -> Any:
        x = layers.Dropout(0.5)(layers.DepthwiseConv2D(3, name="depth")(x))
        return layers.AveragePooling2D(2, name="mean")(x)

    model = network(body)
    graph = read_model(model, "logits")
    assert [node.name for node in graph.nodes] == ["frame", "depth", "mean", "flatten", "logits"]
    frames = some_frames(model)
    np.testing.assert_allclose(build_model(graph).predict_on_batch(frames), logits_of(model, frames), rtol=1e-5)


def test_hr_celestialnet_is_rewritten_and_gives_the_same() -> None:
    model = build_registered("hr_celestialnet", (1322, 1328, 1), width=0.0625)
    lowered = lower(model)
    stem = lowered.graph.node("stage1_relu1/phases").operation
    assert isinstance(stem, Convolution)
    assert stem.kernel.shape == (7, 2, 8, 16)
    shapes = lowered.graph.shapes()
    assert shapes["stage1_pool/tiles"] == (329, 330, 2)
    assert {refusal.layer for refusal in lowered.refusals if refusal.rewrite == "cascade_pool"} == {
        f"stage{number}_pool" for number in range(3, 8)
    }
    frames = some_frames(model)
    found = build_model(lay_out(lowered, "whole")[0].graph).predict_on_batch(frames)
    np.testing.assert_allclose(found, logits_of(model, frames), atol=1e-5)


def test_celestialnet_edge_has_no_stage_to_cut_and_its_stem_no_padding() -> None:
    lowered = lower(build_registered("celestialnet_edge", (64, 128, 1), width=0.25))
    assert len(lay_out(lowered, "strips")) == len(lay_out(lowered, "whole")) == 1
    stem = lowered.graph.node("stem_relu/phases").operation
    assert isinstance(stem, Convolution)
    assert stem.kernel.shape == (8, 1, 8, 8)


def test_a_fits_chip_is_classified_in_strips_as_its_codes_are(tmp_path: Path, uvis_raw: Path) -> None:
    model = network(few_channels(8, 8, pool=(2, 2)), (2048, 4096, 1))
    codes = encode(read_frame(uvis_raw, 1), Stretch())
    lowered = lower(model)
    pieces = lay_out(lowered, "strips")
    assert [len(piece.starts) > 1 for piece in pieces] == [True, False]
    table = measure_ranges(lowered.reference, [codes])
    classifier = Classifier(write_artifact(tmp_path / "strips", pieces, table, (2048, 4096)))
    verdict = classifier.classify(uvis_raw, 1)
    np.testing.assert_array_equal(np.float32(verdict.logits), classifier.logits(codes[None])[0])
    assert classifier.classify(uvis_raw, 1).logits == verdict.logits, "a second frame must not see the first"


def test_unknown_layouts_are_refused() -> None:
    lowered = lower(network(few_channels(3)))
    with pytest.raises(ValueError, match=r"`layout` must be plain, whole or strips\. Received: layout='tiles'"):
        lay_out(lowered, "tiles")
