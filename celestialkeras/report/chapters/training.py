"""The training: its curves, and how it ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from celestialkeras.report import plots
from celestialkeras.report.blocks import Block, Facts, Plot, Plots
from celestialkeras.report.drawing import Drawing
from celestialkeras.report.material import Material
from celestialkeras.report.record import NotThereError

_ENDINGS = {
    "epochs": "all epochs done",
    "patience": "validation loss no longer fell",
    "minutes": "budget of time used up",
}


def blocks(material: Material) -> list[Block]:
    """Loss and accuracy by epoch, and how the training ended.

    Raises:
        NotThereError: No epoch has been finished.
    """
    record = material.record
    resume = f"celestial train --resume {record.run.folder}"
    outcome = _outcome(material, resume)
    if outcome.get("epochs") == 0:
        raise NotThereError("the network was made from another and not trained", record.command("lineage"))
    rows = record.rows("history.csv", resume)
    options = record.options
    seconds = [float(row["seconds"]) for row in rows]
    facts = [
        ("network", f"{options.model}{_listed(options.model_options)}"),
        ("frames", f"size {options.size}, {'flipped at random' if options.augment else 'as they are'}"),
        ("degraded", options.degrade),
        ("batch and learning rate", f"{options.batch_size} frames; {options.learning_rate:g}, cosine"),
        ("epochs", f"{len(rows)} in {sum(seconds) / 60:.1f} minutes"),
        ("ended", _ENDINGS.get(str(outcome.get("ended_by")), str(outcome.get("ended_by", "not yet")))),
        ("kept", f"epoch {outcome['best_epoch']}, the lowest validation loss" if outcome.get("best_epoch") else ""),
        ("seed", str(options.seed)),
    ]
    return [Facts([pair for pair in facts if pair[1]]), Plots(_curves(rows, outcome, resume))]


def _outcome(material: Material, command: str) -> Mapping[str, Any]:
    try:
        return material.record.json("training.json", command)
    except NotThereError:
        return {}


def _curves(rows: Sequence[Mapping[str, str]], outcome: Mapping[str, Any], command: str) -> list[Plot]:
    epochs = [int(row["epoch"]) for row in rows]
    kept = [number for number, epoch in enumerate(epochs) if epoch == outcome.get("best_epoch")]
    found = []
    for column, unit, factor in (("loss", "loss, nats", 1.0), ("accuracy", "accuracy, %", 100.0)):
        sides = {"training, while it ran": column, "validation": f"validation_{column}"}
        drawn = [plots.Line(name, epochs, [factor * float(row[key]) for row in rows]) for name, key in sides.items()]
        marks = [plots.Mark(f"kept: {epochs[number]}", epochs[number], drawn[1].y[number]) for number in kept]
        last = " and ".join(f"{factor * float(rows[-1][key]):.3g} in {name}" for name, key in sides.items())
        found.append(
            Plot(
                Drawing(f"training-{column}", plots.lines(drawn, ("epoch", unit), marks)),
                f"{column.capitalize()} by epoch; the dashed line marks the epoch whose weights were kept.",
                f"{column} over {len(rows)} epochs, ending at {last}",
                command,
            )
        )
    return found


def _listed(options: Mapping[str, Any]) -> str:
    return "".join(f", {name} {value}" for name, value in options.items())
