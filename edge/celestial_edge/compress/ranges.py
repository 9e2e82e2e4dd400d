"""One table of ranges: what each layer of a network gives on calibration frames, measured once for every layout.

The table is measured on the folded reference graph, in strips of rows where it allows, so that whole frames take no
more memory than a strip. Two conversions that are given the same table carry the same scales, and give the same int8
logits.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.compress.keras_graphs import build_tensors
from celestial_edge.compress.layers import Graph, hands_on
from celestial_edge.compress.planner import Piece, pieces_within
from celestial_edge.recipes import INT16_STEPS
from celestialkeras.evaluation.predictor import network_input

RangeTable = Mapping[str, tuple[float, float]]
"""Smallest and largest value that each layer gives, by the name of the layer."""

FRAME_RANGE = (0.0, 1.0)
"""Range of the input, whatever the frames hold: one code is then one step of the int8 input, 1/255."""

INT16_FRAME_RANGE = (0.0, 32767 / (255 * INT16_STEPS))
"""The same in int16, whose scale is its upper end over 32767: one code is then `INT16_STEPS` steps."""

# A frame of HR-CelestialNet takes 8.4 s in strips of 16 MB, 5.0 in strips of 64, 4.5 in strips of 256.
_STRIP_BYTES = 128_000_000


def measure_ranges(graph: Graph, frames: Iterable[npt.NDArray[np.uint8]]) -> dict[str, tuple[float, float]]:
    """Ranges of all layers of a graph over calibration frames.

    Args:
        graph: The reference graph, batch normalisation folded.
        frames: `uint8 (H, W)` codes each, at the graph's input size.

    Returns:
        The table. The input's range is `FRAME_RANGE`.
    """
    pieces = pieces_within(graph, _STRIP_BYTES, bytes_per_value=4)
    measures = [_measure(piece) for piece in pieces]
    table: dict[str, tuple[float, float]] = {}
    for codes in frames:
        plane = network_input(codes)
        for piece, measure in zip(pieces, measures, strict=True):
            plane = _run(piece, measure, plane, table)
    table[graph.nodes[0].values] = FRAME_RANGE
    return table


Measure = Callable[[Any], tuple[Any, dict[str, Any]]]


def _measure(piece: Piece) -> Measure:
    """A compiled function of one strip: its output, and smallest and largest value of each layer."""
    import tensorflow as tf
    from keras import Model

    inlet, tensors = build_tensors(piece.graph)
    layers = {node.values: tensors[node.name] for node in piece.graph.nodes[1:] if not hands_on(node.operation)}
    model = Model(inlet, [tensors[piece.graph.output.name], layers])

    def measure(strip: Any) -> tuple[Any, dict[str, Any]]:
        output, values = model(strip, training=False)
        ends = {name: tf.stack([tf.reduce_min(one), tf.reduce_max(one)]) for name, one in values.items()}
        return output, ends

    # Traced here and once: TensorFlow takes a function for each piece for one function that is traced again and again.
    compiled: Measure = tf.function(measure).get_concrete_function(tf.TensorSpec(inlet.shape, tf.float32))
    return compiled


def _run(
    piece: Piece, measure: Measure, plane: npt.NDArray[np.float32], table: dict[str, tuple[float, float]]
) -> npt.NDArray[np.float32]:
    """Runs one piece over a plane, strip by strip, and widens the table by what it sees."""
    import tensorflow as tf

    made: list[npt.NDArray[np.float32]] = []
    done = 0
    for first in piece.starts:
        start = first * piece.stride
        output, ends = measure(tf.constant(plane[np.newaxis, start : start + piece.rows_in]))
        for name, (low, high) in ends.items():
            known = table.get(name, (math.inf, -math.inf))
            table[name] = min(known[0], float(low)), max(known[1], float(high))
        # The last strip may begin with rows that the one before it gave.
        made.append(output.numpy()[0][done - first :] if piece.rows > 1 else output.numpy()[0])
        done = first + piece.rows_out
    return np.concatenate(made)
