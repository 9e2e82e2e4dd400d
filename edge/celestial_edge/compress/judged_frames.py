"""The test side of a data set as frames for a benchmark: the same objects that a model is evaluated on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from celestial_edge.card import Card
from celestialkeras.errors import DatasetError
from celestialkeras.evaluation.evaluate import FrameBatch, frame_batches
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.variants import resized_shape


@dataclass(frozen=True)
class JudgedFrames:
    """Labelled frames as `celestial_edge.device.bench_accuracy.LabelledFrames`.

    Attributes:
        dataset: The data set.
    """

    dataset: LcidDataset

    @property
    def source(self) -> str:
        """The data set's folder."""
        return str(self.dataset.folder)

    def check(self, card: Card) -> None:
        """Compares the data set with what an artifact takes.

        Raises:
            DatasetError: It has no test frames, or they are of another size or stretch.
        """
        if not self.dataset.records("test"):
            raise DatasetError(f"{self.source}: has no test frames; build it with a share for each side")
        given = resized_shape(self.dataset.shape, card.input.binning)
        if given != card.input.model_shape or self.dataset.stretch != card.input.stretch:
            raise DatasetError(
                f"{self.source}: its frames must be {card.input.model_shape} after binning by {card.input.binning}, and"
                f" of the stretch {card.input.stretch}, for {card.model}. Received: {given}, {self.dataset.stretch}"
            )

    def batches(self, card: Card) -> Iterator[FrameBatch]:
        """The test frames at an artifact's input size, a few at a time."""
        return frame_batches(self.dataset, self.dataset.records("test"), card.input.binning)
