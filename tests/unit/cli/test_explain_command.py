"""`celestial explain`: its files, what they hold, and how it refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from celestial_cli.explain import explain
from celestialkeras.errors import ModelError
from celestialkeras.files import sha256_of
from small_datasets import DatasetFactory, SmallSplit
from verbs import invoke

SIZES = (SmallSplit(1, 1), SmallSplit(1, 1), SmallSplit(2, 20))


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Answers NSC always, the surer the more bright pixels there are: galaxies are told wrongly."""
    import keras
    from keras import layers

    frame = keras.Input((64, 128, 1), name="frame")
    x = layers.Conv2D(1, 4, 4, activation="relu", name="last_conv")(frame)
    logits = layers.Dense(2, name="logits")(layers.GlobalAveragePooling2D()(x))
    network = keras.Model(frame, layers.Softmax()(logits), name="always")
    network.get_layer("last_conv").set_weights([np.ones((4, 4, 1, 1), np.float32), np.zeros(1, np.float32)])
    network.get_layer("logits").set_weights([np.array([[0.0, 0.1]], np.float32), np.array([0.0, 1.0], np.float32)])
    path = tmp_path / "always.keras"
    network.save(path)
    return path


def picture(path: Path) -> np.ndarray:
    with Image.open(path) as opened:
        return np.asarray(opened.convert("RGB"), int)


def test_what_it_writes(make_dataset: DatasetFactory, model: Path, tmp_path: Path) -> None:
    data = make_dataset(sizes=SIZES)
    done = invoke(explain, model, "--data", data, "--occlude", 4, "--examples", 1, "--patches", 4, "--json")
    folder = tmp_path / "explanation"
    held: dict[str, Any] = json.loads((folder / "explanation.json").read_text())
    assert json.loads(done.stdout) == held
    assert held["schema"] == "celestialkeras.explanation/1"
    assert (held["model_sha256"], held["split"]) == (sha256_of(model), "test")
    assert (held["run"], held["wrong"], held["examples"]) == (22, 2, 1)
    assert held["map"]["layer"] == "last_conv"
    assert (held["map"]["rows"], held["map"]["columns"], held["map"]["first"]) == (16, 32, [1.5, 1.5])

    assert [one["label"] for one in held["frames"]] == ["galaxy", "galaxy", "NSC"]
    assert {one["predicted"] for one in held["frames"]} == {"NSC"}
    wrong, right = held["frames"][0], held["frames"][2]
    assert wrong["p_nsc"] >= held["frames"][1]["p_nsc"] > 0.7
    assert set(wrong["proxies"]) == {"margin", "signal_to_noise", "structures", "sources"}
    assert wrong["proxies"]["margin"] == pytest.approx(np.log(wrong["p_nsc"] / (1 - wrong["p_nsc"])), rel=1e-4)
    assert right["cause"] == ""
    assert "card" not in right
    for key in ("object", "obsid", "hdu", "instrument", "filter", "rank_correlation"):
        assert key in wrong
    assert wrong["exptime"] is None

    frame, overlay, card, sheet = (
        picture(folder / name) for name in (wrong["image"], wrong["overlay"], wrong["card"], held["index"])
    )
    assert frame.shape == overlay.shape == (64, 128, 3)
    assert card.shape[0] > 600
    assert card.shape[1] > 1000
    assert sheet.shape[1] > 500
    # What is drawn over the frame has colours, and the frame itself has none.
    assert np.ptp(frame, axis=2).max() == 0
    assert np.ptp(overlay, axis=2).max() > 60

    causes = {row["cause"]: row for row in held["causes"]}
    assert list(causes) == ["noise", "too few features", "classes alike", "none of the three"]
    assert sum(row["errors"] for row in causes.values()) == 2
    assert causes[wrong["cause"]]["share_of_wrong"] >= 0.5
    # A tenth of the frames that set a threshold lie at or below it.
    assert causes["classes alike"]["share_of_right"] == pytest.approx(0.1)
    assert held["thresholds"]["frames"] == 20
    assert held["occlusion"]["frames"] == 4
    assert held["occlusion"]["patches"] == "4 x 8"
    assert -1 <= held["occlusion"]["median_rank_correlation"] <= 1


def test_it_takes_its_own_files_away_and_leaves_others(
    make_dataset: DatasetFactory, model: Path, tmp_path: Path
) -> None:
    data = make_dataset(sizes=SIZES)
    folder = tmp_path / "there"
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")
    arguments = (model, "--data", data, "--to", folder, "--occlude", 0)
    invoke(explain, *arguments, "--examples", 2)
    before = {path.name for path in folder.glob("*.png")}
    done = invoke(explain, *arguments, "--examples", 0, "--frames", 3)
    held = json.loads((folder / "explanation.json").read_text())
    named = {one[kind] for one in held["frames"] for kind in ("image", "overlay", "card") if kind in one}
    assert {path.name for path in folder.glob("*.png")} == named | ({held["index"]} if named else set())
    assert len(before) > len(named)
    assert (folder / "notes.txt").read_text() == "mine"
    assert held["run"] == 3
    assert held["thresholds"] is None
    assert {one["cause"] for one in held["frames"]} <= {"not judged"}
    assert held["occlusion"]["median_rank_correlation"] is None
    assert "errors in 3 test frames" in done.stdout


def test_artifacts_have_no_gradients(tmp_path: Path) -> None:
    (tmp_path / "card.json").write_text("{}")
    with pytest.raises(ModelError, match=r"no gradients; explain the run or \.keras file it was made of\. Received: "):
        invoke(explain, tmp_path)
