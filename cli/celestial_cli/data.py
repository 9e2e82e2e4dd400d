"""`celestial data`: simulate frames, build data sets, look at them."""

from __future__ import annotations

import os
from pathlib import Path

import click

from celestial_cli.terminal import json_option, print_json, print_table, progress_bar, say
from celestialkeras.backend import import_tensorflow

workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default="all cores",
    help="Processes at once.",
)


@click.group()
def data() -> None:
    """Simulate frames, build data sets from FITS files, and look at them."""


@data.command()
@click.option("--preset", default="demo", show_default=True, help="Size of the survey: demo or tiny.")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), help="Folder.  [default: celestial-data/PRESET/frames]"
)
@click.option("--objects", type=click.IntRange(2), help="Objects, half of them galaxies; instead of the preset's.")
@click.option("--exposures", type=click.IntRange(1), help="Exposures of each object; instead of the preset's.")
@click.option("--seed", type=click.IntRange(0), help="Instead of the preset's.")
@workers_option
@json_option
def simulate(
    preset: str,
    folder: Path | None,
    objects: int | None,
    exposures: int | None,
    seed: int | None,
    workers: int,
    as_json: bool,
) -> None:
    """Write simulated raw FITS files of galaxies and nebulae / star clusters, and their manifest."""
    from celestial_cli.datasets import simulate_survey_with_progress

    if folder is None:
        if (objects, exposures, seed) != (None, None, None):
            raise click.UsageError("a survey that is not the preset's needs a folder of its own: --to")
        folder = Path("celestial-data") / preset / "frames"
    manifest = simulate_survey_with_progress(preset, folder, workers, objects, exposures, seed)
    files = sorted(folder.glob("*_raw.fits"))
    size = sum(path.stat().st_size for path in files)
    if as_json:
        print_json({"manifest": str(manifest), "files": len(files), "bytes": size})
        return
    rows = [["manifest", str(manifest)], ["files", f"{len(files)} of two chips"], ["size", f"{size / 1e9:.2f} GB"]]
    print_table("Simulated survey", ["what", "value"], rows)
    say(f"next: celestial data build {manifest}")


@data.command()
@click.argument("manifest", type=click.Path(path_type=Path))
@click.option("--frames", type=click.Path(path_type=Path), help="Folder of the FITS files.  [default: the manifest's]")
@click.option(
    "--to", "folder", type=click.Path(path_type=Path), help="Data set folder.  [default: shards beside FRAMES]"
)
@click.option("--split", default="60/20/20", show_default=True, help="Per cent of train / validation / test frames.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the split.")
@workers_option
@json_option
def build(
    manifest: Path, frames: Path | None, folder: Path | None, split: str, seed: int, workers: int, as_json: bool
) -> None:
    """Decode the frames of a MANIFEST into a data set that trains without the FITS files.

    No object stands on two sides of the split. Bad frames are listed and left out; the exit code is then 1.
    """
    from celestialkeras.lcid.build import build_dataset, plan_build
    from celestialkeras.lcid.dataset import open_dataset
    from celestialkeras.lcid.manifest import SPLITS, read_manifest

    frames = frames or manifest.parent
    folder = folder or frames.resolve().parent / "shards"
    plan = plan_build(read_manifest(manifest), frames, fractions=_fractions(split), seed=seed)
    import_tensorflow("building a data set")
    with progress_bar("build") as report:
        build_dataset(plan, folder, workers=workers, on_progress=report)
    dataset = open_dataset(folder)
    counts = {side: len(dataset.records(side)) for side in SPLITS}
    objects = {side: len({r.observation.object_id for r in dataset.records(side)}) for side in SPLITS}
    if as_json:
        print_json({"data": str(folder), "frames": counts, "objects": objects, "bad_frames": dataset.bad_frames})
    else:
        rows = [[side, str(counts[side]), str(objects[side])] for side in SPLITS]
        print_table(f"Data set {folder}", ["side", "frames", "objects"], rows)
        if dataset.bad_frames:
            bad = [[b["obsid"], str(b["hdu"]), b["reason"], b["message"]] for b in dataset.bad_frames]
            print_table(f"{len(bad)} frames left out", ["OBSID", "HDU", "reason", "message"], bad)
    if dataset.bad_frames:
        raise click.exceptions.Exit(1)
    say(f"next: celestial train --data {folder}")


@data.command()
@click.argument("dataset", type=click.Path(path_type=Path))
@click.option("--to", "picture", type=click.Path(path_type=Path), default=Path("preview.png"), show_default=True)
@click.option("--frames", type=click.IntRange(1, 100), default=12, show_default=True, help="Frames on the sheet.")
@click.option(
    "--split",
    type=click.Choice(["train", "validation", "test"]),
    default="train",
    show_default=True,
    help="Which side.",
)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draw.")
@json_option
def preview(dataset: Path, picture: Path, frames: int, split: str, seed: int, as_json: bool) -> None:
    """Draw a labelled contact sheet (PNG) of a DATASET folder, galaxies and NSC in turn."""
    import_tensorflow("reading a data set")
    from celestialkeras.lcid.dataset import open_dataset
    from celestialkeras.lcid.preview import contact_sheet, draw_frames

    opened = open_dataset(dataset)
    drawn = draw_frames(opened, split, frames, seed)
    contact_sheet(opened, drawn, picture)
    if as_json:
        rows = [{"obsid": r.observation.obsid, "hdu": r.observation.hdu, "label": r.observation.label} for r in drawn]
        print_json({"picture": str(picture), "frames": rows})
    else:
        say(f"written: {picture}")


def _fractions(split: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) / 100 for part in split.split("/"))
    except ValueError:
        raise click.BadParameter("must be three numbers such as 60/20/20", param_hint="--split") from None
    if abs(train + validation + test - 1) > 1e-6 or min(train, validation, test) < 0:
        raise click.BadParameter(f"must sum to 100. Received: {split}", param_hint="--split")
    return train, validation, test
