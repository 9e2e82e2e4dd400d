"""What an entry may be, and what is said of slips."""

from __future__ import annotations

from pathlib import Path

import pytest

from celestialkeras.comparison.entries import names_network, parse_network, parse_settings
from celestialkeras.errors import ModelError, RunError
from celestialkeras.training.options import TrainOptions

COMMON = {"data": Path("set"), "size": 4, "epochs": 20, "minutes": 5.0, "seed": 3}


def test_settings_go_to_the_training_or_to_the_network() -> None:
    found = parse_network("hr_celestialnet:width=0.25, size=full,batch-size=2,augment=false", COMMON)
    assert found.name == "hr_celestialnet:width=0.25, size=full,batch-size=2,augment=false"
    assert found.options == TrainOptions(
        data=Path("set"),
        model="hr_celestialnet",
        model_options={"width": 0.25},
        size="full",
        batch_size=2,
        augment=False,
        epochs=20,
        minutes=5.0,
        seed=3,
    )
    assert parse_network("alexnet", COMMON).options.size == 4
    assert parse_network("vgg16:size=256x512", COMMON).options.reading_size == (256, 512)
    assert parse_network("resnet18:size=8", COMMON).options.reading_size == 8


def test_a_file_of_weights_is_found_from_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_network("alexnet:weights=a.keras", COMMON).options.model_options == {
        "weights": str(tmp_path / "a.keras")
    }
    assert parse_network("resnet18:weights=imagenet", COMMON).options.model_options == {"weights": "imagenet"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("alexnet:widht=0.25", r"no setting `widht`; did you mean 'width'\?; alexnet takes width, classes, .*;"),
        ("alexnet:epoch=3", r"did you mean 'epochs'\?; .* training takes epochs, batch_size, .*Received: epoch=3"),
        ("alexnet:minutes=3", r"no setting `minutes`"),
        ("alexnet:seed=3", r"no setting `seed`"),
        ("alexnet:width", r"must be written NAME=VALUE; alexnet takes .* Received: 'width' in 'width'"),
        ("alexnet:width=", r"must be written NAME=VALUE"),
        ("alexnet:width=1,", r"must be written NAME=VALUE; .* Received: '' in 'width=1,'"),
        ("alexnet:width=1,width=2", r"`width` is set twice"),
        ("alexnet:epochs=many", r"alexnet:epochs=many: `epochs` must be a whole number .* Received: epochs='many'"),
    ],
)
def test_slips_are_named(text: str, message: str) -> None:
    with pytest.raises(RunError, match=message):
        parse_network(text, COMMON)


def test_common_settings_are_those_of_training() -> None:
    assert parse_settings("size=full,epochs=3,learning_rate=1e-4") == {
        "size": "full",
        "epochs": 3,
        "learning_rate": 1e-4,
    }
    assert parse_settings("") == {}
    with pytest.raises(RunError, match=r"no setting `width`; known are epochs, batch_size"):
        parse_settings("width=2")


def test_networks_are_told_from_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("runs/one", "alexnet", "mine"):
        Path(name).mkdir(parents=True)
    assert names_network("alexnet")
    assert names_network("alexnet:size=4")
    assert not names_network("./alexnet")
    assert not names_network("runs/one")
    assert not names_network("mine")
    with pytest.raises(
        ModelError, match=r"did you mean 'alexnet'\?; networks are alexnet, .* Received: 'alexnt:size=4'"
    ):
        names_network("alexnt:size=4")
    with pytest.raises(ModelError, match=r"an entry must be a network, .* Received: 'nothing'"):
        names_network("nothing")
    with pytest.raises(ModelError, match=r"no such run, \.keras file or artifact; .* Received: 'runs/two'"):
        names_network("runs/two")
