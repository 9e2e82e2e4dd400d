"""What a baseline starts from, as an option of `celestial train`."""

from __future__ import annotations

from pathlib import Path

import keras
import pytest

from celestial_cli.train import train
from celestialkeras.errors import ModelError
from celestialkeras.training.run import open_run
from published_weights import assert_mobilenet_starts_from, go_offline, write_published
from small_datasets import DatasetFactory
from verbs import invoke


def test_a_file_as_keras_publishes_it_is_trained_on(
    make_dataset: DatasetFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    keras.utils.set_random_seed(6)
    published = keras.applications.MobileNetV3Small((64, 128, 3), include_top=False, weights=None)
    write_published(published, tmp_path / "mobilenet.h5")
    options = ("--size", "full", "--epochs", 1, "--learning-rate", 1e-9, "--name", "begun")
    invoke(train, "--data", make_dataset(), "--model", "mobilenet_v3_small", "--weights", "mobilenet.h5", *options)
    run = open_run(Path("runs/begun"))
    assert run.options().model_options == {"weights": str(tmp_path / "mobilenet.h5")}
    assert_mobilenet_starts_from(published, keras.models.load_model(run.model), atol=1e-5)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("vgg16", r"the ImageNet weights of vgg16 cannot be fetched \(.*vgg16_weights.*_notop\.h5.*no route to host"),
        ("vgg16_bn", r"no ImageNet weights of vgg16_bn are published with Keras; give `weights` a \.keras file"),
        ("hr_celestialnet", "model 'hr_celestialnet' has no option `weights`; its options are width, classes"),
    ],
)
def test_imagenet_weights_that_cannot_be_had_leave_no_run(
    make_dataset: DatasetFactory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, model: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    go_offline(monkeypatch, tmp_path / "keras")
    with pytest.raises(ModelError, match=message):
        invoke(train, "--data", make_dataset(), "--model", model, "--weights", "imagenet", "--size", "full")
    assert not Path("runs").exists()
