"""Everything that is said of one model on one list of frames, beyond the figures of `metrics`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from celestialkeras.evaluation.calibration_error import Calibration, ReliabilityBin, calibration_of, reliability
from celestialkeras.evaluation.curves import PrecisionRecallCurve, RocCurve, precision_recall_curve, roc_curve
from celestialkeras.evaluation.metrics import Evaluation
from celestialkeras.evaluation.pixel_free import RuleScore, score_rules
from celestialkeras.evaluation.risk_coverage import RiskCurve, RiskPoint, risk_at, risk_curve, risk_points
from celestialkeras.evaluation.slices import Division, divide
from celestialkeras.lcid.manifest import LABELS, Observation


@dataclass(frozen=True)
class Setting:
    """What a model is used with.

    Attributes:
        temperature: What its logits are divided by before the softmax.
        source: Where the temperature comes from, in words.
        abstain: Least probability that decides; None where every frame is decided.
        data: Name of the data set, for messages.
        fitted: Rows of the training side of the data set, which rules without pixels are fitted on.
    """

    temperature: float = 1.0
    source: str = "none was fitted"
    abstain: float | None = None
    data: str = ""
    fitted: Sequence[Observation] = field(default=(), repr=False)


@dataclass(frozen=True, eq=False)
class Assessment:
    """Everything about one model on one list of frames.

    Attributes:
        evaluation: The figures, at temperature 1.
        setting: What the model is used with.
        calibrated: How far the probabilities are from frequencies at the model's temperature.
        reliability_before: Reliability at temperature 1.
        reliability: The same at the model's temperature.
        roc: ROC curve; None where a class has no frames.
        precision_recall: Precision-recall curves of galaxy and of NSC; none where a class has no frames.
        rules: Rules without pixels, the best first; none where there are no training frames.
        divisions: Frames divided by subtype, exposure time, signal to noise and what is seen of the object.
        risk: What is left when the least sure frames stay undecided, at the model's temperature.
        risk_curve: The same at every threshold.
        abstained: The same at the setting's threshold; None without one.
    """

    evaluation: Evaluation
    setting: Setting
    calibrated: Calibration
    reliability_before: tuple[ReliabilityBin, ...]
    reliability: tuple[ReliabilityBin, ...]
    roc: RocCurve | None
    precision_recall: tuple[PrecisionRecallCurve, ...]
    rules: tuple[RuleScore, ...]
    divisions: tuple[Division, ...]
    risk: tuple[RiskPoint, ...]
    risk_curve: RiskCurve
    abstained: RiskPoint | None


def assess(evaluation: Evaluation, setting: Setting | None = None) -> Assessment:
    """Computes everything from an evaluation, with one set of draws of its objects.

    Args:
        evaluation: The model's figures, at temperature 1.
        setting: What the model is used with; by default every frame is decided at temperature 1.

    Returns:
        The assessment; the same evaluation gives the same one.

    Raises:
        ManifestError: An exposure time is no number of seconds above 0.
        MissingExtraError: scikit-learn is not installed.
    """
    setting = setting or Setting()
    raw = evaluation.predictions
    used = raw.at_temperature(setting.temperature)
    draws = evaluation.resampling.draws(raw)
    curves = (precision_recall_curve(raw, code, draws) for code in range(len(LABELS)))
    return Assessment(
        evaluation=evaluation,
        setting=setting,
        calibrated=calibration_of(used),
        reliability_before=reliability(raw),
        reliability=reliability(used),
        roc=roc_curve(raw, draws),
        precision_recall=tuple(curve for curve in curves if curve is not None),
        rules=score_rules(raw, setting.data, setting.fitted, draws),
        divisions=divide(raw, draws),
        risk=risk_points(used, draws),
        risk_curve=risk_curve(used),
        abstained=None if setting.abstain is None else risk_at(used, setting.abstain, draws),
    )
