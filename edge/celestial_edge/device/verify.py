"""Whether an artifact gives here what it gave where it was made: its golden frames, run again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from celestial_edge.device.machine import describe_kernels
from celestial_edge.device.runtime import Classifier
from celestial_edge.golden import read_golden
from celestial_edge.recipes import DYNAMIC_INT8
from celestial_edge.trust import Trust
from celestialkeras.errors import ArtifactError
from celestialkeras.lcid.manifest import LABELS

SCHEMA = "celestialkeras.verification/1"
"""Name of the JSON report."""

FLOAT_TOLERANCE = 1e-4
"""Largest difference of float logits on another kind of machine, as a share of the largest of them, or of 1."""

DYNAMIC_TOLERANCE = 1e-2
"""The same where activations are rounded to int8 by their own range: what turns one code in 255 is no mistake."""


@dataclass(frozen=True)
class GoldenCheck:
    """One golden frame, then and now.

    Attributes:
        truth: What the frame shows.
        expected: Logits that the artifact gave where it was made, galaxy first.
        found: Logits that it gives here.
        expected_label: What the expected logits say.
        found_label: What the logits found say.
        agrees: Whether the logits are as near as they must be, and the labels equal.
    """

    truth: str
    expected: tuple[float, float]
    found: tuple[float, float]
    expected_label: str
    found_label: str
    agrees: bool

    @property
    def difference(self) -> float:
        """The larger of the differences of the two logits."""
        return max(abs(ours - theirs) for ours, theirs in zip(self.found, self.expected, strict=True))


@dataclass(frozen=True)
class Verification:
    """What running the golden frames showed.

    Attributes:
        artifact: The folder.
        model: Name of the network.
        recipe: How it is stored.
        card_sha256: SHA-256 of its card, to pin it by.
        files: SHA-256 of its files, by name; all were checked.
        made_with: Instructions, system and LiteRT where the golden logits were made; None where the card does not say.
        here: The same of this machine.
        tolerance: Largest difference of a logit that agrees.
        step: What a logit differs by from one stored code to the next; 0 where logits are floats.
        rule: What was asked of the logits, and why, in words.
        undelegated: Operators that XNNPACK did not take.
        frames: What each golden frame gave.
    """

    artifact: str
    model: str
    recipe: str
    card_sha256: str
    files: Mapping[str, str]
    made_with: Mapping[str, Any] | None
    here: Mapping[str, Any]
    tolerance: float
    step: float
    rule: str
    undelegated: tuple[str, ...]
    frames: tuple[GoldenCheck, ...]

    @property
    def agrees(self) -> bool:
        """Whether every golden frame agrees."""
        return all(frame.agrees for frame in self.frames)


def verify(artifact: str | Path, threads: int | None = None, trust: Trust | None = None) -> Verification:
    """Checks an artifact's hashes and runs its golden frames.

    Integer kernels are exact up to how they round: where the same ones run, the logits must be the same to the bit.
    Kernels for other instructions, or of another LiteRT, may round a step apart; LiteRT's own kernels, which take what
    XNNPACK leaves, two steps: of 104 logits of a trained celestialnet_edge 41 were one step off and 2 were two.

    Args:
        artifact: The artifact folder.
        threads: Threads of the interpreter; None leaves it to LiteRT. Logits do not depend on it.
        trust: What the artifact must prove; None for nothing beside that its files are those of its card.

    Returns:
        What was found; a difference is reported and not raised.

    Raises:
        ArtifactError: The artifact is missing, altered, not trusted, not what its card says, or holds no golden frames.
        MissingExtraError: A signature is asked for and cryptography is not installed.
    """
    classifier = Classifier(artifact, threads, trust)
    card = classifier.card
    golden = read_golden(Path(artifact), card)
    if not len(golden.codes):
        raise ArtifactError(f"{artifact}: it holds no golden frames to verify it by; export the artifact again")
    made_with, here = card.provenance.get("kernels"), describe_kernels()
    undelegated = tuple(classifier.undelegated())
    step = classifier.logit_step
    steps = 2 if undelegated else 1
    largest = float(np.abs(golden.logits).max())
    tolerance = 0.0 if made_with == here else steps * step or _float_share(card.recipe) * max(1.0, largest)
    # Codes times a scale in float32 lie whole steps apart up to rounding; nothing lies between one and the next.
    limit = tolerance + step / 2 if tolerance else 0.0
    found = classifier.logits(golden.codes)
    frames = tuple(
        _check(int(label), theirs.tolist(), ours.tolist(), limit)
        for label, theirs, ours in zip(golden.labels, golden.logits, found, strict=True)
    )
    return Verification(
        artifact=str(artifact),
        model=card.model,
        recipe=card.recipe,
        card_sha256=classifier.card_sha256,
        files=card.files,
        made_with=made_with,
        here=here,
        tolerance=tolerance,
        step=step,
        rule=_rule(made_with, tolerance, _steps(steps, card.input.dtype) if step else ""),
        undelegated=undelegated,
        frames=frames,
    )


def _float_share(recipe: str) -> float:
    return DYNAMIC_TOLERANCE if recipe == DYNAMIC_INT8 else FLOAT_TOLERANCE


def _steps(steps: int, dtype: str) -> str:
    return f"one {dtype} step, " if steps == 1 else f"two {dtype} steps, "


def _rule(made_with: Mapping[str, Any] | None, tolerance: float, step: str) -> str:
    if not tolerance:
        return "same instructions, system and LiteRT as where it was made: logits equal to the bit"
    why = (
        "made elsewhere, by other instructions, system or LiteRT"
        if made_with
        else "the card tells not where it was made"
    )
    return f"{why}: each logit within {step}{tolerance:.2g}"


def _check(truth: int, expected: list[float], found: list[float], limit: float) -> GoldenCheck:
    labels = [LABELS[int(nsc > galaxy)] for galaxy, nsc in (expected, found)]
    near = bool(np.all(np.abs(np.subtract(found, expected)) <= limit))
    return GoldenCheck(
        truth=LABELS[truth],
        expected=(expected[0], expected[1]),
        found=(found[0], found[1]),
        expected_label=labels[0],
        found_label=labels[1],
        agrees=near and labels[0] == labels[1],
    )
