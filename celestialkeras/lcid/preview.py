"""Contact sheets: what a data set looks like, each frame with its class and what is known of it."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from celestialkeras.errors import DatasetError, MissingExtraError
from celestialkeras.files import replacing
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.shards import Record

COLUMNS = 4
"""Frames in a row of the sheet; half of them of each class."""


def draw_frames(dataset: LcidDataset, split: str, count: int, seed: int = 0) -> list[Record]:
    """Draws frames of both classes in turn, each of another object while there are any.

    Args:
        dataset: The data set.
        split: Which side.
        count: How many frames, at most.
        seed: Seed of the draw.

    Returns:
        The frames, galaxy and NSC in turn.

    Raises:
        DatasetError: The side has no frames.
    """
    records = dataset.records(split)
    if not records:
        raise DatasetError(f"{dataset.folder}: no frames on the side {split!r}")
    order = np.random.default_rng(seed).permutation(len(records))
    queues: dict[str, list[Record]] = {label: [] for label in LABELS}
    seen: dict[str, int] = defaultdict(int)
    turns: list[tuple[int, Record]] = []
    for index in order:
        record = records[index]
        turns.append((seen[record.observation.object_id], record))
        seen[record.observation.object_id] += 1
    for _, record in sorted(turns, key=lambda turn: turn[0]):
        queues[record.observation.label].append(record)
    mixed = (record for pair in itertools.zip_longest(*queues.values()) for record in pair if record is not None)
    return list(itertools.islice(mixed, count))


def contact_sheet(dataset: LcidDataset, records: Sequence[Record], path: str | Path, binning: int = 8) -> None:
    """Draws frames as their codes, row 0 at the bottom as astronomers have it.

    Args:
        dataset: The data set.
        records: Which frames, in reading order.
        path: The PNG to write or replace.
        binning: Side of the squares of pixels averaged into one; 8 gives 256 x 512 pixels a frame.

    Raises:
        DatasetError: A frame cannot be read.
        MissingExtraError: matplotlib is not installed.
    """
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ModuleNotFoundError as error:
        raise MissingExtraError("train", "drawing a contact sheet") from error
    rows = -(-len(records) // COLUMNS)
    figure = Figure(figsize=(3.4 * COLUMNS, 1.95 * rows), layout="constrained")
    FigureCanvasAgg(figure)
    for number, record in enumerate(records, start=1):
        row = record.observation
        axes = figure.add_subplot(rows, COLUMNS, number)
        axes.imshow(dataset.codes(record, binning), cmap="gray", vmin=20, vmax=200, origin="lower")
        known = [row.object_id, row.extra.get("subtype"), row.instrument, row.filter]
        exptime = record.measured.get("exptime")
        known.append(f"{exptime:.0f} s" if exptime is not None else None)
        axes.set_title(f"{row.label}\n{', '.join(filter(None, known))}", fontsize=8, loc="left")
        axes.set_axis_off()
    with replacing(Path(path)) as partial:
        figure.savefig(partial, dpi=110, format="png")
