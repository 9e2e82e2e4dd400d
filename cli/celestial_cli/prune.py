"""`celestial prune`."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import click

from celestial_cli.fine_tuning import FineTuning, Parent, fine_tuning_options, keep_shrunk, open_parent, print_shrunk
from celestial_cli.parameters import ModelPath
from celestial_cli.tables import print_table
from celestial_cli.terminal import json_option, say, threads_option

_SHARE = click.FloatRange(0, 1, min_open=True, max_open=True)


@click.command()
@click.argument("model", required=False, type=ModelPath())
@click.option("--channels", type=_SHARE, metavar="R", help="Take this share of filters out of every convolution.")
@click.option("--sparsity", type=_SHARE, metavar="S", help="Set this share of each kernel's weights to zero.")
@fine_tuning_options(epochs=10)
@threads_option
@json_option
def prune(
    model: Path | None, channels: float | None, sparsity: float | None, threads: int, as_json: bool, **tuning: Any
) -> None:
    """Prune the network of MODEL (a run, or the .keras file in one; runs/latest if not given) into a run of its own.

    --channels gives a smaller network, which saves time and memory; it is fine-tuned afterwards. --sparsity zeros
    weights while it trains, which saves in the compressed file alone.
    """
    if (channels is None) == (sparsity is None):
        raise click.UsageError("say what to prune, one of --channels R and --sparsity S")
    asked = FineTuning(**tuning)
    if sparsity is not None and (asked.minutes or not asked.epochs):
        raise click.UsageError("--sparsity prunes while it trains: give --epochs of at least 1, and no --minutes")
    parent = open_parent(model, asked.name)
    if channels is not None:
        _prune_channels(parent, channels, asked, threads, as_json)
    else:
        assert sparsity is not None
        _prune_weights(parent, sparsity, asked, threads, as_json)


def _prune_channels(parent: Parent, share: float, tuning: FineTuning, threads: int, as_json: bool) -> None:
    from celestial_edge.compress.channels import CRITERION, RANKING_FRAMES, prune_channels
    from celestial_edge.compress.quantize import balanced_frames
    from celestialkeras.evaluation.evaluate import frame_batches

    dataset, own = parent.dataset, parent.run.options()
    records = balanced_frames(dataset.records("train"), RANKING_FRAMES, own.seed)
    (frames,) = frame_batches(dataset, records, own.reading_size, batch_size=RANKING_FRAMES)
    say(f"ranking filters on {len(records)} training frames")
    pruned = prune_channels(parent.model, share, frames)
    decisions = {"criterion": CRITERION, "layers": [asdict(layer) for layer in pruned.layers]}
    asked = {"channels": share, **tuning.asked()}
    shrunk = keep_shrunk(parent, pruned.model, asked, tuning, verb="prune", decisions=decisions, threads=threads)
    if not as_json:
        rows = [[layer.name, str(layer.before), str(layer.after)] for layer in pruned.layers]
        print_table("Filters of each convolution", ["convolution", "before", "after"], rows)
    print_shrunk(shrunk, decisions, f"filters ranked by: {CRITERION}", as_json)


def _prune_weights(parent: Parent, sparsity: float, tuning: FineTuning, threads: int, as_json: bool) -> None:
    from celestial_edge.compress import magnitude

    own = parent.run.options()
    options = magnitude.PruneOptions(
        epochs=tuning.epochs,
        learning_rate=tuning.learning_rate,
        batch_size=own.batch_size,
        seed=own.seed,
        augment=own.augment,
    )
    say(f"pruning over {tuning.epochs} epochs")
    pruned = magnitude.prune(parent.model, parent.dataset, sparsity, options)
    decisions = {"sparsity": magnitude.kernel_sparsity(pruned)}
    asked = {"sparsity": sparsity, **tuning.asked()}
    # It has been trained: training on by other means would fill the zeros again.
    kept = replace(tuning, epochs=0)
    shrunk = keep_shrunk(parent, pruned, asked, kept, verb="prune", decisions=decisions, threads=threads)
    print_shrunk(shrunk, decisions, magnitude.TIME_NOTE, as_json)
