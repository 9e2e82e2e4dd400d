"""Artifacts that end the process which loads them end a process of their own, and this one tells so."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_cli.main import main
from celestial_cli.verify import verify
from celestial_edge.card import CARD_NAME, MODEL_NAME, open_artifact
from celestial_edge.compress.network import Network
from celestial_edge.device import Classifier, trial
from celestial_edge.device.shipped import is_shipped, shipped_artifact
from celestial_edge.device.trial import CACHE_VARIABLE, DeadlyArtifactError, note_survivor
from celestial_edge.golden import read_golden
from celestial_edge.recipes import PLAIN, STATIC_INT8
from celestial_edge.trust import Trust
from celestialkeras.errors import ArtifactError
from celestialkeras.files import sha256_of
from fuzz_artifacts import edit_graph, fit_card
from network_artifacts import random_codes, write_artifact
from small_artifacts import some_codes
from toy_networks import network, residual
from verbs import invoke


@pytest.fixture(autouse=True)
def forgetful(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Nothing was tried yet; gives the folder of the notes."""
    monkeypatch.setattr(trial, "_survivors", set())
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache" / "tried"


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[list[int]]:
    """The descriptors that each trial was given; none of them runs."""
    seen: list[list[int]] = []

    def pass_all(config: Any, descriptors: list[int]) -> trial.Ended:
        seen.append(descriptors)
        return trial.Ended(0, "null\n", "")

    monkeypatch.setattr(trial, "run_worker", pass_all)
    return seen


