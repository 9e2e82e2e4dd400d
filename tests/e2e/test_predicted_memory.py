"""What `celestial profile` predicts of the registered networks, against fresh processes that classify."""

from __future__ import annotations

from pathlib import Path

import pytest

from celestial_edge.compress.footprint import TOLERANCE
from celestial_edge.compress.network import Network
from celestial_edge.compress.profile import profile_model
from celestial_edge.device.bench import bench
from celestial_edge.device.bench_options import BenchOptions
from celestial_edge.recipes import FLOAT32, LAYOUTS, STATIC_INT8
from celestialkeras.models.registry import build_model
from network_artifacts import random_codes, write_artifact

pytestmark = pytest.mark.slow


@pytest.mark.parametrize(
    ("name", "width", "shape"),
    [
        ("celestialnet_edge", 1.0, (2048, 4096)),
        ("celestialnet_edge", 1.0, (512, 1024)),
        ("hr_celestialnet", 0.25, (2048, 4096)),
    ],
)
def test_fresh_processes_take_what_was_predicted(
    name: str, width: float, shape: tuple[int, int], tmp_path: Path
) -> None:
    model = build_model(name, (*shape, 1), width=width)
    layouts = {one.layout: one for one in profile_model(model).layouts}
    for layout in LAYOUTS:
        network = Network(model, list(random_codes(1, shape)), layout)
        for recipe in (FLOAT32, STATIC_INT8):
            artifact = write_artifact(tmp_path / f"{layout}-{recipe}", network, recipe, shape)
            (entry,) = bench([artifact], BenchOptions(frames=1, warmup=1, rounds=1)).artifacts
            predicted = layouts[layout].footprints[recipe].peak / 1e6
            assert predicted == pytest.approx(entry.peak_memory_mb, rel=TOLERANCE), (layout, recipe)


def test_files_take_what_was_predicted_of_a_chip(tmp_path: Path, uvis_raw: Path) -> None:
    model = build_model("celestialnet_edge")
    artifact = write_artifact(
        tmp_path / "whole", Network(model, list(random_codes(1, (2048, 4096))), "whole"), STATIC_INT8, (2048, 4096)
    )
    (entry,) = bench([artifact], BenchOptions(frames=1, warmup=1, rounds=1, fits=uvis_raw)).artifacts
    footprint = next(one for one in profile_model(model).layouts if one.layout == "whole").footprints[STATIC_INT8]
    # The benchmark holds its two frames as well.
    predicted = (footprint.peak_with_chip + footprint.frames) / 1e6
    assert predicted == pytest.approx(entry.peak_memory_mb, rel=TOLERANCE)
