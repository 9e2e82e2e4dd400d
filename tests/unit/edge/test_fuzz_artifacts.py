"""Whatever an artifact's card and golden frames hold, its hashes fitting: logits, or an error with a name.

Mutated models, which can end the process that loads them, are the matter of `benchmarks/fuzz.py` and `test_trial.py`.
"""

from __future__ import annotations

import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from celestial_edge.card import MODEL_NAME
from celestial_edge.device import Classifier
from celestial_edge.golden import GOLDEN_NAME, read_golden
from celestialkeras.errors import ArtifactError
from fuzz_artifacts import edit_graph, fit_card, mutate_artifact
from small_artifacts import some_codes


@settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(recipe=st.sampled_from(["static_wi8_ai8", "float32"]), seed=st.integers(0, 2**32 - 1))
def test_mutated_cards_and_golden_frames_give_logits_or_errors_with_names(
    built_artifacts: dict[str, Path], tmp_path: Path, recipe: str, seed: int
) -> None:
    folder = tmp_path / "mutated"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(built_artifacts[recipe], folder)
    mutate_artifact(folder, np.random.default_rng(seed), ("golden", "card"))
    try:
        classifier = Classifier(folder)
        logits = classifier.logits(some_codes(1)) if classifier.card.input.model_shape == (64, 128) else None
        read_golden(folder, classifier.card)
    except ArtifactError as error:
        refused = str(error)
    else:
        refused = ""
    assert str(folder) in refused or logits is None or logits.shape == (1, 2)


@pytest.mark.parametrize(
    "content", [b"", b"TFL3", struct.pack("<I4s", 24, b"TFL3"), struct.pack("<I4s", 0xFFFFFFF0, b"TFL3") + bytes(64)]
)
def test_flatbuffers_that_lead_out_of_the_file_are_refused(copy_artifact: Any, content: bytes) -> None:
    folder = copy_artifact()
    (folder / MODEL_NAME).write_bytes(content)
    fit_card(folder)
    with pytest.raises(ArtifactError, match=r"model\.tflite: LiteRT cannot load it"):
        Classifier(folder)


def test_a_graph_that_never_makes_its_output_is_refused(copy_artifact: Any) -> None:
    def turn_aside(graph: Any) -> None:
        graph.operators[-1].outputs[0] = graph.operators[-2].outputs[0]

    folder = edit_graph(copy_artifact("float32"), turn_aside)
    with pytest.raises(
        ArtifactError, match=r"model\.tflite: LiteRT (has no memory for its|cannot load it|cannot run it)"
    ):
        Classifier(folder).logits(some_codes(1))


def test_a_tensor_whose_name_is_no_text_is_refused(copy_artifact: Any) -> None:
    def rename(graph: Any) -> None:
        graph.tensors[graph.operators[1].inputs[1]].name = b"\xff\xfe"

    with pytest.raises(ArtifactError, match=r"model\.tflite: LiteRT cannot tell its operators \('utf-8' codec"):
        Classifier(edit_graph(copy_artifact(), rename))


def test_golden_frames_whose_header_does_not_end_are_refused(copy_artifact: Any) -> None:
    folder = copy_artifact()
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 64, 128"
    with zipfile.ZipFile(folder / GOLDEN_NAME, "w") as archive:
        archive.writestr("codes.npy", b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header)
    fit_card(folder)
    with pytest.raises(ArtifactError, match=r"golden\.npz: cannot be read \("):
        read_golden(folder)
