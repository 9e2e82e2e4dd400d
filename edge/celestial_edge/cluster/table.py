"""Verdicts as Parquet: one row a chip, bad ones too, and what a file is stands in its footer.

`pyarrow` is imported when it is needed, so that what does without it starts without it.
"""

from __future__ import annotations

import importlib
import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from celestial_edge.device.read_ahead import ChipResult
from celestialkeras.errors import MissingExtraError
from celestialkeras.files import replacing

SCHEMA = "celestialkeras.chip-verdicts/1"
"""Name and version of the columns."""

BAD = "bad"
"""What a chip that could not be used is counted as, beside the labels."""

# Names and types by Arrow's names. Those of `celestial predict --csv` where it has them.
COLUMNS = {
    "file": "string",
    "hdu": "int8",
    "obsid": "string",
    "object": "string",
    "instrument": "string",
    "filter": "string",
    "ra": "float64",
    "dec": "float64",
    "listed_label": "string",
    "label": "string",
    "probability": "float64",
    "logit_galaxy": "float64",
    "logit_nsc": "float64",
    "saturated_fraction": "float64",
    "light": "float64",
    "empty": "bool",
    "low_signal": "bool",
    "reason": "string",
    "message": "string",
    "read_ms": "float64",
    "stretch_ms": "float64",
    "invoke_ms": "float64",
    "total_ms": "float64",
}
"""Columns in their order, each with its Arrow type; docs/cluster.md says what they hold."""


@dataclass(frozen=True)
class Written:
    """What a partition's file holds.

    Attributes:
        plan_sha256: The plan that it belongs to.
        counts: Chips by label, `undecided` and `bad` among them.
    """

    plan_sha256: str
    counts: Mapping[str, int]


def row_of(result: ChipResult) -> dict[str, Any]:
    """The row of a chip, by column; what is not known is None.

    Args:
        result: What came of it.
    """
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row.update(file=_utf8(str(result.chip.path)), hdu=result.chip.hdu)
    if listed := result.chip.listed:
        row.update(obsid=listed.obsid, object=listed.object_id, instrument=listed.instrument, filter=listed.filter)
        row.update(ra=listed.ra, dec=listed.dec, listed_label=listed.label or None)
    if result.verdict is not None:
        told = result.verdict.to_json()
        galaxy, nsc = told["logits"] or (None, None)
        row.update(label=told["label"], probability=told["probability"], logit_galaxy=galaxy, logit_nsc=nsc)
        row.update(told["quality"], reason=told["reason"])
        row.update({f"{stage}_ms": time for stage, time in told["milliseconds"].items()})
    if result.error is not None:
        row.update(reason=result.error.reason, message=_utf8(str(result.error)))
    return row


def write_partition(path: Path, results: Iterable[ChipResult], plan_sha256: str, model: Mapping[str, str]) -> Written:
    """Writes a partition's file, whole or not at all.

    Args:
        path: Its final name.
        results: What came of its chips.
        plan_sha256: The plan that it belongs to.
        model: What decided, for the footer: texts by name.

    Returns:
        What it holds.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """
    arrow, parquet = _pyarrow()
    rows = [row_of(result) for result in results]
    counts = dict(Counter(row["label"] or BAD for row in rows))
    footer = {"schema": SCHEMA, "plan_sha256": plan_sha256, "counts": json.dumps(counts), **model}
    fields = [(name, arrow.type_for_alias(kind)) for name, kind in COLUMNS.items()]
    table = arrow.Table.from_pylist(rows, schema=arrow.schema(fields, metadata=footer))
    with replacing(path) as partial:
        parquet.write_table(table, partial, compression="zstd")
    return Written(plan_sha256, counts)


def read_written(path: Path) -> Written | None:
    """What a partition's file holds, from its footer.

    Returns:
        None where there is no such file, or none that `write_partition` wrote.
    """
    arrow, parquet = _pyarrow()
    try:
        footer = parquet.read_metadata(path).metadata or {}
        held = Written(footer[b"plan_sha256"].decode(), json.loads(footer[b"counts"]))
    except (OSError, arrow.ArrowInvalid, KeyError, ValueError):
        return None
    return held if footer.get(b"schema") == SCHEMA.encode() else None


def _utf8(text: str) -> str:
    """Text with the bytes of file names that are no UTF-8 written out."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _pyarrow() -> tuple[Any, Any]:
    try:
        return importlib.import_module("pyarrow"), importlib.import_module("pyarrow.parquet")
    except ImportError as error:
        raise MissingExtraError("cluster", "writing Parquet") from error
