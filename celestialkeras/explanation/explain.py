"""Explains what a network says of the frames of a data set: evidence, a check on it, and likely causes of errors."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest

import keras
import numpy as np
from numpy.typing import NDArray

from celestialkeras.errors import DatasetError
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.evaluation.predictor import KerasPredictor, reading_size
from celestialkeras.explanation.causes import Cause, Measured, Thresholds, likely_cause, thresholds_of
from celestialkeras.explanation.feature_map import FeatureMap
from celestialkeras.explanation.grad_cam import Evidence, GradCam
from celestialkeras.explanation.occlusion import PATCHES_ACROSS, PatchGrid, occlude, patch_grid, rank_correlation
from celestialkeras.explanation.proxies import measure_frame
from celestialkeras.lcid.dataset import LcidDataset
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.shards import Record
from celestialkeras.lcid.variants import resize_codes, resized_shape

Progress = Callable[[int, int], None]
"""Called with frames done and frames in all."""


@dataclass(frozen=True)
class Budget:
    """How much is looked at.

    Attributes:
        frames: Frames that are run, measured and mapped, objects in turn; 0 for all.
        occluded: Of these, frames that are occluded, as many of the wrong as of the right ones while there are.
        examples: Frames told rightly that are drawn beside all those told wrongly.
        patches: Patches along the shorter side of an occluded frame.
        seed: Of what is drawn.
    """

    frames: int = 0
    occluded: int = 16
    examples: int = 8
    patches: int = PATCHES_ACROSS
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Occlusion:
    """The check on one frame's evidence.

    Attributes:
        for_nsc: `float64`, one for each patch, what it speaks for: NSC where positive, galaxy where negative.
        evidence: `float64`, the Grad-CAM evidence averaged over the same patches.
        correlation: Rank correlation of the two; None where one is the same everywhere.
    """

    for_nsc: NDArray[np.float64]
    evidence: NDArray[np.float64]
    correlation: float | None


@dataclass(frozen=True, eq=False)
class ExplainedFrame:
    """One frame, and why it was told what it was.

    Attributes:
        record: Which.
        evidence: What the network said, and where from.
        p_nsc: Probability of NSC.
        measured: What causes are judged by.
        cause: Likely cause of the error; None where it was told rightly.
        occlusion: The check; None where there was no budget for it.
    """

    record: Record
    evidence: Evidence
    p_nsc: float
    measured: Measured
    cause: Cause | None
    occlusion: Occlusion | None

    @property
    def label(self) -> str:
        """The true class."""
        return self.record.observation.label

    @property
    def predicted(self) -> str:
        """The class that was told."""
        return LABELS[int(self.evidence.logits.argmax())]


@dataclass(frozen=True)
class Agreement:
    """How occlusion and Grad-CAM agree over frames.

    Attributes:
        frames: Frames whose maps could be compared.
        median: Of their rank correlations; None without any.
        low: Their lower quartile.
        high: Their upper quartile.
        between_frames: Mean rank correlation of one frame's evidence with the occlusion of another: what maps have in
            common whatever the frame, such as a target in the middle. None with fewer than two frames.
    """

    frames: int
    median: float | None
    low: float | None
    high: float | None
    between_frames: float | None


@dataclass(frozen=True, eq=False)
class Explanation:
    """What was found on a list of frames.

    Attributes:
        frames: All frames that were run, in the order of the data set.
        examples: Those of them told rightly that are to be drawn.
        feature_map: The map that the evidence was computed on.
        grid: The patches of occlusion.
        thresholds: What causes were judged by; None where too few frames were told rightly.
        agreement: How occlusion and Grad-CAM agree over all occluded frames.
    """

    frames: tuple[ExplainedFrame, ...]
    examples: tuple[ExplainedFrame, ...]
    feature_map: FeatureMap
    grid: PatchGrid
    thresholds: Thresholds | None
    agreement: Agreement

    @property
    def wrong(self) -> tuple[ExplainedFrame, ...]:
        """The frames told wrongly, the surest first."""
        wrong = [one for one in self.frames if one.label != one.predicted]
        return tuple(sorted(wrong, key=lambda one: -one.measured.margin))

    @property
    def right(self) -> tuple[ExplainedFrame, ...]:
        """The frames told rightly."""
        return tuple(one for one in self.frames if one.label == one.predicted)


def explain(
    model: keras.Model,
    dataset: LcidDataset,
    records: Sequence[Record],
    budget: Budget | None = None,
    temperature: float = 1.0,
    on_progress: Progress | None = None,
) -> Explanation:
    """Runs frames one at a time, judges the errors, and checks some of the maps.

    Every frame's evidence is kept as the small map that it is; frames themselves are dropped.

    Args:
        model: A Keras model of fixed input size with a layer `logits`.
        dataset: The data set.
        records: Frames of it.
        budget: How much is looked at.
        temperature: What the logits are divided by before the softmax.
        on_progress: Told of frames that are run, then of those that are occluded.

    Returns:
        What was found.

    Raises:
        DatasetError: There are no frames, or they are too small for as many patches.
        MissingExtraError: SciPy is not installed.
        ModelError: The network has no feature map, no layer `logits`, or takes more pixels than the frames have.
    """
    budget = budget or Budget()
    if not records:
        raise DatasetError("nothing to explain; choose a side of the data set with frames. Received: 0 frames")
    size = reading_size(model, dataset.shape)
    grid = patch_grid(resized_shape(dataset.shape, size), budget.patches)
    predictor = KerasPredictor(model)
    network = GradCam(model)
    rng = np.random.default_rng(budget.seed)
    drawn = spread(records, rng)
    asked = drawn[: budget.frames] if budget.frames else drawn
    places = {record.observation.key: place for place, record in enumerate(records)}
    kept = sorted(asked, key=lambda record: places[record.observation.key])
    chosen_to_occlude = min(budget.occluded, len(kept))
    report = on_progress or (lambda done, total: None)
    total = len(kept) + chosen_to_occlude

    seen: list[ExplainedFrame] = []
    for record in kept:
        codes = dataset.codes(record)
        evidence = network.explain(resize_codes(codes, size))
        predictions = Predictions((record.observation,), evidence.logits[np.newaxis], temperature=temperature)
        measured = Measured(abs(evidence.margin), measure_frame(codes, dataset.stretch))
        seen.append(ExplainedFrame(record, evidence, float(predictions.p_nsc[0]), measured, None, None))
        report(len(seen), total)
    right = [one for one in seen if one.label == one.predicted]
    thresholds = thresholds_of([one.measured for one in right])
    seen = [
        one if one.label == one.predicted else replace(one, cause=likely_cause(one.measured, thresholds))
        for one in seen
    ]

    by_key = {one.record.observation.key: one for one in seen}
    in_turn = [by_key[record.observation.key] for record in asked]
    for done, one in enumerate(_alternating(in_turn)[:chosen_to_occlude], start=1):
        codes = resize_codes(dataset.codes(one.record), size)
        for_nsc = occlude(predictor, codes, grid, np.random.default_rng(budget.seed))
        over_patches = grid.means(network.feature_map.upsample(one.evidence.for_nsc, codes.shape))
        check = Occlusion(for_nsc, over_patches, rank_correlation(over_patches, for_nsc))
        by_key[one.record.observation.key] = replace(one, occlusion=check)
        report(len(kept) + done, total)
    frames = tuple(by_key[record.observation.key] for record in kept)
    examples = [by_key[one.record.observation.key] for one in in_turn if one.label == one.predicted]
    return Explanation(
        frames=frames,
        examples=tuple(examples[: budget.examples]),
        feature_map=network.feature_map,
        grid=grid,
        thresholds=thresholds,
        agreement=agreement_of(frames),
    )


def spread(records: Sequence[Record], rng: np.random.Generator) -> list[Record]:
    """Frames in an order of which every beginning has as many objects as there are, drawn at random.

    Args:
        records: The frames.
        rng: Draws.
    """
    seen: Counter[str] = Counter()
    turns: list[tuple[int, Record]] = []
    for index in rng.permutation(len(records)):
        name = records[index].observation.object_id
        turns.append((seen[name], records[index]))
        seen[name] += 1
    return [record for _, record in sorted(turns, key=lambda turn: turn[0])]


def agreement_of(frames: Sequence[ExplainedFrame]) -> Agreement:
    """How occlusion and Grad-CAM agree over frames.

    Args:
        frames: Explained frames; those that were not occluded are passed over.

    Raises:
        MissingExtraError: SciPy is not installed.
    """
    # Maps for the class that was told: those of two frames compare whatever their classes.
    told = [
        (side * one.occlusion.evidence, side * one.occlusion.for_nsc, one.occlusion.correlation)
        for one in frames
        if one.occlusion is not None and one.occlusion.correlation is not None
        for side in (1 if one.evidence.margin > 0 else -1,)
    ]
    if not told:
        return Agreement(0, None, None, None, None)
    low, median, high = np.percentile([correlation for _, _, correlation in told], (25, 50, 75))
    others = [rank_correlation(told[index][0], told[index - 1][1]) for index in range(len(told))]
    known = [other for other in others if other is not None] if len(told) > 1 else []
    between = float(np.mean(known)) if known else None
    return Agreement(len(told), float(median), float(low), float(high), between)


def _alternating(frames: Sequence[ExplainedFrame]) -> list[ExplainedFrame]:
    """Wrong and right frames in turn, as long as there are both."""
    wrong = [one for one in frames if one.label != one.predicted]
    right = [one for one in frames if one.label == one.predicted]
    return [one for pair in zip_longest(wrong, right) for one in pair if one is not None]
