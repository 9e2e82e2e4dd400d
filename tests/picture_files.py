"""Pictures and lists of them, made on the spot."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

HEADER = ("file", "label", "group")


def shown_sky(seed: int = 0, shape: tuple[int, int] = (48, 64)) -> np.ndarray:
    """An 8-bit grey picture: an uneven dim background and one bright blob off the centre."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: shape[0], : shape[1]]
    blob = 220 * np.exp(-((x - 0.7 * shape[1]) ** 2 + (y - 0.3 * shape[0]) ** 2) / (0.02 * shape[1] ** 2))
    return np.clip(20 + rng.normal(0, 3, shape) + blob, 0, 255).astype(np.uint8)


def write_picture(path: Path, pixels: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def write_list(path: Path, rows: Sequence[Sequence[str]], header: Sequence[str] = HEADER) -> Path:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def picture_set(folder: Path, objects: int = 3, each: int = 2) -> Path:
    """Pictures of some objects of either class, and their list, which lies beside them."""
    rows = []
    for label in ("galaxy", "NSC"):
        for number in range(objects):
            for view in range(each):
                name = f"{label}/{number}-{view}.png"
                write_picture(folder / name, shown_sky(len(rows)))
                rows.append((name, label, f"{label} {number}", "spiral" if label == "galaxy" else "globular"))
    return write_list(folder / "labels.csv", rows, (*HEADER, "subtype"))
