"""Artifacts of networks with random weights, for tests of what they take and how long."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from celestial_edge.card import Card, InputContract, hash_files, write_card
from celestial_edge.compress.network import Network
from celestial_edge.golden import GoldenFrames, write_golden
from celestialkeras.lcid.stretch import Stretch


def random_codes(count: int, shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Frames of dim noise, `uint8 (count, H, W)`."""
    return np.random.default_rng(seed).integers(20, 120, (count, *shape), np.uint8)


def write_artifact(folder: Path, network: Network, recipe: str, shape: tuple[int, int]) -> Path:
    """Writes an artifact of `float32` or `static_wi8_ai8`; its golden logits are not what it gives."""
    folder.mkdir()
    layout, segments = network.write(folder, recipe)
    write_golden(folder, GoldenFrames(random_codes(2, shape, 1), np.zeros((2, 2), np.float32), np.array([0, 1])))
    contract = InputContract(shape, 1, "float32" if recipe == "float32" else "int8", Stretch())
    write_card(folder, Card("network", recipe, contract, 1.0, hash_files(folder), {}, {}, layout, segments))
    return folder
