"""The audit: what the list gives away without a pixel."""

from __future__ import annotations

from celestialkeras.lcid.audit import LARGEST, audit_lists
from celestialkeras.lcid.audit_report import audit_warnings, concentration_cells, rule_cells
from celestialkeras.lcid.rules import RULE_NOTES
from celestialkeras.report.blocks import Block, Fold, Note, Table
from celestialkeras.report.material import Material
from celestialkeras.report.record import NotThereError
from celestialkeras.report.wording import sentence


def blocks(material: Material) -> list[Block]:
    """The rules without pixels on the whole list, how few objects its frames show, and warnings.

    Raises:
        NotThereError: The data set is gone.
    """
    view = material.dataset
    if view.rows is None:
        raise NotThereError(view.reason, f"celestial data audit {view.folder}")
    audit = audit_lists({str(view.folder): view.every_row()})
    part = audit.lists[0]
    try:
        reported = [100 * material.evaluation()["figures"]["accuracy"]["value"]]
    except (NotThereError, KeyError, TypeError):
        reported = []
    found: list[Block] = [
        Table(
            "The class guessed without a pixel, on all frames of the data set",
            ["by", "values", "fitted", "by chance", "held out", "frames"],
            [rule_cells(rule) for rule in part.rules],
            note="Held out is what counts: the frames of each object are guessed from those of all others. Where both"
            " classes have as many frames, a rule that knows nothing falls far below 50 %: each object that is held out"
            " leaves its class the smaller one.",
        ),
        Table(
            "Frames in few objects",
            ["class", "frames", "objects", "effective objects", f"share of {LARGEST} largest", "which"],
            [concentration_cells(held) for held in part.concentrations],
            note="Effective objects: as many of equal size would be as concentrated (Hill 1973).",
        ),
    ]
    texts = audit_warnings(audit, reported)
    found += [Note(sentence(text.removeprefix(f"{part.name}: ")), warns=True) for text in texts]
    if not texts:
        found.append(Note("Nothing to warn of: no rule comes near the accuracy, and no few objects hold most frames."))
    found.append(Fold("How the rules are fitted", [Note(sentence(note)) for note in RULE_NOTES]))
    return found
