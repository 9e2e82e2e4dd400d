"""Puts a run's int8 artifact into the package, as the model that is used where none is named.

    celestial data simulate --preset bench --to shards
    celestial train --data celestial-data/bench/shards --size 2 --epochs 30 --patience 0
    celestial quantize --int8
    python benchmarks/ship_model.py runs/latest --trained-on "simulated frames: celestial data simulate --preset bench"

The card says what the frames were and carries the figures on the test side; the artifact is verified once more where it
lies.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import click

from celestial_edge.card import CARD_NAME, hash_files, read_card, write_card
from celestial_edge.device.runtime import Classifier
from celestial_edge.device.shipped import SHIPPED_MODEL, shipped_artifact
from celestial_edge.device.verify import verify
from celestial_edge.recipes import STATIC_INT8
from celestialkeras.evaluation.evaluate import evaluate, frame_batches
from celestialkeras.evaluation.report import percent, to_json
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.run import open_run

LARGEST = 5_000_000
"""Bytes that a shipped model may take."""


@click.command(help=__doc__)
@click.argument("run", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--trained-on", required=True, help="What the frames of its data set are.")
def main(run: Path, trained_on: str) -> None:
    """Copies the artifact, says in its card what it was trained on, and verifies the copy."""
    source = run / "artifacts" / STATIC_INT8
    card = read_card(source)
    if card.model != SHIPPED_MODEL:
        raise click.ClickException(f"only {SHIPPED_MODEL} is shipped. Received: {card.model}")
    if (size := sum(path.stat().st_size for path in source.iterdir())) > LARGEST:
        raise click.ClickException(f"a shipped model takes at most {LARGEST} bytes. Received: {size}")
    target = Path(__file__).parents[1] / "edge" / "celestial_edge" / "shipped" / SHIPPED_MODEL
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir(parents=True)
    for name in card.files:
        shutil.copyfile(source / name, target / name)
    provenance = {**card.provenance, "trained_on": trained_on}
    write_card(target, replace(card, files=hash_files(target), provenance=provenance))
    options = open_run(run).options()
    dataset = open_dataset(options.data)
    found = evaluate(Classifier(target), frame_batches(dataset, dataset.records("test"), options.reading_size))
    accuracy = {**card.accuracy, "test": to_json(found)}
    write_card(target, replace(card, files=hash_files(target), provenance=provenance, accuracy=accuracy))
    if not verify(shipped_artifact()).agrees:
        raise click.ClickException(f"{target}: the golden frames do not agree; quantize again")
    print(f"{target / CARD_NAME}: {size} bytes, {percent(found.accuracy)} on the test side")


if __name__ == "__main__":
    main()
