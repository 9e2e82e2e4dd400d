"""`celestial profile`: what it prints, what it takes and what it refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from celestial_cli.profile import profile
from celestialkeras.models.registry import list_models
from toy_networks import few_channels, network, two_stages


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(profile, [*map(str, arguments)])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "toy.keras"
    network(two_stages, (512, 1024, 1)).save(path)
    return path


def test_json_holds_layers_layouts_and_peaks(toy: Path) -> None:
    done = invoke(toy, "--device", "pi4-1gb", "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert (found["model"], found["input_shape"], found["refused"]) == ("toy", [512, 1024, 1], None)
    assert found["device"]["name"] == "pi4-1gb"
    first = found["layers"][0]
    assert first["shape"] == [506, 1018, 8]
    assert first["indirection"] == 8 * 49 * 506 * 1018
    assert first["activations"]["float32"] == 4 * 506 * 1018 * 8
    assert [one["layout"] for one in found["layouts"]] == ["plain", "whole", "strips"]
    strips = found["layouts"][2]
    assert len(strips["graphs"]) > 1
    for one in found["layouts"]:
        int8, float32 = one["memory"]["static_wi8_ai8"], one["memory"]["float32"]
        assert int8["peak"] < float32["peak"]
        assert int8["fits"] == "yes"


def test_tables_hold_the_layers_of_the_layout_and_all_peaks(toy: Path) -> None:
    done = invoke(toy, "--layout", "strips", "--device", "jetson-orin-nano")
    assert done.exit_code == 0, done.output
    assert "toy at 512 x 1024, strips: " in done.stdout
    assert "one_relu/phases" in done.stdout
    assert "Predicted peak memory of a process" in done.stdout
    assert "Jetson Orin Nano" in done.stderr
    plain = invoke(toy).stdout
    assert "one_relu/phases" not in plain
    assert "fits" not in plain


def test_networks_are_counted_by_name_at_a_size_and_width() -> None:
    done = invoke("celestialnet_edge", "--size", 8, "--width", 0.5, "--json")
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert found["input_shape"] == [256, 512, 1]
    wide = json.loads(invoke("celestialnet_edge", "--size", 8, "--json").stdout)
    assert found["parameters"] < wide["parameters"] / 3
    assert found["device"] is None
    assert "fits" not in found["layouts"][0]["memory"]["float32"]


def test_a_model_that_cannot_be_lowered_is_flagged(tmp_path: Path) -> None:
    import keras
    from keras import layers

    frame = keras.Input((40, 48, 1))
    twice = layers.Conv2D(1, 3, padding="same", name="twice")
    logits = layers.Dense(2, name="logits")(layers.Flatten()(twice(twice(frame))))
    path = tmp_path / "twice.keras"
    keras.Model(frame, layers.Softmax()(logits), name="shared").save(path)
    done = invoke(path)
    assert done.exit_code == 0, done.output
    assert "shared at 40 x 48, as drawn: " in done.stdout
    assert "layer 'twice' of model 'shared' is called more than once" in done.stderr
    assert json.loads(invoke(path, "--json").stdout)["layouts"] == []


def test_size_and_width_are_for_networks_by_name(tmp_path: Path) -> None:
    path = tmp_path / "toy.keras"
    network(few_channels(3)).save(path)
    for option in (["--size", "2"], ["--width", "0.5"]):
        done = invoke(path, *option)
        assert done.exit_code == 2
        assert f"--size and --width are for networks by name: {', '.join(list_models())}" in done.stderr


@pytest.mark.parametrize("size", ["3", "0", "-4", "half"])
def test_sizes_that_do_not_divide_a_chip_are_refused(size: str) -> None:
    done = invoke("celestialnet_edge", "--size", size)
    assert done.exit_code == 2
    assert f"'full' or a whole divisor of both sides of a chip. Received: {size}" in done.stderr


def test_unknown_boards_are_refused(toy: Path) -> None:
    done = invoke(toy, "--device", "pi3")
    assert done.exit_code == 2
    assert "'pi4-1gb', 'pi5-4gb', 'jetson-orin-nano'" in done.stderr
