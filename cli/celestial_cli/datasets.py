"""The simulated set that `celestial train` makes or reuses when it is given no data."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import click

from celestial_cli.terminal import progress_bar, say

DEMO_FOLDER = Path("celestial-data/demo")
"""Where it lies, below the working folder: `frames/` and `shards/`."""


def simulate_survey_with_progress(
    preset: str,
    folder: Path,
    workers: int,
    objects: int | None = None,
    exposures: int | None = None,
    seed: int | None = None,
) -> Path:
    """Simulates a preset, changed where asked, and gives its manifest."""
    from celestialkeras.lcid.simulate.survey import PRESETS, simulate_survey

    if preset not in PRESETS:
        raise click.BadParameter(f"must be one of {', '.join(PRESETS)}. Received: {preset}", param_hint="--preset")
    spec = PRESETS[preset]
    spec = replace(
        spec,
        objects=spec.objects if objects is None else objects,
        exposures_per_object=spec.exposures_per_object if exposures is None else exposures,
        seed=spec.seed if seed is None else seed,
    )
    with progress_bar("simulate", "exposures") as report:
        return simulate_survey(spec, folder, workers=workers, on_progress=report)


def ensure_demo_dataset() -> None:
    """Makes the demo data set, or what is missing of it."""
    from celestialkeras.lcid.build import build_dataset, plan_build
    from celestialkeras.lcid.manifest import read_manifest

    shards = DEMO_FOLDER / "shards"
    if (shards / "dataset.json").exists():
        say(f"data: {shards}, made before")
        return
    say(f"data: no --data given, so a simulated set is made in {DEMO_FOLDER}")
    workers = os.cpu_count() or 1
    manifest = simulate_survey_with_progress("demo", DEMO_FOLDER / "frames", workers)
    plan = plan_build(read_manifest(manifest), manifest.parent)
    with progress_bar("build") as report:
        build_dataset(plan, shards, workers=workers, on_progress=report)
