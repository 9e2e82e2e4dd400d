"""One network on its way to artifacts: lowered and measured once, written in any recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.card import MODEL_NAME, Segment
from celestial_edge.compress.export import export_graph, export_tflite
from celestial_edge.compress.layers import NotLowerableError
from celestial_edge.compress.lowering import Lowered, lay_out, lower
from celestial_edge.compress.ranges import RangeTable, measure_ranges
from celestial_edge.recipes import PLAIN, STATIC_INT8, STRIPS


class Network:
    """A Keras model, its calibration frames, and what was worked out of both.

    Ranges are measured when a recipe first asks for them, and are then the same for all.
    """

    def __init__(self, model: Any, calibration: Sequence[npt.NDArray[np.uint8]], layout: str) -> None:
        """Lowers the model.

        Args:
            model: A Keras 3 model with a layer `logits`, input `(H, W, 1)` in [0, 1].
            calibration: Frames as codes, `uint8 (H, W)`.
            layout: `plain`, `whole` or `strips`.

        Raises:
            NotLowerableError: The layout is `strips`, and the model cannot be lowered.
        """
        self._model = model
        self._calibration = calibration
        self._layout = layout
        self._table: RangeTable | None = None
        self._lowered: Lowered | None = None
        try:
            self._lowered = lower(model)
        except NotLowerableError:
            self._give_up_lowering()

    def write(self, folder: Path, recipe: str) -> tuple[str, tuple[Segment, ...]]:
        """Writes the graphs of a recipe into an artifact folder.

        Args:
            folder: The folder.
            recipe: `float32` or `static_wi8_ai8`.

        Returns:
            The layout that they have, and the graphs for the card.

        Raises:
            ExportError: The model cannot be converted.
        """
        if self._lowered:
            try:
                return self._layout, tuple(self._write_lowered(self._lowered, folder, recipe))
            except NotLowerableError:
                self._give_up_lowering()
        (folder / MODEL_NAME).write_bytes(export_tflite(self._model, recipe, self._calibration))
        return PLAIN, (Segment(MODEL_NAME, 1),)

    def _write_lowered(self, lowered: Lowered, folder: Path, recipe: str) -> Iterator[Segment]:
        if recipe == STATIC_INT8 and self._table is None:
            self._table = measure_ranges(lowered.reference, self._calibration)
        pieces = lay_out(lowered, self._layout)
        for number, piece in enumerate(pieces):
            name = MODEL_NAME if len(pieces) == 1 else f"model-{number}.tflite"
            content = export_graph(piece.graph, self._table if recipe == STATIC_INT8 else None)
            (folder / name).write_bytes(content)
            yield Segment(name, piece.stride)

    def _give_up_lowering(self) -> None:
        """Leaves the model to the plain converter, unless strips were asked for. To be called from a handler."""
        if self._layout == STRIPS:
            raise
        self._lowered = None
