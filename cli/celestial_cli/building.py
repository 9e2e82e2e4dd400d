"""What the verbs that make data sets have in common: workers, shares of the sides, and what is said at the end."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from celestial_cli.tables import print_table
from celestial_cli.terminal import print_json, progress_bar, say

if TYPE_CHECKING:
    from celestialkeras.lcid.build import BuildPlan
    from celestialkeras.lcid.dataset import LcidDataset
    from celestialkeras.lcid.manifest import Observation
    from celestialkeras.workers import Spreading

workers_option = click.option(
    "--workers",
    type=click.IntRange(1),
    default=os.cpu_count() or 1,
    show_default="all cores",
    help="Processes at once.",
)


def _fractions(ctx: click.Context, param: click.Parameter, split: str) -> tuple[float, float, float]:
    try:
        train, validation, test = (float(part) / 100 for part in split.split("/"))
    except ValueError:
        raise click.BadParameter("must be three numbers such as 60/20/20", param_hint="--split") from None
    if abs(train + validation + test - 1) > 1e-6 or min(train, validation, test) < 0:
        raise click.BadParameter(f"must sum to 100. Received: {split}", param_hint="--split")
    return train, validation, test


fractions_option = click.option(
    "--split",
    "fractions",
    default="60/20/20",
    show_default=True,
    callback=_fractions,
    help="Per cent of train / validation / test frames.",
)
"""`--split`, as shares that sum to 1."""

split_seed_option = click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of the split."
)


def build_with_progress(
    plan: BuildPlan,
    folder: Path,
    workers: int,
    task: str,
    unit: str = "frames",
    spreading: Spreading | None = None,
) -> LcidDataset:
    """Builds a data set, says how far it is, and opens it."""
    from celestialkeras.lcid.build import build_dataset
    from celestialkeras.lcid.dataset import open_dataset

    with progress_bar(task, unit) as report:
        build_dataset(plan, folder, workers=workers, spreading=spreading, on_progress=report)
    return open_dataset(folder)


def print_dataset(
    dataset: LcidDataset, as_json: bool, train_options: str = "", left_out: Sequence[Observation] = ()
) -> None:
    """Says what a data set holds; ends with exit code 1 where frames are missing from it.

    Args:
        dataset: The data set.
        as_json: Whether to print JSON.
        train_options: What the next step is called with beside `--data`.
        left_out: Rows that were kept out of it for what they share with a test list.
    """
    from celestialkeras.lcid.manifest import SPLITS

    counts = {side: len(dataset.records(side)) for side in SPLITS}
    objects = {side: len({r.observation.object_id for r in dataset.records(side)}) for side in SPLITS}
    kept_out = Counter(row.object_id for row in left_out)
    if as_json:
        print_json(
            {
                "schema": "celestialkeras.dataset/1",
                "data": str(dataset.folder),
                "frames": counts,
                "objects": objects,
                "bad_frames": dataset.bad_frames,
                "left_out": kept_out,
            }
        )
    else:
        rows = [[side, str(counts[side]), str(objects[side])] for side in SPLITS]
        print_table(f"Data set {dataset.folder}", ["side", "frames", "objects"], rows)
        if kept_out:
            shared = [[name, str(frames)] for name, frames in kept_out.items()]
            print_table("Left out for what they share with the test list", ["object", "frames"], shared)
        if dataset.bad_frames:
            bad = [[b["obsid"], str(b["hdu"]), b["reason"], b["message"]] for b in dataset.bad_frames]
            print_table(f"{len(bad)} frames left out", ["OBSID", "HDU", "reason", "message"], bad)
    if dataset.bad_frames:
        raise click.exceptions.Exit(1)
    say(" ".join(filter(None, (f"next: celestial train --data {dataset.folder}", train_options))))
