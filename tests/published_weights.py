"""Weights as Keras publishes them, and a network that is not there to fetch them from."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.error import URLError

import h5py
import numpy as np
import pytest


def write_published(model: Any, path: Path) -> Path:
    """Writes a file as Keras' servers have them: older than Keras 3, arrays in groups by layer, in layer order."""
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = [layer.name.encode() for layer in model.layers]
        for layer in model.layers:
            arrays = {f"{layer.name}/weight_{number}:0": array for number, array in enumerate(layer.get_weights())}
            group = file.create_group(layer.name)
            group.attrs["weight_names"] = [name.encode() for name in arrays]
            for name, array in arrays.items():
                group[name] = array
    return path


def assert_mobilenet_starts_from(published: Any, model: Any, atol: float = 1e-6) -> None:
    """Asserts that the weights before the head are the published ones, the first kernel's for one channel."""
    kernel, stem = (one.get_layer("conv").get_weights()[0] for one in (published, model))
    # Published for values from -1 to 1.
    np.testing.assert_allclose(stem[:, :, 0], 2 * kernel.sum(axis=2), rtol=1e-5, atol=atol)
    for layer in ("expanded_conv_depthwise", "conv_1"):
        expected, found = (one.get_layer(layer).get_weights()[0] for one in (published, model))
        np.testing.assert_allclose(found, expected, rtol=0, atol=atol)


def go_offline(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Lets Keras find no weights on this machine, kept in `folder`, nor a way to its servers."""

    def unreachable(*_: object) -> None:
        raise URLError("no route to host")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    monkeypatch.setattr("keras.src.backend.config._KERAS_DIR", str(folder))
