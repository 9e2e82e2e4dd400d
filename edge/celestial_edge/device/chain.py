"""The graphs of an artifact in LiteRT, one after another, each over strips of what the one before it gave."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from celestial_edge.device.pages import release_pages
from celestial_edge.opened import Graph, OpenFile
from celestial_edge.recipes import INT16_STEPS
from celestialkeras.descriptors import held_back
from celestialkeras.errors import ArtifactError

Plane = npt.NDArray[Any]
"""What one graph hands to the next, all rows of it: `(rows, columns, channels)` or `(units,)`."""

_COMPUTE = ("CONV_2D", "DEPTHWISE_CONV_2D", "TRANSPOSE_CONV", "FULLY_CONNECTED")


class Chain:
    """Loaded graphs. Not for several threads at once.

    Attributes:
        input: LiteRT's details of the first graph's input, its shape that of a whole frame, `(1, H, W, 1)`.
        output: LiteRT's details of the last graph's output.
        milliseconds: Time of each graph over all its strips in the newest run, by file.
    """

    def __init__(self, graphs: Sequence[Graph], shape: tuple[int, int], threads: int | None) -> None:
        """Loads graphs.

        Args:
            graphs: The graphs in the order in which they run; their files may be closed afterwards.
            shape: Rows and columns of the frames.
            threads: Threads of the interpreters; None leaves it to LiteRT, which takes one.

        Raises:
            ArtifactError: A file is none that LiteRT can load, or a graph does not fit the one before it.
        """
        # The largest first: while it is loaded its weights are there twice, and nothing else is yet.
        by_size = sorted(graphs, key=lambda graph: graph.file.state[0], reverse=True)
        loaded = {graph.file.path: _LoadedGraph(graph.file, graph.stride, threads) for graph in by_size}
        self._graphs = [loaded[graph.file.path] for graph in graphs]
        self._frame: Plane | None = None
        self._frame_shape = frame_shape = (*shape, 1)
        plane: tuple[int, ...] = frame_shape
        for graph in self._graphs:
            plane = graph.plan(plane)
        self.input: Mapping[str, Any] = {**self._graphs[0].input, "shape": (1, *frame_shape)}
        self.output: Mapping[str, Any] = self._graphs[-1].output
        self.milliseconds: dict[str, float] = {}

    def undelegated(self) -> list[str]:
        """Convolutions and dense layers that XNNPACK did not take, as `FILE: OPERATOR`.

        LiteRT's own kernels are slower, and round differently: layouts agree to the bit only where none is listed.
        """
        return [entry for graph in self._graphs for entry in graph.undelegated()]

    def frame(self) -> Plane:
        """Where the next frame goes, `(H, W, 1)`. The array must not be held on to: LiteRT would refuse to run."""
        first = self._graphs[0]
        if first.strips == 1:
            return first.view(first.input)
        if self._frame is None:
            self._frame = np.empty(self._frame_shape, first.input["dtype"])
        return self._frame

    def put(self, codes: npt.NDArray[np.uint8]) -> None:
        """Puts the next frame in, given as codes `uint8 (H, W)`, in the numbers that the first graph takes."""
        # The view must not outlive the call: LiteRT refuses to invoke while one is held.
        frame = self.frame()[:, :, 0]
        if frame.dtype == np.int8:
            np.bitwise_xor(codes, np.uint8(0x80), out=frame.view(np.uint8))
        elif frame.dtype == np.int16:
            np.multiply(codes, INT16_STEPS, out=frame, dtype=np.int16)
        else:
            # The same two roundings as the training pipeline: to float32, then the division.
            np.divide(codes, np.float32(255), out=frame, dtype=np.float32)

    def run(self) -> Plane:
        """Runs all graphs on the frame that was put in.

        Returns:
            The last graph's output as stored, without the batch.
        """
        plane, self._frame = self._frame, None
        for graph, following in zip(self._graphs, [*self._graphs[1:], None], strict=True):
            begin = time.perf_counter()
            if following is not None and following.strips == 1:
                # Straight into the memory of a graph that takes all rows at once.
                graph.run(plane, following.view(following.input))
                plane = None
            else:
                made = np.empty(graph.made, graph.output["dtype"])
                graph.run(plane, made)
                plane = made
            self.milliseconds[graph.name] = 1e3 * (time.perf_counter() - begin)
        assert plane is not None
        return plane


class _LoadedGraph:
    """One loaded graph and the strips that it takes."""

    def __init__(self, file: OpenFile, stride: int, threads: int | None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        try:
            # LiteRT announces its delegate on standard error.
            with held_back():
                self._interpreter = Interpreter(model_path=str(file.mappable), num_threads=threads)
                self._interpreter.allocate_tensors()
            inputs, outputs = self._interpreter.get_input_details(), self._interpreter.get_output_details()
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"{file.path}: LiteRT cannot load it ({error})") from error
        release_pages(file.path)
        self._path = file.path
        self._stride = stride
        if (len(inputs), len(outputs)) != (1, 1):
            raise ArtifactError(
                f"{file.path}: must have one input and one output. Received: {len(inputs)}, {len(outputs)}"
            )
        self.input, self.output = inputs[0], outputs[0]
        self.made: tuple[int, ...] = ()
        self._starts: list[int] = [0]

    @property
    def name(self) -> str:
        """Its file's name."""
        return self._path.name

    @property
    def strips(self) -> int:
        """How many strips make a plane."""
        return len(self._starts)

    def plan(self, given: tuple[int, ...]) -> tuple[int, ...]:
        """Lays the strips over a plane of this shape, and says which shape comes of it.

        Raises:
            ArtifactError: The graph takes other planes.
        """
        taken, made = (tuple(map(int, end["shape"][1:])) for end in (self.input, self.output))
        if not (taken and made) or min(taken + made) < 1:
            raise ArtifactError(f"{self._path}: takes {taken} and gives {made}, which are no planes")
        if taken[1:] != given[1:] or taken[0] > given[0] or (taken[0] < given[0] and len(made) != len(given)):
            raise ArtifactError(f"{self._path}: takes {taken}, which the card's chain does not give. Received: {given}")
        step = made[0]
        rows = step + (given[0] - taken[0]) // self._stride
        # The last strip ends with the last row; it may overlap the one before.
        self._starts = [0] if taken == given else [min(first, rows - step) for first in range(0, rows, step)]
        self.made = made if taken == given else (rows, *made[1:])
        return self.made

    def undelegated(self) -> list[str]:
        """What XNNPACK left to LiteRT's own kernels, of the operators that compute.

        Raises:
            ArtifactError: LiteRT cannot tell its operators, as where a name is no UTF-8.
        """
        # LiteRT keeps the operators that a delegate took beside the one that stands for them, whose inputs then hold
        # their weights. Its Python interpreter tells this nowhere else.
        try:
            operators = self._interpreter._get_ops_details()
        except (ValueError, RuntimeError) as error:
            raise ArtifactError(f"{self._path}: LiteRT cannot tell its operators ({error})") from error
        delegates = [operator for operator in operators if operator["op_name"] == "DELEGATE"]
        taken = {index for operator in delegates for index in operator["inputs"].tolist()}
        # Weights in half precision are unpacked by an operator of their own. What XNNPACK unpacks and does not give out
        # again, it has a use for itself.
        given = {index for operator in delegates for index in operator["outputs"].tolist()}
        taken |= {
            int(operator["outputs"][0])
            for operator in operators
            if operator["op_name"] == "DEQUANTIZE" and int(operator["inputs"][0]) in taken
        } - given
        return [
            f"{self._path.name}: {operator['op_name']}"
            for operator in operators
            if operator["op_name"] in _COMPUTE and int(operator["inputs"][1]) not in taken
        ]

    def view(self, end: Mapping[str, Any]) -> Plane:
        """The interpreter's own memory of its input or output, without the batch; not to be held on to.

        Raises:
            ArtifactError: LiteRT laid none out.
        """
        try:
            view: Plane = self._interpreter.tensor(end["index"])()[0]
        except ValueError as error:
            raise ArtifactError(f"{self._path}: LiteRT has no memory for its {end['name']} ({error})") from error
        return view

    def run(self, plane: Plane | None, made: Plane) -> None:
        """Runs over all strips of a plane; of None when the plane lies in the input already."""
        rows_in, rows_out = int(self.input["shape"][1]), int(self.output["shape"][1])
        for first in self._starts:
            if plane is not None:
                start = first * self._stride
                np.copyto(self.view(self.input), plane[start : start + rows_in])
            try:
                self._interpreter.invoke()
            except RuntimeError as error:
                raise ArtifactError(f"{self._path}: LiteRT cannot run it ({error})") from error
            made[first : first + rows_out] = self.view(self.output)
