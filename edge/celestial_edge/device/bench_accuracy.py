"""Accuracy of what is timed: labelled frames through the very process and function that were timed."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt

from celestial_edge.card import Card
from celestial_edge.device.bench_process import BenchProcess
from celestial_edge.device.bench_report import Accuracy
from celestialkeras.evaluation.intervals import bootstrap_over_objects, wilson
from celestialkeras.lcid.manifest import Observation


class LabelledBatch(Protocol):
    """Frames whose truth is known; `celestialkeras.evaluation.evaluate.FrameBatch` is one."""

    @property
    def codes(self) -> npt.NDArray[np.uint8]:
        """`uint8 (n, H, W)` at the model's input size."""
        ...

    @property
    def observations(self) -> Sequence[Observation]:
        """What is known of each of them."""
        ...


class LabelledFrames(Protocol):
    """A list of labelled frames that gives them at any artifact's input size."""

    @property
    def source(self) -> str:
        """Where they come from."""
        ...

    def check(self, card: Card) -> None:
        """Raises a DatasetError if they are none that the artifact takes."""
        ...

    def batches(self, card: Card) -> Iterator[LabelledBatch]:
        """The frames at the artifact's input size, a few at a time."""
        ...


def judge(process: BenchProcess, labelled: LabelledFrames, card: Card) -> Accuracy:
    """Has a process classify labelled frames.

    Args:
        process: The process of an artifact.
        labelled: The frames.
        card: The artifact's card.

    Returns:
        How many it got right. Equal logits count as galaxy, as they do in a verdict.
    """
    right: list[bool] = []
    objects: list[str] = []
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "codes.npy"
        for batch in labelled.batches(card):
            np.save(file, batch.codes)
            for (galaxy, nsc), observation in zip(process.logits(file), batch.observations, strict=True):
                right.append(int(nsc > galaxy) == observation.label_code)
                objects.append(observation.object_id)
    correct = np.array(right)
    interval = bootstrap_over_objects(correct, objects, np.random.default_rng(0)) or wilson(sum(right), len(right))
    assert interval is not None
    return Accuracy(labelled.source, len(right), sum(right), interval.low, interval.high)
