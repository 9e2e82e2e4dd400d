"""What is said of a chip and of an exposure: a label, how sure, and on what grounds; or that nothing can be said."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from celestial_edge.device.quality import FrameQuality
from celestialkeras.lcid.manifest import LABELS

UNDECIDED = "undecided"
"""The label of what cannot be decided; never one of a manifest or a model."""


@dataclass(frozen=True)
class Verdict:
    """What a model says of one chip, or of an exposure.

    Attributes:
        label: `galaxy` or `NSC`, whichever is more probable, or `undecided`.
        probability: Probability of the more probable label, decided or not.
        logits: The two logits, galaxy first, after the temperature.
        milliseconds: Time by stage: `read`, `stretch`, `invoke`, and their sum `total`.
        quality: What the frame is good for.
        reason: Why it is undecided; empty where it is decided.
    """

    label: str
    probability: float
    logits: tuple[float, float]
    milliseconds: Mapping[str, float]
    quality: FrameQuality
    reason: str = ""

    @classmethod
    def from_logits(
        cls,
        logits: Sequence[float],
        milliseconds: Mapping[str, float],
        quality: FrameQuality,
        abstain: float | None = None,
    ) -> Verdict:
        """Softmax of two logits, and whether it is to be believed.

        Args:
            logits: Galaxy first, after the temperature.
            milliseconds: Time by stage, without `total`.
            quality: What the frame is good for; one that is unusable stays undecided.
            abstain: Least probability that decides; None for any.
        """
        galaxy, nsc = map(float, logits)
        p_nsc = 1 / (1 + math.exp(min(galaxy - nsc, 700.0)))
        code = int(nsc > galaxy)
        probability = (1 - p_nsc, p_nsc)[code]
        reason = quality.unusable
        if not reason and not math.isfinite(galaxy - nsc):
            reason = "the network gave no finite logits"
        if not reason and abstain is not None and probability < abstain:
            reason = f"probability {probability:.3f} of {LABELS[code]} is below {abstain:g}"
        return cls(
            label=UNDECIDED if reason else LABELS[code],
            probability=probability,
            logits=(galaxy, nsc),
            milliseconds={**milliseconds, "total": sum(milliseconds.values())},
            quality=quality,
            reason=reason,
        )

    @property
    def decided(self) -> bool:
        """Whether the label is one of the two."""
        return self.label != UNDECIDED

    def with_reading(self, milliseconds: float) -> Verdict:
        """The same verdict, with the time that reading the chip took elsewhere."""
        stages = {**self.milliseconds, "read": milliseconds}
        stages["total"] = sum(time for stage, time in stages.items() if stage != "total")
        return replace(self, milliseconds=stages)

    def to_json(self) -> dict[str, Any]:
        """The verdict as plain data; logits that are not finite, which JSON does not know, are null."""
        finite = all(map(math.isfinite, self.logits))
        return {
            "label": self.label,
            "probability": self.probability if finite else None,
            "logits": list(self.logits) if finite else None,
            "milliseconds": dict(self.milliseconds),
            "quality": asdict(self.quality),
            "reason": self.reason,
        }


def combine(chips: Sequence[Verdict], abstain: float | None = None) -> Verdict:
    """The verdict on an exposure: the mean of its chips' logits, that is the geometric mean of their odds.

    The chips lie side by side on one sky and share its target, so their odds are averaged and not multiplied, which
    would count the same evidence twice. A chip that is undecided has no say where another is decided.

    Args:
        chips: Verdicts of the exposure's chips, at least one.
        abstain: Least probability that decides; None for any.

    Returns:
        The verdict, its times the sums over the chips; undecided where all chips are, for their reasons.
    """
    decided = [chip for chip in chips if chip.decided]
    heard = decided or chips
    galaxy, nsc = (sum(chip.logits[code] for chip in heard) / len(heard) for code in range(len(LABELS)))
    stages = [stage for stage in chips[0].milliseconds if stage != "total"]
    times = {stage: sum(chip.milliseconds[stage] for chip in chips) for stage in stages}
    quality = FrameQuality.together([chip.quality for chip in heard])
    verdict = Verdict.from_logits((galaxy, nsc), times, quality, abstain)
    if decided:
        return verdict
    reasons = "; ".join(dict.fromkeys(chip.reason for chip in chips))
    return replace(verdict, label=UNDECIDED, reason=reasons)
