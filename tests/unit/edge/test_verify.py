from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from celestial_edge.card import hash_files, read_card, write_card
from celestial_edge.device.machine import describe_kernels
from celestial_edge.device.runtime import Classifier
from celestial_edge.device.verify import DYNAMIC_TOLERANCE, FLOAT_TOLERANCE, Verification, verify
from celestial_edge.golden import GoldenFrames, read_golden, write_golden
from celestial_edge.recipes import DYNAMIC_INT8
from celestialkeras.errors import ArtifactError

ELSEWHERE = {"system": "Linux aarch64", "instructions": ["asimd"], "litert": "2.1.0"}


def seal(folder: Path, golden: GoldenFrames, kernels: dict[str, Any] | None) -> None:
    """Gives an artifact other golden frames, said to be made with these kernels, and hashes that fit."""
    card = read_card(folder)
    write_golden(folder, golden)
    provenance = {**card.provenance, **({"kernels": kernels} if kernels else {})}
    write_card(folder, replace(card, files=hash_files(folder), provenance=provenance))


@pytest.fixture
def verify_shifted(copy_artifact: Any) -> Callable[..., Verification]:
    """Verifies an artifact of whose golden logits one is moved by int8 steps, or by units where they are floats."""

    def run(shift: float, kernels: dict[str, Any] | None, recipe: str = "static_wi8_ai8") -> Verification:
        folder = copy_artifact(recipe)
        golden = read_golden(folder)
        logits = golden.logits.copy()
        # The logit that is the larger already grows, so that the label stays.
        logits[1, logits[1].argmax()] += np.float32(shift * (Classifier(folder).logit_step or 1.0))
        seal(folder, replace(golden, logits=logits), kernels)
        return verify(folder)

    return run


@pytest.mark.parametrize("recipe", ["static_wi8_ai8", "float32"])
def test_where_it_was_made_it_agrees_to_the_bit(verify_shifted: Any, recipe: str) -> None:
    result = verify_shifted(0, describe_kernels(), recipe)
    assert result.agrees
    assert result.tolerance == 0
    assert result.rule == "same instructions, system and LiteRT as where it was made: logits equal to the bit"
    assert [frame.truth for frame in result.frames] == ["galaxy", "NSC"]
    assert [frame.difference for frame in result.frames] == [0, 0]
    assert set(result.files) == {"model.tflite", "golden.npz"}
    assert result.undelegated == ()


@pytest.mark.parametrize(
    ("shift", "kernels", "agrees"),
    [
        (1, describe_kernels(), False),
        (1, ELSEWHERE, True),
        (1, None, True),
        (2, ELSEWHERE, False),
        (float("nan"), ELSEWHERE, False),
    ],
    ids=["one step, same kind", "one step, elsewhere", "one step, not told", "two steps", "not a number"],
)
def test_int8_logits_may_differ_by_one_step_elsewhere_only(
    verify_shifted: Any, shift: float, kernels: dict[str, Any] | None, agrees: bool
) -> None:
    result = verify_shifted(shift, kernels)
    assert result.agrees is agrees
    assert [frame.agrees for frame in result.frames] == [True, agrees]
    assert result.made_with == kernels
    assert result.here == describe_kernels()
    if kernels == describe_kernels():
        assert result.tolerance == 0
    else:
        assert result.tolerance == result.step > 0
        told = "made elsewhere, by other instructions" if kernels else "the card tells not where it was made"
        assert result.rule.startswith(told)
        assert result.rule.endswith(f": each logit within one int8 step, {result.step:.2g}")


@pytest.mark.parametrize(("shift", "agrees"), [(2, True), (3, False)])
def test_int8_logits_may_differ_by_two_steps_where_xnnpack_left_operators(
    verify_shifted: Any, monkeypatch: pytest.MonkeyPatch, shift: float, agrees: bool
) -> None:
    monkeypatch.setattr(Classifier, "undelegated", lambda self: ["model.tflite: CONV_2D"])
    result = verify_shifted(shift, ELSEWHERE)
    assert result.agrees is agrees
    assert result.undelegated == ("model.tflite: CONV_2D",)
    assert result.rule.endswith(f": each logit within two int8 steps, {2 * result.step:.2g}")


@pytest.mark.parametrize(("shift", "agrees"), [(0.5, True), (2, False)])
@pytest.mark.parametrize(("stored_as", "tolerance"), [("float32", FLOAT_TOLERANCE), (DYNAMIC_INT8, DYNAMIC_TOLERANCE)])
def test_float_logits_may_differ_by_rounding_elsewhere(
    copy_artifact: Any, stored_as: str, tolerance: float, shift: float, agrees: bool
) -> None:
    folder = copy_artifact("float32")
    write_card(folder, replace(read_card(folder), recipe=stored_as))
    golden = read_golden(folder)
    seal(folder, replace(golden, logits=golden.logits + np.float32(shift * tolerance)), ELSEWHERE)
    result = verify(folder)
    assert result.step == 0
    assert result.tolerance == pytest.approx(tolerance), "the logits of the small model are below 1"
    assert result.agrees is agrees


def test_another_label_does_not_agree_however_near_the_logits_are(
    copy_artifact: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = copy_artifact()
    step = np.float32(Classifier(folder).logit_step)
    golden = read_golden(folder)
    even = np.zeros_like(golden.logits)
    seal(folder, replace(golden, logits=even), ELSEWHERE)
    found = even + np.array([[0, step], [step, 0]], np.float32)
    monkeypatch.setattr(Classifier, "logits", lambda self, codes: found)
    result = verify(folder)
    assert [frame.expected_label for frame in result.frames] == ["galaxy", "galaxy"]
    assert [frame.found_label for frame in result.frames] == ["NSC", "galaxy"]
    assert [frame.agrees for frame in result.frames] == [False, True]
    assert not result.agrees


def test_an_altered_file_is_refused_before_it_runs(copy_artifact: Any) -> None:
    folder = copy_artifact()
    content = bytearray((folder / "model.tflite").read_bytes())
    content[-1] ^= 1
    (folder / "model.tflite").write_bytes(content)
    with pytest.raises(ArtifactError, match=r"model\.tflite was truncated or altered"):
        verify(folder)


def test_an_artifact_without_golden_frames_is_refused(copy_artifact: Any) -> None:
    folder = copy_artifact()
    golden = read_golden(folder)
    seal(folder, GoldenFrames(golden.codes[:0], golden.logits[:0], golden.labels[:0]), None)
    with pytest.raises(ArtifactError, match="holds no golden frames to verify it by; export the artifact again"):
        verify(folder)


def test_kernels_are_told_by_instructions_system_and_litert() -> None:
    kernels = describe_kernels()
    assert set(kernels) == {"system", "instructions", "litert"}
    assert kernels["instructions"] == sorted(set(kernels["instructions"]))
    assert {"avx2", "asimd", "sse4_1", "neon"} & set(kernels["instructions"]), "this test runs on x86 or Arm"
