"""One-channel adaptation of colour weights, on a stub of a published network where the arithmetic is what counts."""

import sys
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import layers

from celestialkeras.errors import ModelError
from celestialkeras.models.cost import registered_cost
from celestialkeras.models.head import classifier, pooled
from celestialkeras.models.modern import mobilenet_v3_small
from celestialkeras.models.pretrained import CENTRED, SIGNED, STANDARDIZED, Donor, start_from
from celestialkeras.models.registry import build_model, get_model, list_models
from celestialkeras.models.resnet import resnet18
from celestialkeras.models.vggnet import vgg16
from published_weights import assert_mobilenet_starts_from, go_offline, write_published

WITHOUT_PUBLISHED_WEIGHTS = {"alexnet", "resnet18", "vgg16_bn"}
ENCODINGS = {"centred": CENTRED, "signed": SIGNED, "standardized": STANDARDIZED}


def stem(frame, bias):
    x = layers.Conv2D(4, 3, use_bias=bias, name="stem")(frame)
    return layers.BatchNormalization(name="stem_bn")(x)


def colour_network(bias):
    """What a publisher gives: unpadded, so that no border differs, with a norm that has seen pictures."""
    frame = keras.Input((12, 12, 3))
    model = keras.Model(frame, stem(frame, bias))
    rng = np.random.default_rng(1)
    for layer in model.layers[1:]:
        layer.set_weights([rng.uniform(0.5, 1.5, one.shape) for one in layer.get_weights()])
    return model


def one_channel_network(bias):
    frame = keras.Input((12, 12, 1), name="frame")
    return classifier(frame, pooled(stem(frame, bias)), 2, "toy")


@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("bias", [True, False])
def test_a_frame_gives_what_its_grey_picture_gave(encoding, bias):
    colour = ENCODINGS[encoding]
    published, model = colour_network(bias), one_channel_network(bias)
    head = model.get_layer("logits").get_weights()
    start_from(model, "imagenet", Donor(lambda weights: published, colour))
    frame = np.random.default_rng(2).random((2, 12, 12, 1), np.float32)
    picture = frame * np.float32(colour.scale) + np.float32(colour.offset)
    found = keras.Model(model.input, model.get_layer("stem_bn").output).predict_on_batch(frame)
    np.testing.assert_allclose(found, published.predict_on_batch(picture), rtol=1e-4, atol=1e-3)
    assert all(np.array_equal(a, b) for a, b in zip(model.get_layer("logits").get_weights(), head, strict=True))


def test_published_encodings_are_those_of_keras():
    grey = np.full((1, 1, 1, 3), 0.3)
    expected = keras.applications.vgg16.preprocess_input(255 * grey.copy())
    np.testing.assert_allclose(0.3 * np.array(CENTRED.scale) + CENTRED.offset, expected.ravel(), rtol=1e-6)
    expected = keras.applications.imagenet_utils.preprocess_input(255 * grey.copy(), mode="torch")
    np.testing.assert_allclose(0.3 * np.array(STANDARDIZED.scale) + STANDARDIZED.offset, expected.ravel(), rtol=1e-6)
    expected = keras.applications.imagenet_utils.preprocess_input(255 * grey.copy(), mode="tf")
    np.testing.assert_allclose(0.3 * np.array(SIGNED.scale) + SIGNED.offset, expected.ravel(), rtol=1e-6)


def test_weights_that_cannot_be_fetched_say_what_to_do():
    def offline(weights):
        raise Exception("URL fetch failure on https://storage.googleapis.com/x: None -- no route to host")

    with pytest.raises(ModelError, match=r"cannot be fetched \(URL fetch failure.*copy that \.h5 file here") as caught:
        start_from(one_channel_network(True), "imagenet", Donor(offline))
    assert str(caught.value).endswith("Received: weights='imagenet'")


def test_progress_of_a_download_is_kept_from_stdout(capsys):
    def talkative(weights):
        sys.stdout.write("Downloading data from there")
        return colour_network(True)

    start_from(one_channel_network(True), "imagenet", Donor(talkative))
    told = capsys.readouterr()
    assert told.out == ""
    assert "Downloading" in told.err


@pytest.mark.parametrize("name", [name for name in list_models() if "weights" in get_model(name).options])
def test_imagenet_can_be_asked_of_every_baseline(name, tmp_path, monkeypatch):
    go_offline(monkeypatch, tmp_path)
    cause = r"cannot be fetched \(URL fetch failure on https://.*\.h5.*no route to host\); .* copy that \.h5 file here"
    if name in WITHOUT_PUBLISHED_WEIGHTS:
        cause = r"are published with Keras; give `weights` a \.keras file of this network, or 'fresh'\."
    with pytest.raises(ModelError, match=f"ImageNet weights of {name} {cause}") as caught:
        build_model(name, (96, 96, 1), weights="imagenet")
    assert str(caught.value).endswith("Received: weights='imagenet'")


