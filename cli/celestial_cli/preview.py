"""`celestial data preview`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.parameters import Choice, frames_in_option
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json, say
from celestialkeras.backend import import_tensorflow

if TYPE_CHECKING:
    from celestialkeras.lcid.preview import PreviewItem

# 256 x 512 pixels a chip.
_CHIP_BINNING = 8
_ROWS_SHOWN = 256


@click.command()
@click.argument("what", type=click.Path(path_type=Path))
@click.option("--to", "picture", type=click.Path(path_type=Path), default=Path("preview.png"), show_default=True)
@click.option("--frames", type=click.IntRange(1, 100), default=12, show_default=True, help="Frames on the sheet.")
@frames_in_option
@click.option(
    "--split",
    type=Choice(["train", "validation", "test"]),
    help="Which side of a data set or manifest.  [default: all]",
)
@click.option("--subtype", help="Only frames of this subtype, such as spiral.")
@click.option(
    "--binning",
    type=click.IntRange(1),
    help="Side of the squares averaged into one pixel; 1: full size, 4: quarter size.  [default: 8 for whole chips]",
)
@click.option("--columns", type=click.IntRange(1), default=4, show_default=True, help="Frames in a row.")
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the draw.")
@json_option
def preview(
    what: Path,
    picture: Path,
    frames: int,
    frames_in: Path | None,
    split: str | None,
    subtype: str | None,
    binning: int | None,
    columns: int,
    seed: int,
    as_json: bool,
) -> None:
    """Draw a labelled contact sheet (PNG) of WHAT: a data set, a manifest or a folder of FITS files.

    Galaxies and NSC take turns, each of another object while there are any. Frames that cannot be read are listed and
    others drawn instead; the exit code is then 1.
    """
    from celestialkeras.lcid.contact_sheet import write_contact_sheet
    from celestialkeras.lcid.preview import draw_tiles, with_subtype

    items, usual_binning = _items(what, frames_in, split)
    if subtype is not None:
        items = with_subtype(items, subtype)
    drawn, bad = draw_tiles(items, frames, binning or usual_binning, seed)
    write_contact_sheet(drawn, picture, columns)
    if as_json:
        rows = [{"obsid": one.item.name, "hdu": one.item.hdu, "label": one.item.label or None} for one in drawn]
        missing = [{"reason": error.reason, "message": str(error)} for error in bad]
        schema = "celestialkeras.preview/1"
        print_json({"schema": schema, "picture": str(picture), "frames": rows, "bad_frames": missing})
    else:
        say(f"written: {picture}")
        if bad:
            print_table(
                f"{len(bad)} frames left out", ["reason", "message"], [[error.reason, str(error)] for error in bad]
            )
    if bad:
        raise click.exceptions.Exit(1)


def _items(what: Path, frames_in: Path | None, split: str | None) -> tuple[list[PreviewItem], int]:
    """What can be drawn, and the binning that shows it at a glance."""
    from celestialkeras.lcid.preview import items_of_dataset, items_of_folder, items_of_manifest

    if frames_in is not None and what.is_dir():
        raise click.UsageError("--frames-in goes with a manifest (CSV)")
    if (what / "dataset.json").exists() or (what / "shards").is_dir():
        import_tensorflow("reading a data set")
        from celestialkeras.lcid.dataset import open_dataset
        from celestialkeras.lcid.manifest import SPLITS

        dataset = open_dataset(what)
        return items_of_dataset(dataset, [split] if split else SPLITS), max(1, dataset.shape[0] // _ROWS_SHOWN)
    if what.is_dir() or not what.exists():
        if split is not None:
            raise click.UsageError("--split goes with a data set or a manifest, which say what the sides are")
        return items_of_folder(what), _CHIP_BINNING
    from celestialkeras.lcid.manifest import read_manifest

    listed = read_manifest(what, unlabelled=True)
    rows = [row for row in listed if split is None or row.extra.get("split") == split]
    return items_of_manifest(rows, frames_in or what.parent), _CHIP_BINNING
