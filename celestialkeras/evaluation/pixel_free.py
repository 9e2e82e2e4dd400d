"""How far rules get that see no pixel, on the frames of an evaluation: what a model has above them, pixels gave it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from celestialkeras.evaluation.intervals import Interval, ObjectDraws, wilson
from celestialkeras.evaluation.predictions import Predictions
from celestialkeras.lcid.manifest import Observation
from celestialkeras.lcid.rules import answer_by_rules, rule_names


@dataclass(frozen=True)
class RuleScore:
    """A rule and a model on the same frames.

    Attributes:
        name: The columns of the manifest that the rule looks at, in words; `majority` looks at none.
        frames: Frames that it was tested on.
        correct: How many of them it tells rightly.
        object_interval: Bootstrap interval of its accuracy over objects; None with fewer than two objects.
        lead: Accuracy of the model minus that of the rule, a fraction.
        lead_interval: Bootstrap interval of the lead over objects, both on the same draws.
    """

    name: str
    frames: int
    correct: int
    object_interval: Interval | None
    lead: float
    lead_interval: Interval | None

    @property
    def accuracy(self) -> float:
        """Share of frames that the rule tells rightly."""
        return self.correct / self.frames

    @property
    def interval(self) -> Interval | None:
        """Wilson interval of the accuracy, over frames."""
        return wilson(self.correct, self.frames)


def score_rules(
    predictions: Predictions, name: str, fitted: Sequence[Observation], draws: ObjectDraws
) -> tuple[RuleScore, ...]:
    """Fits every rule on training frames, and tests it where a model was tested.

    Args:
        predictions: What the model said of each frame.
        name: Name of the data set, for messages.
        fitted: Rows of the training frames; with none there are no rules.
        draws: Draws of the objects of the model's frames.

    Returns:
        The rules, the best first.

    Raises:
        ManifestError: An exposure time is no number of seconds above 0.
    """
    if not fitted:
        return ()
    tested = predictions.observations
    answers = answer_by_rules(rule_names(name, [*fitted, *tested]), name, fitted, tested)
    scores = []
    for rule, said in answers.items():
        right = np.asarray(said) == predictions.labels
        columns = np.stack([right, predictions.correct, np.ones(len(right))], axis=1)
        by_rule, by_model, frames = draws.sums(columns).T
        correct = int(right.sum())
        scores.append(
            RuleScore(
                name=rule,
                frames=len(right),
                correct=correct,
                object_interval=draws.interval(by_rule / frames),
                lead=(int(predictions.correct.sum()) - correct) / len(right),
                lead_interval=draws.interval((by_model - by_rule) / frames),
            )
        )
    return tuple(sorted(scores, key=lambda score: -score.accuracy))
