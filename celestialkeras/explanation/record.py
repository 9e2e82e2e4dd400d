"""Explanations as files: `explanation.json`, two pictures of each frame, a card of each wrong one, and a sheet."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from celestialkeras.explanation.card import save_card
from celestialkeras.explanation.causes import RULES, Cause, applying
from celestialkeras.explanation.explain import ExplainedFrame, Explanation
from celestialkeras.explanation.overlay import COLOURS, CONTOURS, relative, save_picture, shown_codes
from celestialkeras.explanation.sheet import Thumbnail, save_sheet
from celestialkeras.files import write_text
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import LABELS

SCHEMA = "celestialkeras.explanation/1"
"""Name and version of what `explanation.json` holds."""

RECORD = "explanation.json"
"""File name of the record."""

SHEET = "index.png"
"""File name of the sheet of all frames that are drawn."""

_FILES = ("image", "overlay", "card")

_METHODS = {
    "grad_cam": (
        "Grad-CAM (Selvaraju et al. 2017) of the difference of the two logits, on the named layer; overlays show what"
        " speaks for the class that was told, relative to its largest in the frame"
    ),
    "occlusion": (
        "each patch filled with pixels of the darkest patch at most two away; Spearman's rank correlation of the loss"
        " of margin with the mean Grad-CAM evidence of the patch, before its negative part is cut"
    ),
}


def write_explanation(
    explanation: Explanation,
    dataset: LcidDataset,
    folder: Path,
    provenance: Mapping[str, Any],
    on_progress: Callable[[int, int], None] | None = None,
) -> dict[str, Any]:
    """Draws the frames told wrongly and the examples, and writes the record when all of them are there.

    What an earlier explanation left in the folder goes.

    Args:
        explanation: What was found.
        dataset: The data set that it was found on.
        folder: Where to; made if missing.
        provenance: Entries that say of what it is: model, data and their digests, side.
        on_progress: Called with frames drawn and frames to draw.

    Returns:
        What the record holds.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    _discard_earlier(folder)
    drawn = (*explanation.wrong, *explanation.examples)
    entries: list[dict[str, Any]] = []
    thumbnails: list[Thumbnail] = []
    for number, frame in enumerate(drawn):
        row = frame.record.observation
        # Pictures are known by the path of their file, which makes no file name.
        name = f"{number:03d}-{re.sub(r'[^A-Za-z0-9]+', '-', row.obsid)[-60:]}-{row.hdu}"
        files = {"image": f"{name}.png", "overlay": f"{name}-overlay.png"}
        codes = shown_codes(dataset.codes(frame.record))
        side = 1 if frame.predicted == LABELS[1] else -1
        heat = relative(side * explanation.feature_map.upsample(frame.evidence.for_nsc, _shape(codes)))
        save_picture(codes, None, folder / files["image"])
        save_picture(codes, heat, folder / files["overlay"])
        if frame.cause is not None:
            files["card"] = f"{name}-card.png"
            save_card(frame, explanation, codes, folder / files["card"])
        thumbnails.append(Thumbnail.of(frame, codes, heat))
        entries.append({**_entry(frame), **files})
        if on_progress is not None:
            on_progress(number + 1, len(drawn))
    sheet = {}
    if thumbnails:
        save_sheet(thumbnails, folder / SHEET)
        sheet = {"index": SHEET}
    held = {"schema": SCHEMA, **provenance, **_summary(explanation), **sheet, "frames": entries}
    write_text(folder / RECORD, json.dumps(held, indent=1, allow_nan=False) + "\n")
    return held


def cause_rows(explanation: Explanation) -> list[dict[str, Any]]:
    """Each cause: how many errors it is taken for, and how many wrong and right frames it applies to.

    Args:
        explanation: What was found.
    """
    taken = [frame.cause for frame in explanation.wrong]
    rows = []
    for cause in Cause:
        if cause is Cause.UNKNOWN and cause not in taken:
            continue
        row: dict[str, Any] = {"cause": cause.value, "errors": taken.count(cause), "rule": RULES[cause]}
        for name, frames in (("wrong", explanation.wrong), ("right", explanation.right)):
            row[f"share_of_{name}"] = _share(cause, frames, explanation)
        rows.append(row)
    return rows


def _share(cause: Cause, frames: Sequence[ExplainedFrame], explanation: Explanation) -> float | None:
    """Share of frames that a cause applies to, whatever else does."""
    thresholds = explanation.thresholds
    if thresholds is None or not frames or cause is Cause.UNKNOWN:
        return None
    beyond = [applying(one.measured, thresholds) for one in frames]
    return float(np.mean([cause in causes if cause is not Cause.NONE else not causes for causes in beyond]))


def _summary(explanation: Explanation) -> dict[str, Any]:
    agreement = explanation.agreement
    rows, columns = explanation.feature_map.rows, explanation.feature_map.columns
    patches = explanation.grid.shape
    return {
        "run": len(explanation.frames),
        "wrong": len(explanation.wrong),
        "examples": len(explanation.examples),
        "map": {
            "method": _METHODS["grad_cam"],
            "layer": explanation.feature_map.layer,
            "rows": rows.cells,
            "columns": columns.cells,
            "step": [rows.step, columns.step],
            "first": [rows.first, columns.first],
            "unit": "pixels of the network's input",
            "colours": COLOURS,
            "contours": list(CONTOURS),
        },
        "thresholds": None if explanation.thresholds is None else asdict(explanation.thresholds),
        "causes": cause_rows(explanation),
        "occlusion": {
            "frames": agreement.frames,
            "patches": f"{patches[0]} x {patches[1]}",
            "median_rank_correlation": agreement.median,
            "lower_quartile": agreement.low,
            "upper_quartile": agreement.high,
            "mean_between_different_frames": agreement.between_frames,
            "method": _METHODS["occlusion"],
        },
    }


def _entry(frame: ExplainedFrame) -> dict[str, Any]:
    row = frame.record.observation
    proxies = frame.measured.proxies
    return {
        "object": row.object_id,
        "obsid": row.obsid,
        "hdu": row.hdu,
        "instrument": row.instrument,
        "filter": row.filter,
        "exptime": frame.record.measured.get("exptime"),
        "label": frame.label,
        "predicted": frame.predicted,
        "p_nsc": frame.p_nsc,
        "cause": "" if frame.cause is None else frame.cause.value,
        "proxies": {"margin": frame.measured.margin, **asdict(proxies)},
        "rank_correlation": None if frame.occlusion is None else frame.occlusion.correlation,
    }


def _shape(codes: Any) -> tuple[int, int]:
    rows, columns = codes.shape
    return rows, columns


def _discard_earlier(folder: Path) -> None:
    try:
        held = json.loads((folder / RECORD).read_text(encoding="utf-8"))
        if held["schema"] != SCHEMA:
            return
        entries = held["frames"]
        names = [entry[kind] for entry in entries for kind in _FILES if kind in entry]
        names += [held["index"]] if "index" in held else []
    except (OSError, ValueError, KeyError, TypeError):
        return
    (folder / RECORD).unlink()
    for name in names:
        # Never anything beyond the folder, whatever a file that was edited says.
        if isinstance(name, str) and Path(name).name == name:
            (folder / name).unlink(missing_ok=True)
