"""`celestial data`: simulate frames, build data sets, look at them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from celestial_cli.audit import audit
from celestial_cli.building import (
    build_with_progress,
    fractions_option,
    print_dataset,
    split_seed_option,
    workers_option,
)
from celestial_cli.clusters import cluster_option, open_workers
from celestial_cli.fetch import fetch
from celestial_cli.groups import VerbGroup
from celestial_cli.parameters import Choice, complete_presets, frames_in_option
from celestial_cli.pictures import import_images
from celestial_cli.preview import preview
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say
from celestialkeras.backend import import_tensorflow

if TYPE_CHECKING:
    from celestialkeras.cluster import ClusterAddress
    from celestialkeras.lcid.manifest import Observation


@click.group(cls=VerbGroup)
def data() -> None:
    """Simulate frames, build data sets from FITS files, and look at them."""


data.add_command(audit)
data.add_command(fetch)
data.add_command(import_images)
data.add_command(preview)


@data.command()
@click.option(
    "--preset",
    default="demo",
    show_default=True,
    shell_complete=complete_presets,
    help="Which survey: tiny, demo or bench.",
)
@click.option(
    "--to",
    "product",
    type=Choice(["frames", "shards"]),
    default="frames",
    show_default=True,
    help="Raw FITS files, or straight to a data set without them.",
)
@click.option(
    "--folder", type=click.Path(path_type=Path), help="Where to.  [default: celestial-data/PRESET/frames|shards]"
)
@click.option("--objects", type=click.IntRange(2), help="Objects, half of them galaxies; instead of the preset's.")
@click.option("--exposures", type=click.IntRange(1), help="Exposures of each object; instead of the preset's.")
@click.option("--instrument", "instruments", multiple=True, help="Only this one, such as ACS/WFC; may be given again.")
@click.option("--confounded", is_flag=True, help="Link instrument to class as the published test list does.")
@click.option("--seed", type=click.IntRange(0), help="Instead of the preset's.")
@workers_option
@json_option
def simulate(preset: str, product: str, folder: Path | None, workers: int, as_json: bool, **changes: Any) -> None:
    """Simulate exposures of galaxies and nebulae / star clusters, with their truth in a manifest.

    An interrupted run goes on where it stopped.
    """
    from celestial_cli.datasets import preset_survey, simulate_dataset_with_progress, simulate_survey_with_progress

    spec = preset_survey(preset, **changes)
    if folder is None:
        if spec != preset_survey(preset):
            raise click.UsageError("a survey that is not the preset's needs a folder of its own: --folder")
        folder = Path("celestial-data") / preset / product
    if product == "shards":
        import_tensorflow("writing a data set")
        dataset = simulate_dataset_with_progress(spec, folder, workers)
        print_dataset(dataset, as_json)
        return
    manifest = simulate_survey_with_progress(spec, folder, workers)
    files = sorted(folder.glob("*_raw.fits"))
    size = sum(path.stat().st_size for path in files)
    if as_json:
        print_json({"schema": "celestialkeras.survey/1", "manifest": str(manifest), "files": len(files), "bytes": size})
        return
    rows = [["manifest", str(manifest)], ["files", f"{len(files)} of two chips"], ["size", f"{size / 1e9:.2f} GB"]]
    print_table("Simulated survey", ["what", "value"], rows)
    say(f"next: celestial data build {manifest}")


@data.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@frames_in_option
@click.option(
    "--to",
    "folder",
    type=click.Path(path_type=Path),
    help="Data set folder.  [default: shards beside that of the FITS files]",
)
@click.option(
    "--test-list",
    type=click.Path(path_type=Path),
    help="Manifest that is the test side, whole; what shares an object or an exposure with it is left out.",
)
@fractions_option
@split_seed_option
@workers_option
@cluster_option
@json_option
def build(
    manifest: Path,
    frames_in: Path | None,
    folder: Path | None,
    test_list: Path | None,
    fractions: tuple[float, float, float],
    seed: int,
    workers: int,
    cluster: ClusterAddress | None,
    as_json: bool,
) -> None:
    """Decode the frames of a MANIFEST into a data set that trains without the FITS files.

    No object stands on two sides of the split, and classes and instruments are divided alike. Bad frames are listed and
    left out; the exit code is then 1.

    With --cluster, Dask workers decode instead of --workers; the data set is the same to the byte.
    """
    from celestialkeras.lcid.build import plan_build
    from celestialkeras.lcid.manifest import read_manifest
    from celestialkeras.lcid.splits import split_around_test_list

    frames = frames_in or manifest.parent
    folder = folder or frames.resolve().parent / "shards"
    if cluster is not None:
        # Workers have working folders of their own.
        frames, folder = frames.absolute(), folder.absolute()
    rows = read_manifest(manifest)
    left_out: list[Observation] = []
    if test_list is not None:
        split = split_around_test_list(rows, read_manifest(test_list), fractions, seed)
        rows, left_out = split.rows, split.left_out
    plan = plan_build(rows, frames, fractions=fractions, seed=seed)
    import_tensorflow("building a data set")
    with open_workers(cluster) as spreading:
        dataset = build_with_progress(plan, folder, workers, "build", spreading=spreading)
    print_dataset(dataset, as_json, left_out=left_out)
