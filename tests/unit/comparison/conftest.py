from __future__ import annotations

from pathlib import Path

import pytest
from small_plans import MakePlan

from celestialkeras.comparison.entries import Entry, Existing, Network
from celestialkeras.comparison.plan import Plan, Sides
from celestialkeras.lcid.dataset import open_dataset
from celestialkeras.training.options import TrainOptions
from small_datasets import DatasetFactory, SmallSplit


@pytest.fixture
def make_plan(make_dataset: DatasetFactory) -> MakePlan:
    """A plan of two small networks on eight training, four validation and six test frames; what is given goes first."""
    data = make_dataset((64, 128), (SmallSplit(4, 4), SmallSplit(2, 2), SmallSplit(4, 2)))
    dataset = open_dataset(data)

    def network(name: str, seeds: tuple[int, ...], **options: object) -> Network:
        asked = {"epochs": 2, "batch_size": 4, "model_options": {"width": 0.125}, **options}
        return Network(name, TrainOptions(data.resolve(), "celestialnet_edge", minutes=5.0, seed=seeds[0], **asked))  # type: ignore[arg-type]

    def make(
        degrade: str = "psf:1",
        seeds: tuple[int, ...] = (0,),
        existing: tuple[str, ...] = (),
        blurry_data: Path | None = None,
        **options: object,
    ) -> Plan:
        entries: list[Entry] = [network("one", seeds, **options), network("two", seeds, learning_rate=0.01, **options)]
        entries += [Existing(name, data / name, "0" * 64) for name in existing]
        blurry = open_dataset(blurry_data) if blurry_data else None
        sides = Sides(data.resolve(), dataset.digest, degrade, blurry_data, blurry.digest if blurry else "")
        return Plan(sides, 5.0, seeds, tuple(entries), threads=2)

    return make
