"""What the gate says of a compressed model, as JSON."""

from __future__ import annotations

from typing import Any

from celestialkeras.evaluation.gate import Judgement
from celestialkeras.evaluation.report import calibration_figures, figure_to_json, interval_to_json

COMPARISON_SCHEMA = "celestialkeras.comparison/1"
"""Name and version of what `judgement_to_json` gives."""

_TANGO = "Tango score interval of the paired difference over frames, taken as independent"


def judgement_to_json(judgement: Judgement) -> dict[str, Any]:
    """A comparison of two models and what the gate says of it, with the unit of every figure and what it is.

    Args:
        judgement: What to report.

    Returns:
        A tree of dicts, numbers and text.
    """
    comparison = judgement.comparison
    drop = figure_to_json(comparison.drop, "fraction", "accuracy of A minus accuracy of B; positive where B is worse")
    drop["interval"] = interval_to_json(comparison.interval, _TANGO)
    return {
        "schema": COMPARISON_SCHEMA,
        "frames": comparison.n,
        "outcome": judgement.outcome.value,
        "judged": judgement.judged,
        "reason": judgement.reason,
        "max_drop": figure_to_json(judgement.max_drop, "point", "largest drop allowed, percentage points"),
        "minimum_frames": judgement.minimum_frames,
        "figures": {
            "accuracy_a": figure_to_json(comparison.accuracy_a, "fraction", "share of frames A classifies rightly"),
            "accuracy_b": figure_to_json(comparison.accuracy_b, "fraction", "share of frames B classifies rightly"),
            "drop": drop,
            "agreement": figure_to_json(comparison.agreement, "fraction", "share of frames told alike by both"),
            "only_a": figure_to_json(comparison.only_a, "frame", "frames that A has right and B wrong"),
            "only_b": figure_to_json(comparison.only_b, "frame", "frames that B has right and A wrong"),
            **calibration_figures(comparison.calibration_a, "_a"),
            **calibration_figures(comparison.calibration_b, "_b"),
        },
    }
