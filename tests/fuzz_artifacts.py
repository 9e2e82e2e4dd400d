"""What hostile hands may make of an artifact: the card's hashes fit, so that its bytes are interpreted."""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from celestial_edge.card import CARD_NAME, MODEL_NAME, hash_files, read_card, write_card
from celestial_edge.golden import GOLDEN_NAME
from celestial_edge.recipes import FLOAT32, PLAIN, STATIC_INT8, STRIPS
from fuzz_mutations import ANY_BYTES, mutate
from toy_networks import network, residual, two_stages

# What numbers in cards and in the tables of a graph are tripped by.
_NUMBERS = (0, 1, -1, 2, 3, 7, 127, 128, 255, 4096, 65535, 2**31 - 1, -(2**31))
_VALUES = (*_NUMBERS, 2**63, 1e308, -1e308, float("inf"), float("nan"), None, True, "", "\0", "x" * 300, [], {}, [[]])


WAYS = {"bytes": 9, "graph": 7, "golden": 2, "card": 2}
"""What of an artifact is changed, and how often: a model's bytes or its tables, the golden frames, the card."""


def mutate_artifact(folder: Path, rng: np.random.Generator, ways: Sequence[str] = tuple(WAYS)) -> str:
    """Changes one file of an artifact in place, and makes the card's hashes fit it.

    Args:
        folder: The artifact.
        rng: What the change follows from.
        ways: Those of `WAYS` that may be taken.

    Returns:
        The way that was taken.
    """
    models = sorted(folder.glob("*.tflite"))
    model = models[int(rng.integers(len(models)))]
    weights = np.array([WAYS[way] for way in ways])
    way = str(rng.choice(list(ways), p=weights / weights.sum()))
    if way == "bytes":
        model.write_bytes(mutate(model.read_bytes(), ANY_BYTES, rng))
    elif way == "graph":
        model.write_bytes(mutate_graph(model.read_bytes(), rng))
    elif way == "golden":
        golden = folder / GOLDEN_NAME
        golden.write_bytes(mutate(golden.read_bytes(), ANY_BYTES, rng))
    fit_card(folder, (lambda data: _set_leaf(data, rng)) if way == "card" else None)
    return way


def fit_card(folder: Path, change: Callable[[Any], None] | None = None) -> None:
    """Makes the hashes of a card fit the files beside it, and changes it further."""
    path = folder / CARD_NAME
    data = {**json.loads(path.read_text()), "files": hash_files(folder)}
    if change is not None:
        change(data)
    path.write_text(json.dumps(data))


def edit_graph(folder: Path, change: Callable[[Any], None]) -> Path:
    """Changes the tables of an artifact's graph as a case that was found did, and gives back its folder."""
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    model = folder / MODEL_NAME
    graph = schema.ModelT.InitFromPackedBuf(bytearray(model.read_bytes()), 0)
    change(graph.subgraphs[0])
    builder = flatbuffers.Builder(1024)
    builder.Finish(graph.Pack(builder), b"TFL3")
    model.write_bytes(bytes(builder.Output()))
    fit_card(folder)
    return folder


def mutate_graph(model: bytes, rng: np.random.Generator) -> bytes:
    """Changes one to three numbers of a graph's tables, such as a side, an index or a stride.

    What comes out is a flatbuffer in good order: it passes the verifier, which bytes at random mostly do not.
    """
    import flatbuffers
    from ai_edge_litert import schema_py_generated as schema

    while True:
        # The arrays of the tables are views of what they are read from.
        graph = schema.ModelT.InitFromPackedBuf(bytearray(model), 0)
        for _ in range(int(rng.integers(1, 4))):
            _set_number(graph, rng)
        builder = flatbuffers.Builder(len(model))
        # A number that its field cannot hold, or a union of no such kind, is not written: another one then.
        with suppress(TypeError, OverflowError, ValueError, AttributeError, struct.error):
            builder.Finish(graph.Pack(builder), b"TFL3")
            if (made := bytes(builder.Output())) != model:
                return made


def _set_number(graph: Any, rng: np.random.Generator) -> None:
    owners = _numbers_of(graph)
    owner, name = owners[int(rng.integers(len(owners)))]
    old = owner[name] if isinstance(owner, (list, np.ndarray)) else getattr(owner, name)
    new = int(rng.choice(_NUMBERS)) if rng.random() < 0.6 else int(old) + int(rng.integers(-2, 3))
    if isinstance(owner, np.ndarray):
        limits = np.iinfo(owner.dtype) if owner.dtype.kind in "iu" else None
        owner[name] = new if limits is None else min(max(new, limits.min), limits.max)
    elif isinstance(owner, list):
        owner[name] = new
    else:
        setattr(owner, name, type(old)(new))


def _numbers_of(node: Any, inside: str = "") -> list[tuple[Any, Any]]:
    """Every number of a graph's tables but the weights, as its owner and its name or index in there."""
    found: list[tuple[Any, Any]] = []
    if isinstance(node, np.ndarray):
        if not node.flags.writeable:
            return []
        return [(node, index) for index in range(len(node))] if inside != "data" else []
    if isinstance(node, list):
        for index, entry in enumerate(node):
            if isinstance(entry, (int, float)):
                found.append((node, index))
            else:
                found += _numbers_of(entry)
    elif hasattr(node, "__dict__"):
        for name, entry in vars(node).items():
            if isinstance(entry, (int, float)):
                found.append((node, name))
            elif entry is not None and not isinstance(entry, (bytes, str)):
                found += _numbers_of(entry, name)
    return found


def _set_leaf(data: Any, rng: np.random.Generator) -> None:
    """Gives some value of a card, at some depth, another one; or takes it away."""
    while True:
        key: Any = (
            sorted(data)[int(rng.integers(len(data)))] if isinstance(data, dict) else int(rng.integers(len(data)))
        )
        if not isinstance(data[key], (dict, list)) or not data[key] or rng.random() < 0.2:
            break
        data = data[key]
    if rng.random() < 0.15:
        del data[key]
    else:
        data[key] = _VALUES[int(rng.integers(len(_VALUES)))]


def write_small_artifacts(folder: Path) -> None:
    """Writes an artifact of one int8 graph, one of floats, and one in strips, for frames of 256 x 256 pixels."""
    from celestial_edge.compress import lowering
    from celestial_edge.compress.network import Network
    from network_artifacts import random_codes, write_artifact

    # A toy is cut as a whole frame would be.
    lowering.STRIP_BUDGET = 20_000
    shape = (128, 128)
    for body, recipe, layout in (
        (residual, STATIC_INT8, PLAIN),
        (residual, FLOAT32, PLAIN),
        (two_stages, STATIC_INT8, STRIPS),
    ):
        built = Network(network(body, (*shape, 1)), list(random_codes(2, shape)), layout)
        made = write_artifact(folder / f"{layout}-{recipe}", built, recipe, shape)
        card = read_card(made)
        write_card(made, replace(card, input=replace(card.input, frame_shape=(256, 256), binning=2)))


if __name__ == "__main__":
    Path(sys.argv[1]).mkdir()
    write_small_artifacts(Path(sys.argv[1]))
