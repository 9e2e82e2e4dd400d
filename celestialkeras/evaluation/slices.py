"""Slices: how a model does on the frames that share an object, a filter, an exposure time, a signal."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from celestialkeras.evaluation.frame_signal import SIGNAL_NOTE, SIGNAL_TO_NOISE
from celestialkeras.evaluation.intervals import Interval, ObjectDraws, wilson
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.rules import EXPOSURE_COLUMN

FRACTION_COLUMN = "fraction_in_frame"
"""Extra column of a simulated manifest: the share of the object's disc that lies within the frame, 0 to 1."""

FEWEST_FRAMES = 20
"""Frames below which a slice is too small to say: Wilson's interval may then be 40 points wide, and more."""

FEWEST_OBJECTS = 5
"""Objects below which a slice, but for that of one object, is too small to say: it tells of these objects."""

BOOTSTRAP_OBJECTS = 20
"""Objects from which on the interval over objects stands for a slice: of fewer it is too narrow."""

SLICE_NOTE = (
    f"a slice is quoted with its interval over objects from {BOOTSTRAP_OBJECTS} objects on, else over frames; with"
    f" fewer than {FEWEST_FRAMES} frames, or with 2 to {FEWEST_OBJECTS - 1} objects, it is too small to say"
)
"""Which interval stands for a slice and when a slice says nothing, in words for whoever reads it."""


@dataclass(frozen=True)
class Slice:
    """The frames that share a value.

    Attributes:
        name: What they share.
        frames: How many they are.
        correct: How many of them were classified rightly.
        frames_by_class: Number of galaxy and of NSC frames: a slice of one class tempts to recognise the slice.
        objects: How many objects they show.
        object_interval: Bootstrap interval of the accuracy over objects; None with fewer than `BOOTSTRAP_OBJECTS`.
    """

    name: str
    frames: int
    correct: int
    frames_by_class: tuple[int, int]
    objects: int
    object_interval: Interval | None = None

    @property
    def accuracy(self) -> float | None:
        """Share of frames classified rightly; None without frames."""
        return self.correct / self.frames if self.frames else None

    @property
    def interval(self) -> Interval | None:
        """Wilson interval of the accuracy, over frames; None without frames."""
        return wilson(self.correct, self.frames)

    @property
    def headline(self) -> Interval | None:
        """The interval to quote: over objects where there are enough of them, else Wilson's."""
        return self.object_interval if self.over_objects else self.interval

    @property
    def over_objects(self) -> bool:
        """Whether the interval to quote is that over objects. Where all frames are right, or wrong, it has no width."""
        return self.object_interval is not None and self.object_interval.low < self.object_interval.high

    @property
    def label(self) -> str | None:
        """The class of all its frames; None where there are both or none."""
        present = [label for label, count in zip(LABELS, self.frames_by_class, strict=True) if count]
        return present[0] if len(present) == 1 else None

    @property
    def too_small(self) -> bool:
        """Whether it has too few frames, or two objects and more but too few, to say anything of others like them."""
        return self.frames < FEWEST_FRAMES or 1 < self.objects < FEWEST_OBJECTS


@dataclass(frozen=True)
class Division:
    """All frames of a list, divided by one thing.

    Attributes:
        key: Its name in JSON.
        title: Its name for people, with the unit.
        note: What it is and how it is divided, in words.
        slices: The slices that have frames: of a quantity in rising order, else by name.
        ordered: Whether it is a quantity.
        left_out: Frames of which it is not known.
    """

    key: str
    title: str
    note: str
    slices: tuple[Slice, ...]
    ordered: bool
    left_out: int


@dataclass(frozen=True)
class _Quantity:
    key: str
    title: str
    note: str
    unit: str
    edges: tuple[float, ...]
    value: Callable[[Predictions, int], float]


def slice_by(predictions: Predictions, names: Sequence[str | None], draws: ObjectDraws) -> tuple[Slice, ...]:
    """Divides frames by a name.

    Args:
        predictions: What a model said of each frame.
        names: Name of each frame's slice; frames with None are in no slice.
        draws: Draws of the objects of these frames.

    Returns:
        The slices, by name.
    """
    given = np.array([name or "" for name in names], np.str_)
    known = np.array([name is not None for name in names])
    held = {str(name): known & (given == name) for name in np.unique(given[known])}
    if not held:
        return ()
    masks = np.stack(list(held.values()), axis=1)
    objects = np.array(predictions.objects, np.str_)
    right = draws.sums((masks & predictions.correct[:, np.newaxis]).astype(float))
    frames = draws.sums(masks.astype(float))
    # A slice of which no object was drawn has no accuracy in that draw.
    with np.errstate(invalid="ignore"):
        accuracies = right / frames
    slices = []
    for column, (name, mask) in enumerate(held.items()):
        count, nsc, of = int(mask.sum()), int(predictions.labels[mask].sum()), len(np.unique(objects[mask]))
        interval = draws.interval(accuracies[:, column]) if of >= BOOTSTRAP_OBJECTS else None
        slices.append(Slice(name, count, int(predictions.correct[mask].sum()), (count - nsc, nsc), of, interval))
    return tuple(slices)


