"""Which studies there are: each a question, and the arms - ways of training - whose outcomes answer it.

A study is data alone; all of them are run by one comparison (`plan.py`) and told by one rule (`sureness.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from celestialkeras.errors import RunError
from celestialkeras.suggestions import did_you_mean

TESTED = "as tested"
"""Stands in an arm's `degrade` for what makes the blurry test frames of its study, whatever that is."""

TRAINING: Mapping[str, Any] = {"size": 4, "epochs": 20, "patience": 0}
"""Training settings of every study that leaves them open. Each arm is given all its epochs, and of them the weights
with the lowest validation loss are kept."""

COMPACT = "celestialnet_edge"
"""The network of studies that need no other."""


@dataclass(frozen=True)
class Arm:
    """One of the ways of training that a study holds against each other.

    Attributes:
        name: As it is typed and shown: letters, digits and dashes.
        training: Training settings that set it apart, as in `TrainOptions`.
        network: Options of the network that set it apart.
    """

    name: str
    training: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Study:
    """A question and what is trained to answer it.

    Attributes:
        name: What users type.
        question: What it answers, one sentence.
        remark: What one must know to read its answer.
        arms: What is trained; the others are held against the first.
        model: The network.
        training: Training settings of all arms, before those of `TRAINING`.
        network: Options of the network of all arms.
        degrade: What makes the blurry test frames, beside the clear ones; empty for none.
    """

    name: str
    question: str
    remark: str
    arms: tuple[Arm, ...]
    model: str = COMPACT
    training: Mapping[str, Any] = field(default_factory=dict)
    network: Mapping[str, Any] = field(default_factory=dict)
    degrade: str = ""

    @property
    def varied(self) -> frozenset[str]:
        """Names of the settings and options that its arms set."""
        return frozenset(name for arm in self.arms for name in (*arm.training, *arm.network))


STUDIES = (
    Study(
        name="kernels",
        question="Do the 7x7 and 5x5 kernels of HR-CelestialNet's first stages do better than 3x3 ones?",
        remark="The published network has 7x7, 7x7 and 5x5 kernels in its first three stages: the arm 7x7. In the arm"
        " 5x5 they are 5x5, 5x5 and 3x3. A quarter of its width, and padded, it takes binned frames.",
        arms=tuple(Arm(f"{side}x{side}", network={"stem_kernel": side}) for side in (3, 5, 7)),
        model="hr_celestialnet",
        network={"width": 0.25, "padding": "same"},
    ),
    Study(
        name="padding",
        question="Do zeros around the maps help, or convolutions that end where the maps end, as in HR-CelestialNet?",
        remark="Without padding the maps shrink, so that this arm does a little less work, and sees less of the"
        " frame's edges.",
        arms=tuple(Arm(padding, network={"padding": padding}) for padding in ("same", "valid")),
    ),
    Study(
        name="augmentation",
        question="What do flipped frames, and frames of which half are blurred as well, add to training?",
        remark="Blurred frames are drawn anew for every epoch, and are judged on clear test frames here; whether they"
        " help with blurry ones is what `blur-training` asks.",
        arms=(
            Arm("none", {"augment": False}),
            Arm("flips"),
            Arm("flips-and-blur", {"degrade": "psf:4", "degrade_share": 0.5}),
        ),
    ),
    Study(
        name="input-size",
        question="What do finer pixels bring: frames binned by 8, by 4 or by 2?",
        remark="The compact network is the same at every size; HR-CelestialNet takes no side below 1322 pixels. Each"
        " halving of the pixels takes four times the work.",
        arms=tuple(Arm(f"binned-{size}", {"size": size}) for size in (8, 4, 2)),
    ),
    Study(
        name="early-stopping",
        question="What does it cost, and save, to stop when the validation loss no longer falls?",
        remark="The arm last keeps the weights of the last epoch, as training without a validation side does; all"
        " others those of the lowest validation loss. With one seed all arms take the same steps until one stops.",
        arms=(
            Arm("last", {"keep_last": True}),
            Arm("best"),
            Arm("patience-8", {"patience": 8}),
            Arm("patience-4", {"patience": 4}),
        ),
    ),
    Study(
        name="blur-training",
        question="Does a network that is trained on blurred frames know blurry frames better, and clear ones worse?",
        remark="Training and validation frames of the arm blurred are all made worse as the blurry test frames are,"
        " those of the arm half each with even odds in every epoch.",
        arms=(
            Arm("clear"),
            Arm("blurred", {"degrade": TESTED}),
            Arm("half", {"degrade": TESTED, "degrade_share": 0.5}),
        ),
        degrade="psf:4",
    ),
    Study(
        name="loss",
        question="Is another loss than cross-entropy better: focal loss, or smoothed labels?",
        remark="Both keep logits from growing, so that their probabilities differ more than their accuracies: see the"
        " log loss and the calibration error, at temperature 1. The weights of all arms are those of the lowest"
        " cross-entropy on the validation frames.",
        arms=(
            Arm("cross-entropy"),
            Arm("focal", {"focal_gamma": 2.0}),
            Arm("label-smoothing", {"label_smoothing": 0.1}),
        ),
    ),
    Study(
        name="attention",
        question="Does channel attention, squeeze-and-excitation behind each stage, help the compact network?",
        remark="It adds some 2 % to the parameters, and to the work next to nothing.",
        arms=(
            Arm("none", network={"attention": "none"}),
            Arm("squeeze-excite", network={"attention": "squeeze_excite"}),
        ),
    ),
    Study(
        name="dilation",
        question="Does a wider view by dilated kernels help the compact network?",
        remark="Of each stage that has two convolutions, the second is dilated: the same weights and the same work over"
        " a wider neighbourhood.",
        arms=tuple(Arm(f"rate-{rate}", network={"dilation": rate}) for rate in (1, 2, 3)),
    ),
)
"""All studies, in the order of the list."""


def get_study(name: str) -> Study:
    """The study called `name`.

    Raises:
        RunError: There is none; the nearest name is offered.
    """
    names = [study.name for study in STUDIES]
    if name not in names:
        raise RunError(
            f"no study is called {name!r}{did_you_mean(name, names)}; `celestial study --list` tells what they ask:"
            f" {', '.join(names)}. Received: {name!r}"
        )
    return STUDIES[names.index(name)]