@pytest.fixture(scope="module")
def residual_artifact(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The artifact whose mutations killed LiteRT in `benchmarks/fuzz.py`."""
    shape = (128, 128)
    built = Network(network(residual, (*shape, 1)), list(random_codes(2, shape)), PLAIN)
    return write_artifact(tmp_path_factory.mktemp("residual") / "artifact", built, STATIC_INT8, shape)


def _keep_a_sum_between_frames(graph: Any) -> None:
    # Case 523: neither of the two does it alone.
    first, addition = graph.operators[0], graph.operators[2]
    graph.tensors[first.outputs[0]].quantization.quantizedDimension = 2
    graph.tensors[addition.outputs[0]].isVariable = True


def _take_weights_away(graph: Any) -> None:
    # Case 349: XNNPACK reads before the first tensor. What lies there decides between a crash and an error.
    graph.operators[1].inputs[1] = -1


def test_a_graph_that_kills_litert_is_refused_by_name(residual_artifact: Path, tmp_path: Path, forgetful: Path) -> None:
    folder = edit_graph(Path(shutil.copytree(residual_artifact, tmp_path / "case")), _keep_a_sum_between_frames)
    for _ in range(2):
        with pytest.raises(DeadlyArtifactError) as caught:
            Classifier(folder)
        assert caught.value.fate == "SIGSEGV"
        assert str(caught.value).startswith(
            f"{folder}: kills LiteRT (SIGSEGV): it crashed, or asked for more than 1024 MiB"
        )
    assert not forgetful.exists()


def test_a_graph_that_reads_beside_its_memory_is_refused(residual_artifact: Path, tmp_path: Path) -> None:
    folder = edit_graph(Path(shutil.copytree(residual_artifact, tmp_path / "case")), _take_weights_away)
    # Taken for a size, what lies there may also be more than the trial allows.
    with pytest.raises(ArtifactError, match=r"kills LiteRT|LiteRT cannot load it|asks for more than the 1024 MiB"):
        Classifier(folder)


def test_a_deadly_artifact_is_told_at_the_command_line(
    residual_artifact: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = edit_graph(Path(shutil.copytree(residual_artifact, tmp_path / "case")), _keep_a_sum_between_frames)
    monkeypatch.setattr(sys, "argv", ["celestial", "verify", str(folder)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert "kills LiteRT (SIGSEGV)" in " ".join(capsys.readouterr().err.split())


def test_what_came_through_is_loaded_here_and_noted(copy_artifact: Any, forgetful: Path) -> None:
    folder = copy_artifact()
    golden = read_golden(folder)
    np.testing.assert_array_equal(Classifier(folder, threads=2).logits(golden.codes), golden.logits)
    (note,) = forgetful.iterdir()
    assert (note.stat().st_size, forgetful.stat().st_mode & 0o777) == (0, 0o700)


def test_what_litert_refuses_in_the_trial_is_refused_with_the_same_words(copy_artifact: Any) -> None:
    folder = copy_artifact()
    (folder / MODEL_NAME).write_bytes(b"TFL3" * 8)
    fit_card(folder)
    told = []
    for trust in (None, Trust(untried=True)):
        with pytest.raises(ArtifactError) as caught:
            Classifier(folder, trust=trust)
        told.append(str(caught.value))
    assert told[0] == told[1]
    assert "LiteRT cannot load it" in told[0]


def test_a_trial_that_takes_too_long_ends(copy_artifact: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LIMIT_S", 0.001)
    with pytest.raises(DeadlyArtifactError, match=r"kills LiteRT \(hang\): it took more than 0\.001 s"):
        Classifier(copy_artifact())


def test_a_trial_is_held_to_its_memory(copy_artifact: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "LIMIT_BYTES", 1 << 20)
    with pytest.raises(ArtifactError, match=r"1 MiB|MemoryError|failed"):
        Classifier(copy_artifact())


def test_what_is_trusted_is_not_tried(copy_artifact: Any, trials: list[list[int]]) -> None:
    folder = copy_artifact()
    Classifier(folder, trust=Trust(cards=(sha256_of(folder / CARD_NAME),)))
    Classifier(folder, trust=Trust(untried=True))
    Classifier(shipped_artifact())
    assert trials == []
    assert not is_shipped(folder)
    Classifier(folder, trust=Trust())
    assert len(trials) == 1


def test_verbs_try_what_is_new_unless_they_are_told_not_to(copy_artifact: Any, trials: list[list[int]]) -> None:
    folder = copy_artifact()
    assert invoke(verify, folder, "--untried").exit_code == 0
    assert invoke(verify, folder, "--expect", sha256_of(folder / CARD_NAME)).exit_code == 0
    assert trials == []
    assert invoke(verify, folder).exit_code == 0
    assert len(trials) == 1


def test_a_trial_is_not_repeated_by_this_process_nor_by_later_ones(
    copy_artifact: Any, trials: list[list[int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_artifact()
    Classifier(folder)
    Classifier(folder)
    monkeypatch.setattr(trial, "_survivors", set())
    Classifier(folder)
    assert len(trials) == 1
    # Whoever can write there as another user says nothing.
    monkeypatch.setattr(trial, "_survivors", set())
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    Classifier(folder)
    assert len(trials) == 2


def test_other_graphs_are_tried_though_the_card_is_the_same_but_for_them(
    copy_artifact: Any, trials: list[list[int]]
) -> None:
    folder = copy_artifact()
    Classifier(folder)
    edit_graph(folder, lambda graph: setattr(graph, "name", b"another"))
    Classifier(folder)
    assert len(trials) == 2


def test_where_nothing_can_be_noted_each_start_tries(
    copy_artifact: Any, trials: list[list[int]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "file"))
    folder = copy_artifact()
    for _ in range(2):
        monkeypatch.setattr(trial, "_survivors", set())
        Classifier(folder)
    assert len(trials) == 2


def test_notes_lie_in_the_folder_that_the_user_keeps_for_such(
    copy_artifact: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv(CACHE_VARIABLE)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "of the user"))
    with open_artifact(copy_artifact()) as artifact:
        note_survivor(artifact)
    assert len(list((tmp_path / "of the user" / "celestialkeras" / "tried").iterdir())) == 1


def test_an_artifact_that_was_noted_where_it_was_made_is_not_tried(copy_artifact: Any, trials: list[list[int]]) -> None:
    folder = copy_artifact()
    with open_artifact(folder) as artifact:
        note_survivor(artifact)
    assert Classifier(folder).logits(some_codes(1)).shape == (1, 2)
    assert trials == []


def test_a_process_that_cannot_be_started_is_told(copy_artifact: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nonexistent/python")
    with pytest.raises(
        ArtifactError, match=r"no process can be started to try it in \(.*`--untried`, loads it without"
    ):
        Classifier(copy_artifact())


def test_the_trial_imports_neither_astropy_nor_the_card() -> None:
    code = (
        "import sys; import celestial_edge.device.trial_worker, celestial_edge.device.chain; "
        "print(*{'astropy', 'celestial_edge.card', 'tensorflow'} & set(sys.modules))"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == ""
