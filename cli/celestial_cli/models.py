"""`celestial models`."""

from __future__ import annotations

import click

from celestial_cli.terminal import json_option, print_json, print_table
from celestialkeras.backend import import_tensorflow


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the networks with their source, parameters and cost on a whole 2048 x 4096 frame."""
    import_tensorflow("listing the networks")
    from celestialkeras.models.cost import registered_cost
    from celestialkeras.models.registry import get_model, list_models

    entries = [(get_model(name), registered_cost(name)) for name in list_models()]
    if as_json:
        print_json(
            [
                {
                    "name": entry.name,
                    "source": entry.source,
                    "summary": entry.summary,
                    "trainable_parameters": cost.trainable,
                    "gmac": cost.gmac,
                    "input_shape": list(cost.input_shape),
                    "minimum_side": entry.rule.minimum_side,
                    "side_multiple_of": entry.rule.multiple_of,
                }
                for entry, cost in entries
            ]
        )
        return
    rows = [[e.name, f"{c.trainable:,}", f"{c.gmac:.1f}", e.summary, e.source] for e, c in entries]
    print_table("Networks at 2048 x 4096", ["name", "parameters", "GMAC", "what it is", "source"], rows)