def worst_first(slices: Sequence[Slice]) -> list[Slice]:
    """Slices by rising accuracy, those that are too small to say last; of equal ones the larger first, then by name."""

    def rank(part: Slice) -> tuple[bool, float, int, str]:
        return part.too_small, 2.0 if part.accuracy is None else part.accuracy, -part.frames, part.name

    return sorted(slices, key=rank)


def divide(predictions: Predictions, draws: ObjectDraws) -> tuple[Division, ...]:
    """Divides frames by subtype, exposure time, signal to noise and how much of the object they show.

    Subtype and the last are simulated truth. Objects, instruments and filters are in `Evaluation`. What is known of no
    frame is left out.

    Args:
        predictions: What a model said of each frame, with what was measured of it.
        draws: Draws of the objects of these frames.
    """
    subtypes = [row.extra.get("subtype") or None for row in predictions.observations]
    note = "kind of object within its class: simulated truth, from the manifest's column `subtype`"
    found = [Division("subtype", "Subtype", note, slice_by(predictions, subtypes, draws), False, subtypes.count(None))]
    found += [_divide_quantity(predictions, quantity, draws) for quantity in _QUANTITIES]
    return tuple(division for division in found if division.slices)


def _divide_quantity(predictions: Predictions, quantity: _Quantity, draws: ObjectDraws) -> Division:
    values = [quantity.value(predictions, index) for index in range(len(predictions))]
    names = _bin_names(quantity)
    places = np.searchsorted(quantity.edges, values, side="right")
    held = [names[place] if math.isfinite(value) else None for place, value in zip(places, values, strict=True)]
    by_name = {part.name: part for part in slice_by(predictions, held, draws)}
    slices = tuple(by_name[name] for name in names if name in by_name)
    return Division(quantity.key, quantity.title, quantity.note, slices, True, held.count(None))


def _bin_names(quantity: _Quantity) -> list[str]:
    edges = [f"{edge:g}" for edge in quantity.edges]
    unit = f" {quantity.unit}" if quantity.unit else ""
    between = [f"{low} to {high}{unit}" for low, high in itertools.pairwise(edges)]
    return [f"below {edges[0]}{unit}", *between, f"{edges[-1]}{unit} and more"]


def _extra(predictions: Predictions, index: int, column: str) -> float:
    """A number from an extra column of the manifest; NaN where it is not there or not a number."""
    try:
        return float(predictions.observations[index].extra.get(column, "nan"))
    except ValueError:
        return math.nan


def _measured(predictions: Predictions, index: int, name: str) -> float:
    return predictions.measured[index].get(name, math.nan) if predictions.measured else math.nan


def _exposure_time(predictions: Predictions, index: int) -> float:
    """As the file's header says, or else the manifest."""
    seconds = _measured(predictions, index, "exptime")
    return seconds if math.isfinite(seconds) else _extra(predictions, index, EXPOSURE_COLUMN)


def _offset(predictions: Predictions, index: int) -> float:
    radius = _extra(predictions, index, "radius")
    return _extra(predictions, index, "distance") / radius if radius > 0 else math.nan


_QUANTITIES = (
    _Quantity(
        "exposure_time",
        "Exposure time",
        "exposure time from the header, or else the manifest; each slice begins at its lower end",
        "s",
        (100.0, 200.0, 400.0, 800.0),
        _exposure_time,
    ),
    _Quantity(
        SIGNAL_TO_NOISE,
        "Signal to noise",
        f"{SIGNAL_NOTE}; each slice begins at its lower end",
        "",
        (1.0, 3.0, 10.0, 30.0, 100.0),
        lambda predictions, index: _measured(predictions, index, SIGNAL_TO_NOISE),
    ),
    _Quantity(
        "fraction",
        "Fraction of the object in the frame",
        f"simulated truth, from the manifest's column `{FRACTION_COLUMN}`: share of the disc of the object's radius"
        " that lies within the frame; each slice begins at its lower end",
        "",
        (0.05, 0.2, 0.5, 0.8),
        lambda predictions, index: _extra(predictions, index, FRACTION_COLUMN),
    ),
    _Quantity(
        "offset",
        "Distance from the object's centre",
        "simulated truth, from the manifest's columns `distance` and `radius`: distance of the frame's centre from the"
        " object's, in radii of the object, beyond which there is little of it; each slice begins at its lower end",
        "radii",
        (0.3, 0.6, 1.0, 1.5),
        _offset,
    ),
)
