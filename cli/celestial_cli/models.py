"""`celestial models`."""

from __future__ import annotations

from dataclasses import asdict

import click

from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json
from celestialkeras.models.listing import read_listing


@click.command()
@json_option
def models(as_json: bool) -> None:
    """List the networks with their source, parameters and cost on a whole 2048 x 4096 frame."""
    listed = read_listing()
    if as_json:
        print_json({"schema": "celestialkeras.models/1", "models": [asdict(one) for one in listed]})
        return
    rows = [[one.name, f"{one.trainable_parameters:,}", f"{one.gmac:.1f}", one.summary, one.source] for one in listed]
    print_table("Networks at 2048 x 4096", ["name", "parameters", "GMAC", "what it is", "source"], rows)
