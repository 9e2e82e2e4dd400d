"""One network on its way to artifacts: lowered and measured once, written in any recipe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.card import MODEL_NAME, Segment
from celestial_edge.compress.dead_channels import revive_channels
from celestial_edge.compress.export import export_graph, export_tflite
from celestial_edge.compress.layers import NotLowerableError
from celestial_edge.compress.lowering import Lowered, cheapen, lay_out, lower
from celestial_edge.compress.ranges import INT16_FRAME_RANGE, RangeTable, measure_ranges
from celestial_edge.recipes import (
    INT16_MACS,
    PLAIN,
    RECIPES,
    REFERENCE_MACS_PER_SECOND,
    STRIPS,
)
from celestialkeras.errors import ExportError
from celestialkeras.models.cost import model_cost


def check_recipe(model: Any, recipe: str, layout: str) -> None:
    """Refuses what a recipe makes no sense for, before any work.

    LiteRT has no fast kernels for int16: its reference kernels reach 1.5 GMAC/s, and keep none of the pointers that the
    layouts are there to save.

    Args:
        model: A Keras 3 model.
        recipe: Name of one of `RECIPES`.
        layout: `plain`, `whole` or `strips`.

    Raises:
        ExportError: Strips, or a network of more than `INT16_MACS` operations, for a recipe that XNNPACK does not take.
    """
    if RECIPES[recipe].delegated:
        return
    if layout == STRIPS:
        raise ExportError(
            f"recipe {recipe} has one layout, {PLAIN}: strips save memory that its kernels do not take."
            f" Received: layout={layout!r}"
        )
    macs = model_cost(model).macs
    if macs > INT16_MACS:
        seconds = macs / REFERENCE_MACS_PER_SECOND
        raise ExportError(
            f"recipe {recipe} runs in reference kernels, {REFERENCE_MACS_PER_SECOND / 1e9:g} GMAC a second, and is for"
            f" networks of at most {INT16_MACS / 1e9:g} GMAC; take another recipe, or train with a higher binning."
            f" Received: model {model.name!r} of {macs / 1e9:.1f} GMAC, {seconds:.0f} s a frame"
        )


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
        self._lowered: Lowered | None = None
        self._table: RangeTable | None = None
        try:
            self._lowered = lower(model)
        except NotLowerableError:
            self._give_up_lowering()

    def write(self, folder: Path, recipe: str) -> tuple[str, tuple[Segment, ...]]:
        """Writes the graphs of a recipe into an artifact folder.

        Args:
            folder: The folder.
            recipe: Name of one of `RECIPES`.

        Returns:
            The layout that they have, and the graphs for the card. What XNNPACK does not compute is always `plain`.

        Raises:
            ExportError: The model cannot be converted.
        """
        if self._lowered:
            try:
                layout = self._layout if RECIPES[recipe].delegated else PLAIN
                return layout, tuple(self._write_lowered(self._lowered, folder, recipe, layout))
            except NotLowerableError:
                self._give_up_lowering()
        (folder / MODEL_NAME).write_bytes(export_tflite(self._model, recipe, self._calibration))
        return PLAIN, (Segment(MODEL_NAME, 1),)

    def _write_lowered(self, lowered: Lowered, folder: Path, recipe: str, layout: str) -> Iterator[Segment]:
        table = None
        if RECIPES[recipe].calibrated:
            lowered, table = self._with_ranges(lowered, RECIPES[recipe].activations)
        pieces = lay_out(lowered, layout)
        for number, piece in enumerate(pieces):
            name = MODEL_NAME if len(pieces) == 1 else f"model-{number}.tflite"
            (folder / name).write_bytes(export_graph(piece.graph, recipe, table))
            yield Segment(name, piece.stride)

    def _with_ranges(self, lowered: Lowered, activations: str) -> tuple[Lowered, RangeTable]:
        """The network as integers can hold it, and the table that its scales come from."""
        if self._table is None:
            self._table = measure_ranges(lowered.reference, self._calibration)
        table = self._table
        if activations == "int16":
            table = {**table, lowered.reference.nodes[0].values: INT16_FRAME_RANGE}
        reference = revive_channels(lowered.reference, table, activations)
        return (lowered if reference is lowered.reference else cheapen(reference)), table

    def _give_up_lowering(self) -> None:
        """Leaves the model to the plain converter, unless strips were asked for. To be called from a handler."""
        if self._layout == STRIPS:
            raise
        self._lowered = None
