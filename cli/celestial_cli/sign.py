"""`celestial sign`."""

from __future__ import annotations

from pathlib import Path

import click

from celestial_cli.parameters import ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, print_json


@click.command()
@click.argument("artifact", required=False, type=ModelPath())
@click.option("--key", type=click.Path(path_type=Path), help="Ed25519 private key, PEM, to sign with.")
@click.option("--new-key", type=click.Path(path_type=Path), help="Make a pair of keys, FILE and FILE.pub.")
@json_option
def sign(artifact: Path | None, key: Path | None, new_key: Path | None, as_json: bool) -> None:
    """Sign the card of ARTIFACT, which names the SHA-256 of its other files, with an Ed25519 key.

    Verbs that load artifacts take only signed ones when they are given --public-key FILE.pub. Keep the private key
    where the artifacts are made, and hand the public one over on another way than the artifacts.
    """
    if (new_key is None) == (artifact is None) or (artifact is None) != (key is None):
        raise click.UsageError("sign with ARTIFACT --key FILE, or make a pair of keys with --new-key FILE")
    from celestial_edge.card import open_artifact
    from celestial_edge.signature import SIGNATURE_NAME, make_key
    from celestial_edge.signature import sign as sign_card
    from celestialkeras.files import write_text

    if new_key is not None:
        made = {"private_key": str(new_key), "public_key": str(make_key(new_key))}
    else:
        assert artifact is not None
        assert key is not None
        with open_artifact(artifact) as opened:
            write_text(artifact / SIGNATURE_NAME, sign_card(opened.encoded_card, key))
            made = {"signature": str(artifact / SIGNATURE_NAME), "card_sha256": opened.card_sha256}
    if as_json:
        print_json({"schema": f"celestialkeras.{'signature' if new_key is None else 'key'}/1", **made})
    else:
        print_table("Made", ["what", "where"], [[what.replace("_", " "), told] for what, told in made.items()])
