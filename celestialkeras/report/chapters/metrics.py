"""The metrics: confusion, scores by class, ROC and precision-recall curves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from celestialkeras.evaluation.report import percent
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.report import plots
from celestialkeras.report.blocks import Block, Fold, Missing, Plot, Plots, Table
from celestialkeras.report.drawing import Drawing
from celestialkeras.report.material import SIDE, Material
from celestialkeras.report.wording import number


def blocks(material: Material) -> list[Block]:
    """Confusion matrix, scores by class, curves, and every figure with what it means.

    Raises:
        NotThereError: The run was not evaluated.
    """
    held = material.evaluation()
    command = material.evaluate
    drawn = [_confusion(held, command)]
    found: list[Block] = [*material.of_another_model(held, command)]
    curves = held.get("curves")
    if curves is not None:
        drawn += [_roc(curves["roc"], command)] if curves["roc"] else []
        named = {LABELS[1]: curves.get("pr"), LABELS[0]: curves.get("pr_galaxy")}
        drawn += [_precision_recall(label, curve, held, command) for label, curve in named.items() if curve]
    found.append(Plots(drawn))
    if curves is None:
        found.append(Missing("ROC and precision-recall curves are not there yet", command))
    found.append(
        Table(
            f"Scores by class, {SIDE} frames",
            ["class", "frames", "told", "precision", "recall", "F1"],
            [
                [label, str(one["frames"]), str(one["predicted"]), *map(percent, (one[name] for name in _SCORES))]
                for label, one in held["classes"].items()
            ],
            compact=True,
        )
    )
    figures = Table(
        "Every figure",
        ["figure", "value", "unit", "what it is"],
        [[name.replace("_", " "), number(one["value"]), one["unit"], one["what"]] for name, one in _figures(held)],
    )
    found.append(Fold("Every figure, and what it is", [figures]))
    return found


_SCORES = ("precision", "recall", "f1")


def _figures(held: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, one) for name, one in held["figures"].items() if isinstance(one, Mapping) and "value" in one]


def _confusion(held: Mapping[str, Any], command: str) -> Plot:
    counts = held["confusion"]["counts"]
    told = [
        f"{count} {label} frames told {said}"
        for label, row in zip(LABELS, counts, strict=True)
        for said, count in zip(LABELS, row, strict=True)
    ]
    return Plot(
        Drawing("confusion", plots.confusion(counts)),
        f"Confusion matrix: {SIDE} frames, with their share of the true class.",
        ", ".join(told),
        command,
    )


def _roc(curve: Mapping[str, Any], command: str) -> Plot:
    line = plots.Line("", _percents(curve["fpr"]), _percents(curve["tpr"]))
    chance = plots.Line("chance", (0, 100), (0, 100))
    titles = ("galaxy frames told NSC, %", "NSC frames told NSC, %")
    return Plot(
        Drawing("roc", plots.share_line(line, titles, chance)),
        f"ROC curve over the threshold on the probability of NSC; area {_area(curve)}.",
        f"ROC curve with an area of {_area(curve)}; chance has 0.5",
        command,
    )


def _precision_recall(label: str, curve: Mapping[str, Any], held: Mapping[str, Any], command: str) -> Plot:
    line = plots.Line("", _percents(curve["recall"]), _percents(curve["precision"]))
    share = 100 * held["classes"][label]["frames"] / held["frames"]
    chance = plots.Line("chance", (0, 100), (share, share))
    titles = (f"recall: {label} frames found, %", f"precision: of those told {label}, %")
    area = _area(curve)
    return Plot(
        Drawing(f"precision-recall-{label.lower()}", plots.share_line(line, titles, chance)),
        f"Precision against recall of {label}; average precision {area}, {share / 100:.3g} by chance.",
        f"precision-recall curve of {label} with an average precision of {area}; chance has {share / 100:.3g}",
        command,
    )


def _area(curve: Mapping[str, Any]) -> str:
    ends = curve.get("interval")
    return f"{curve['area']:.3f}" + (f" ({ends['low']:.3f} to {ends['high']:.3f}, objects drawn anew)" if ends else "")


def _percents(shares: Any) -> list[float]:
    return [100 * share for share in shares]
