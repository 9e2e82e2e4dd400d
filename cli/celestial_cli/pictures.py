"""`celestial data import-images`."""

from __future__ import annotations

import re
from pathlib import Path

import click

from celestial_cli.building import (
    build_with_progress,
    fractions_option,
    print_dataset,
    split_seed_option,
    workers_option,
)
from celestial_cli.parameters import Choice
from celestial_cli.terminal import json_option
from celestialkeras.backend import import_tensorflow


def _shape(ctx: click.Context, param: click.Parameter, value: str) -> tuple[int, int]:
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", value)
    if match is None:
        raise click.BadParameter(f"must be ROWSxCOLUMNS such as 512x1024. Received: {value!r}")
    return int(match[1]), int(match[2])


@click.command("import-images")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--labels",
    type=click.Path(path_type=Path),
    required=True,
    help="CSV with the columns file, label (galaxy or NSC) and group or object.",
)
@click.option("--to", "shards", type=click.Path(path_type=Path), required=True, help="Data set folder.")
@click.option(
    "--size", "shape", callback=_shape, default="512x1024", show_default=True, metavar="HxW", help="Of the frames."
)
@click.option(
    "--fit",
    type=Choice(["cover", "contain", "none"]),
    default="cover",
    show_default=True,
    help="Scale until the frame is full, until all is in, or not at all.",
)
@click.option(
    "--depth",
    type=click.FloatRange(0, min_open=True),
    default=200.0,
    show_default=True,
    help="Brightest light of a picture in units of the sky noise it is given.",
)
@fractions_option
@split_seed_option
@workers_option
@json_option
def import_images(
    folder: Path,
    labels: Path,
    shards: Path,
    shape: tuple[int, int],
    fit: str,
    depth: float,
    fractions: tuple[float, float, float],
    seed: int,
    workers: int,
    as_json: bool,
) -> None:
    """Make a data set of the labelled pictures in DIR: PNG, JPEG, TIFF, or FITS images of any size.

    Pictures become grey frames with the sky noise of an exposure. No group stands on two sides of the split. Bad
    pictures are listed and left out; the exit code is then 1.
    """
    from celestialkeras.lcid.build import plan_build
    from celestialkeras.lcid.picture_exposure import ExposureRule
    from celestialkeras.lcid.picture_files import import_pillow
    from celestialkeras.lcid.pictures import PictureFolder, read_picture_list

    source = PictureFolder(folder, ExposureRule(shape, fit, depth, seed))
    plan = plan_build(read_picture_list(labels, folder), source, fractions=fractions, seed=seed)
    import_tensorflow("building a data set")
    import_pillow("reading pictures")
    print_dataset(build_with_progress(plan, shards, workers, "import", "pictures"), as_json, "--size full")
