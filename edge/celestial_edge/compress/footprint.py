"""Peak memory of a process that classifies with an artifact, predicted from its graphs without running one.

It follows `celestial_edge.device.chain` through time: the graphs are loaded one after another, the largest first, and
while one is loaded its weights are there twice, in the mapped file and packed by XNNPACK; then frames come in and
planes are handed from graph to graph.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from celestial_edge.compress.memory import Memory, memory_of
from celestial_edge.compress.planner import Piece
from celestial_edge.device.boards import Board
from celestialkeras.lcid.detectors import CHIP_SHAPE

INTERPRETER = 66_000_000
"""Bytes of a process before its first graph: Python 3.11, numpy, astropy and LiteRT 2.3, as measured on x86-64."""

TOLERANCE = 0.15
"""How far a measured peak may lie from a predicted one, as a share of the measured."""


class Fit(Enum):
    """Whether a predicted peak is within a budget."""

    YES = "yes"
    CLOSE = "close: measure it"
    NO = "no"


_CHIP = 2 * math.prod(CHIP_SHAPE)


@dataclass(frozen=True)
class Footprint:
    """What a process has resident, bytes.

    Attributes:
        weights: Weights of all graphs, as XNNPACK packed them.
        indirection: XNNPACK's pointers, of all graphs.
        activations: Workspaces, inputs and outputs of all graphs.
        planes: Most that lies between the graphs at once, the frame in front of the first one among it.
        loading: The peak while the graphs are loaded, no frame there yet.
        frames: Two frames as codes, which `celestial bench --tflite` holds.
        chip: A FITS chip and what decoding it takes, which the process holds instead when it classifies files.
    """

    weights: int
    indirection: int
    activations: int
    planes: int
    loading: int
    frames: int
    chip: int

    @property
    def peak(self) -> int:
        """The peak when frames are given as codes: what `celestial bench --tflite` measures."""
        return max(self.loading, self._at_work + self.frames)

    @property
    def peak_with_chip(self) -> int:
        """The peak when FITS files are classified: what a board must have."""
        return max(self.loading, self._at_work + self.chip)

    @property
    def _at_work(self) -> int:
        return INTERPRETER + self.weights + self.indirection + self.activations + self.planes


def footprint_of(pieces: Sequence[Piece], frame: tuple[int, int], bytes_per_value: int) -> Footprint:
    """Predicts what an artifact takes.

    Args:
        pieces: Its graphs, in the order in which they run.
        frame: Rows and columns of what comes into the first.
        bytes_per_value: 1 for int8, 4 for float32.
    """
    memories = [memory_of(piece.graph, bytes_per_value) for piece in pieces]
    return Footprint(
        weights=sum(memory.packed for memory in memories),
        indirection=sum(memory.indirection for memory in memories),
        activations=sum(memory.activations for memory in memories),
        planes=bytes_per_value * _most_planes(pieces, math.prod(frame)),
        loading=_while_loading(memories),
        frames=2 * math.prod(frame),
        chip=_with_decoding(frame, straight=bytes_per_value == 1),
    )


def fit_of(peak: int, board: Board) -> Fit:
    """What a predicted peak, which may be wrong by `TOLERANCE`, says of a board.

    Args:
        peak: Bytes.
        board: The board.
    """
    share = peak / (1e6 * board.budget_mb)
    if share > 1 + TOLERANCE:
        return Fit.NO
    return Fit.YES if share * (1 + TOLERANCE) <= 1 else Fit.CLOSE


def _while_loading(memories: Sequence[Memory]) -> int:
    """The peak while graphs are loaded. Inputs and outputs are not yet touched, hence not resident."""
    resident = most = INTERPRETER
    for memory in sorted(memories, key=lambda memory: memory.weights, reverse=True):
        resident += memory.packed + memory.indirection + memory.workspace
        most = max(most, resident + memory.weights)
    return most


def _most_planes(pieces: Sequence[Piece], frame: int) -> int:
    """Most values that lie outside the graphs at once: the plane that one takes and the plane that it gives."""
    taken = frame if len(pieces[0].starts) > 1 else 0
    most = taken
    for number, piece in enumerate(pieces, start=1):
        # A graph that takes all rows at once is written into straight away.
        direct = number < len(pieces) and len(pieces[number].starts) == 1
        made = 0 if direct else math.prod(piece.plane_out)
        most = max(most, taken + made)
        taken = made
    return most


def _with_decoding(frame: tuple[int, int], straight: bool) -> int:
    """Bytes of a chip's stored counts and, unless they become the input straight away, its codes and their binning."""
    binning = max(1, CHIP_SHAPE[0] // frame[0])
    if binning == 1:
        return _CHIP + (0 if straight else math.prod(CHIP_SHAPE))
    return _CHIP + math.prod(CHIP_SHAPE) + 2 * math.prod(CHIP_SHAPE) // binning
