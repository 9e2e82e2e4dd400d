"""The errors: a card for each frame that was told wrongly, with where the network looked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from celestialkeras.evaluation.report import percent
from celestialkeras.lcid.manifest import LABELS
from celestialkeras.report.blocks import Block, Card, Cards, Facts, Fold, Note, Picture, Table
from celestialkeras.report.material import Material
from celestialkeras.report.pictures import picture_of_file
from celestialkeras.report.wording import number

FILE = "explanation/explanation.json"
"""Where `celestial explain` writes to, in the run's folder."""

OPEN = 6
"""Cards that stand open; the others are behind a line."""

SHOWN = 24
"""Cards with pictures; further frames are lines of a table, so that the page stays small."""


def blocks(material: Material) -> list[Block]:
    """Cards of wrongly told frames, the surest first, counts of likely causes, and what occlusion says.

    Raises:
        NotThereError: The run was not explained.
    """
    command = material.record.command("explain")
    held = material.record.json(FILE, command)
    folder = (material.record.run.folder / FILE).parent
    wrong = [one for one in held["frames"] if one["label"] != one["predicted"]]
    wrong.sort(key=lambda one: (-_sureness(one), str(one["obsid"]), one["hdu"]))
    found: list[Block] = [*material.of_another_model(held, command)]
    if not wrong:
        return [*found, Note("No frame was told wrongly.")]
    found += [
        _causes(held, wrong),
        Fold("What the causes mean, and their thresholds", [_meanings(held)]),
        Note(
            "The surest mistakes first: the frame as the network sees it, and over it what its answer rests on"
            " (Grad-CAM), brightest where most speaks for the class that it said."
        ),
    ]
    cards = [_card(folder, one) for one in wrong[:SHOWN]]
    found.append(Cards(cards[:OPEN]))
    if cards[OPEN:]:
        found.append(Fold(f"{len(cards[OPEN:])} more cards", [Cards(cards[OPEN:])]))
    if wrong[SHOWN:]:
        found.append(Fold(f"{len(wrong[SHOWN:])} more frames, without pictures", [_table(wrong[SHOWN:])]))
    found += _occlusion(held)
    return found


def _sureness(one: Mapping[str, Any]) -> float:
    probability = float(one["p_nsc"])
    return probability if one["predicted"] == LABELS[1] else 1 - probability


def _card(folder: Path, one: Mapping[str, Any]) -> Card:
    name = f"{one['object']}, {one['obsid']} HDU {one['hdu']}"
    pictures = {
        f"{name}: the frame": one.get("image"),
        f"{name}: where the network looked": one.get("overlay"),
    }
    return Card(
        title=str(one["object"]),
        label=str(one["label"]),
        predicted=str(one["predicted"]),
        says=f"{percent(_sureness(one))} sure. Likely cause: {one['cause']}.",
        pictures=[
            picture for described, file in pictures.items() if file and (picture := _picture(folder, file, described))
        ],
        facts=[
            ("exposure", f"{one['obsid']}, HDU {one['hdu']}"),
            ("instrument", f"{one['instrument']}, {one['filter']}"),
            *((str(key).replace("_", " "), _value(value)) for key, value in (one.get("proxies") or {}).items()),
        ],
    )


def _picture(folder: Path, file: str, described: str) -> Picture | None:
    path = folder / file
    # A file that was edited may point elsewhere; the page holds nothing from beyond the folder.
    inside = path.resolve().is_relative_to(folder.resolve())
    return picture_of_file(path, described) if inside else None


def _value(value: Any) -> str:
    return str(value) if isinstance(value, int | str) else number(value, ".3g")


def _causes(held: Mapping[str, Any], wrong: Sequence[Mapping[str, Any]]) -> Table:
    rows = [
        [
            str(one["cause"]),
            str(one["errors"]),
            percent(one["share_of_wrong"]),
            percent(one["share_of_right"]),
        ]
        for one in held["causes"]
    ]
    return Table(
        f"Likely causes of the {len(wrong)} errors among {held['run']} frames",
        ["cause", "errors", "holds for wrong", "holds for right"],
        rows,
        note="A cause that holds for right frames as often as for wrong ones explains nothing.",
        compact=True,
    )


def _meanings(held: Mapping[str, Any]) -> Facts:
    rules = [(str(one["cause"]), str(one["rule"])) for one in held["causes"]]
    return Facts([*rules, ("thresholds", _listed(held["thresholds"]))])


def _listed(thresholds: Mapping[str, Any] | None) -> str:
    if thresholds is None:
        return "none, for too few frames were told rightly"
    return ", ".join(f"{name.replace('_', ' ')} {_value(value)}" for name, value in thresholds.items())


def _table(wrong: list[Mapping[str, Any]]) -> Table:
    return Table(
        "Frames told wrongly",
        ["object", "exposure", "HDU", "true", "told", "sure", "likely cause"],
        [
            [
                *(str(one[key]) for key in ("object", "obsid", "hdu", "label", "predicted")),
                percent(_sureness(one)),
                str(one["cause"]),
            ]
            for one in wrong
        ],
    )


def _occlusion(held: Mapping[str, Any]) -> list[Block]:
    found = held["occlusion"]
    if found["median_rank_correlation"] is None:
        return []
    agreement = (
        f"Occlusion of {found['patches']} patches in {found['frames']} frames agrees with Grad-CAM to a rank"
        f" correlation of {found['median_rank_correlation']:.2f} (quartiles {found['lower_quartile']:.2f} to"
        f" {found['upper_quartile']:.2f})"
    )
    others = found["mean_between_different_frames"]
    return [
        Note(f"{agreement}; of maps of different frames it is {others:.2f}." if others is not None else f"{agreement}.")
    ]
