"""A model file with a custom class: refused, and the module that it names is not imported."""

from __future__ import annotations

import json
import sys
import zipfile
from pathlib import Path

import keras
import pytest

from celestialkeras.errors import ModelError
from celestialkeras.evaluation.predictor import load_model


def test_a_custom_class_is_refused_and_its_module_stays_unimported(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    frame = keras.Input((8, 16, 1))
    plain = keras.layers.ReLU(name="sharp")(frame)
    logits = keras.layers.Dense(2, name="logits")(keras.layers.Flatten()(plain))
    saved = tmp_path / "saved.keras"
    keras.Model(frame, logits).save(saved)
    assert load_model(saved).output_shape == (None, 2)

    (tmp_path / "sharpening.py").write_text(
        "import keras, pathlib\n"
        "pathlib.Path(__file__).with_name('ran').touch()\n"
        "class Sharpen(keras.layers.ReLU):\n    pass\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    custom = tmp_path / "custom.keras"
    with zipfile.ZipFile(saved) as source, zipfile.ZipFile(custom, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "config.json":
                config = json.loads(content)
                (layer,) = [one for one in config["config"]["layers"] if one["name"] == "sharp"]
                layer.update(module="sharpening", class_name="Sharpen", registered_name="Sharpen")
                content = json.dumps(config).encode()
            target.writestr(name, content)
    with pytest.raises(ModelError, match=r"layer 'sharp' is of the custom class `sharpening\.Sharpen`"):
        load_model(custom)
    assert "sharpening" not in sys.modules
    assert not (tmp_path / "ran").exists()
