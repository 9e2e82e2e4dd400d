"""The simulated set that `celestial train` makes or reuses when it is given no data."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.building import build_with_progress
from celestial_cli.terminal import progress_bar, say
from celestialkeras.suggestions import did_you_mean

if TYPE_CHECKING:
    from celestialkeras.lcid.dataset import LcidDataset
    from celestialkeras.lcid.simulate.plan import SurveySpec

DEMO_FOLDER = Path("celestial-data/demo")
"""Where it lies, below the working folder: `frames/` and `shards/`."""


def preset_survey(
    preset: str,
    objects: int | None = None,
    exposures: int | None = None,
    seed: int | None = None,
    instruments: tuple[str, ...] = (),
    confounded: bool = False,
) -> SurveySpec:
    """A preset, changed where asked. With other numbers of objects nothing is held out: `data build` splits."""
    from celestialkeras.lcid.simulate.presets import PRESETS

    if preset not in PRESETS:
        hint = did_you_mean(preset, PRESETS)
        raise click.BadParameter(
            f"must be one of {', '.join(PRESETS)}{hint}. Received: {preset}", param_hint="--preset"
        )
    spec = PRESETS[preset]
    if objects is not None and objects != spec.objects:
        spec = replace(spec, objects=objects, test_objects=0, validation_objects=0)
    if confounded and not instruments:
        instruments = ("ACS/WFC", "WFC3/UVIS")
    return replace(
        spec,
        exposures_per_object=spec.exposures_per_object if exposures is None else exposures,
        seed=spec.seed if seed is None else seed,
        instruments=instruments or spec.instruments,
        confounded=confounded,
    )


def simulate_survey_with_progress(spec: SurveySpec, folder: Path, workers: int) -> Path:
    """Simulates a survey to FITS files and gives its manifest."""
    from celestialkeras.lcid.simulate.survey import simulate_survey

    with progress_bar("simulate", "exposures") as report:
        return simulate_survey(spec, folder, workers=workers, on_progress=report)


def simulate_dataset_with_progress(spec: SurveySpec, folder: Path, workers: int) -> LcidDataset:
    """Simulates a survey straight to a data set."""
    from celestialkeras.lcid.simulate.source import plan_simulated_build

    return build_with_progress(plan_simulated_build(spec), folder, workers, "simulate")


def ensure_demo_dataset() -> None:
    """Makes the demo data set, or what is missing of it."""
    from celestialkeras.lcid.build import plan_build
    from celestialkeras.lcid.manifest import read_manifest

    shards = DEMO_FOLDER / "shards"
    if (shards / "dataset.json").exists():
        say(f"data: {shards}, made before")
        return
    say(f"data: no --data given, so a simulated set is made in {DEMO_FOLDER}")
    workers = os.cpu_count() or 1
    manifest = simulate_survey_with_progress(preset_survey("demo"), DEMO_FOLDER / "frames", workers)
    build_with_progress(plan_build(read_manifest(manifest), manifest.parent), shards, workers, "build")
