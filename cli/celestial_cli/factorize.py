"""`celestial factorize`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from celestial_cli.fine_tuning import FineTuning, fine_tuning_options, keep_shrunk, open_parent, print_shrunk
from celestial_cli.parameters import ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, threads_option


@click.command()
@click.argument("model", required=False, type=ModelPath())
@click.option(
    "--energy",
    type=click.FloatRange(0, 1, min_open=True),
    metavar="E",
    help="Share of the squared singular values that each layer keeps.",
)
@click.option("--rank", type=click.IntRange(1), metavar="R", help="Rank of every layer.")
@fine_tuning_options(epochs=0)
@threads_option
@json_option
def factorize(
    model: Path | None, energy: float | None, rank: int | None, threads: int, as_json: bool, **tuning: Any
) -> None:
    """Split the dense layers of MODEL in two thin ones, where that pays, into a run of its own.

    MODEL is a run, or the .keras file in one; runs/latest if not given. The split is the truncated singular value
    decomposition of the weights.
    """
    if (energy is None) == (rank is None):
        raise click.UsageError("say how far to go, one of --energy E and --rank R")
    asked = FineTuning(**tuning)
    parent = open_parent(model, asked.name)
    from celestial_edge.compress import factorize as factorization

    result = factorization.factorize(parent.model, energy, rank)
    decisions = {"layers": [asdict(layer) for layer in result.layers]}
    shrunk = keep_shrunk(
        parent,
        result.model,
        {"rank": rank, **asked.asked()} if energy is None else {"energy": energy, **asked.asked()},
        asked,
        verb="factorize",
        decisions=decisions,
        threads=threads,
    )
    if not as_json:
        rows = [
            [
                layer.name,
                f"{layer.shape[0]} x {layer.shape[1]}",
                str(layer.rank),
                f"{100 * layer.energy:.1f} %",
                "replaced" if layer.replaced else "left: two layers of this rank cost more",
            ]
            for layer in result.layers
        ]
        print_table("Dense layers", ["layer", "weights", "rank", "energy", "what was done"], rows)
    print_shrunk(shrunk, decisions, "", as_json)
