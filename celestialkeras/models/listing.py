"""What there is to say of each registered network, counted beforehand and kept in `listing.json` beside this file.

To count a network its layer graph is built, which takes seconds, and TensorFlow, which a board lacks. The file is
written by `python benchmarks/list_models.py`; a test counts every network again and compares.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from celestialkeras.files import write_text

LISTING = Path(__file__).with_name("listing.json")
"""The file."""


@dataclass(frozen=True)
class ListedModel:
    """One registered network.

    Attributes:
        name: What users type.
        source: Citation, or a statement that the network is this project's own.
        summary: One line.
        trainable_parameters: Number of weights that training changes.
        gmac: Multiply-accumulate operations for one frame, in units of 10^9.
        input_shape: `(height, width, channels)` that both were counted at, pixels: a whole frame.
        minimum_side: Smallest height and width that it takes, pixels.
        side_multiple_of: Height and width must be multiples of this many pixels.
    """

    name: str
    source: str
    summary: str
    trainable_parameters: int
    gmac: float
    input_shape: tuple[int, int, int]
    minimum_side: int
    side_multiple_of: int


def read_listing() -> tuple[ListedModel, ...]:
    """All registered networks, by name, without importing TensorFlow or Keras."""
    entries = json.loads(LISTING.read_text(encoding="utf-8"))
    return tuple(ListedModel(**{**entry, "input_shape": tuple(entry["input_shape"])}) for entry in entries)


def count_model(name: str) -> ListedModel:
    """Counts one network anew.

    Args:
        name: A name from `celestialkeras.models.registry.list_models`.

    Returns:
        What the file should hold of it.

    Raises:
        ModelError: No network has this name.
        MissingExtraError: TensorFlow is not installed.
    """
    from celestialkeras.models.registry import FULL_INPUT_SHAPE, get_model

    entry = get_model(name)
    # Only now: it imports Keras, which is refused with better words above.
    from celestialkeras.models.cost import registered_cost

    cost = registered_cost(name, FULL_INPUT_SHAPE)
    return ListedModel(
        name=name,
        source=entry.source,
        summary=entry.summary,
        trainable_parameters=cost.trainable,
        gmac=cost.gmac,
        input_shape=FULL_INPUT_SHAPE,
        minimum_side=entry.rule.minimum_side,
        side_multiple_of=entry.rule.multiple_of,
    )


def write_listing() -> None:
    """Counts every registered network and writes the file.

    Raises:
        MissingExtraError: TensorFlow is not installed.
    """
    from celestialkeras.models.registry import list_models

    write_text(LISTING, json.dumps([asdict(count_model(name)) for name in list_models()], indent=1) + "\n")
