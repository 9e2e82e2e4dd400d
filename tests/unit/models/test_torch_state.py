"""The authors' weights in the Keras network: the same answers, or a refusal that names the entry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import load_model
from celestialkeras.models.torch_state import import_torch, keras_network, network_of
from published_network import PUBLISHED_STAGES, published_logits, random_state, state_shapes

DIVISOR = 32
# The smallest frame with more than one row and column of positions, unequally many: a wrong order of `fc1` shows.
SIZE = (1578, 1834)
POSITIONS = 2 * 3
SMALLEST = (1322, 1322)


@pytest.fixture(scope="module")
def state() -> dict[str, Any]:
    return random_state(DIVISOR, POSITIONS)


@pytest.fixture(scope="module")
def frame() -> Any:
    return np.random.default_rng(1).random(SIZE, np.float32)


@pytest.fixture(scope="module")
def keras_logits(state: dict[str, Any], frame: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("imported")
    np.savez(folder / "state.npz", **state)
    import_torch(folder / "state.npz", folder / "model.keras", SIZE)
    return logits_of(load_model(folder / "model.keras"), frame)


@pytest.fixture
def small_state() -> dict[str, Any]:
    return random_state(DIVISOR, positions=1)


def logits_of(model: Any, frame: Any) -> Any:
    upto = keras.Model(model.input, model.get_layer("logits").output)
    return np.asarray(upto(frame[np.newaxis, :, :, np.newaxis]))[0]


def empty_state(divisor: int, positions: int, classes: int = 2) -> dict[str, Any]:
    """Shapes alone: one zero each, however large."""
    return {name: np.broadcast_to(np.float32(0), s) for name, s in state_shapes(divisor, positions, classes).items()}


def test_gives_the_logits_of_the_published_architecture(keras_logits: Any, state: dict[str, Any], frame: Any) -> None:
    expected = published_logits(state, frame)
    assert np.ptp(expected) > 0.01
    np.testing.assert_allclose(keras_logits, expected, rtol=0, atol=1e-4)


def test_gives_the_logits_of_pytorch(keras_logits: Any, state: dict[str, Any], frame: Any, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="the same network is built in PyTorch, which is not installed")
    nn = torch.nn
    stages, channels = [], 1
    for convolutions, (side, stride) in PUBLISHED_STAGES:
        layers = []
        for kernel, published in convolutions:
            layers += [nn.Conv2d(channels, published // DIVISOR, kernel), nn.BatchNorm2d(published // DIVISOR)]
            layers += [nn.ReLU()]
            channels = published // DIVISOR
        stages.append(nn.Sequential(*layers, nn.MaxPool2d(side, stride)))
    units = 4096 // DIVISOR
    parts = {f"conv{number}": stage for number, stage in enumerate(stages, start=1)}
    parts |= {"fc1": nn.Linear(channels * POSITIONS, units), "fc2": nn.Linear(units, units), "fc3": nn.Linear(units, 2)}
    network = nn.ModuleDict(parts).eval()
    network.load_state_dict({name: torch.from_numpy(tensor) for name, tensor in state.items()})
    with torch.no_grad():
        x = torch.from_numpy(frame)[None, None]
        for stage in stages:
            x = network[f"conv{stages.index(stage) + 1}"](x)
        x = torch.relu(network["fc1"](x.flatten(1)))
        expected = network["fc3"](torch.relu(network["fc2"](x)))[0].numpy()
    np.testing.assert_allclose(keras_logits, expected, rtol=0, atol=1e-4)

    torch.save(network.state_dict(), tmp_path / "state.pt")
    import_torch(tmp_path / "state.pt", tmp_path / "model.keras", SIZE)
    np.testing.assert_array_equal(logits_of(load_model(tmp_path / "model.keras"), frame), keras_logits)


def test_the_result_says_what_was_read(small_state: dict[str, Any], tmp_path: Path) -> None:
    np.savez(tmp_path / "state.npz", **small_state)
    result = import_torch(tmp_path / "state.npz", tmp_path / "model.keras", SMALLEST)
    assert result.path == tmp_path / "model.keras"
    assert result.network.size == SMALLEST
    assert result.network.width == 1 / 32
    assert result.entries == len(small_state) == 90
    trained = [t.size for name, t in small_state.items() if name.rsplit(".", 1)[1] in ("weight", "bias")]
    assert result.parameters == sum(trained)


def test_the_published_network_is_known_by_its_shapes() -> None:
    network = network_of(empty_state(1, 33))
    assert (network.width, network.classes, network.size) == (1.0, 2, (2048, 4096))
    assert network.features == (3, 11, 512)


@pytest.mark.parametrize(("divisor", "width"), [(2, 0.5), (16, 0.0625)])
def test_width_and_classes_are_read_off_the_shapes(divisor: int, width: float) -> None:
    network = network_of(empty_state(divisor, 33, classes=5))
    assert (network.width, network.classes) == (width, 5)


def test_a_width_that_rounds_is_found() -> None:
    # At 0.019 the layers have 0.6, 1.2, 2.4, 4.9, 9.7 and 77.8 channels, to be rounded.
    channels = [1, 1, 2, 2, 5, 5, 5, 5, 10, 10, 10, 10, 78, 78]
    state = empty_state(DIVISOR, 1)
    before = 1
    for name in [name for name in state if state[name].ndim > 1][:-1]:
        filters = channels.pop(0)
        state[name] = np.zeros((filters, before, *state[name].shape[2:]))
        state[name.replace("weight", "bias")] = np.zeros(filters)
        layer, _, index = name.removesuffix(".weight").partition(".")
        if index:
            for tensor in ("weight", "bias", "running_mean", "running_var"):
                state[f"{layer}.{int(index) + 1}.{tensor}"] = np.zeros(filters)
        before = filters
    state["fc3.weight"] = np.zeros((2, before))
    network = network_of(state, SMALLEST)
    model = keras_network(state, network)
    assert model.get_layer("stage7_conv2").filters == 10
    assert model.get_layer("fc2").units == 78


def test_frames_that_fc1_does_not_fit_are_refused_with_those_that_it_fits() -> None:
    with pytest.raises(ModelError) as whole:
        network_of(empty_state(DIVISOR, 2))
    assert str(whole.value) == (
        "`fc1` takes 2 positions of 16 channels, which a frame of 2048 x 4096 pixels does not give; name the size that"
        " the network was trained on: 1322 to 1577 high and 1578 to 1833 wide; 1578 to 1833 high and 1322 to 1577 wide."
        " Received: size=2048x4096"
    )
    assert network_of(empty_state(DIVISOR, 2), (1577, 1578)).features == (1, 2, 16)
    assert network_of(empty_state(DIVISOR, 2), (1833, 1322)).features == (2, 1, 16)
    for size in ((1578, 1578), (1321, 1833), (9, 9)):
        with pytest.raises(ModelError, match=f"Received: size={size[0]}x{size[1]}"):
            network_of(empty_state(DIVISOR, 2), size)


def test_logits_in_the_other_order_are_put_right(small_state: dict[str, Any]) -> None:
    network = network_of(small_state, SMALLEST)
    as_is = keras_network(small_state, network).get_layer("logits").get_weights()
    turned = keras_network(small_state, network, nsc_first=True).get_layer("logits").get_weights()
    np.testing.assert_array_equal(turned[0], as_is[0][:, ::-1])
    np.testing.assert_array_equal(turned[1], as_is[1][::-1])
    with pytest.raises(ModelError, match=r"`nsc_first` is for two classes; leave it out\. Received: 3 classes"):
        keras_network({}, network_of(empty_state(DIVISOR, 1, classes=3), SMALLEST), nsc_first=True)


@pytest.mark.parametrize("wrapper", ["module.", "_orig_mod.", "_orig_mod.module."])
def test_counts_of_batches_may_be_left_out_and_wrappers_are_taken_off(
    wrapper: str, small_state: dict[str, Any], tmp_path: Path
) -> None:
    bare = {f"{wrapper}{name}": tensor for name, tensor in small_state.items() if "num_batches" not in name}
    np.savez(tmp_path / "state.npz", **bare)
    result = import_torch(tmp_path / "state.npz", tmp_path / "model.keras", SMALLEST)
    assert result.entries == 78
    bias = load_model(tmp_path / "model.keras").get_layer("fc1").bias
    np.testing.assert_array_equal(np.asarray(bias), small_state["fc1.bias"])


def test_missing_and_unexpected_entries_are_named(small_state: dict[str, Any]) -> None:
    small_state["conv8.0.weight"] = small_state.pop("conv3.3.bias")
    del small_state["fc2.weight"]
    with pytest.raises(ModelError) as refused:
        network_of(small_state, SMALLEST)
    assert str(refused.value).endswith(
        "Received: 89 entries; missing: conv3.3.bias, fc2.weight; unexpected: conv8.0.weight"
    )


def test_of_a_foreign_state_dict_only_the_first_names_are_told() -> None:
    with pytest.raises(ModelError) as refused:
        network_of({f"layer{n}.weight": np.zeros(3) for n in range(10)})
    assert "conv2.0.weight, conv2.0.bias and 70 more; unexpected: layer0.weight" in str(refused.value)
    assert str(refused.value).endswith("layer7.weight and 2 more")


@pytest.mark.parametrize(
    ("name", "shape", "expected"),
    [
        ("conv3.0.weight", (4, 2, 3, 3), "(4, 2, 5, 5)"),
        ("conv4.3.weight", (9, 8, 3, 3), "(8, 8, 3, 3)"),
        ("conv5.1.running_var", (7,), "(8,)"),
        ("conv1.1.num_batches_tracked", (1,), "()"),
        ("fc1.weight", (128, 17), "(128, 16)"),
        ("fc1.weight", (128,), "(128, 16)"),
        ("fc2.weight", (100, 128), "(128, 128)"),
        ("fc3.bias", (3,), "(2,)"),
        ("fc2.weight", (), "(128, 128)"),
    ],
)
def test_an_entry_of_another_shape_is_named_alone(
    small_state: dict[str, Any], name: str, shape: tuple[int, ...], expected: str
) -> None:
    small_state[name] = np.zeros(shape, np.float32)
    with pytest.raises(ModelError) as refused:
        network_of(small_state, SMALLEST)
    assert str(refused.value).endswith(f"Received: {name} is {shape}, not {expected}")


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("conv2.1.running_var", -1e-3, "`conv2.1.running_var` is a variance and cannot be below 0"),
        ("fc2.bias", np.nan, "`fc2.bias` holds numbers that are not finite in float32; .* Received: 128 of 128"),
        ("fc2.bias", 1e39, "`fc2.bias` holds numbers that are not finite in float32"),
    ],
)
def test_numbers_that_no_network_has_are_refused(
    small_state: dict[str, Any], name: str, value: float, message: str
) -> None:
    small_state[name] = np.full(small_state[name].shape, value, np.float64)
    with pytest.raises(ModelError, match=message):
        keras_network(small_state, network_of(small_state, SMALLEST))


def test_integers_are_no_weights(small_state: dict[str, Any]) -> None:
    small_state["fc3.weight"] = small_state["fc3.weight"].astype(np.int64)
    with pytest.raises(ModelError, match=r"`fc3\.weight` must hold floating-point numbers\. Received: dtype=int64"):
        keras_network(small_state, network_of(small_state, SMALLEST))


def test_nothing_is_written_where_the_state_dict_is_refused(small_state: dict[str, Any], tmp_path: Path) -> None:
    del small_state["fc3.bias"]
    np.savez(tmp_path / "state.npz", **small_state)
    with pytest.raises(ModelError, match=r"missing: fc3\.bias"):
        import_torch(tmp_path / "state.npz", tmp_path / "model.keras", SMALLEST)
    with pytest.raises(ModelError, match=r"a model is written as a \.keras file; .* Received: .*model\.h5"):
        import_torch(tmp_path / "state.npz", tmp_path / "model.h5", SMALLEST)
    assert [path.name for path in tmp_path.iterdir()] == ["state.npz"]
