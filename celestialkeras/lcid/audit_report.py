"""An audit in words, as JSON and as rows for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from celestialkeras.errors import ManifestError
from celestialkeras.lcid.audit import Audit, Concentration, Count, ListAudit, Overlap
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.lcid.rules import RULE_NOTES, Rule

AUDIT_SCHEMA = "celestialkeras.audit/1"
"""Name and version of what `audit_to_json` gives; the version rises when a key changes its meaning or goes."""

NEAR_POINTS = 3.0
"""A rule that comes within so many percentage points of a reported accuracy is warned of."""

GAIN_POINTS = 5.0
"""A rule that, on objects it was not fitted on, beats the larger class by more percentage points is warned of."""

FEW_OBJECTS = 20
"""With fewer objects the bootstrap over objects gives intervals that are too narrow."""

COUNT_COLUMNS = ("frames", "exposures", "objects", *LABELS)
"""What `count_cells` gives."""

_ABSENT = "-"


def audit_warnings(audit: Audit, reported: Sequence[float] = ()) -> list[str]:
    """What a person should know before they believe an accuracy on these lists.

    Args:
        audit: What to judge.
        reported: Reported accuracies, per cent: one for all lists, or one for each list in their order.

    Returns:
        Sentences, each beginning with the name of its list; empty where there is nothing to warn of.

    Raises:
        ManifestError: There are neither one nor as many reported accuracies as lists.
    """
    if len(reported) not in (0, 1, len(audit.lists)):
        raise ManifestError(
            f"reported accuracies must be one for all lists, or one for each of {len(audit.lists)}."
            f" Received: {', '.join(f'{value:g} %' for value in reported)}"
        )
    claims = list(reported) * len(audit.lists) if len(reported) == 1 else list(reported)
    found: list[str] = []
    for number, part in enumerate(audit.lists):
        if claims:
            found += [f"{part.name}: {text}" for text in _near(part.rules, claims[number])]
        found += [f"{part.name}: {text}" for text in (*_telling(part), *_few(part), *_doubtful(part))]
    return found + [text for overlap in audit.overlaps for text in _shared(overlap)]


def audit_to_json(audit: Audit, reported: Sequence[float] = ()) -> dict[str, Any]:
    """Every figure of an audit, with the rules that it was made by.

    Args:
        audit: What to report.
        reported: As for `audit_warnings`.

    Returns:
        A tree of dicts, lists, numbers, text and None; accuracies are fractions.
    """
    return {
        "schema": AUDIT_SCHEMA,
        "labels": list(LABELS),
        "rules": list(RULE_NOTES),
        "reported": [value / 100 for value in reported],
        "lists": [_list_to_json(part) for part in audit.lists],
        "overlaps": [
            {
                "lists": list(overlap.lists),
                "objects": list(overlap.objects),
                "exposures": list(overlap.exposures),
                "chips": [{"obsid": obsid, "hdu": hdu} for obsid, hdu in overlap.chips],
            }
            for overlap in audit.overlaps
        ],
        "warnings": audit_warnings(audit, reported),
    }


def count_cells(count: Count) -> list[str]:
    """A count as the cells of `COUNT_COLUMNS`, its name before them."""
    return [count.name, *map(str, (count.frames, count.exposures, count.objects, *count.frames_by_class))]


def rule_cells(rule: Rule) -> list[str]:
    """A rule as cells: name, values, accuracy fitted, by chance and held out, frames."""
    accuracies = [_percent(rule.accuracy), _percent(rule.chance), _percent(rule.held_out_accuracy)]
    return [rule.name, str(rule.values), *accuracies, str(rule.frames)]


def concentration_cells(concentration: Concentration) -> list[str]:
    """A concentration as cells: class, frames, objects, effective objects, share of the largest, which they are."""
    return [
        concentration.label,
        str(concentration.frames),
        str(concentration.objects),
        f"{concentration.effective_objects:.1f}",
        _percent(concentration.share),
        ", ".join(f"{name} ({frames})" for name, frames in concentration.largest),
    ]


def _near(rules: Sequence[Rule], reported: float) -> list[str]:
    found = []
    for rule in rules:
        reached = {
            "fitted on the same list": 100 * rule.accuracy,
            "on objects held out": None if rule.held_out_accuracy is None else 100 * rule.held_out_accuracy,
        }
        near = {how: value for how, value in reached.items() if value is not None and value >= reported - NEAR_POINTS}
        if near:
            figures = " and ".join(f"{value:.2f} % ({how})" for how, value in near.items())
            place = "above" if max(near.values()) > reported else f"within {NEAR_POINTS:g} points of"
            found.append(
                f"the rule by {rule.name} reaches {figures} without a pixel, {place} the reported {reported:.2f} %;"
                " that accuracy does not show that frames were told by what they show"
            )
    return found


def _telling(part: ListAudit) -> list[str]:
    larger = max(count.frames for count in part.by_class) / part.frames
    found = []
    for rule in part.rules:
        held_out = rule.held_out_accuracy
        if held_out is not None and 100 * (held_out - larger) > GAIN_POINTS:
            found.append(
                f"guessing by {rule.name} is right for {100 * held_out:.2f} % of the frames of objects held out,"
                f" {100 * (held_out - larger):.1f} points above the larger class ({100 * larger:.2f} %);"
                " an accuracy counts by what it has above this"
            )
    return found


def _few(part: ListAudit) -> list[str]:
    found = []
    if len(part.by_class) == 1:
        found.append(f"all frames are {part.by_class[0].name}; an accuracy on them is the recall of one class")
    for held in part.concentrations:
        if held.objects > len(held.largest) and held.share > 0.5:
            names = ", ".join(name for name, _ in held.largest)
            found.append(
                f"{len(held.largest)} of {held.objects} {held.label} objects ({names}) hold {100 * held.share:.1f} %"
                f" of the {held.label} frames; an accuracy over frames is mostly theirs"
            )
    objects = len(part.by_object)
    if objects < FEW_OBJECTS:
        found.append(f"{objects} object(s), fewer than {FEW_OBJECTS}: intervals over objects come out too narrow")
    return found


def _doubtful(part: ListAudit) -> list[str]:
    found = []
    if part.two_classes:
        found.append(f"frames of both classes belong to one object: {', '.join(part.two_classes)}")
    found += [
        f"one object may be spelled in several ways, which a split takes for several objects: {' = '.join(names)}"
        for names in part.spellings
    ]
    return found


def _shared(overlap: Overlap) -> list[str]:
    if not overlap.objects and not overlap.exposures:
        return []
    first, second = overlap.lists
    counts = f"{len(overlap.objects)} object(s), {len(overlap.exposures)} exposure(s) and {len(overlap.chips)} chip(s)"
    return [f"{first} and {second} share {counts}; neither can test what was trained on the other"]


def _list_to_json(part: ListAudit) -> dict[str, Any]:
    return {
        "name": part.name,
        "frames": part.frames,
        "exposures": part.exposures,
        "objects": len(part.by_object),
        "repeated_exposures_of_a_pointing": part.repeats,
        "by_class": _counts_to_json(part.by_class),
        "by_object": _counts_to_json(part.by_object),
        "by_instrument": _counts_to_json(part.by_instrument),
        "by_filter": _counts_to_json(part.by_filter),
        "rules": [
            {
                "name": rule.name,
                "values": rule.values,
                "frames": rule.frames,
                "fitted": {"correct": rule.correct, "accuracy": rule.accuracy},
                "chance": {"accuracy": rule.chance},
                "held_out": {"correct": rule.held_out_correct, "accuracy": rule.held_out_accuracy},
            }
            for rule in part.rules
        ],
        "concentration": [
            {
                "label": held.label,
                "objects": held.objects,
                "frames": held.frames,
                "largest": dict(held.largest),
                "share_of_largest": held.share,
                "effective_objects": held.effective_objects,
            }
            for held in part.concentrations
        ],
        "objects_of_two_classes": list(part.two_classes),
        "spellings_of_one_object": [list(names) for names in part.spellings],
    }


def _counts_to_json(counts: Sequence[Count]) -> list[dict[str, Any]]:
    return [
        {
            "name": count.name,
            "frames": count.frames,
            "exposures": count.exposures,
            "objects": count.objects,
            "frames_by_class": dict(zip(LABELS, count.frames_by_class, strict=True)),
        }
        for count in counts
    ]


def _percent(share: float | None) -> str:
    """Two decimals, as published accuracies have."""
    return _ABSENT if share is None else f"{100 * share:.2f} %"