def test_a_file_of_the_same_network_is_taken_up_to_the_head(tmp_path):
    keras.utils.set_random_seed(1)
    source = resnet18((40, 40, 1), width=0.05, classes=3)
    source.save(tmp_path / "other.keras")
    model = resnet18((32, 48, 1), width=0.05, weights=str(tmp_path / "other.keras"))
    for layer in model.layers:
        for a, b in zip(layer.get_weights(), source.get_layer(layer.name).get_weights(), strict=True):
            assert layer.name == "logits" or np.array_equal(a, b), layer.name


def test_files_as_keras_publishes_them_are_taken(tmp_path):
    published = keras.applications.VGG16(include_top=False, weights=None, input_shape=(32, 32, 3))
    published.save_weights(tmp_path / "vgg16.weights.h5")
    model = vgg16((32, 32, 1), hidden_units=4, weights=str(tmp_path / "vgg16.weights.h5"))
    kernel, bias = published.get_layer("block1_conv1").get_weights()
    found = model.get_layer("block1_conv1").get_weights()
    np.testing.assert_allclose(found[0][:, :, 0], 255 * kernel.sum(axis=2), rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(found[1], bias + np.einsum("hwcf,c->f", kernel, CENTRED.offset), rtol=1e-4, atol=1e-4)
    last = (network.get_layer("block5_conv3").get_weights()[0] for network in (model, published))
    np.testing.assert_array_equal(*last)


@pytest.fixture(scope="module")
def published_mobilenet():
    keras.utils.set_random_seed(6)
    return keras.applications.MobileNetV3Small((64, 64, 3), include_top=False, weights=None)


@pytest.fixture(scope="module")
def legacy_file(published_mobilenet, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    return write_published(published_mobilenet, folder / "weights_mobilenet_v3_small_224_1.0_float_no_top_v2.h5")


def test_files_of_older_keras_are_taken(published_mobilenet, legacy_file):
    model = mobilenet_v3_small((64, 64, 1), hidden_units=4, weights=str(legacy_file))
    assert_mobilenet_starts_from(published_mobilenet, model)


def test_files_that_keras_has_fetched_are_taken(published_mobilenet, legacy_file, monkeypatch):
    asked = []

    def fetched(name, *_, **__):
        asked.append(name)
        return str(legacy_file)

    monkeypatch.setattr("keras.src.applications.mobilenet_v3.file_utils.get_file", fetched)
    model = mobilenet_v3_small((64, 64, 1), hidden_units=4, weights="imagenet")
    assert asked == [legacy_file.name]
    assert_mobilenet_starts_from(published_mobilenet, model)


def test_a_file_of_older_keras_for_another_network_is_refused(legacy_file):
    with pytest.raises(ModelError, match=r"cannot be read as weights of vgg16 without its top \(Layer count mismatch"):
        vgg16((32, 32, 1), hidden_units=4, weights=str(legacy_file))


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("missing.keras", None, "there is no such file"),
        ("weights.npz", b"x", r"must be a \.keras, \.h5 or \.weights\.h5 file"),
        ("broken.keras", b"x", "cannot be read as weights of resnet18"),
        ("published.h5", b"x", "Keras publishes no weights file of resnet18"),
    ],
)
def test_files_that_are_no_weights_are_refused(tmp_path: Path, name, content, message):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ModelError, match=f"{message}.*Received: weights="):
        resnet18((32, 32, 1), width=0.05, weights=str(path))


def test_weights_of_another_network_are_refused(tmp_path):
    one_channel_network(True).save(tmp_path / "toy.keras")
    resnet18((32, 32, 1), width=0.1).save(tmp_path / "wide.keras")
    with pytest.raises(ModelError, match="no weights for 38 of 40 layers of resnet18, the first of them 'stage1_block"):
        resnet18((32, 32, 1), width=0.05, weights=str(tmp_path / "toy.keras"))
    with pytest.raises(ModelError, match="the weights of layer 'stem' have other shapes"):
        resnet18((32, 32, 1), width=0.05, weights=str(tmp_path / "wide.keras"))


def test_costs_are_counted_and_files_checked_without_values(tmp_path):
    resnet18((32, 32, 1), width=0.05).save(tmp_path / "one.keras")
    given = {"width": 0.05, "weights": str(tmp_path / "one.keras")}
    assert registered_cost("resnet18", (32, 32, 1), **given) == registered_cost("resnet18", (32, 32, 1), width=0.05)
    with pytest.raises(ModelError, match="there is no such file"):
        registered_cost("resnet18", (32, 32, 1), weights=str(tmp_path / "none.keras"))


def test_weights_are_an_option_like_any_other(tmp_path):
    with pytest.raises(ModelError, match="model 'hr_celestialnet' has no option `weights`"):
        build_model("hr_celestialnet", weights="imagenet")
